package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// scratchMemory is how many bytes a Scratch keeps in memory.
const scratchMemory = 4 << 20

// Scratch is bytes that are written once, in order, and read anywhere. What does
// not fit into memory goes to a file of its own, encrypted with AES-256-CTR under
// a key that is thrown away with it. Writing and reading do not overlap; reading
// may be concurrent.
type Scratch struct {
	dir    string
	memory []byte
	limit  int
	file   *os.File
	name   string // to remove when closed; "" when it has no name any more
	block  cipher.Block
	out    cipher.Stream
	size   int64
}

// NewScratch makes an empty one; its file, if it needs one, comes into dir.
func NewScratch(dir string) *Scratch { return &Scratch{dir: dir, limit: scratchMemory} }

// Size is the number of bytes written.
func (s *Scratch) Size() int64 { return s.size }

// Write appends p.
func (s *Scratch) Write(p []byte) (int, error) {
	if s.file == nil {
		if len(s.memory)+len(p) <= s.limit {
			s.memory = append(s.memory, p...)
			s.size += int64(len(p))
			return len(p), nil
		}
		if err := s.spill(); err != nil {
			return 0, fmt.Errorf("write scratch file: %w", err)
		}
	}
	if err := s.append(p); err != nil {
		return 0, fmt.Errorf("write scratch file: %w", err)
	}
	s.size += int64(len(p))
	return len(p), nil
}

// spill moves what is in memory to a file.
func (s *Scratch) spill() error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, "scratch-*")
	if err != nil {
		return err
	}
	// Without a name it goes with the process, however that ends. Where an open
	// file keeps its name, Close removes it.
	s.name = f.Name()
	if os.Remove(s.name) == nil {
		s.name = ""
	}
	s.file, s.block, s.out = f, block, cipher.NewCTR(block, make([]byte, aes.BlockSize))
	held := s.memory
	s.memory = nil
	return s.append(held)
}

func (s *Scratch) append(p []byte) error {
	buf := make([]byte, min(len(p), 64<<10))
	for len(p) > 0 {
		n := min(len(p), len(buf))
		s.out.XORKeyStream(buf[:n], p[:n])
		if _, err := s.file.Write(buf[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// ReadAt reads from anywhere, as io.ReaderAt says.
func (s *Scratch) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read scratch file: negative offset")
	}
	if off >= s.size {
		return 0, io.EOF
	}
	var end error
	if rest := s.size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	if s.file == nil {
		return copy(p, s.memory[off:]), end
	}
	n, err := s.file.ReadAt(p, off)
	s.keyStream(off).XORKeyStream(p[:n], p[:n])
	if n == len(p) {
		return n, end
	}
	return n, fmt.Errorf("read scratch file: %w", err)
}

// keyStream begins at any byte: the counter counts blocks from 0.
func (s *Scratch) keyStream(off int64) cipher.Stream {
	var counter [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(off/aes.BlockSize))
	stream := cipher.NewCTR(s.block, counter[:])
	var skipped [aes.BlockSize]byte
	stream.XORKeyStream(skipped[:off%aes.BlockSize], skipped[:off%aes.BlockSize])
	return stream
}

// Close throws everything away.
func (s *Scratch) Close() error {
	s.memory = nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.name != "" {
		err = errors.Join(err, os.Remove(s.name))
	}
	s.file, s.block, s.out, s.size = nil, nil, nil, 0
	return err
}
