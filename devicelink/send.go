package devicelink

import (
	"context"
	"encoding/binary"
	"io"
)

// Sender answers a DLMessageDownloadFiles with file contents (protocol.md 4.4):
//
//	+-------+------+-------+----+--------+- … -+-------+----+
//	| len   | path | n + 1 | 0C | n data |     | 1     | 00 |
//	+-------+------+-------+----+--------+- … -+-------+----+
//	   or, when the host could not read it:    | len   | 06 text |
//
// and a length of 0 after the last file. No frame carries more than HostChunk
// bytes of data: the phone holds a frame in memory and is killed for large ones.
//
//	s := c.SendFiles(ctx)
//	defer s.Release()
//	for each path: s.File(path, r) or s.Fail(path, text)
//	err := s.Close()
type Sender struct {
	w       io.Writer
	release func()
	buf     []byte
	err     error
}

// SendFiles starts a batch. Call Release when done.
func (c *Conn) SendFiles(ctx context.Context) *Sender {
	if c.out == nil {
		c.out = make([]byte, 0, sendBuffer)
	}
	w, release := c.frames.Writer(ctx)
	return &Sender{w: w, release: release, buf: c.out[:0]}
}

// Release lets go of the context.
func (s *Sender) Release() { s.release() }

// room makes space for n more bytes, by writing out what is there.
func (s *Sender) room(n int) {
	if len(s.buf)+n > cap(s.buf) {
		s.flush()
	}
}

func (s *Sender) flush() {
	if s.err == nil && len(s.buf) > 0 {
		_, s.err = s.w.Write(s.buf)
	}
	s.buf = s.buf[:0]
}

func (s *Sender) frame(code []byte, text string) {
	s.room(4 + len(code) + len(text))
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(code)+len(text)))
	s.buf = append(s.buf, code...)
	s.buf = append(s.buf, text...)
}

// File sends path with the contents of r. readErr is what stopped r, of which
// the phone has been told; err is the wire's.
func (s *Sender) File(path string, r io.Reader) (n int64, readErr, err error) {
	s.frame(nil, path)
	for s.err == nil {
		s.room(5 + HostChunk)
		at := len(s.buf)
		k, rerr := readSome(r, s.buf[at+5:at+5+HostChunk])
		if k > 0 {
			s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(k+1))
			s.buf = append(s.buf, CodeData)
			s.buf = s.buf[:at+5+k]
			n += int64(k)
		}
		if rerr == io.EOF {
			s.frame([]byte{CodeSuccess}, "")
			return n, nil, s.err
		}
		if rerr != nil {
			s.frame([]byte{CodeLocalError}, errorText(rerr.Error()))
			return n, rerr, s.err
		}
	}
	return n, nil, s.err
}

// readSome fills p as far as r goes. Unlike io.ReadFull it reports an end
// behind the last bytes together with them, which saves a frame-less round.
func readSome(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

// Fail sends path with an error instead of contents.
func (s *Sender) Fail(path, text string) error {
	s.frame(nil, path)
	s.frame([]byte{CodeLocalError}, errorText(text))
	return s.err
}

// errorText is never empty and never long: the phone logs it.
func errorText(s string) string {
	if s == "" {
		return "unknown error"
	}
	return s[:min(len(s), maxErrorText)]
}

// Close sends the end of the batch. The status response comes after it.
func (s *Sender) Close() error {
	s.room(4)
	s.buf = binary.BigEndian.AppendUint32(s.buf, 0)
	s.flush()
	return s.err
}
