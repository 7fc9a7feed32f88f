// Package keyedarchive reads what NSKeyedArchiver writes: a binary property list whose
// objects refer to each other by number.
//
//	$archiver  "NSKeyedArchiver"
//	$version   100000
//	$top       {root: UID 1}
//	$objects   0  "$null"
//	           1  {$class: UID 5, richLinkMetadata: UID 2}
//	           2  {$class: UID 6, title: UID 3, URL: UID 4}
//	           3  "The ridge walk"
//	           4  {$class: UID 7, NS.base: UID 0, NS.relative: UID …}
//	           5  {$classname: "RichLink", $classes: ["RichLink", "NSObject"]}
//
// What an object is made of is up to its class; those of Foundation that hold plain
// values become these, and every other a map of what it wrote, with the name of its
// class under [ClassKey].
package keyedarchive

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// ErrMalformed is wrapped by every error of this package.
var ErrMalformed = errors.New("malformed keyed archive")

// ClassKey is where a map that stands for an object has the name of its class.
const ClassKey = "$class"

// Bounds of what comes from anybody.
const (
	// MaxSize is the longest archive that is read, in bytes.
	MaxSize = 16 << 20
	// MaxValues bounds how many values come out; one that is referred to twice counts
	// twice.
	MaxValues = 100_000
	// MaxDepth bounds how deep they lie in each other.
	MaxDepth = 64
)

// cocoa is the beginning of Cocoa's time.
var cocoa = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// Decode gives the root of an archive: the object called "root", else the only one, else
// a map of all that the archive has at its top. Values are nil, string, []byte, bool,
// int64, uint64, float64, time.Time (NSDate), []any (arrays and sets) and map[string]any
// (dictionaries, and objects of other classes). An NSURL is a string, whole where its
// base tells; an NSUUID is its letters; an NSAttributedString is its text. A reference
// back to what an object lies in is nil. Errors wrap ErrMalformed.
func Decode(data []byte) (any, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrMalformed, len(data))
	}
	var file struct {
		Archiver string         `plist:"$archiver"`
		Top      map[string]any `plist:"$top"`
		Objects  []any          `plist:"$objects"`
	}
	if err := plist.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(file.Objects) == 0 || len(file.Top) == 0 {
		return nil, fmt.Errorf("%w: it has no objects", ErrMalformed)
	}
	a := &archive{objects: file.Objects, open: make([]bool, len(file.Objects))}
	if root, ok := file.Top["root"]; ok {
		return a.value(root, 0)
	}
	if len(file.Top) == 1 {
		for _, only := range file.Top {
			return a.value(only, 0)
		}
	}
	return a.fields(file.Top, 0)
}

// archive is one that is being read.
type archive struct {
	objects []any
	open    []bool // what is being read just now
	values  int
}

// value resolves what stands in a place: a reference, or a value itself.
func (a *archive) value(v any, depth int) (any, error) {
	if a.values++; a.values > MaxValues {
		return nil, fmt.Errorf("%w: more than %d values", ErrMalformed, MaxValues)
	}
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: values lie more than %d deep", ErrMalformed, MaxDepth)
	}
	switch v := v.(type) {
	case plist.UID:
		return a.object(uint64(v), depth)
	case []any:
		return a.list(v, depth)
	case map[string]any:
		return a.fields(v, depth)
	}
	return v, nil
}

func (a *archive) object(id uint64, depth int) (any, error) {
	if id >= uint64(len(a.objects)) {
		return nil, fmt.Errorf("%w: a reference to object %d of %d", ErrMalformed, id, len(a.objects))
	}
	switch o := a.objects[id].(type) {
	case string:
		if o == "$null" && id == 0 {
			return nil, nil
		}
		return o, nil
	case map[string]any:
		if a.open[id] {
			return nil, nil
		}
		a.open[id] = true
		defer func() { a.open[id] = false }()
		return a.instance(o, depth)
	case []any:
		if a.open[id] {
			return nil, nil
		}
		a.open[id] = true
		defer func() { a.open[id] = false }()
		return a.list(o, depth)
	case plist.UID:
		return nil, fmt.Errorf("%w: object %d is a reference", ErrMalformed, id)
	default:
		return o, nil
	}
}

// classes are the names of an object's class and those above it.
func (a *archive) classes(o map[string]any) []string {
	id, ok := o[ClassKey].(plist.UID)
	if !ok || uint64(id) >= uint64(len(a.objects)) {
		return nil
	}
	class, ok := a.objects[id].(map[string]any)
	if !ok {
		return nil
	}
	name, _ := class["$classname"].(string)
	names := []string{name}
	chain, _ := class["$classes"].([]any)
	for _, c := range chain[:min(len(chain), MaxDepth)] {
		if s, ok := c.(string); ok {
			names = append(names, s)
		}
	}
	return names
}

// instance is what an object stands for.
func (a *archive) instance(o map[string]any, depth int) (any, error) {
	classes := a.classes(o)
	for _, c := range classes {
		switch c {
		case "NSDictionary":
			return a.dictionary(o, depth)
		case "NSArray", "NSSet", "NSOrderedSet":
			if list, ok := o["NS.objects"].([]any); ok {
				return a.list(list, depth)
			}
		case "NSString":
			if v, ok := o["NS.string"]; ok {
				return a.value(v, depth+1)
			}
			if v, ok := o["NS.bytes"].([]byte); ok {
				return string(v), nil
			}
		case "NSAttributedString":
			if v, ok := o["NSString"]; ok {
				return a.value(v, depth+1)
			}
		case "NSData":
			if v, ok := o["NS.data"]; ok {
				return a.value(v, depth+1)
			}
			if v, ok := o["NS.bytes"].([]byte); ok {
				return v, nil
			}
		case "NSDate":
			if s, ok := o["NS.time"].(float64); ok && s > -1e12 && s < 1e12 {
				return cocoa.Add(time.Duration(s*1e3) * time.Millisecond), nil
			}
		case "NSURL":
			return a.url(o, depth)
		case "NSUUID":
			if b, ok := o["NS.uuidbytes"].([]byte); ok {
				if id, err := uuid.FromBytes(b); err == nil {
					return id.String(), nil
				}
			}
		case "NSNull":
			return nil, nil
		}
	}
	return a.fields(o, depth)
}

// fields resolves what an object of an unknown class wrote.
func (a *archive) fields(o map[string]any, depth int) (any, error) {
	out := make(map[string]any, len(o))
	if c := a.classes(o); len(c) > 0 && c[0] != "" {
		out[ClassKey] = c[0]
	}
	for key, v := range o {
		if key == ClassKey {
			continue
		}
		r, err := a.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		out[key] = r
	}
	return out, nil
}

func (a *archive) list(list []any, depth int) (any, error) {
	out := make([]any, 0, min(len(list), 1024))
	for _, v := range list {
		r, err := a.value(v, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// dictionary has its keys and values in two lists. Keys that are no text are printed.
func (a *archive) dictionary(o map[string]any, depth int) (any, error) {
	keys, _ := o["NS.keys"].([]any)
	values, _ := o["NS.objects"].([]any)
	out := make(map[string]any, min(len(keys), 1024))
	for i := range min(len(keys), len(values)) {
		key, err := a.value(keys[i], depth+1)
		if err != nil {
			return nil, err
		}
		v, err := a.value(values[i], depth+1)
		if err != nil {
			return nil, err
		}
		switch key := key.(type) {
		case string:
			out[key] = v
		case bool, int64, uint64, float64:
			out[fmt.Sprint(key)] = v
		default:
			return nil, fmt.Errorf("%w: a key that is a %T", ErrMalformed, key)
		}
	}
	return out, nil
}

// url is an address relative to another one, or whole.
func (a *archive) url(o map[string]any, depth int) (any, error) {
	relative, err := a.value(o["NS.relative"], depth+1)
	if err != nil {
		return nil, err
	}
	base, err := a.value(o["NS.base"], depth+1)
	if err != nil {
		return nil, err
	}
	s, _ := relative.(string)
	if b, _ := base.(string); b != "" {
		from, err1 := url.Parse(b)
		to, err2 := url.Parse(s)
		if err1 == nil && err2 == nil {
			return from.ResolveReference(to).String(), nil
		}
	}
	return s, nil
}

// Find gives the first map of a class within v, which Decode gave, outer ones first and
// keys in the order of the alphabet; nil when there is none.
func Find(v any, class string) map[string]any {
	level := []any{v}
	for len(level) > 0 {
		var next []any
		for _, v := range level {
			switch v := v.(type) {
			case map[string]any:
				if v[ClassKey] == class {
					return v
				}
				keys := make([]string, 0, len(v))
				for k := range v {
					keys = append(keys, k)
				}
				slices.Sort(keys)
				for _, k := range keys {
					next = append(next, v[k])
				}
			case []any:
				next = append(next, v...)
			}
		}
		level = next
	}
	return nil
}
