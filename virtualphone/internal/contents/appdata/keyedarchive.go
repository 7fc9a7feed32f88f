package appdata

import (
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// archive is a keyed archive in the making: what NSKeyedArchiver writes, a
// binary property list whose objects refer to each other by number.
//
//	$archiver NSKeyedArchiver, $version 100000, $top {root: UID 1},
//	$objects ["$null", root, …, {$classname, $classes}]
type archive struct {
	objects []any
	classes map[string]plist.UID
}

// field is a key of an archived object.
type field struct {
	key   string
	value any
}

func newArchive() *archive {
	return &archive{objects: []any{"$null"}, classes: map[string]plist.UID{}}
}

// add appends a leaf (string, bytes) and gives its number.
func (a *archive) add(v any) plist.UID {
	a.objects = append(a.objects, v)
	return plist.UID(len(a.objects) - 1)
}

// object appends an object of a class; chain is its name and its superclasses'.
// Values that are UIDs refer, others stand in place.
func (a *archive) object(chain []string, fields ...field) plist.UID {
	o := map[string]any{}
	id := a.add(o)
	for _, f := range fields {
		o[f.key] = f.value
	}
	c, ok := a.classes[chain[0]]
	if !ok {
		names := make([]any, len(chain))
		for i, n := range chain {
			names[i] = n
		}
		c = a.add(map[string]any{"$classname": chain[0], "$classes": names})
		a.classes[chain[0]] = c
	}
	o["$class"] = c
	return id
}

// encode closes the archive with root as its top object.
func (a *archive) encode(root plist.UID) ([]byte, error) {
	b, err := plist.Marshal(map[string]any{
		"$archiver": "NSKeyedArchiver",
		"$version":  100000,
		"$top":      map[string]any{"root": root},
		"$objects":  a.objects,
	}, plist.Binary)
	if err != nil {
		return nil, fmt.Errorf("encode keyed archive: %w", err)
	}
	return b, nil
}
