package snapshot

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Content is the content of one file of the phone in the repository.
type Content struct {
	Blobs  []format.ID
	Size   int64           // bytes in the repository
	Stored int64           // bytes of the iTunes folder, as the phone sent them
	SHA1   [sha1.Size]byte // of those
	// Raw: the file has a key and is stored as it came all the same, because what
	// it decrypts to would not encrypt to the same bytes again.
	Raw bool
	// ModTime is the time of the file in the folder, in Unix seconds. It counts
	// for sealed snapshots only: in others the phone's own list tells it.
	ModTime int64
}

// Save stores the content of one file of the iTunes folder. open gives its bytes
// as they came, size is how many they are, or -1 when that is not known; another
// number of bytes is an error. name, with or without folders, helps to choose how
// it is cut. With a key the file is decrypted on the way; when the plaintext would
// not encrypt to the same bytes again (bad padding, a block cut short, no bytes at
// all; backup-format.md 3.4), it is opened once more and stored as it is.
//
// It may be called concurrently, and waits until the pieces have been hashed, not
// until they are durable: that is Build and Commit, or Writer.Flush.
func Save(ctx context.Context, w *repository.Writer, name string, key keybag.Key, open func() (io.ReadCloser, error), size int64) (Content, error) {
	if key.IsZero() {
		return save(ctx, w, name, key, open, size)
	}
	c, err := save(ctx, w, name, key, open, size)
	if err == nil && c.Stored > 0 {
		return c, nil
	}
	if err != nil && !errors.Is(err, keybag.ErrPadding) && !errors.Is(err, keybag.ErrCutShort) {
		return Content{}, err
	}
	c, err = save(ctx, w, name, keybag.Key{}, open, size)
	c.Raw = true
	return c, err
}

func save(ctx context.Context, w *repository.Writer, name string, key keybag.Key, open func() (io.ReadCloser, error), size int64) (c Content, err error) {
	src, err := open()
	if err != nil {
		return Content{}, fmt.Errorf("save %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	m := &meter{src: src, want: size, sum: sha1.New()}
	var r io.Reader = m
	if !key.IsZero() {
		r = keybag.DecryptReader(key, m)
	}
	stored, err := w.SaveFile(ctx, r, name, size)
	if err != nil {
		return Content{}, fmt.Errorf("save %s: %w", name, err)
	}
	c = Content{Size: stored.Size(), Stored: m.n}
	if c.Blobs, err = stored.IDs(ctx); err != nil {
		return Content{}, fmt.Errorf("save %s: %w", name, err)
	}
	m.sum.Sum(c.SHA1[:0])
	return c, nil
}

// meter counts and hashes what passes, and wants it to be as much as was said.
type meter struct {
	src  io.Reader
	want int64 // -1: whatever comes
	n    int64
	sum  hash.Hash
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.src.Read(p)
	m.n += int64(n)
	m.sum.Write(p[:n])
	switch {
	case m.want >= 0 && m.n > m.want:
		return n, fmt.Errorf("more than %d bytes", m.want)
	case err == io.EOF && m.want >= 0 && m.n < m.want:
		return n, fmt.Errorf("%d of %d bytes: %w", m.n, m.want, io.ErrUnexpectedEOF)
	}
	return n, err
}
