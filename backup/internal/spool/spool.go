package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
)

const (
	// ChunkSize is how many bytes of a file are encrypted together.
	ChunkSize = 64 << 10
	overhead  = 12 + 16
	sealed    = ChunkSize + overhead

	// KeySize is the length of a spool's key in bytes.
	KeySize = 32

	// DefaultSegment is the size of a segment in bytes unless Options say otherwise.
	DefaultSegment = 64 << 20

	prefix     = "segment-"
	listPrefix = "list-" // of segments outside of the limit
	filePerm   = 0o600
)

// ErrFull: there is no room for more, by the spool's own limit or on the disk
// (then the system's error is wrapped too). Once something was released the same
// call may succeed.
var ErrFull = errors.New("the spool is full")

// Extent is a part of a file: Length bytes of it, in chunks that begin at Offset
// of a segment.
type Extent struct {
	Segment uint32
	Offset  int64
	Length  int64
}

// onDisk is how many bytes of the segment the extent takes.
func (e Extent) onDisk() int64 {
	return e.Length + overhead*((e.Length+ChunkSize-1)/ChunkSize)
}

// Size adds up the lengths of extents, in bytes.
func Size(extents []Extent) (n int64) {
	for _, e := range extents {
		n += e.Length
	}
	return n
}

// Options of Open.
type Options struct {
	// Limit is how many bytes the segments may have together, without those of
	// CreateList; 0 is no limit.
	Limit int64
	// Segment is when a segment is closed, in bytes; 0 is DefaultSegment, or less
	// when Limit is small.
	Segment int64
}

func (o Options) withDefaults() Options {
	if o.Limit <= 0 {
		o.Limit = 1<<63 - 1
	}
	if o.Segment <= 0 {
		o.Segment = min(DefaultSegment, max(o.Limit/8, sealed))
	}
	return o
}

// Spool is an open spool. One file is written at a time; everything else may be
// done concurrently.
type Spool struct {
	root *os.Root
	aead cipher.AEAD
	opt  Options

	mu       sync.Mutex
	segments map[uint32]*segment
	current  [2]*segment // that are written to, nil if none is; the second outside of the limit
	next     uint32
	used     [2]int64      // bytes of the segments, the second of those outside of the limit
	peak     int64         // of both
	freed    chan struct{} // closed and made anew when something was removed
	lost     error         // of a sync: nothing can be promised any more
}

// segment is one file. size is where the next chunk goes.
type segment struct {
	number uint32
	list   int      // 1: outside of the limit
	file   *os.File // open for writing; nil when closed
	size   int64
	live   int64 // bytes of files that are needed, without overhead
	holds  int   // extents that are needed or being written
	dirty  bool  // written since the last sync
}

// Open opens the spool in root, which belongs to it alone, with its key. The
// segments that are there are kept as far as live names them: an extent for each
// file, or part of one, that is still needed.
func Open(root *os.Root, key []byte, live []Extent, o Options) (*Spool, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != KeySize {
		return nil, fmt.Errorf("open spool: the key has %d bytes, want %d", len(key), KeySize)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{root: root, aead: aead, opt: o.withDefaults(), segments: map[uint32]*segment{}, next: 1, freed: make(chan struct{})}
	for _, e := range live {
		g := s.segments[e.Segment]
		if g == nil {
			g = &segment{number: e.Segment}
			s.segments[e.Segment] = g
		}
		g.live += e.Length
		g.holds++
	}
	if err := s.sweep(); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// sweep measures the segments that are needed and removes the others.
func (s *Spool) sweep() error {
	dir, err := s.root.Open(".")
	if err != nil {
		return err
	}
	entries, err := dir.ReadDir(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return err
	}
	found := map[uint32]bool{}
	for _, e := range entries {
		n, list, ok := segmentNumber(e.Name())
		if !ok {
			continue
		}
		s.next = max(s.next, n+1)
		g := s.segments[n]
		if g == nil {
			if err := s.root.Remove(e.Name()); err != nil {
				return err
			}
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		g.size, g.list, g.dirty = info.Size(), list, true
		s.used[list] += g.size
		found[n] = true
	}
	for n := range s.segments {
		s.next = max(s.next, n+1)
		if !found[n] {
			delete(s.segments, n) // whoever reads it hears that it is gone
		}
	}
	s.peak = s.used[0] + s.used[1]
	return nil
}

func segmentName(n uint32, list int) string {
	return fmt.Sprintf("%s%08d", [...]string{prefix, listPrefix}[list], n)
}

func segmentNumber(name string) (number uint32, list int, ok bool) {
	digits, ok := strings.CutPrefix(name, prefix)
	if !ok {
		digits, ok = strings.CutPrefix(name, listPrefix)
		list = 1
	}
	if !ok || len(digits) < 8 {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	return uint32(n), list, err == nil && n > 0 && segmentName(uint32(n), list) == name
}

// open opens a segment.
func (s *Spool) open(number uint32, flag int) (*os.File, error) {
	s.mu.Lock()
	list := 0
	if g := s.segments[number]; g != nil {
		list = g.list
	}
	s.mu.Unlock()
	return s.root.OpenFile(segmentName(number, list), flag, filePerm)
}

// Used is how many bytes the segments have now, Peak how many they have had.
func (s *Spool) Used() (used, peak int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[0] + s.used[1], s.peak
}

// Left is how many bytes of files the limit still allows, Overhead not counted.
func (s *Spool) Left() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.opt.Limit-s.used[0], 0)
}

// Freed gives a channel that is closed when room has come back after this call.
func (s *Spool) Freed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.freed
}

// Release says that the files of extents are not needed any more.
func (s *Spool) Release(extents []Extent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, e := range extents {
		g := s.segments[e.Segment]
		if g == nil {
			continue
		}
		g.live -= e.Length
		g.holds--
		errs = append(errs, s.dropIfDead(g))
	}
	return errors.Join(errs...)
}

// dropIfDead removes a segment that nobody needs.
func (s *Spool) dropIfDead(g *segment) error {
	if g.holds > 0 {
		return nil
	}
	var err error
	if g.file != nil {
		err = g.file.Close()
	}
	if g == s.current[g.list] {
		s.current[g.list] = nil
	}
	delete(s.segments, g.number)
	s.used[g.list] -= g.size
	close(s.freed)
	s.freed = make(chan struct{})
	if rerr := s.root.Remove(segmentName(g.number, g.list)); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	if err != nil {
		return fmt.Errorf("remove segment of spool: %w", err)
	}
	return nil
}

// Sync makes everything written durable. After an error no later call succeeds:
// a system reports a lost write once.
func (s *Spool) Sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost != nil {
		return s.lost
	}
	for _, g := range s.segments {
		if !g.dirty {
			continue
		}
		if err := s.syncSegment(g); err != nil {
			s.lost = fmt.Errorf("make spool durable: %w", err)
			return s.lost
		}
		g.dirty = false
	}
	return syncFolder(s.root)
}

func (s *Spool) syncSegment(g *segment) error {
	f := g.file
	if f == nil {
		var err error
		if f, err = s.root.OpenFile(segmentName(g.number, g.list), os.O_RDWR, filePerm); err != nil {
			return err
		}
		defer f.Close()
	}
	return f.Sync()
}

// Close closes the spool; its files stay.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, g := range s.segments {
		if g.file != nil {
			errs = append(errs, g.file.Close())
			g.file = nil
		}
	}
	s.current = [2]*segment{}
	return errors.Join(errs...)
}

// place is the associated data of a chunk.
func place(segment uint32, offset int64) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 12), segment)
	return binary.BigEndian.AppendUint64(b, uint64(offset))
}

// Has tells whether the segments of extents are there and long enough. It does not
// look at the bytes.
func (s *Spool) Has(extents []Extent) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range extents {
		if g := s.segments[e.Segment]; g == nil || e.Offset < 0 || e.Offset+e.onDisk() > g.size {
			return false
		}
	}
	return true
}
