package keybag

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// ReaderAt gives random access to the plaintext of a ciphertext: a block of CBC
// needs only the block before it. It may be used concurrently when the
// ciphertext may.
type ReaderAt struct {
	src    io.ReaderAt
	block  cipher.Block
	size   int64
	damage error
}

// DecryptReaderAt reads the last blocks of a ciphertext of size bytes to find
// the plaintext's length. It fails with [ErrCutShort] or [ErrPadding] when the
// ciphertext does not end as it should; size 0 is an empty plaintext.
func DecryptReaderAt(key Key, src io.ReaderAt, size int64) (*ReaderAt, error) {
	r, err := DecryptTolerantAt(key, src, size)
	if err != nil {
		return nil, err
	}
	if r.damage != nil {
		return nil, fmt.Errorf("decrypt: %w", r.damage)
	}
	return r, nil
}

// DecryptTolerantAt is to [DecryptReaderAt] what [DecryptTolerant] is to
// [DecryptReader]: it fails only when src cannot be read.
func DecryptTolerantAt(key Key, src io.ReaderAt, size int64) (*ReaderAt, error) {
	block, err := newBlock(key)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	if size < 0 {
		return nil, fmt.Errorf("decrypt: size %d", size)
	}
	r := &ReaderAt{src: src, block: block, size: size - size%BlockSize}
	rest := int(size % BlockSize)
	if rest != 0 || size == 0 {
		_, r.damage = unpad(nil, rest)
		return r, nil
	}
	var last [BlockSize]byte
	if _, err := r.ReadAt(last[:], size-BlockSize); err != nil {
		return nil, fmt.Errorf("decrypt: read the last block: %w", err)
	}
	plain, err := unpad(last[:], 0)
	r.damage = err
	r.size = size - int64(BlockSize-len(plain))
	return r, nil
}

// Size is the length of the plaintext in bytes.
func (r *ReaderAt) Size() int64 { return r.size }

// Damage is nil, or wraps [ErrCutShort] or [ErrPadding].
func (r *ReaderAt) Damage() error { return r.damage }

// ReadAt fills p with plaintext from offset off, as io.ReaderAt says.
func (r *ReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("decrypt: negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > r.size-off
	if short {
		p = p[:r.size-off]
	}
	done := 0
	for done < len(p) {
		n, err := r.readChunk(p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	if short {
		return done, io.EOF
	}
	return done, nil
}

// readChunk decrypts at most chunkSize bytes of the blocks around p. It needs
// the ciphertext block before the first one as its IV.
func (r *ReaderAt) readChunk(p []byte, off int64) (int, error) {
	start := off - off%BlockSize
	skip := int(off - start)
	if len(p) > chunkSize-skip {
		p = p[:chunkSize-skip]
	}
	length := int(EncryptedSize(int64(skip+len(p)) - 1))
	buf := make([]byte, BlockSize+length)
	from, into := start-BlockSize, buf
	if start == 0 {
		from, into = 0, buf[BlockSize:]
	}
	if n, err := r.src.ReadAt(into, from); n < len(into) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	plain := buf[BlockSize:]
	cipher.NewCBCDecrypter(r.block, buf[:BlockSize]).CryptBlocks(plain, plain)
	return copy(p, plain[skip:]), nil
}
