package outtree

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

const ledgerName = ".keepsake-export.jsonl"

// File is what is to be written.
type File struct {
	// Path are the names of the folders and the file, as they are on the phone or
	// should be: the tree makes each of them safe. "" parts are left out, but the last.
	Path []string
	// Key is what the file is known by in the next run: "photos/UUID/original".
	Key string
	// Stamp changes when the content does; see [StampOf]. "" writes it in every run.
	Stamp string
	// ModTime is the file's; zero is now.
	ModTime time.Time
	// Document is a file that is made from many things (a conversation, a list) and is
	// written anew under its name when its stamp has changed. Of any other file, an
	// original, a changed one is put beside the earlier.
	Document bool
}

// Placed says where a file is.
type Placed struct {
	Path string // with slashes, relative to the tree, names made safe
	New  bool   // was written by this call
}

// StampOf is a stamp of a file of the phone: its size and time.
func StampOf(info fs.FileInfo) string {
	return fmt.Sprintf("%d/%d", info.Size(), info.ModTime().Unix())
}

// Stats are what a run has done.
type Stats struct {
	Written, Kept int   // files: new or changed; as they were
	Bytes         int64 // written
}

// HostError is wrapped by errors of the disk that is written to: what is read is not
// at fault, and writing on is of no use.
type HostError struct{ Err error }

// Error is what the system says.
func (e *HostError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *HostError) Unwrap() error { return e.Err }

// host marks an error as the disk's.
func host(err error) error {
	if err == nil {
		return nil
	}
	return &HostError{err}
}

// Tree is a folder that is being exported into. Its methods may be called
// concurrently.
type Tree struct {
	root *os.Root // nil of a ZIP
	zip  *zipper
	// Progress is told after every file, written or not; may be nil. Set it before
	// the first Put.
	Progress func(Stats)

	mu     sync.Mutex
	lines  map[string]line   // by key
	taken  map[string]bool   // folded paths of the ledger and of this run
	kept   map[string]string // by key: paths that Place gave away
	ledger *os.File
	// What is written and not yet known to be on the disk. Its lines follow when it is.
	pending      []line
	pendingBytes int64
	stats        Stats
	closed       bool
}

// A crash costs at most so much: it is written again.
const (
	syncFiles = 500
	syncBytes = 256 << 20
)

// line is one of the ledger; the last one of a key counts.
type line struct {
	Key   string `json:"key"`
	Stamp string `json:"stamp"` // "" = begun: what is there may be written over
	Path  string `json:"path"`
	Name  string `json:"name,omitempty"` // what it was to be called, where it is called otherwise
}

// Open opens a folder for exports, and makes it if need be.
func Open(dir string) (*Tree, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open export folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open export folder: %w", err)
	}
	t := &Tree{root: root, lines: map[string]line{}, taken: map[string]bool{}}
	if err := t.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open export folder %s: %w", dir, err), root.Close())
	}
	return t, nil
}

func (t *Tree) load() error {
	f, err := t.root.OpenFile(ledgerName, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	t.ledger = f
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 64<<10), 1<<20)
	for lines.Scan() {
		var l line
		// A line that was cut short by a crash stands for a file that is written again.
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Key == "" || !fs.ValidPath(l.Path) {
			continue
		}
		t.lines[l.Key] = l
		t.taken[fold(l.Path)] = true
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", ledgerName, err)
	}
	// After a line that was cut short the next one needs a line of its own.
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			_, err = f.Write([]byte{'\n'})
			return err
		}
	}
	return nil
}

// Put writes a file unless it is there from an earlier run with the same stamp. write
// is called at most once; an error of it leaves no file behind.
func (t *Tree) Put(ctx context.Context, f File, write func(io.Writer) error) (Placed, error) {
	if err := ctx.Err(); err != nil {
		return Placed{}, err
	}
	if len(f.Path) == 0 || f.Key == "" {
		return Placed{}, errors.New("export: a file needs a path and a key")
	}
	t.mu.Lock()
	known, again := t.lines[f.Key]
	if again && known.Stamp == f.Stamp && f.Stamp != "" {
		t.stats.Kept++
		t.progress()
		t.mu.Unlock()
		return Placed{Path: known.Path}, nil
	}
	name, placed := t.kept[f.Key]
	switch {
	case again && (f.Document || known.Stamp == ""):
		name = known.Path
	case !placed:
		name = t.free(safePath(f.Path))
	}
	delete(t.kept, f.Key)
	t.taken[fold(name)] = true
	if t.zip != nil {
		defer t.mu.Unlock()
		return t.putZip(name, f, write)
	}
	begun := t.append(line{Key: f.Key, Path: name})
	t.mu.Unlock()
	if begun != nil {
		return Placed{}, fmt.Errorf("export %s: %w", name, host(begun))
	}
	n, err := t.write(name, f, write)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		if !again {
			delete(t.taken, fold(name))
		}
		return Placed{}, fmt.Errorf("export %s: %w", name, err)
	}
	l := line{Key: f.Key, Stamp: f.Stamp, Path: name}
	if last := f.Path[len(f.Path)-1]; last != path.Base(name) {
		l.Name = last
	}
	t.lines[l.Key] = l
	t.pending = append(t.pending, l)
	t.pendingBytes += n
	if len(t.pending) >= syncFiles || t.pendingBytes >= syncBytes {
		if err := t.settle(); err != nil {
			return Placed{}, fmt.Errorf("export %s: %w", name, host(err))
		}
	}
	t.stats.Written++
	t.stats.Bytes += n
	t.progress()
	return Placed{Path: name, New: true}, nil
}

// Place tells where [Tree.Put] will put a document, and keeps that place for it: for
// pages that link to each other.
func (t *Tree) Place(f File) (string, error) {
	if len(f.Path) == 0 || f.Key == "" || !f.Document {
		return "", errors.New("export: only a document with a path and a key has a place before it is written")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.lines[f.Key]; ok {
		return known.Path, nil
	}
	if name, ok := t.kept[f.Key]; ok {
		return name, nil
	}
	name := t.free(safePath(f.Path))
	t.taken[fold(name)] = true
	if t.kept == nil {
		t.kept = map[string]string{}
	}
	t.kept[f.Key] = name
	return name, nil
}

func (t *Tree) progress() {
	if t.Progress != nil {
		t.Progress(t.stats)
	}
}

func (t *Tree) append(lines ...line) error {
	var data []byte
	for _, l := range lines {
		text, err := json.Marshal(l)
		if err != nil {
			return err
		}
		data = append(append(data, text...), '\n')
	}
	_, err := t.ledger.Write(data)
	return err
}

// settle makes sure that what was written is on the disk, and notes that it is.
func (t *Tree) settle() error {
	if len(t.pending) == 0 {
		return nil
	}
	names := make([]string, len(t.pending))
	for i, l := range t.pending {
		names[i] = l.Path
	}
	if err := syncAll(t.root, names); err != nil {
		return err
	}
	if err := t.append(t.pending...); err != nil {
		return err
	}
	t.pending, t.pendingBytes = t.pending[:0], 0
	return t.ledger.Sync()
}

func safePath(parts []string) string {
	var safe []string
	for i, p := range parts {
		if p != "" || i == len(parts)-1 {
			safe = append(safe, Escape(p))
		}
	}
	return path.Join(safe...)
}

// free finds a path that nothing has, on the disk, in the ledger or in this run.
func (t *Tree) free(name string) string {
	for n := 1; ; n++ {
		p := numbered(name, n)
		if t.taken[fold(p)] || fold(p) == fold(ledgerName) {
			continue
		}
		if t.zip != nil {
			return p
		}
		if _, err := t.root.Lstat(p); errors.Is(err, fs.ErrNotExist) {
			return p
		} else if err != nil && n > 1000 {
			return p // writing will say what is wrong
		}
	}
}

// write makes the file under another name first, so that nobody takes half of one
// for the whole.
func (t *Tree) write(name string, f File, write func(io.Writer) error) (n int64, err error) {
	dir := path.Dir(name)
	if err := t.root.MkdirAll(dir, 0o700); err != nil {
		return 0, host(err)
	}
	part := path.Join(dir, ".keepsake-"+shortHash(f.Key)+".part")
	out, err := t.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return 0, host(err)
	}
	defer func() {
		if err != nil {
			if cl := out.Close(); !errors.Is(cl, fs.ErrClosed) {
				err = errors.Join(err, cl)
			}
			if rm := t.root.Remove(part); rm != nil && !errors.Is(rm, fs.ErrNotExist) {
				err = errors.Join(err, rm)
			}
		}
	}()
	buffered := buffers.Get().(*bufio.Writer)
	buffered.Reset(out)
	defer func() {
		buffered.Reset(nil)
		buffers.Put(buffered)
	}()
	counted := &counter{w: buffered}
	if err := write(counted); counted.err != nil {
		return 0, host(counted.err)
	} else if err != nil {
		return 0, err
	}
	if err := buffered.Flush(); err != nil {
		return 0, host(err)
	}
	if err := out.Close(); err != nil {
		return 0, host(err)
	}
	if !f.ModTime.IsZero() {
		if err := t.root.Chtimes(part, f.ModTime, f.ModTime); err != nil {
			return 0, host(err)
		}
	}
	return counted.n, host(t.root.Rename(part, name))
}

// buffers are used again: one for each of 10,000 small files costs more than the files.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 256<<10) }}

type counter struct {
	w   io.Writer
	n   int64
	err error // of the disk
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = errors.Join(c.err, err)
	return n, err
}

// Copy is a write function for [Tree.Put] that copies a file of the phone.
func Copy(fsys fs.FS, name string) func(io.Writer) error {
	return func(w io.Writer) error {
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}
}

// Link is the address of one file of the tree in a page that is another: relative,
// with names escaped as in addresses.
func Link(fromPage, to string) string {
	up := strings.Count(path.Clean(fromPage), "/")
	parts := strings.Split(path.Clean(to), "/")
	for i, p := range parts {
		parts[i] = escapeURL(p)
	}
	return strings.Repeat("../", up) + strings.Join(parts, "/")
}

// Stats tells what was done so far.
func (t *Tree) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stats
}

// Close ends the export.
func (t *Tree) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	if t.zip != nil {
		return host(t.zip.out.Close())
	}
	return errors.Join(t.settle(), t.ledger.Close(), t.root.Close())
}
