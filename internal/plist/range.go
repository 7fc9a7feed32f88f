package plist

import (
	"fmt"
	"reflect"
	"strings"

	"howett.net/plist"
)

// The library cuts an integer down to the field that takes it: DeviceID
// 2^32+1 becomes 1, another phone. So where v has fields under 64 bits, data is
// also decoded without types, and its integers are compared with the fields.
// A negative number that fits the field's bits is taken, since hosts write
// unsigned fields with signed types.
func checkRanges(data []byte, v any) error {
	t := reflect.TypeOf(v)
	if !hasNarrow(t, 0) {
		return nil
	}
	var tree any
	if _, err := plist.Unmarshal(data, &tree); err != nil {
		return err
	}
	return inRange(t, tree, "")
}

// maxTypeDepth ends at types that contain themselves.
const maxTypeDepth = 8

func hasNarrow(t reflect.Type, depth int) bool {
	if t == nil || depth > maxTypeDepth {
		return false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		// Data arrives as such, not as integers.
		return t.Elem().Kind() != reflect.Uint8 && hasNarrow(t.Elem(), depth+1)
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && hasNarrow(f.Type, depth+1) {
				return true
			}
		}
		return false
	}
	return narrow(t)
}

func narrow(t reflect.Type) bool {
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && t.Bits() < 64
}

func inRange(t reflect.Type, tree any, key string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch value := tree.(type) {
	case map[string]any:
		for name, sub := range value {
			if st := typeOf(t, name); st != nil {
				if err := inRange(st, sub, name); err != nil {
					return err
				}
			}
		}
	case []any:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return nil
		}
		for _, sub := range value {
			if err := inRange(t.Elem(), sub, key); err != nil {
				return err
			}
		}
	case uint64:
		if narrow(t) && value>>t.Bits() != 0 {
			return fmt.Errorf("%s %d does not fit %d bits", key, value, t.Bits())
		}
	case int64:
		if narrow(t) && (value>>t.Bits() != 0 && value>>(t.Bits()-1) != -1) {
			return fmt.Errorf("%s %d does not fit %d bits", key, value, t.Bits())
		}
	}
	return nil
}

// typeOf is the type that takes the value of a key, nil when none does.
func typeOf(t reflect.Type, key string) reflect.Type {
	switch t.Kind() {
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("plist"), ",")
			if name == "" {
				name = f.Name
			}
			if f.IsExported() && name == key {
				return f.Type
			}
		}
	}
	return nil
}
