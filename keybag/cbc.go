package keybag

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// BlockSize is the cipher's block in bytes: ciphertext lengths are multiples of it.
const BlockSize = aes.BlockSize

// chunkSize is how much the streams read and work on at once.
const chunkSize = 64 << 10

var (
	// ErrCutShort: the ciphertext is no whole number of blocks. A phone never
	// writes such a file; the rest of it is missing.
	ErrCutShort = errors.New("ciphertext is cut short")
	// ErrPadding: the last block does not end in PKCS#7 padding. The key is wrong,
	// the file is damaged, or an old editing tool wrote it (backup-format.md 3.4).
	ErrPadding = errors.New("ciphertext has no valid padding")
)

var errNoKey = errors.New("no key")

// EncryptedSize is the length of n bytes after encryption: PKCS#7 always adds
// one to sixteen bytes.
func EncryptedSize(n int64) int64 { return n - n%BlockSize + BlockSize }

func newBlock(key Key) (cipher.Block, error) {
	if key.IsZero() {
		return nil, errNoKey
	}
	return aes.NewCipher(key.bytes())
}

// EncryptReader gives the AES-256-CBC ciphertext of what r holds, IV zero,
// PKCS#7 padded: [EncryptedSize] bytes.
func EncryptReader(key Key, r io.Reader) io.Reader {
	block, err := newBlock(key)
	if err != nil {
		return errReader{fmt.Errorf("encrypt: %w", err)}
	}
	return &encryptReader{src: r, mode: cipher.NewCBCEncrypter(block, make([]byte, BlockSize)), buf: make([]byte, chunkSize+BlockSize)}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

type encryptReader struct {
	src   io.Reader
	mode  cipher.BlockMode
	buf   []byte
	ready []byte // encrypted bytes of buf not yet given away
	err   error  // after ready
}

func (e *encryptReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(e.ready) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.fill()
	}
	n := copy(p, e.ready)
	e.ready = e.ready[n:]
	return n, nil
}

func (e *encryptReader) fill() {
	n, err := io.ReadFull(e.src, e.buf[:chunkSize])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		pad := BlockSize - n%BlockSize
		copy(e.buf[n:], bytes.Repeat([]byte{byte(pad)}, pad))
		n, err = n+pad, io.EOF
	}
	e.err = err
	if err != nil && err != io.EOF {
		return
	}
	e.mode.CryptBlocks(e.buf[:n], e.buf[:n])
	e.ready = e.buf[:n]
}

// DecryptReader gives the plaintext of ciphertext r without its padding. A cut
// or unpadded ciphertext ends in [ErrCutShort] or [ErrPadding] instead of
// io.EOF, after the plaintext of all whole blocks before the last one. An empty
// ciphertext is an empty plaintext (backup-format.md 1.5).
func DecryptReader(key Key, r io.Reader) io.Reader { return newStream(key, r, false) }

// Stream is the plaintext of a ciphertext that may be damaged.
type Stream struct {
	src      io.Reader
	mode     cipher.BlockMode
	tolerant bool
	buf      []byte // ciphertext; a decrypted chunk and the raw block after it
	held     int    // raw bytes at the start of buf, kept back: they may be the last block
	ready    []byte
	err      error
	damage   error
}

// DecryptTolerant reads what [DecryptReader] refuses: it gives every byte that
// whole blocks decrypt to, keeps a last block without padding as it is and drops
// a cut one. [Stream.Damage] tells afterwards whether that was needed.
func DecryptTolerant(key Key, r io.Reader) *Stream { return newStream(key, r, true) }

func newStream(key Key, r io.Reader, tolerant bool) *Stream {
	block, err := newBlock(key)
	if err != nil {
		return &Stream{err: fmt.Errorf("decrypt: %w", err)}
	}
	return &Stream{
		src:      r,
		mode:     cipher.NewCBCDecrypter(block, make([]byte, BlockSize)),
		tolerant: tolerant,
		buf:      make([]byte, chunkSize+BlockSize),
	}
}

// Damage is nil, or wraps [ErrCutShort] or [ErrPadding]. It is complete once
// Read has returned an error.
func (s *Stream) Damage() error { return s.damage }

func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.ready) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.fill()
	}
	n := copy(p, s.ready)
	s.ready = s.ready[n:]
	return n, nil
}

// fill decrypts the next chunk but for the last block read, which is the last
// of the file when nothing follows.
func (s *Stream) fill() {
	if s.held > 0 {
		copy(s.buf, s.buf[len(s.buf)-BlockSize:])
	}
	n, err := io.ReadFull(s.src, s.buf[s.held:])
	n += s.held
	if err == nil {
		s.held = BlockSize
		s.ready = s.buf[:n-BlockSize]
		s.mode.CryptBlocks(s.ready, s.ready)
		return
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		s.err = err
		return
	}
	whole := n - n%BlockSize
	plain := s.buf[:whole]
	s.mode.CryptBlocks(plain, plain)
	s.ready, s.damage = unpad(plain, n-whole)
	s.err = io.EOF
	if s.damage != nil && !s.tolerant {
		if len(s.ready) >= BlockSize {
			s.ready = s.ready[:len(s.ready)-BlockSize]
		}
		s.err = fmt.Errorf("decrypt: %w", s.damage)
	}
}

// unpad removes the padding at the end of the last plaintext bytes of a file.
// rest is the length of the incomplete block after them.
func unpad(plain []byte, rest int) ([]byte, error) {
	if rest != 0 {
		return plain, fmt.Errorf("%w: %d bytes after the last whole block", ErrCutShort, rest)
	}
	if len(plain) == 0 {
		return plain, nil
	}
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > BlockSize {
		return plain, ErrPadding
	}
	end := len(plain) - pad
	for _, b := range plain[end:] {
		if int(b) != pad {
			return plain, ErrPadding
		}
	}
	return plain[:end], nil
}
