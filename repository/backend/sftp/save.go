package sftp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/pkg/sftp"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	// chunkSize is what every server takes in one packet.
	chunkSize = 32 << 10
	// inFlight is how many of them are on their way for one file: 2 MiB, enough
	// for 20 MB/s at a round trip of 100 ms.
	inFlight = 64
)

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// Save writes a file under a temporary name and moves it to its place.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	return b.do(ctx, "save", h, func(ctx context.Context, c *conn) error {
		final := b.path(h)
		if h.Type == backend.ConfigFile {
			switch _, err := c.stat(final); {
			case err == nil:
				return backend.ErrExist
			case !errors.Is(err, fs.ErrNotExist):
				return err
			}
		}
		temporary := final + "-tmp-" + rand.Text()
		f, err := c.create(temporary)
		if err == nil {
			err = c.upload(ctx, f, temporary, data)
			if err == nil && h.Type == backend.ConfigFile {
				err = c.placeNew(temporary, final)
			} else if err == nil {
				err = c.place(temporary, final, data.Size())
			}
		}
		if err != nil {
			err = c.whyNotWritten(err, path.Dir(final), data.Size())
			if f != nil {
				// Without a connection it stays: nobody reads it.
				_ = c.remove(temporary)
			}
			return err
		}
		return c.syncFolder(path.Dir(final))
	})
}

// create opens a new file; its folder is made if it is missing.
func (c *conn) create(name string) (*sftp.File, error) {
	f, err := c.open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if errors.Is(err, fs.ErrNotExist) {
		if err := c.mkdirAll(path.Dir(name)); err != nil {
			return nil, err
		}
		f, err = c.open(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	}
	return f, err
}

// upload fills f durably and closes it.
func (c *conn) upload(ctx context.Context, f *sftp.File, name string, data backend.Content) error {
	err := c.write(ctx, f, data)
	if err == nil && c.offers("fsync@openssh.com", "1") {
		err = c.sync(f)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		// Only a protection against mistakes; a server need not know modes.
		if e := c.chmod(name, 0o400); !isAnswer(e) {
			err = e
		}
	}
	if e := c.closeFile(f); err == nil {
		err = e
	}
	return err
}

// write sends data with many requests in flight. After an error the file may
// have holes: it never gets its name.
func (c *conn) write(ctx context.Context, f *sftp.File, data backend.Content) error {
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, inFlight)
		fail  = make(chan error, 1)
	)
	defer wg.Wait()
	size := data.Size()
	for offset := int64(0); offset < size; offset += chunkSize {
		select {
		case slots <- struct{}{}:
		case err := <-fail:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
		buf := chunks.Get().(*[chunkSize]byte)
		n := int(min(chunkSize, size-offset))
		if read, err := data.ReadAt(buf[:n], offset); read < n {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			chunks.Put(buf)
			return &callerError{fmt.Errorf("read what to save: %w", err)}
		}
		wg.Go(func() {
			defer c.ask()()
			if _, err := f.WriteAt(buf[:n], offset); err != nil {
				select {
				case fail <- err:
				default:
				}
			}
			chunks.Put(buf)
			<-slots
		})
	}
	wg.Wait()
	select {
	case err := <-fail:
		return err
	default:
		return nil
	}
}

// place moves a file to its name, over what is there.
func (c *conn) place(temporary, final string, size int64) error {
	if c.offers("posix-rename@openssh.com", "1") {
		return c.posixRename(temporary, final)
	}
	err := c.rename(temporary, final)
	if err == nil || !isAnswer(err) {
		return err
	}
	// Something may be in its way. The same name and size is the same file.
	info, e := c.stat(final)
	if e != nil {
		return err
	}
	if info.Size() == size {
		return c.remove(temporary)
	}
	if err := c.remove(final); err != nil {
		return err
	}
	return c.rename(temporary, final)
}

// placeNew moves a file to its name, unless there is one.
func (c *conn) placeNew(temporary, final string) error {
	err := error(nil)
	if c.offers("hardlink@openssh.com", "1") {
		if err = c.link(temporary, final); err == nil {
			// The config is there; a second name beside it does no harm.
			if e := c.remove(temporary); !isAnswer(e) {
				return e
			}
			return nil
		}
		if !isAnswer(err) {
			return err
		}
		if _, e := c.stat(final); e == nil {
			return backend.ErrExist
		}
	}
	// No hard links here.
	if err = c.rename(temporary, final); err != nil && isAnswer(err) {
		if _, e := c.stat(final); e == nil {
			return backend.ErrExist
		}
	}
	return err
}

// syncFolder makes names durable where the server can do it: OpenSSH's opens
// folders like files, and its fsync works on them. That a server cannot is no
// error; that the connection breaks is one.
func (c *conn) syncFolder(name string) error {
	if !c.offers("fsync@openssh.com", "1") {
		return nil
	}
	f, err := c.open(name, os.O_RDONLY)
	if err == nil {
		err = c.sync(f)
		if e := c.closeFile(f); isAnswer(err) {
			err = e
		}
	}
	if isAnswer(err) {
		return nil
	}
	return err
}

// readOnly is SSH_FXE_STATVFS_ST_RDONLY in the flags of statvfs@openssh.com.
const readOnly = 1

// whyNotWritten finds out what a "failure" to write size bytes below folder
// meant.
func (c *conn) whyNotWritten(err error, folder string, size int64) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) || !c.offers("statvfs@openssh.com", "2") {
		return err
	}
	v, e := c.statVFS(folder)
	for errors.Is(e, fs.ErrNotExist) && path.Dir(folder) != folder {
		folder = path.Dir(folder) // it could not be made
		v, e = c.statVFS(folder)
	}
	switch {
	case e != nil:
		return err
	case v.Flag&readOnly != 0:
		return fmt.Errorf("%w: the file system is mounted read-only", backend.ErrReadOnly)
	case v.Files > 0 && v.Favail == 0:
		return fmt.Errorf("%w: the file system has no inodes left", backend.ErrFull)
	case v.Frsize > 0 && v.Bavail < uint64(size)/v.Frsize+1:
		return fmt.Errorf("%w: %d bytes of the file system are free", backend.ErrFull, v.Bavail*v.Frsize)
	}
	return err
}
