package mp4

import (
	"encoding/binary"
	"fmt"
)

// Item is a value of an ilst: what kind of bytes it is (1 UTF-8, 13 JPEG, 14 PNG, 21
// number; 0 may be anything) and the bytes.
type Item struct {
	Type uint32
	Data []byte
}

// maxKeys is the most keys of a meta box of QuickTime that are read.
const maxKeys = 1 << 20

// Items reads the values of moov/udta/meta/ilst whose types are wanted ("©nam" with
// the sign as the byte 0xA9), of at most limit bytes each. Larger ones are left out.
func (f *File) Items(limit int64, wanted ...string) (map[string]Item, error) {
	items := map[string]Item{}
	list, ok, err := f.Find(f.Whole(), "moov", "udta", "meta", "ilst")
	if err != nil || !ok {
		return items, err
	}
	for b, err := range f.Boxes(list) {
		if err != nil {
			return items, err
		}
		for _, kind := range wanted {
			if b.Type != kind {
				continue
			}
			if item, ok, err := f.item(b, limit); err != nil {
				return items, err
			} else if ok {
				items[kind] = item
			}
		}
	}
	return items, nil
}

// item reads the data box of an entry of an ilst.
func (f *File) item(b Box, limit int64) (Item, bool, error) {
	data, ok, err := f.In(b, "data")
	if err != nil || !ok || data.Size < 8 || data.Size > limit+8 {
		return Item{}, false, err
	}
	content, err := f.Read(data, limit+8)
	if err != nil {
		return Item{}, false, err
	}
	return Item{binary.BigEndian.Uint32(content) & 0xFFFFFF, content[8:]}, true, nil
}

// Keyed reads the value that a meta box of QuickTime has under a name. in is the
// box that the meta box is in. The type of the value is not told: phones write 0 for
// text there.
func (f *File) Keyed(in Box, name string, limit int64) ([]byte, bool, error) {
	meta, ok, err := f.Find(in, "meta")
	if err != nil || !ok {
		return nil, false, err
	}
	keys, ok, err := f.In(meta, "keys")
	if err != nil || !ok {
		return nil, false, err
	}
	index, err := f.key(keys, name)
	if err != nil || index == 0 {
		return nil, false, err
	}
	list, ok, err := f.In(meta, "ilst")
	if err != nil || !ok {
		return nil, false, err
	}
	entry, ok, err := f.In(list, string(binary.BigEndian.AppendUint32(nil, index)))
	if err != nil || !ok {
		return nil, false, err
	}
	item, ok, err := f.item(entry, limit)
	return item.Data, ok, err
}

// key gives the number of a key, from 1; 0 where it is not.
func (f *File) key(keys Box, name string) (uint32, error) {
	data, err := f.Read(keys, maxKeys)
	if err != nil {
		return 0, err
	}
	if len(data) < 8 {
		return 0, fmt.Errorf("box keys: %w: %d bytes", ErrMalformed, len(data))
	}
	data = data[8:]
	for index := uint32(1); len(data) >= 8; index++ {
		size := binary.BigEndian.Uint32(data)
		if size < 8 || uint64(size) > uint64(len(data)) {
			return 0, fmt.Errorf("box keys: %w: key %d has %d bytes", ErrMalformed, index, size)
		}
		if string(data[8:size]) == name {
			return index, nil
		}
		data = data[size:]
	}
	return 0, nil
}
