package plist

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// Bytes of protocol.md 8.1: a phone's first DeviceLink message.
func TestMarshal_versionExchangeIsByteExact(t *testing.T) {
	msg := []any{"DLMessageVersionExchange", 400, 0}
	bin, err := Marshal(msg, Binary)
	if err != nil {
		t.Fatal(err)
	}
	const want = "62706c6973743030a30102035f1018444c4d65737361676556657273696f6e45786368616e67651101901000080c272a000000000000010100000000000000040000000000000000000000000000002c"
	if got := hex.EncodeToString(bin); got != want {
		t.Errorf("binary\n got %s\nwant %s", got, want)
	}
}

func TestUnmarshal_refusesHostileShapes(t *testing.T) {
	bomb := bombList(30)
	for name, in := range map[string][]byte{
		"empty":             nil,
		"text":              []byte("{a = b;}"),
		"deep XML":          []byte("<?xml version=\"1.0\"?><plist>" + strings.Repeat("<array>", 100000)),
		"hidden by comment": []byte("<?xml version=\"1.0\"?><plist>" + strings.Repeat("<array><!-- </array> -->", 100000)),
		"exponential":       bomb,
		"self reference":    {'b', 'p', 'l', 'i', 's', 't', '0', '0', 0xA1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10},
		"truncated":         bomb[:60],
	} {
		t.Run(name, func(t *testing.T) {
			var v any
			if err := Unmarshal(in, &v); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
		})
	}
}

// bombList makes levels arrays, each holding the next one sixteen-fold.
func bombList(levels int) []byte {
	b := []byte("bplist00")
	var offsets []byte
	for i := range levels {
		offsets = append(offsets, byte(len(b)>>8), byte(len(b)))
		b = append(b, 0xAE)
		for range 14 {
			b = append(b, byte(i+1))
		}
	}
	offsets = append(offsets, byte(len(b)>>8), byte(len(b)))
	b = append(b, 0x09)
	table := len(b)
	b = append(b, offsets...)
	return append(b, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, byte(levels+1), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, byte(table>>8), byte(table))
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(bombList(3))
	for _, format := range []Format{XML, Binary} {
		b, err := Marshal(map[string]any{"a": []any{1, -1, 2.5, true, "é", []byte{1}, map[string]any{}}}, format)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if err := Unmarshal(data, &v); err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error without ErrMalformed: %v", err)
		}
	})
}
