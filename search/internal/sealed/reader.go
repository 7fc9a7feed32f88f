package sealed

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Reader reads a file. Its methods may be called concurrently.
type Reader struct {
	sealing
	f      *os.File
	cache  *Cache
	size   int64 // of what is sealed
	blocks int64
}

// Open opens a file that Create made, and its last block, so that one that was cut
// does not open. cache keeps opened blocks; nil keeps none.
func Open(root *os.Root, name string, key *Key, cache *Cache) (*Reader, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	r := &Reader{sealing: sealing{key: key, name: name}, f: f, cache: cache}
	if err := r.begin(); err != nil {
		f.Close() // read only
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return r, nil
}

func (r *Reader) begin() error {
	info, err := r.f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: not a file", ErrDamaged)
	}
	body := info.Size() - headerSize
	if body < overhead {
		return fmt.Errorf("%w: %d bytes", ErrDamaged, info.Size())
	}
	var header [headerSize]byte
	if _, err := r.f.ReadAt(header[:], 0); err != nil {
		return err
	}
	if string(header[:8]) != magic {
		return fmt.Errorf("%w: not a sealed file", ErrDamaged)
	}
	if [8]byte(header[8:16]) != r.key.mark {
		return ErrKey
	}
	copy(r.id[:], header[16:])
	r.blocks = (body + BlockSize + overhead - 1) / (BlockSize + overhead)
	r.size = body - r.blocks*overhead
	if r.size < (r.blocks-1)*BlockSize {
		return fmt.Errorf("%w: %d bytes", ErrDamaged, info.Size())
	}
	_, err = r.open(r.blocks-1, nil)
	return err
}

// ID is the number of the file.
func (r *Reader) ID() [16]byte { return r.id }

// Size is how many bytes can be read.
func (r *Reader) Size() int64 { return r.size }

// Close closes the file.
func (r *Reader) Close() error {
	r.cache.drop(r.id)
	return r.f.Close()
}

// keptRead is the longest read whose blocks are kept: longer ones go through a file
// once and would push out what is asked for again and again.
const keptRead = 4 * BlockSize

// ReadAt implements io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > r.size {
		return 0, io.EOF
	}
	n, keep := 0, len(p) <= keptRead
	var buf []byte
	for n < len(p) && off < r.size {
		i := off / BlockSize
		block := r.cache.get(r.id, i)
		if block == nil {
			var err error
			if keep {
				buf = nil
			}
			if block, err = r.open(i, buf); err != nil {
				return n, fmt.Errorf("read %s: %w", r.name, err)
			}
			if keep {
				r.cache.put(r.id, i, block)
			} else {
				buf = block[:0]
			}
		}
		m := copy(p[n:], block[off%BlockSize:])
		n += m
		off += int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// open opens a block, into buf when that has room.
func (r *Reader) open(i int64, buf []byte) ([]byte, error) {
	last := i == r.blocks-1
	n := BlockSize
	if last {
		n = int(r.size - i*BlockSize)
	}
	if cap(buf) < n+overhead {
		buf = make([]byte, n+overhead)
	}
	buf = buf[:n+overhead]
	if _, err := r.f.ReadAt(buf, headerSize+i*(BlockSize+overhead)); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%w: it was cut", ErrDamaged)
		}
		return nil, err
	}
	plain, err := r.key.aead.Open(buf[:0], r.nonce(i), buf, r.bound(last))
	if err != nil {
		return nil, fmt.Errorf("block %d: %w", i, ErrDamaged)
	}
	return plain, nil
}

// Check opens every block.
func (r *Reader) Check() error {
	var buf []byte
	for i := range r.blocks {
		block, err := r.open(i, buf)
		if err != nil {
			return fmt.Errorf("check %s: %w", r.name, err)
		}
		buf = block[:0]
	}
	return nil
}

// ReadFile reads a whole file of at most limit bytes.
func ReadFile(root *os.Root, name string, key *Key, limit int64) (data []byte, id [16]byte, err error) {
	r, err := Open(root, name, key, nil)
	if err != nil {
		return nil, id, err
	}
	defer r.Close() // read only
	if r.size > limit {
		return nil, id, fmt.Errorf("read %s: %w: %d bytes", name, ErrDamaged, r.size)
	}
	data = make([]byte, r.size)
	if _, err := r.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, id, err
	}
	return data, r.id, nil
}

// WriteFile writes a whole file, as Create does.
func WriteFile(root *os.Root, name, as string, key *Key, data []byte) (id [16]byte, err error) {
	w, err := Create(root, name, as, key)
	if err != nil {
		return id, err
	}
	_, err = w.Write(data)
	return w.ID(), errors.Join(err, w.Close())
}
