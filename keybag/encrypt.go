package keybag

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"sync"
)

// EncryptWriter writes to w the AES-256-CBC ciphertext of what is written to it,
// IV zero. Close writes the PKCS#7 padding and does not close w.
func EncryptWriter(key Key, w io.Writer) (io.WriteCloser, error) {
	block, err := newBlock(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return &encryptWriter{dst: w, mode: cipher.NewCBCEncrypter(block, make([]byte, BlockSize)), buf: make([]byte, 0, chunkSize)}, nil
}

type encryptWriter struct {
	dst  io.Writer
	mode cipher.BlockMode
	buf  []byte // plaintext not yet written; its capacity is a number of blocks
	err  error
}

func (e *encryptWriter) Write(p []byte) (int, error) {
	done := 0
	for e.err == nil && done < len(p) {
		n := min(len(p)-done, cap(e.buf)-len(e.buf))
		e.buf = append(e.buf, p[done:done+n]...)
		done += n
		if len(e.buf) == cap(e.buf) {
			e.flush()
		}
	}
	return done, e.err
}

func (e *encryptWriter) flush() {
	e.mode.CryptBlocks(e.buf, e.buf)
	_, e.err = e.dst.Write(e.buf)
	e.buf = e.buf[:0]
}

func (e *encryptWriter) Close() error {
	if e.err != nil {
		return e.err
	}
	pad := BlockSize - len(e.buf)%BlockSize
	for range pad {
		e.buf = append(e.buf, byte(pad)) // fits: the buffer is never full here
	}
	e.flush()
	err := e.err
	if err == nil {
		e.err = errors.New("encrypt: written to after the end")
	}
	return err
}

// encryptWindow is how many bytes lie between two places from which encryption can
// go on, and encryptKept how many pieces of that length are remembered.
const (
	encryptWindow = 256 << 10
	encryptKept   = 4
)

// EncryptingReaderAt gives random access to the ciphertext of a plaintext. In CBC
// each block depends on all before it, so the first read at an offset encrypts
// everything up to there, once: after that the chain is known every 256 KiB. It
// keeps 16 bytes for each of those, and up to 1 MiB of ciphertext. It may be used
// concurrently; reads wait for each other.
type EncryptingReaderAt struct {
	src   io.ReaderAt
	plain int64
	block cipher.Block

	mu    sync.Mutex
	chain [][BlockSize]byte // IV of each window as far as they are known; guarded by mu
	kept  []encryptedWindow // newest first; guarded by mu
}

type encryptedWindow struct {
	number int64
	data   []byte
}

// EncryptReaderAt encrypts size bytes of src.
func EncryptReaderAt(key Key, src io.ReaderAt, size int64) (*EncryptingReaderAt, error) {
	block, err := newBlock(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if size < 0 {
		return nil, fmt.Errorf("encrypt: size %d", size)
	}
	return &EncryptingReaderAt{src: src, plain: size, block: block, chain: make([][BlockSize]byte, 1)}, nil
}

// Size is the length of the ciphertext in bytes.
func (r *EncryptingReaderAt) Size() int64 { return EncryptedSize(r.plain) }

// ReadAt fills p with ciphertext from offset off, as io.ReaderAt says.
func (r *EncryptingReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("encrypt: negative offset")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= r.Size() {
			return done, io.EOF
		}
		data, err := r.windowLocked(at / encryptWindow)
		if err != nil {
			return done, err
		}
		done += copy(p[done:], data[at%encryptWindow:])
	}
	return done, nil
}

// windowLocked gives the ciphertext of a window.
func (r *EncryptingReaderAt) windowLocked(number int64) ([]byte, error) {
	for i, w := range r.kept {
		if w.number == number {
			copy(r.kept[1:], r.kept[:i])
			r.kept[0] = w
			return w.data, nil
		}
	}
	for {
		next := min(number, int64(len(r.chain))-1)
		data, err := r.encryptLocked(next)
		if err != nil {
			return nil, err
		}
		if next == number {
			return data, nil
		}
	}
}

// encryptLocked encrypts a window whose IV is known and remembers it.
func (r *EncryptingReaderAt) encryptLocked(number int64) ([]byte, error) {
	var buf []byte
	if len(r.kept) == encryptKept {
		buf = r.kept[encryptKept-1].data[:0]
		r.kept = r.kept[:encryptKept-1]
	}
	start := number * encryptWindow
	n := int(min(encryptWindow, r.plain-start))
	if cap(buf) < n+BlockSize {
		buf = make([]byte, 0, min(encryptWindow, n)+BlockSize)
	}
	buf = buf[:n]
	if got, err := r.src.ReadAt(buf, start); got < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	if n < encryptWindow {
		pad := BlockSize - n%BlockSize
		for range pad {
			buf = append(buf, byte(pad))
		}
	}
	cipher.NewCBCEncrypter(r.block, r.chain[number][:]).CryptBlocks(buf, buf)
	if number == int64(len(r.chain))-1 && n == encryptWindow {
		r.chain = append(r.chain, [BlockSize]byte(buf[n-BlockSize:]))
	}
	r.kept = append(r.kept, encryptedWindow{})
	copy(r.kept[1:], r.kept)
	r.kept[0] = encryptedWindow{number, buf}
	return buf, nil
}
