package mp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// ErrMalformed is wrapped by errors about what is in a file.
var ErrMalformed = errors.New("malformed")

// maxBoxes is the most boxes of one list that are looked at.
const maxBoxes = 4096

// Box is where a box's content lies in the file.
type Box struct {
	Type string // four bytes, not always letters
	At   int64  // of the content
	Size int64  // of the content
}

// File is a file whose boxes are looked at.
type File struct {
	r    io.ReaderAt
	size int64
}

// New looks at a file of size bytes.
func New(r io.ReaderAt, size int64) *File { return &File{r, size} }

// Whole is a box around all boxes of the file.
func (f *File) Whole() Box { return Box{At: 0, Size: f.size} }

// Boxes gives the boxes in a box, and at last the error that ended the list, if any.
func (f *File) Boxes(in Box) iter.Seq2[Box, error] {
	return func(yield func(Box, error) bool) {
		end := in.At + in.Size
		for at, n := in.At, 0; end-at >= 8; n++ {
			b, next, err := f.box(at, end)
			if err == nil && n == maxBoxes {
				err = fmt.Errorf("boxes in %q: %w: more than %d", in.Type, ErrMalformed, maxBoxes)
			}
			if err != nil {
				yield(Box{}, err)
				return
			}
			if next <= at || !yield(b, nil) {
				return
			}
			at = next
		}
	}
}

// box reads the head of the box at an offset. next is that of the box behind it; a
// list that ends with a zero word gives next 0.
func (f *File) box(at, end int64) (b Box, next int64, err error) {
	var head [16]byte
	n := min(int64(len(head)), end-at)
	if _, err := f.r.ReadAt(head[:n], at); err != nil && !(errors.Is(err, io.EOF) && n < 16) {
		return b, 0, fmt.Errorf("read box at %d: %w", at, noEOF(err))
	}
	size, used := int64(binary.BigEndian.Uint32(head[:])), int64(8)
	kind := string(head[4:8])
	switch {
	case size == 0 && kind == "\x00\x00\x00\x00", size == 0 && n < 8:
		return b, 0, nil // QuickTime ends lists of user data so
	case size == 0:
		size = end - at
	case size == 1 && n == 16:
		size, used = int64(binary.BigEndian.Uint64(head[8:])), 16
	}
	if size < used || size > end-at {
		return b, 0, fmt.Errorf("box %q at %d: %w: %d bytes where %d are left", kind, at, ErrMalformed, size, end-at)
	}
	return Box{kind, at + used, size - used}, at + size, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// In gives the first box of a type in another, or false. A list that is broken
// behind it does not matter; before it, that is an error.
func (f *File) In(in Box, kind string) (Box, bool, error) {
	for b, err := range f.Boxes(in) {
		if err != nil {
			return Box{}, false, err
		}
		if b.Type == kind {
			return b, true, nil
		}
	}
	return Box{}, false, nil
}

// Find follows a path of types, the first of each.
func (f *File) Find(in Box, path ...string) (Box, bool, error) {
	for _, kind := range path {
		b, ok, err := f.In(in, kind)
		if err != nil || !ok {
			return Box{}, false, err
		}
		if in = b; kind == "meta" {
			in = f.children(b)
		}
	}
	return in, true, nil
}

// children leaves out the word of version and flags with which a meta box of MPEG-4
// begins, and that of QuickTime does not: there its first box comes at once, with
// letters where that one has a size.
func (f *File) children(meta Box) Box {
	var head [8]byte
	if meta.Size < 8 {
		return meta
	}
	if _, err := f.r.ReadAt(head[:], meta.At); err != nil {
		return meta // reading on will tell
	}
	if kind := string(head[4:]); kind == "hdlr" || kind == "keys" || kind == "ilst" || kind == "mhdr" || kind == "free" {
		return meta
	}
	return Box{meta.Type, meta.At + 4, meta.Size - 4}
}

// Read gives a box's content, of at most limit bytes.
func (f *File) Read(b Box, limit int64) ([]byte, error) {
	if b.Size > limit {
		return nil, fmt.Errorf("box %q: %w: %d bytes, more than %d", b.Type, ErrMalformed, b.Size, limit)
	}
	data := make([]byte, b.Size)
	if _, err := f.r.ReadAt(data, b.At); err != nil && !(errors.Is(err, io.EOF) && b.At+b.Size == f.size) {
		return nil, fmt.Errorf("read box %q: %w", b.Type, noEOF(err))
	}
	return data, nil
}

// Seconds tells how long the file plays, by moov/mvhd; 0 where it does not say.
func (f *File) Seconds() (float64, error) {
	b, ok, err := f.Find(f.Whole(), "moov", "mvhd")
	if err != nil || !ok {
		return 0, err
	}
	data, err := f.Read(Box{b.Type, b.At, min(b.Size, 32)}, 32)
	if err != nil {
		return 0, err
	}
	// version and flags, created, modified, time scale, duration; times have 8 bytes
	// each in version 1
	var scale uint32
	var length uint64
	switch {
	case len(data) >= 32 && data[0] == 1:
		scale, length = binary.BigEndian.Uint32(data[20:]), binary.BigEndian.Uint64(data[24:])
	case len(data) >= 20 && data[0] == 0:
		scale, length = binary.BigEndian.Uint32(data[12:]), uint64(binary.BigEndian.Uint32(data[16:]))
	}
	if scale == 0 || length > 1<<53 {
		return 0, nil
	}
	return float64(length) / float64(scale), nil
}
