package plist

import (
	"errors"
	"testing"
)

type narrowFields struct {
	DeviceID uint32         `plist:"DeviceID"`
	Port     *uint16        `plist:"Port,omitempty"`
	List     []narrowFields `plist:"List,omitempty"`
	Wide     int64          `plist:"Wide,omitempty"`
}

// An integer never becomes another one on its way into a field.
func TestUnmarshal_ranges(t *testing.T) {
	for _, c := range []struct {
		in map[string]any
		ok bool
	}{
		{map[string]any{"DeviceID": uint64(1<<32 - 1), "Port": 65535, "Wide": int64(-1 << 62)}, true},
		{map[string]any{"DeviceID": uint64(1<<32 + 1)}, false},
		{map[string]any{"DeviceID": -1}, true}, // the bits of an unsigned number
		{map[string]any{"DeviceID": int64(-1<<31 - 1)}, false},
		{map[string]any{"Port": 65536 + 62078}, false},
		{map[string]any{"List": []any{map[string]any{"DeviceID": 1}, map[string]any{"DeviceID": uint64(1 << 40)}}}, false},
		{map[string]any{"List": []any{map[string]any{"List": []any{map[string]any{"Port": 1 << 20}}}}}, false},
		{map[string]any{"Other": uint64(1 << 40)}, true},
	} {
		for _, f := range []Format{XML, Binary} {
			data, err := Marshal(c.in, f)
			if err != nil {
				t.Fatal(err)
			}
			var got narrowFields
			if err := Unmarshal(data, &got); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMalformed) {
				t.Errorf("%v: %v (%+v)", c.in, err, got)
			}
		}
	}
}
