package spool

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// DamageError tells of bytes in the spool that are not those that were written.
type DamageError struct {
	Segment uint32
	Offset  int64
	Err     error
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("segment %d of the spool is damaged at %d: %v", e.Segment, e.Offset, e.Err)
}

func (e *DamageError) Unwrap() error { return e.Err }

// reader reads chunks and keeps one segment open.
type reader struct {
	file    *os.File
	segment uint32
	buf     []byte // as it stands there
	plain   []byte
}

// chunk gives the n bytes of a chunk, valid until the next call.
func (r *reader) chunk(s *Spool, segment uint32, offset int64, n int) ([]byte, error) {
	if r.file == nil || r.segment != segment {
		r.close()
		f, err := s.open(segment, os.O_RDONLY)
		if err != nil {
			return nil, fmt.Errorf("read spool: %w", err)
		}
		r.file, r.segment = f, segment
	}
	if r.buf == nil {
		r.buf, r.plain = make([]byte, sealed), make([]byte, ChunkSize)
	}
	b := r.buf[:n+overhead]
	if _, err := r.file.ReadAt(b, offset); err != nil {
		if err == io.EOF {
			err = &DamageError{segment, offset, io.ErrUnexpectedEOF}
		}
		return nil, fmt.Errorf("read spool: %w", err)
	}
	data, err := s.aead.Open(r.plain[:0], nil, b, place(segment, offset))
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", &DamageError{segment, offset, err})
	}
	return data, nil
}

func (r *reader) close() {
	if r.file != nil {
		r.file.Close() // opened for reading
		r.file = nil
	}
}

// Reader reads a file of the spool. Read and WriteTo are for one goroutine,
// ReadAt for any number.
type Reader struct {
	s       *Spool
	extents []Extent
	size    int64
	pos     int64
	seq     reader
	data    []byte // of the chunk at hand, for Read

	mu    sync.Mutex // guards what ReadAt uses
	at    reader
	cache [cached]cachedChunk
	clock uint64
}

// cached chunks help a database, whose pages are much smaller and which jumps.
const cached = 32

type cachedChunk struct {
	start int64 // in the file
	used  uint64
	data  []byte
}

// Open opens a file by its places.
func (s *Spool) Open(extents []Extent) *Reader {
	return &Reader{s: s, extents: extents, size: Size(extents)}
}

// Size is the length of the file in bytes.
func (r *Reader) Size() int64 { return r.size }

// find gives the place of the chunk with that byte: where it begins in the file,
// where it stands and how long it is.
func (r *Reader) find(pos int64) (start int64, segment uint32, offset int64, n int) {
	for _, e := range r.extents {
		if pos < e.Length {
			i := pos / ChunkSize
			return start + i*ChunkSize, e.Segment, e.Offset + i*sealed, int(min(e.Length-i*ChunkSize, ChunkSize))
		}
		pos -= e.Length
		start += e.Length
	}
	return start, 0, 0, 0
}

// Read reads on.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(r.data) == 0 {
		if r.pos >= r.size {
			return 0, io.EOF
		}
		start, segment, offset, n := r.find(r.pos)
		data, err := r.seq.chunk(r.s, segment, offset, n)
		if err != nil {
			return 0, err
		}
		r.data = data[r.pos-start:]
	}
	n := copy(p, r.data)
	r.data, r.pos = r.data[n:], r.pos+int64(n)
	return n, nil
}

// ReadAt reads from anywhere.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(p) > 0 {
		if off >= r.size {
			return n, io.EOF
		}
		start, data, err := r.load(off)
		if err != nil {
			return n, err
		}
		k := copy(p, data[off-start:])
		n, p, off = n+k, p[k:], off+int64(k)
	}
	return n, nil
}

// load gives the chunk with that byte, from the cache if it is there.
func (r *Reader) load(off int64) (start int64, data []byte, err error) {
	r.clock++
	oldest := 0
	for i := range r.cache {
		c := &r.cache[i]
		if c.data != nil && off >= c.start && off < c.start+int64(len(c.data)) {
			c.used = r.clock
			return c.start, c.data, nil
		}
		if c.used < r.cache[oldest].used {
			oldest = i
		}
	}
	start, segment, offset, n := r.find(off)
	if data, err = r.at.chunk(r.s, segment, offset, n); err != nil {
		return 0, nil, err
	}
	c := &r.cache[oldest]
	c.start, c.used, c.data = start, r.clock, append(c.data[:0], data...)
	return start, c.data, nil
}

// Close ends reading.
func (r *Reader) Close() error {
	r.seq.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at.close()
	return nil
}
