package restorer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

// Limits of a batch.
const (
	batchBlobs = 100_000
	batchFiles = 20_000
)

// folder is one of the tree.
type folder struct {
	up    *folder // nil for the root
	path  string  // in the tree
	local string  // in the target
	node  *format.Node
	made  bool         // it is there, and a folder
	fresh bool         // it was not there before: nothing can be in the way
	open  atomic.Int64 // entries not finished, and one while the walk is in it
}

// planner walks the tree.
type planner struct {
	r       *run
	batches chan<- *batch
	at      *folder // where the walk is
	batch   *batch
}

func (p *planner) plan(ctx context.Context, tree format.ID) error {
	root := &folder{local: ".", made: true}
	root.open.Store(1)
	p.at, p.batch = root, &batch{}
	if err := p.r.tidy(root); err != nil {
		return err
	}
	err := treewalk.Walk(ctx, p.r.s, tree, treewalk.Visitor{
		Descend: p.r.descend,
		Node:    func(path string, n *format.Node) error { return p.node(ctx, path, n) },
		Leave:   func(string, *format.Node) error { return p.leave() },
		Broken:  p.r.problem,
	})
	if err != nil {
		p.batch.abandon()
		return err
	}
	return p.send(ctx)
}

// send hands over what was gathered.
func (p *planner) send(ctx context.Context) error {
	b := p.batch
	p.batch = &batch{}
	if len(b.blobs) == 0 {
		return nil
	}
	select {
	case p.batches <- b:
		return nil
	case <-ctx.Done():
		b.abandon()
		return context.Cause(ctx)
	}
}

func (p *planner) node(ctx context.Context, path string, n *format.Node) error {
	if n.Type == format.NodeDir {
		if !p.r.descend(path, n) {
			return nil
		}
		p.at = &folder{up: p.at, path: path, local: filepath.Join(p.at.local, n.Name), node: n}
		p.at.open.Store(1)
		if p.r.wanted(path) {
			return p.make(p.at)
		}
		return nil
	}
	if !p.r.wanted(path) {
		return nil
	}
	err := p.entry(ctx, path, n)
	var item *itemError
	if errors.As(err, &item) {
		return p.r.problem(path, item.err)
	}
	return err
}

func (p *planner) leave() error {
	f := p.at
	p.at = f.up
	return p.r.finished(f)
}

// itemError is about one entry; the run goes on.
type itemError struct{ err error }

func (e *itemError) Error() string { return e.err.Error() }
func (e *itemError) Unwrap() error { return e.err }

func itemErr(err error) error {
	if err == nil {
		return nil
	}
	return &itemError{err}
}

// make makes a folder and those above it, once. What is in the way is told; then
// what should go into the folder is told by itself.
func (p *planner) make(f *folder) error {
	if f.made || f.up == nil {
		return nil
	}
	if err := p.make(f.up); err != nil || !f.up.made {
		return err
	}
	if err := p.r.mkdir(f); err != nil {
		return p.r.problem(f.path, err)
	}
	f.made = true
	f.up.open.Add(1)
	p.r.count(&p.r.summary.Folders)
	if f.fresh {
		return nil
	}
	return p.r.tidy(f)
}

func (r *run) mkdir(f *folder) error {
	name := filepath.Base(f.local)
	if !local(f.node.Name) {
		return errors.New("the name cannot be used on this system")
	}
	h, err := r.folders.get(f.up.local)
	if err != nil {
		return err
	}
	defer r.folders.put(h)
	err = h.root.Mkdir(name, 0o700)
	if f.fresh = err == nil; f.fresh || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := h.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if r.o.Overwrite == Never {
			return errors.New("something that is no folder is in the way")
		}
		if err := h.root.Remove(name); err != nil {
			return err
		}
		f.fresh = true
		return h.root.Mkdir(name, 0o700)
	}
	if info.Mode()&0o700 != 0o700 { // of an earlier restore; it gets its mode at the end
		return h.root.Chmod(name, info.Mode()|0o700)
	}
	return nil
}

// local tells whether a name of the tree is one for a single entry here.
func local(name string) bool { return filepath.IsLocal(name) && filepath.Base(name) == name }

// tidy removes what an interrupted restore left in a folder.
func (r *run) tidy(f *folder) error {
	h, err := r.folders.get(f.local)
	if err != nil {
		return r.problem(f.path, err)
	}
	defer r.folders.put(h)
	d, err := h.root.Open(".")
	if err != nil {
		return r.problem(f.path, err)
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(4096)
		for _, name := range names {
			if !temporary(name) {
				continue
			}
			if err := h.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return r.problem(f.path, fmt.Errorf("remove the rest of an earlier restore: %w", err))
			}
		}
		if err != nil { // io.EOF, or it cannot be listed: then nothing can be tidied
			return nil
		}
	}
}

func temporary(name string) bool {
	digits, ok := strings.CutPrefix(name, tempPrefix)
	return ok && len(digits) == tempDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

// entry restores what is no folder, or puts it into the batch.
func (p *planner) entry(ctx context.Context, path string, n *format.Node) error {
	if n.Type == format.NodeSocket {
		p.r.count(&p.r.summary.Skipped)
		return nil
	}
	if !local(n.Name) {
		return itemErr(errors.New("the name cannot be used on this system"))
	}
	f := p.at
	if err := p.make(f); err != nil {
		return err
	}
	if !f.made {
		return itemErr(errors.New("its folder could not be made"))
	}
	there, err := p.r.existing(f, n)
	if err != nil {
		return itemErr(err)
	}
	if there != nil && p.r.o.Overwrite == Never {
		p.r.skip(path)
		return nil
	}
	f.open.Add(1)
	if n.Type != format.NodeFile {
		err := p.r.special(f, n, there)
		if err == nil {
			p.r.count(&p.r.summary.Others)
		}
		if told := p.told(path, err); told != nil {
			return told
		}
		return p.r.finished(f)
	}
	if p.r.o.Overwrite == IfChanged && same(there, n) {
		p.r.count(&p.r.summary.Unchanged)
		if told := p.told(path, p.r.adjust(f, n)); told != nil {
			return told
		}
		return p.r.finished(f)
	}
	return p.file(ctx, path, n)
}

// skip notes what is left as it is.
func (r *run) skip(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Skipped++
	r.leftOut[path] = true
}

// told passes an error about one entry on as a problem.
func (p *planner) told(path string, err error) error {
	if err == nil {
		return nil
	}
	return p.r.problem(path, err)
}

// existing looks for something under the name of a node; nil is nothing.
func (r *run) existing(f *folder, n *format.Node) (os.FileInfo, error) {
	if f.fresh {
		return nil, nil
	}
	h, err := r.folders.get(f.local)
	if err != nil {
		return nil, err
	}
	defer r.folders.put(h)
	info, err := h.root.Lstat(n.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.IsDir() {
		err = errors.New("a folder is in the way")
	}
	return info, err
}

// same tells whether a file seems to be what the node describes.
func same(there os.FileInfo, n *format.Node) bool {
	return there != nil && there.Mode().IsRegular() && uint64(there.Size()) == n.Size && there.ModTime().Equal(n.ModTime)
}

// file puts a file into the batch, or makes it at once if it is empty.
func (p *planner) file(ctx context.Context, path string, n *format.Node) error {
	fj := &file{r: p.r, in: p.at, node: n, path: path, left: len(n.Content)}
	p.r.filesFound.Add(1)
	offset := int64(0)
	first := len(p.batch.blobs)
	for _, id := range n.Content {
		h := format.BlobHandle{ID: id, Type: format.DataBlob}
		size, err := p.r.s.BlobSize(ctx, h)
		if err != nil {
			p.batch.cut(first)
			if !aboutBlob(err) {
				return err
			}
			if told := p.told(path, err); told != nil {
				return told
			}
			return p.r.finished(p.at)
		}
		p.batch.add(h, piece{fj, offset})
		offset += int64(size)
	}
	fj.size = offset
	p.r.bytesFound.Add(offset)
	if uint64(offset) != n.Size {
		if told := p.told(path, fmt.Errorf("its blobs hold %d bytes, the tree says %d; all of them are restored", offset, n.Size)); told != nil {
			return told
		}
	}
	if len(n.Content) == 0 {
		return fj.finish()
	}
	p.batch.files = append(p.batch.files, fj)
	if len(p.batch.blobs) >= batchBlobs || len(p.batch.files) >= batchFiles {
		return p.send(ctx)
	}
	return nil
}
