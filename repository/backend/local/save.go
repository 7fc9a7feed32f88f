package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Save stores data durably. A failed Save leaves nothing behind.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if err := b.save(ctx, h, data); err != nil {
		return failed("save", h, err)
	}
	return nil
}

func (b *Backend) save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if err := h.Check(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	root, err := b.open()
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder of the repository is not there; is its disk mounted? %w", err)
	} else if err != nil {
		return err
	}
	final := h.Path()
	if info, err := root.Lstat(final); err == nil && info.Mode().IsRegular() {
		if h.Type == backend.ConfigFile {
			return backend.ErrExist
		}
		if info.Size() == data.Size() {
			// Whoever put it there may not have lived to sync it.
			return syncExisting(root, final)
		}
	}
	temp, err := b.writeTemp(ctx, root, final, data)
	if err == nil {
		err = b.publishTemp(root, temp, h)
	}
	if err != nil && temp != "" && !errors.Is(err, ErrDied) {
		if gone := root.Remove(temp); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = fmt.Errorf("%w (and %s stays behind: %v)", err, temp, gone)
		}
	}
	return err
}

// writeTemp writes and syncs a temporary file beside final. Its name is given
// whenever the file exists.
func (b *Backend) writeTemp(ctx context.Context, root *os.Root, final string, data backend.Content) (string, error) {
	temp := final + tempMark + rand.Text()
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) { // tools that copy repositories may leave out empty folders
		if err := makeDir(root, path.Dir(temp)); err != nil {
			return "", err
		}
		f, err = root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return "", err
	}
	err = b.step("created")
	if err == nil {
		err = copyContent(ctx, f, data)
	}
	if err == nil {
		err = b.step("written")
	}
	if err == nil {
		err = syncFile(f)
	}
	if err == nil {
		err = b.step("synced")
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = ctx.Err() // the last moment at which nothing has happened
	}
	return temp, err
}

// publishTemp gives the temporary file its name.
func (b *Backend) publishTemp(root *os.Root, temp string, h backend.Handle) error {
	final := h.Path()
	if h.Type == backend.ConfigFile {
		if err := publishNew(b.publish, root, temp, final); err != nil {
			return err
		}
	} else if err := root.Rename(temp, final); err != nil {
		return err
	}
	if err := b.step("renamed"); err != nil {
		return err
	}
	if err := syncDir(root, path.Dir(final)); err != nil {
		return err
	}
	if err := b.step("dir synced"); err != nil {
		return err
	}
	makeReadOnly(root, final)
	return nil
}

// syncExisting makes sure that a file somebody else wrote is durable.
func syncExisting(root *os.Root, final string) error {
	f, err := root.Open(final)
	if err != nil {
		return err
	}
	err = syncRead(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return syncDir(root, path.Dir(final))
}

// makeDir makes dir and its parents below root, durably.
func makeDir(root *os.Root, dir string) error {
	parent := path.Dir(dir)
	err := root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrNotExist) && parent != "." {
		if err := makeDir(root, parent); err != nil {
			return err
		}
		err = root.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(root, parent)
}

const (
	tempMark  = "-tmp-"
	pieceSize = 1 << 20 // how much is written between two looks at the context
)

var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// copyContent writes all of data. What lies in memory is written from there;
// everything else goes through one buffer.
func copyContent(ctx context.Context, w io.Writer, data backend.Content) error {
	size := data.Size()
	w = &writer{ctx, w}
	var n int64
	var err error
	if r, ok := data.(*bytes.Reader); ok {
		own := *r // the position is the caller's
		if _, err := own.Seek(0, io.SeekStart); err != nil {
			return err
		}
		n, err = own.WriteTo(w)
	} else {
		buf := pieces.Get().(*[pieceSize]byte)
		defer pieces.Put(buf)
		// The bare reader and writer: their short cuts would go round the buffer.
		n, err = io.CopyBuffer(w, struct{ io.Reader }{io.NewSectionReader(data, 0, size)}, buf[:])
	}
	if err == nil && n != size {
		err = fmt.Errorf("there are %d bytes instead of %d: %w", n, size, io.ErrUnexpectedEOF)
	}
	return err
}

// writer writes in pieces and stops when the context ends.
type writer struct {
	ctx context.Context
	w   io.Writer
}

func (w *writer) Write(p []byte) (int, error) {
	for done := 0; ; {
		if err := w.ctx.Err(); err != nil {
			return done, err
		}
		n, err := w.w.Write(p[done:min(done+pieceSize, len(p))])
		done += n
		if err != nil || done == len(p) {
			return done, err
		}
	}
}

// isTemp tells whether a file is one that Save, ours or restic's, was writing.
func isTemp(name string) bool {
	id, _, found := strings.Cut(name, tempMark)
	return found && (id == "config" || backend.IsName(id))
}
