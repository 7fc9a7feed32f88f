package itunesbackup

import (
	"fmt"
	"maps"
	"reflect"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// dictionary is a property list whose keys are taken out one by one. What is
// left at the end is what this package does not know and writes back unchanged.
type dictionary map[string]any

func parseDictionary(data []byte) (dictionary, error) {
	var d dictionary
	if err := plist.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if d == nil {
		return nil, fmt.Errorf("%w: no dictionary", ErrMalformed)
	}
	return d, nil
}

// take moves the value of key to *v. An absent key leaves *v alone; a value of
// another type stays in d and is an error.
func take[T any](d dictionary, key string, v *T) error {
	value, ok := d[key]
	if !ok {
		return nil
	}
	typed, ok := value.(T)
	if !ok {
		return fmt.Errorf("%w: %s is a %T, want %T", ErrMalformed, key, value, *v)
	}
	*v = typed
	delete(d, key)
	return nil
}

// require is take for keys that must be there.
func require[T any](d dictionary, key string, v *T) error {
	if _, ok := d[key]; !ok {
		return fmt.Errorf("%w: no %s", ErrMalformed, key)
	}
	return take(d, key, v)
}

// others is what is left, nil for nothing.
func (d dictionary) others() map[string]any {
	if len(d) == 0 {
		return nil
	}
	return d
}

// withOthers starts a dictionary to be written.
func withOthers(other map[string]any) dictionary {
	d := dictionary{}
	maps.Copy(d, other)
	return d
}

// put sets key unless v is a zero value or empty.
func (d dictionary) put(key string, v any) {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() || rv.IsZero() {
		return
	}
	d[key] = v
}
