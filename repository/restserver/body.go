package restserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
)

// body is what a client sends, as a backend's Content. It passes by once, in
// order, and is hashed on its way; the last bytes are handed out only when the
// hash is right, so that nobody ever has the whole of a wrong file.
type body struct {
	r    io.Reader
	size int64
	want string // hexadecimal SHA-256; "": any

	mu     sync.Mutex
	hash   hash.Hash
	offset int64
	err    error // the first failure, which stays
}

var errOnce = errors.New("a body under way can be read only once")

// newBody checks the hash of an empty body at once.
func newBody(r io.Reader, size int64, want string) (*body, error) {
	b := &body{r: r, size: size, want: want, hash: sha256.New()}
	if size == 0 {
		return b, b.verify()
	}
	return b, nil
}

func (b *body) Size() int64 { return b.size }

// done tells whether all has been read, and found right.
func (b *body) done() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err == nil && b.offset == b.size
}

// failure is why the body is no good; nil as far as it is.
func (b *body) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *body) ReadAt(p []byte, offset int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return 0, b.err
	case offset == b.size && b.offset == b.size:
		return 0, io.EOF
	case offset != b.offset:
		return 0, errOnce
	}
	want := len(p)
	if left := b.size - offset; int64(len(p)) > left {
		p = p[:left]
	}
	n, err := io.ReadFull(b.r, p)
	if n < len(p) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		b.err = fmt.Errorf("read body: %w", err)
		return 0, b.err
	}
	b.hash.Write(p)
	b.offset += int64(n)
	if b.offset == b.size {
		if b.err = b.verify(); b.err != nil {
			return 0, b.err
		}
	}
	if n < want {
		return n, io.EOF
	}
	return n, nil
}

// verify compares the hash of the whole with the name.
func (b *body) verify() error {
	if b.want == "" || hex.EncodeToString(b.hash.Sum(nil)) == b.want {
		return nil
	}
	return refuse(http.StatusBadRequest, "the body's SHA-256 is not its name")
}
