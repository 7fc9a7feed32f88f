package backupagent

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/keybag"
)

// errModified: the file changed while it was read (error 9 inside the phone).
var errModified = errors.New("file modified while being read")

// ahead is how many pieces the loader reads ahead of the sender: 16 of 256 KiB.
const ahead = 16

// piece is a part of a file's stored bytes, behind room for the head of a
// frame. The last piece of a file may have no bytes and tells how it ended.
type piece struct {
	data   []byte
	buf    *[]byte // data's home, to be used again
	last   bool
	err    error // of the file: it could not be read
	stored stored
}

// loader reads files, encrypts and digests them while earlier ones are being
// sent, in the order given.
type loader struct {
	b      *backup
	check  bool // whether a file that changes is an error
	pieces chan piece
	free   chan *[]byte
	cancel context.CancelFunc
	wait   sync.WaitGroup
}

func (b *backup) startLoader(ctx context.Context, entries []*entry, check bool) *loader {
	ctx, cancel := context.WithCancel(ctx)
	l := &loader{b: b, check: check, pieces: make(chan piece, ahead), free: make(chan *[]byte, ahead+2), cancel: cancel}
	l.wait.Go(func() {
		defer close(l.pieces)
		for _, e := range entries {
			if !l.load(ctx, e) {
				return
			}
		}
	})
	return l
}

// stop ends the loader and waits for it.
func (l *loader) stop() {
	l.cancel()
	l.wait.Wait()
}

// next gives the next piece. Give it back with release.
func (l *loader) next(ctx context.Context) (piece, error) {
	select {
	case p, ok := <-l.pieces:
		if !ok {
			return piece{}, errors.New("no more files are being read")
		}
		return p, nil
	case <-ctx.Done():
		return piece{}, context.Cause(ctx)
	}
}

func (l *loader) release(p piece) {
	select {
	case l.free <- p.buf:
	default:
	}
}

func (l *loader) buffer() *[]byte {
	select {
	case buf := <-l.free:
		return buf
	default:
		buf := make([]byte, frameHead+devicelink.DeviceChunk)
		return &buf
	}
}

// load delivers the pieces of one file; false when nobody wants them any more.
func (l *loader) load(ctx context.Context, e *entry) bool {
	in, err := l.open(ctx, e)
	if err != nil {
		buf := l.buffer()
		return l.deliver(ctx, piece{data: (*buf)[:frameHead], buf: buf, last: true, err: err})
	}
	defer in.close()
	for {
		buf := l.buffer()
		n, err := io.ReadFull(in.body, (*buf)[frameHead:])
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		data := in.seal((*buf)[frameHead:], n, last)
		p := piece{data: (*buf)[:frameHead+len(data)], buf: buf, last: last}
		switch {
		case last:
			p.stored, p.err = in.finish(e)
		case err != nil:
			p.last, p.err = true, err
		}
		if !l.deliver(ctx, p) {
			return false
		}
		if p.last {
			return true
		}
	}
}

func (l *loader) deliver(ctx context.Context, p piece) bool {
	select {
	case l.pieces <- p:
		return true
	case <-ctx.Done():
		return false
	}
}

// input is a file being read.
type input struct {
	body   io.ReadCloser
	file   *os.File // to look for changes; nil for a database with its log
	check  bool
	cbc    cipher.BlockMode // nil in unencrypted backups
	hash   hash.Hash        // nil in domains without digests
	stored stored
}

// seal turns the first n bytes of buf into stored bytes, in place: encrypted,
// with PKCS#7 behind the last ones, and digested. All but the last piece of a
// file fill buf, whose length is a multiple of the cipher's block; so there is
// always room for the padding.
func (in *input) seal(buf []byte, n int, last bool) []byte {
	if in.cbc != nil {
		if last {
			pad := keybag.BlockSize - n%keybag.BlockSize
			for i := range pad {
				buf[n+i] = byte(pad)
			}
			n += pad
		}
		whole := buf[:n-n%keybag.BlockSize]
		in.cbc.CryptBlocks(whole, whole)
	}
	if in.hash != nil {
		in.hash.Write(buf[:n])
	}
	in.stored.size += int64(n)
	return buf[:n]
}

func (l *loader) open(ctx context.Context, e *entry) (*input, error) {
	at := filepath.Join(l.b.fs(), e.domain, filepath.FromSlash(e.rel))
	in := &input{check: l.check}
	if e.log {
		body, _, err := l.b.rules.SnapshotFile(ctx, at)
		if err != nil {
			return nil, vanished(err)
		}
		in.body = body
	} else {
		f, err := os.Open(at)
		if err != nil {
			return nil, vanished(err)
		}
		in.body, in.file = f, f
		if err := in.compare(e); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	if l.b.rules.HasDigest(e.domain) {
		in.hash = sha1.New()
		in.stored.hasDigest = true
	}
	if l.b.encrypted {
		if err := in.encrypt(l.b.bag, l.b.protectionClass(e)); err != nil {
			return nil, errors.Join(err, in.body.Close())
		}
	}
	return in, nil
}

// vanished makes of a file that is gone one that changed: its domain is scanned
// again.
func vanished(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errModified
	}
	return err
}

// compare looks whether the file is still the one that was scanned. When that
// does not matter any more, it takes the file as it is now.
func (in *input) compare(e *entry) error {
	if in.file == nil {
		return nil
	}
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	if size, mtime := info.Size(), info.ModTime().UnixNano(); size != e.size || mtime != e.mtime {
		if in.check {
			return errModified
		}
		e.size, e.mtime = size, mtime
	}
	return nil
}

func (in *input) encrypt(bag *keybag.Keybag, class keybag.Class) error {
	key, err := keybag.RandomKey(nil)
	if err != nil {
		return err
	}
	wrapped, err := bag.Wrap(class, key)
	if err != nil {
		return err
	}
	in.stored.key, in.stored.hasKey = wrapped, true
	block, err := aes.NewCipher(key.Reveal())
	if err != nil {
		return err
	}
	in.cbc = cipher.NewCBCEncrypter(block, make([]byte, keybag.BlockSize))
	return nil
}

func (in *input) finish(e *entry) (stored, error) {
	if in.hash != nil {
		in.hash.Sum(in.stored.digest[:0])
	}
	return in.stored, in.compare(e)
}

func (in *input) close() { in.body.Close() }

func (b *backup) protectionClass(e *entry) keybag.Class {
	class := keybag.Class(b.rules.ProtectionClass(e.domain, e.rel))
	if !class.IsFile() {
		return keybag.ClassCompleteUntilFirstAuth
	}
	return class
}

// newBag makes the keybag of a full backup.
func (b *backup) newBag(ctx context.Context) (*keybag.Keybag, error) {
	bag, err := keybag.New(ctx, keybag.Options{Encrypted: b.encrypted, Password: b.phone.BackupPassword(), Rounds: b.policy.KDFRounds})
	if err != nil {
		return nil, fmt.Errorf("begin encrypted backup: %w", err)
	}
	return bag, nil
}
