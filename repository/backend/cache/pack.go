package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	// blockSize is what is checked at a time when a part of a pack is read, in bytes.
	blockSize = 32 << 10
	// touchEvery is how often the use of a pack is noted.
	touchEvery = time.Minute
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pack is a pack that is worth a copy.
type pack struct {
	size int64

	mu      sync.Mutex
	sums    []uint32 // of the blocks; nil until the SHA-256 has been checked
	touched time.Time
}

// MarkTreePack says that a pack holds folders, and how many bytes it has: the
// next Load of any part of it loads and keeps it whole. Packs of more than a
// quarter of Options.MaxBytes are not kept.
func (c *Cache) MarkTreePack(name string, size int64) {
	if !backend.IsName(name) || size <= 0 || size > c.o.MaxBytes/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.packs[name]; p == nil || p.size != size {
		c.packs[name] = &pack{size: size}
	}
}

func (c *Cache) marked(h backend.Handle) *pack {
	if h.Type != backend.PackFile {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.packs[h.Name]
}

// unmark gives up on a pack that is not what it should be.
func (c *Cache) unmark(h backend.Handle, p *pack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packs[h.Name] == p {
		delete(c.packs, h.Name)
	}
}

func (c *Cache) loadPack(ctx context.Context, h backend.Handle, p *pack, offset, length int64, fn func(io.Reader) error) error {
	if served, err := c.fromPack(ctx, h, p, offset, length, fn); served {
		return err
	}
	f, mine := c.begin(h, false)
	var err error
	if mine {
		// Another may have ended between the look and begin.
		if served, err := c.fromPack(ctx, h, p, offset, length, fn); served {
			c.end(h, f)
			return err
		}
		err = c.fetchPack(ctx, h, p, f)
		c.end(h, f)
	} else {
		err = f.wait(ctx)
	}
	switch {
	case err == nil:
		if served, err := c.fromPack(ctx, h, p, offset, length, fn); served {
			return err
		}
	case ctx.Err() != nil:
		return fmt.Errorf("load %v: %w", h, ctx.Err())
	case errors.Is(err, backend.ErrNotExist):
		return err
	}
	// Another error of the repository is not the last word: a part may come
	// through where the whole does not.
	return c.b.Load(ctx, h, offset, length, fn)
}

// fromPack answers from the copy, if there is a good one.
func (c *Cache) fromPack(ctx context.Context, h backend.Handle, p *pack, offset, length int64, fn func(io.Reader) error) (served bool, err error) {
	f, size, err := c.d.open(h, p.size)
	if err == nil && size != p.size {
		err = errors.Join(fmt.Errorf("the copy of %v has %d bytes, not %d", h, size, p.size), f.Close())
	}
	if err != nil {
		if !isAbsent(err) {
			c.trouble(err)
			c.discard(h)
		}
		return false, nil
	}
	served, err = c.fromFile(ctx, f, h, p, offset, length, fn)
	_ = f.Close() // nothing was written
	if !served {
		c.discard(h)
	}
	return served, err
}

func (c *Cache) fromFile(ctx context.Context, f *os.File, h backend.Handle, p *pack, offset, length int64, fn func(io.Reader) error) (served bool, err error) {
	whole := offset == 0 && (length == 0 || length == p.size)
	sums, err := p.check(ctx, f, h, whole)
	switch {
	case ctx.Err() != nil:
		return true, fmt.Errorf("load %v: %w", h, ctx.Err())
	case err != nil:
		c.trouble(err)
		return false, nil
	}
	c.used(h, p)
	length, err = fit(offset, length, p.size)
	if err != nil {
		return true, fmt.Errorf("load %v: %w", h, err)
	}
	blocks := &blockReader{f: f, size: p.size, sums: sums, at: offset}
	err = fn(backend.NewReader(ctx, blocks, length))
	switch {
	case blocks.damage != nil:
		c.trouble(fmt.Errorf("read the copy of %v: %w", h, blocks.damage))
		return false, nil
	case err != nil:
		return true, fmt.Errorf("load %v: %w", h, err)
	}
	return true, nil
}

// check compares the copy with its name, if that was not done before or if it
// is to be read whole, and gives the sums of its blocks.
func (p *pack) check(ctx context.Context, f io.ReaderAt, h backend.Handle, again bool) ([]uint32, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sums != nil && !again {
		return p.sums, nil
	}
	s := newSummer(nil)
	if _, err := io.Copy(s, backend.NewReader(ctx, io.NewSectionReader(f, 0, p.size), p.size)); err != nil {
		return nil, fmt.Errorf("read the copy of %v: %w", h, err)
	}
	sums, name := s.finish()
	if name != h.Name {
		return nil, fmt.Errorf("the copy of %v is damaged", h)
	}
	p.sums = sums
	return sums, nil
}

// used notes the use of a pack, for all processes to see.
func (c *Cache) used(h backend.Handle, p *pack) {
	p.mu.Lock()
	due := time.Since(p.touched) >= touchEvery
	if due {
		p.touched = time.Now()
	}
	p.mu.Unlock()
	if due {
		if err := c.d.touch(h); err != nil && !isAbsent(err) {
			c.trouble(err)
		}
	}
}

// errNoCopy says that a pack cannot be kept now.
var errNoCopy = errors.New("no copy was made")

// fetchPack makes a copy of a whole pack.
func (c *Cache) fetchPack(ctx context.Context, h backend.Handle, p *pack, f *flight) error {
	if c.rests() || !c.reserve(p.size) {
		return errNoCopy
	}
	defer c.unreserve(p.size)
	temp, err := c.d.create(h.Type)
	if err != nil {
		c.failed(fmt.Errorf("keep %v: %w", h, err))
		return errNoCopy
	}
	s := newSummer(temp)
	var disk error // trouble of the copy, not of the repository
	err = c.b.Load(ctx, h, 0, 0, func(r io.Reader) error {
		if disk = temp.restart(); disk != nil {
			return disk
		}
		*s = *newSummer(temp)
		_, err := io.Copy(s, io.LimitReader(r, p.size+1))
		disk = s.failed
		return err
	})
	sums, name := s.finish()
	switch {
	case disk != nil:
		temp.abandon()
		c.failed(fmt.Errorf("keep %v: %w", h, disk))
		return errNoCopy
	case err != nil:
		temp.abandon()
		return err
	case name != h.Name:
		temp.abandon()
		c.unmark(h, p) // damaged, or not of this size: no copy can be right
		return errNoCopy
	}
	p.mu.Lock()
	p.sums, p.touched = sums, time.Now()
	p.mu.Unlock()
	if err := c.publish(h, f, temp); err != nil {
		c.failed(fmt.Errorf("keep %v: %w", h, err))
		return errNoCopy
	}
	return nil
}

// reserve makes room for size bytes by removing the packs not used for longest.
func (c *Cache) reserve(size int64) bool {
	c.room.Lock()
	defer c.room.Unlock()
	copies, err := c.d.list(backend.PackFile)
	if err != nil {
		c.failed(err)
		return false
	}
	total := c.reserved + size
	for _, f := range copies {
		total += f.size
	}
	slices.SortFunc(copies, func(a, b copied) int { return a.used.Compare(b.used) })
	for _, f := range copies {
		if total <= c.o.MaxBytes {
			break
		}
		h := backend.Handle{Type: backend.PackFile, Name: f.name}
		if err := c.d.remove(h); err != nil && !isAbsent(err) {
			c.trouble(err)
			continue
		}
		total -= f.size
	}
	if total > c.o.MaxBytes {
		return false
	}
	c.reserved += size
	return true
}

// unreserve ends a reservation; what became of it is counted as a file now.
func (c *Cache) unreserve(size int64) {
	c.room.Lock()
	defer c.room.Unlock()
	c.reserved -= size
}

// summer is a writer that computes the name of what is written and the sums
// of its blocks.
type summer struct {
	w      io.Writer // may be nil
	failed error     // of w
	sha    hash.Hash
	sums   []uint32
	crc    uint32
	filled int // bytes of the block under way
}

func newSummer(w io.Writer) *summer { return &summer{w: w, sha: sha256.New()} }

func (s *summer) Write(p []byte) (int, error) {
	if s.w != nil {
		if n, err := s.w.Write(p); err != nil {
			s.failed = err
			return n, err
		}
	}
	s.sha.Write(p)
	for rest := p; len(rest) > 0; {
		part := rest[:min(len(rest), blockSize-s.filled)]
		rest = rest[len(part):]
		s.crc = crc32.Update(s.crc, castagnoli, part)
		if s.filled += len(part); s.filled == blockSize {
			s.endBlock()
		}
	}
	return len(p), nil
}

func (s *summer) endBlock() {
	s.sums = append(s.sums, s.crc)
	s.crc, s.filled = 0, 0
}

func (s *summer) finish() (sums []uint32, name string) {
	if s.filled > 0 {
		s.endBlock()
	}
	return s.sums, hex.EncodeToString(s.sha.Sum(nil))
}

// blockReader reads a copy from at on and compares each block with its sum.
type blockReader struct {
	f      io.ReaderAt
	size   int64
	sums   []uint32
	at     int64
	block  []byte // what is left of the block under way
	buf    []byte
	damage error
}

func (b *blockReader) Read(p []byte) (int, error) {
	if b.damage != nil {
		return 0, b.damage
	}
	if len(b.block) == 0 {
		if b.at >= b.size {
			return 0, io.EOF
		}
		if b.damage = b.next(); b.damage != nil {
			return 0, b.damage
		}
	}
	n := copy(p, b.block)
	b.block = b.block[n:]
	b.at += int64(n)
	return n, nil
}

// next reads the block in which at lies.
func (b *blockReader) next() error {
	number := b.at / blockSize
	start := number * blockSize
	if b.buf == nil {
		b.buf = make([]byte, min(blockSize, b.size))
	}
	buf := b.buf[:min(blockSize, b.size-start)]
	if n, err := b.f.ReadAt(buf, start); n < len(buf) {
		return err
	}
	if crc32.Checksum(buf, castagnoli) != b.sums[number] {
		return fmt.Errorf("the %d bytes from %d on are damaged", len(buf), start)
	}
	b.block = buf[b.at-start:]
	return nil
}
