package devicelink

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
)

const (
	// maxPathFrame bounds what is read as a path. It is above MaxPath so that
	// a path too long can be refused by name instead of by a broken stream.
	maxPathFrame = 64 << 10
	// maxErrorText bounds the text of a failed file that is kept.
	maxErrorText = 4 << 10
	// directRead is the least that is read past the buffer: one TLS record.
	directRead = 16 << 10
)

// Receiver takes the files that follow a DLMessageUploadFiles (protocol.md 4.4):
//
//	+-------+-------------+-------+-----------+-------+----+--------+- … -+-------+----+
//	| len   | device path | len   | host path | n + 1 | 0C | n data |     | 1     | 00 |
//	+-------+-------------+-------+-----------+-------+----+--------+- … -+-------+----+
//	                                   or, when the phone could not read it: | len | 0B text |
//
// and a length of 0 after the last file. Data frames have any length; they are
// never held as a whole. A length of 0 inside a file also ends the batch, with
// that file failed; end codes other than 0B are read like it, and bytes behind
// a 00 are skipped, since other peers are no stricter (protocol.md 7).
//
//	r := c.ReceiveFiles(ctx)
//	defer r.Close()
//	for r.Next() {
//		… io.Copy(w, r.File()) …
//	}
//	err := r.Err()
type Receiver struct {
	c       *Conn
	release func()
	file    Incoming
	err     error
	ended   bool // the closing frame has been read
}

// Incoming is the file being received. Read gives its contents: io.EOF at its
// good end, a [RemoteFileError] when the phone could not read it to the end.
type Incoming struct {
	DevicePath string // where the phone has it
	HostPath   string // where the phone wants it, unchecked

	r    *Receiver
	left uint32 // unread bytes of the current data frame
	end  error  // set once the final frame was read
}

// RemoteFileError says that the phone could not read one file. The batch goes on.
type RemoteFileError struct {
	DevicePath, HostPath string
	Code                 byte   // of the final frame; 0x0B is a local error of the phone
	Text                 string // the phone's own words
}

func (e *RemoteFileError) Error() string {
	return fmt.Sprintf("the phone could not read %s: %s", e.DevicePath, e.Text)
}

// ReceiveFiles starts to take a batch. Call Close when done.
func (c *Conn) ReceiveFiles(ctx context.Context) *Receiver {
	r := &Receiver{c: c, release: c.reading(ctx)}
	r.file.r = r
	return r
}

// Close releases the context. It does not read what is left of the batch.
func (r *Receiver) Close() { r.release() }

// Err is what ended the batch early: the wire, the context, or a ProtocolError.
func (r *Receiver) Err() error { return r.err }

// File is the current file, valid until the next call of Next.
func (r *Receiver) File() *Incoming { return &r.file }

// Next reads up to the next file, skipping what is unread of the current one.
// It returns false after the last file and on an error.
func (r *Receiver) Next() bool {
	if r.err != nil || r.ended {
		return false
	}
	if r.file.DevicePath != "" || r.file.HostPath != "" {
		if r.skip(); r.err != nil || r.ended {
			return false
		}
	}
	device, ok := r.path("device path")
	if !ok {
		return false
	}
	host, ok := r.path("host path")
	if !ok {
		if r.err == nil {
			r.err = &ProtocolError{"upload", fmt.Sprintf("the batch ended behind the device path %.200q", device)}
		}
		return false
	}
	r.file = Incoming{DevicePath: device, HostPath: host, r: r}
	return true
}

// path reads a path frame; false without an error is the end of the batch.
func (r *Receiver) path(what string) (string, bool) {
	n, ok := r.length()
	if !ok || r.ended {
		return "", false
	}
	if n > maxPathFrame {
		r.err = &ProtocolError{"upload", fmt.Sprintf("a %s of %d bytes", what, n)}
		return "", false
	}
	// A path is nearly always in the buffer already: one copy, into the string.
	if b, err := r.c.br.Peek(int(n)); err == nil {
		s := string(b)
		r.discard(int64(n))
		return s, true
	} else {
		r.err = cutShort(err)
	}
	return "", false
}

// length reads the length of a frame and notes the closing one.
func (r *Receiver) length() (uint32, bool) {
	b, err := r.c.br.Peek(4)
	if err != nil {
		r.err = cutShort(err)
		return 0, false
	}
	n := binary.BigEndian.Uint32(b)
	r.discard(4)
	r.ended = n == 0
	return n, true
}

func (r *Receiver) discard(n int64) {
	for n > 0 && r.err == nil {
		k, err := r.c.br.Discard(int(min(n, 1<<30)))
		n -= int64(k)
		if err != nil {
			r.err = cutShort(err)
		}
	}
}

// skip drops the rest of the current file.
func (r *Receiver) skip() {
	f := &r.file
	for f.end == nil && r.err == nil {
		r.discard(int64(f.left))
		f.left = 0
		if r.err == nil {
			f.frame()
		}
	}
}

// frame reads the head of the next frame of the file: data, or its end.
func (f *Incoming) frame() {
	r := f.r
	n, ok := r.length()
	if !ok {
		return
	}
	if r.ended {
		f.end = f.failed(0, "the batch ended inside the file")
		return
	}
	code, err := r.c.br.ReadByte()
	if err != nil {
		r.err = cutShort(err)
		return
	}
	n--
	switch code {
	case CodeData:
		f.left = n
	case CodeSuccess:
		if r.discard(int64(n)); r.err == nil {
			f.end = io.EOF
		}
	default:
		text := make([]byte, min(n, maxErrorText))
		if _, err := io.ReadFull(r.c.br, text); err != nil {
			r.err = cutShort(err)
			return
		}
		if r.discard(int64(n) - int64(len(text))); r.err == nil {
			f.end = f.failed(code, string(text))
		}
	}
}

func (f *Incoming) failed(code byte, text string) error {
	return &RemoteFileError{f.DevicePath, f.HostPath, code, text}
}

// Read reads contents across frames.
func (f *Incoming) Read(p []byte) (int, error) {
	r := f.r
	for f.left == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if f.end != nil {
			return 0, f.end
		}
		f.frame()
	}
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(int64(len(p)), int64(f.left))]
	var n int
	var err error
	if len(p) >= directRead && r.c.br.Buffered() == 0 {
		n, err = r.c.in.Read(p) // the bytes of large files need no buffer between
	} else {
		n, err = r.c.br.Read(p)
	}
	f.left -= uint32(n)
	if err != nil {
		r.err = cutShort(err)
		return n, r.err
	}
	return n, nil
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, DeviceChunk); return &b }}

// WriteTo writes the rest of the contents in pieces of DeviceChunk, however
// small the pieces are in which they arrive; io.Copy uses it.
func (f *Incoming) WriteTo(w io.Writer) (total int64, err error) {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := f.fill(*buf)
		if n > 0 {
			k, werr := w.Write((*buf)[:n])
			total += int64(k)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// fill reads until p is full or the file ends.
func (f *Incoming) fill(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var k int
		k, err = f.Read(p[n:])
		n += k
	}
	return n, err
}

// Finish skips what is unread of the file. It returns nil when the file ended
// well, its RemoteFileError, or what broke the connection.
func (f *Incoming) Finish() error {
	f.r.skip()
	if f.r.err != nil {
		return f.r.err
	}
	if f.end == io.EOF {
		return nil
	}
	return f.end
}

// Broken is what broke the connection while the file was read, nil if nothing did.
func (f *Incoming) Broken() error { return f.r.err }
