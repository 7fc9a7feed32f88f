package keybag

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error about the bytes of a bag: a cut or
// impossible item, a missing tag, a number out of bounds.
var ErrMalformed = errors.New("malformed keybag")

const (
	maxBagLen = 1 << 20 // real bags have under 2 KiB
	maxItems  = 4096    // real bags have 65
)

// item is one tag, length, value. A nil value never occurs in a parsed bag.
type item struct {
	tag   string
	value []byte
}

func (it item) uint32() (uint32, error) {
	if len(it.value) != 4 {
		return 0, fmt.Errorf("%w: %s has %d bytes, want 4", ErrMalformed, it.tag, len(it.value))
	}
	return binary.BigEndian.Uint32(it.value), nil
}

func uintItem(tag string, n uint32) item {
	return item{tag, binary.BigEndian.AppendUint32(nil, n)}
}

func parseItems(data []byte) ([]item, error) {
	if len(data) > maxBagLen {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(data), maxBagLen)
	}
	data = append([]byte(nil), data...)
	var items []item
	for len(data) > 0 {
		if len(items) == maxItems {
			return nil, fmt.Errorf("%w: more than %d items", ErrMalformed, maxItems)
		}
		if len(data) < 8 {
			return nil, fmt.Errorf("%w: %d bytes after the last item", ErrMalformed, len(data))
		}
		n := binary.BigEndian.Uint32(data[4:])
		if uint64(n) > uint64(len(data)-8) {
			return nil, fmt.Errorf("%w: %q claims %d bytes, %d are left", ErrMalformed, data[:4], n, len(data)-8)
		}
		end := 8 + int(n)
		items = append(items, item{string(data[:4]), data[8:end:end]})
		data = data[end:]
	}
	return items, nil
}

func appendItems(b []byte, items []item) []byte {
	for _, it := range items {
		b = append(b, it.tag...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(it.value)))
		b = append(b, it.value...)
	}
	return b
}

// find returns the first item with the tag, nil when there is none.
func find(items []item, tag string) *item {
	for i := range items {
		if items[i].tag == tag {
			return &items[i]
		}
	}
	return nil
}
