package sealed

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
)

// Writer writes a file. A Writer that failed fails from then on.
type Writer struct {
	sealing
	f     *os.File
	out   *bufio.Writer
	block []byte // not yet sealed, at most BlockSize
	buf   []byte
	next  int64
	size  int64
	err   error
}

// Create makes the file name in root, which must not exist. as is the name that is
// sealed with it: the one under which it will be opened.
func Create(root *os.Root, name, as string, key *Key) (*Writer, error) {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{sealing: sealing{key: key, name: as}, f: f, out: bufio.NewWriterSize(f, 256<<10), block: make([]byte, 0, BlockSize)}
	rand.Read(w.id[:])
	header := append(append([]byte(magic), key.mark[:]...), w.id[:]...)
	_, w.err = w.out.Write(header)
	return w, nil
}

// ID is the number of the file.
func (w *Writer) ID() [16]byte { return w.id }

// Size is how many bytes were written, before they were sealed.
func (w *Writer) Size() int64 { return w.size }

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 && w.err == nil {
		if len(w.block) == BlockSize { // it is not the last one
			w.seal(false)
		}
		m := min(len(p), BlockSize-len(w.block))
		w.block = append(w.block, p[:m]...)
		p = p[m:]
		n += m
		w.size += int64(m)
	}
	return n, w.err
}

func (w *Writer) seal(last bool) {
	if w.err != nil {
		return
	}
	w.buf = w.key.aead.Seal(w.buf[:0], w.nonce(w.next), w.block, w.bound(last))
	w.next++
	w.block = w.block[:0]
	_, w.err = w.out.Write(w.buf)
}

// Close ends the file and waits until it is on the disk. It is called once, also
// after an error; what it returns is the first error of all.
func (w *Writer) Close() error {
	w.seal(true)
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err == nil {
		w.err = w.f.Sync()
	}
	if err := errors.Join(w.err, w.f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", w.name, err)
	}
	return nil
}

// Abort closes a file that is not wanted, before its Close.
func (w *Writer) Abort() {
	w.err = errors.Join(w.err, os.ErrClosed)
	w.f.Close() // it is thrown away
}
