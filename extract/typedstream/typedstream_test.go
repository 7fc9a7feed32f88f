package typedstream_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/typedstream"
)

// stream is an NSAttributedString as the comment of the package draws it.
func stream(class string, length []byte, text string) []byte {
	b := []byte("\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84")
	b = append(append(b, byte(len(class))), class...)
	b = append(b, "\x01\x94\x84\x01+"...)
	return append(append(append(b, length...), text...), "\x86\x84\x02iI\x01\x05"...)
}

func TestText(t *testing.T) {
	long := strings.Repeat("long 🏝 ", 40)
	longer := strings.Repeat("שלום ", 20_000)
	for name, x := range map[string]struct {
		data []byte
		want string
	}{
		"short":         {stream("NSString", []byte{5}, "Hello"), "Hello"},
		"mutable":       {stream("NSMutableString", []byte{2}, "Hi"), "Hi"},
		"emoji":         {stream("NSString", []byte{8}, "👩‍"[:7]+"x"), "👩‍x"},
		"two bytes":     {stream("NSString", append([]byte{0x81}, binary.LittleEndian.AppendUint16(nil, uint16(len(long)))...), long), long},
		"four bytes":    {stream("NSString", append([]byte{0x82}, binary.LittleEndian.AppendUint32(nil, uint32(len(longer)))...), longer), longer},
		"empty":         {stream("NSString", []byte{0}, ""), ""},
		"attachment":    {stream("NSString", []byte{3}, "\ufffc"), "\ufffc"},
		"broken letter": {stream("NSString", []byte{2}, "\xffa"), "\ufffda"},
	} {
		if got, err := typedstream.Text(x.data); err != nil || got != x.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "no stream": []byte("bplist00"), "cut": stream("NSString", []byte{90}, "short"), "length cut": stream("NSString", []byte{0x82}, "")[:70],
		"negative": stream("NSString", []byte{0x90}, "x"),
	} {
		if got, err := typedstream.Text(data); !errors.Is(err, typedstream.ErrMalformed) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add(stream("NSString", []byte{5}, "Hello"))
	f.Add(stream("NSMutableString", []byte{0x81, 3, 0}, "abc"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := typedstream.Text(data); err == nil && len(s) > 3*len(data) {
			t.Errorf("%d bytes gave %d", len(data), len(s))
		}
	})
}
