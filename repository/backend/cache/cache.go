package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Options bound a cache. The zero value is right for most.
type Options struct {
	// MaxBytes is how much the packs of folders may take, in bytes; 0 is 1 GiB,
	// and a negative number keeps none. Indexes and snapshots, some thousandths of
	// the repository, are not counted.
	MaxBytes int64
	// Trouble is told what went wrong with the cache itself, at most once a minute. The
	// operation went on without it. It may be called from several goroutines; nil
	// means nobody wants to know.
	Trouble func(error)
}

const (
	defaultMaxBytes = 1 << 30
	// smallFile is the longest index or snapshot file that is kept, in bytes;
	// it is held in memory meanwhile. restic's have 8 MiB at most.
	smallFile = 64 << 20
	// pause is how long nothing is written after a write failed.
	pause = time.Minute
)

// Cache is a backend that answers from copies where it has them. It is safe for
// concurrent use.
type Cache struct {
	b backend.Backend
	o Options
	d *folder

	mu      sync.Mutex
	flights map[backend.Handle]*flight
	packs   map[string]*pack // those that hold folders
	resting time.Time        // no writes before
	told    time.Time        // when Trouble was last told

	room     sync.Mutex // held while the bytes of packs are counted
	reserved int64      // for packs on their way
}

var (
	_ backend.Backend   = (*Cache)(nil)
	_ backend.Unwrapper = (*Cache)(nil)
)

// New puts a cache in front of b, in the folder dir, which belongs to one
// repository and is made if it is not there (mode 0700, as its parents). An
// error means that there can be no cache; b is as good without.
func New(b backend.Backend, dir string, o Options) (*Cache, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	d, err := openFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open cache %s: %w", dir, err)
	}
	return &Cache{b: b, o: o, d: d, flights: map[backend.Handle]*flight{}, packs: map[string]*pack{}}, nil
}

// Unwrap gives the backend behind the cache.
func (c *Cache) Unwrap() backend.Backend { return c.b }

// Properties are those of the backend behind.
func (c *Cache) Properties() backend.Properties { return c.b.Properties() }

// Stat asks the backend behind: whether a file is there is never a matter of
// copies.
func (c *Cache) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	return c.b.Stat(ctx, h)
}

// Close lets go of the folder and closes the backend behind. The copies stay.
func (c *Cache) Close() error {
	return errors.Join(c.b.Close(), c.d.close())
}

// small tells whether files like h are kept always.
func small(h backend.Handle) bool {
	return h.Type == backend.IndexFile || h.Type == backend.SnapshotFile
}

// Save saves to the backend behind and keeps a copy of an index or snapshot.
func (c *Cache) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if !small(h) || h.Check() != nil {
		return c.b.Save(ctx, h, data)
	}
	f, mine := c.begin(h, true)
	if mine {
		defer c.end(h, f)
	}
	if err := c.b.Save(ctx, h, data); err != nil {
		return err
	}
	if !mine || data.Size() > smallFile {
		return nil
	}
	plain := make([]byte, data.Size())
	if _, err := io.ReadFull(io.NewSectionReader(data, 0, data.Size()), plain); err != nil || !isNamed(h, plain) {
		c.drop(h) // the backend may have stored what is no longer this copy
		return nil
	}
	c.keep(h, f, plain)
	return nil
}

// Remove removes the copy and the file.
func (c *Cache) Remove(ctx context.Context, h backend.Handle) error {
	if c.d.path(h) == "" {
		return c.b.Remove(ctx, h)
	}
	c.drop(h)
	err := c.b.Remove(ctx, h)
	c.drop(h) // somebody may have loaded it meanwhile
	return err
}

// List asks the backend behind and drops the copies of what is no longer there.
func (c *Cache) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	copies, err := c.d.list(t)
	if err != nil {
		c.trouble(err)
	}
	gone := map[string]int64{}
	for _, f := range copies {
		gone[f.name] = f.size
	}
	err = c.b.List(ctx, t, func(f backend.FileInfo) error {
		if size, ok := gone[f.Name]; ok && size == f.Size {
			delete(gone, f.Name)
		}
		return fn(f)
	})
	if err != nil {
		return err
	}
	for name := range gone {
		c.drop(backend.Handle{Type: t, Name: name})
	}
	return nil
}

// Load answers from a copy, or makes one while it loads. If a copy turns out to
// be damaged while fn reads it, fn is called again.
func (c *Cache) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	p := c.marked(h)
	if h.Check() != nil || p == nil && !small(h) || backend.CheckRange(offset, length) != nil {
		return c.b.Load(ctx, h, offset, length, fn)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("load %v: %w", h, err)
	}
	if p != nil {
		return c.loadPack(ctx, h, p, offset, length, fn)
	}
	return c.loadSmall(ctx, h, offset, length, fn)
}

func (c *Cache) loadSmall(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if data, ok := c.copyOf(h); ok {
		return give(ctx, h, data, offset, length, fn)
	}
	f, mine := c.begin(h, false)
	switch {
	case mine:
		data, ok := c.copyOf(h) // another may have ended between the look and begin
		var err error
		if !ok {
			data, err = c.fetch(ctx, h, f)
		}
		c.end(h, f)
		if err != nil {
			return err
		}
		if len(data) <= smallFile {
			return give(ctx, h, data, offset, length, fn)
		}
	case !f.saving: // nobody waits for an upload
		if err := f.wait(ctx); err != nil {
			return fmt.Errorf("load %v: %w", h, err)
		}
		if data, ok := c.copyOf(h); ok {
			return give(ctx, h, data, offset, length, fn)
		}
	}
	return c.b.Load(ctx, h, offset, length, fn)
}

// fetch loads a whole file and keeps it if it is what its name says; if it is
// not, that is for the caller to find out, as without a cache. More than
// smallFile bytes mean that there are more still.
func (c *Cache) fetch(ctx context.Context, h backend.Handle, f *flight) ([]byte, error) {
	var data []byte
	err := c.b.Load(ctx, h, 0, 0, func(r io.Reader) error {
		var err error
		data, err = io.ReadAll(io.LimitReader(r, smallFile+1))
		return err
	})
	if err == nil && isNamed(h, data) {
		c.keep(h, f, data)
	}
	return data, err
}

// copyOf reads and checks a copy of a small file.
func (c *Cache) copyOf(h backend.Handle) ([]byte, bool) {
	data, err := c.d.read(h, smallFile)
	switch {
	case isAbsent(err):
		return nil, false
	case err != nil:
		c.trouble(err)
		return nil, false
	case !isNamed(h, data):
		c.trouble(fmt.Errorf("the copy of %v is damaged", h))
		c.discard(h)
		return nil, false
	}
	return data, true
}

// keep makes data the copy of h, unless h was dropped since its flight began.
func (c *Cache) keep(h backend.Handle, f *flight, data []byte) {
	if c.rests() {
		return
	}
	temp, err := c.d.create(h.Type)
	if err == nil {
		if _, err = temp.Write(data); err == nil {
			err = c.publish(h, f, temp)
		} else {
			temp.abandon()
		}
	}
	if err != nil {
		c.failed(fmt.Errorf("keep %v: %w", h, err))
	}
}

// publish gives a finished copy its name.
func (c *Cache) publish(h backend.Handle, f *flight, temp *tempFile) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.dropped {
		temp.abandon()
		return nil
	}
	return temp.publish(h)
}

// drop removes the copy of h and forbids the one that is on its way.
func (c *Cache) drop(h backend.Handle) {
	c.mu.Lock()
	if f := c.flights[h]; f != nil {
		f.dropped = true
	}
	c.mu.Unlock()
	c.discard(h)
}

// discard removes the copy of h.
func (c *Cache) discard(h backend.Handle) {
	if err := c.d.remove(h); err != nil && !isAbsent(err) {
		c.trouble(err)
	}
}

// failed is trouble with writing: the next files are not worth trying.
func (c *Cache) failed(err error) {
	c.mu.Lock()
	c.resting = time.Now().Add(pause)
	c.mu.Unlock()
	c.trouble(err)
}

func (c *Cache) rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.resting)
}

func (c *Cache) trouble(err error) {
	c.mu.Lock()
	tell := c.o.Trouble
	if now := time.Now(); tell != nil && now.Sub(c.told) < pause {
		tell = nil
	} else {
		c.told = now
	}
	c.mu.Unlock()
	if tell != nil {
		tell(fmt.Errorf("cache: %w", err))
	}
}

// give passes a range of data to fn.
func give(ctx context.Context, h backend.Handle, data []byte, offset, length int64, fn func(io.Reader) error) error {
	length, err := fit(offset, length, int64(len(data)))
	if err == nil {
		err = fn(backend.NewReader(ctx, bytes.NewReader(data[offset:]), length))
	}
	if err != nil {
		return fmt.Errorf("load %v: %w", h, err)
	}
	return nil
}

// fit gives the real length of a range of a file.
func fit(offset, length, size int64) (int64, error) {
	if offset > size || length > size-offset {
		return 0, fmt.Errorf("the file has %d bytes, not %d: %w", size, offset+length, io.ErrUnexpectedEOF)
	}
	if length == 0 {
		length = size - offset
	}
	return length, nil
}

func isNamed(h backend.Handle, data []byte) bool {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == h.Name
}
