// Package framing carries property lists over a stream: the framing that
// lockdownd and every plist service of the phone share (protocol.md 2.1).
//
//	+----------------+--------------------------+
//	| u32 big-endian | property list            |
//	| length         | (binary or XML)          |
//	+----------------+--------------------------+
//
// A [Conn] waits under a context and gives up when the peer makes no progress
// for [Conn.Idle], however long the whole exchange takes. It tells apart what
// went wrong: the caller's context, a [StalledError], a [WireError], or bytes
// that are no property list (plist.ErrMalformed).
package framing

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// DefaultMax bounds one message in bytes. The largest legitimate ones are a
// directory listing of 50,000 files (about 12 MB) and the list of all values.
const DefaultMax = 64 << 20

// WireError says that the connection broke: neither side refused anything.
type WireError struct {
	Op  string // "read" or "write"
	Err error
}

func (e *WireError) Error() string { return "connection lost: " + e.Op + ": " + e.Err.Error() }
func (e *WireError) Unwrap() error { return e.Err }

// StalledError says that the peer neither sent nor took a byte for Idle.
type StalledError struct {
	Op   string
	Idle time.Duration
}

func (e *StalledError) Error() string {
	return fmt.Sprintf("connection stalled: %s made no progress for %s", e.Op, e.Idle)
}

// Timeout makes a StalledError a net.Error-like time-out.
func (e *StalledError) Timeout() bool { return true }

// Conn is a stream of framed property lists. One goroutine may send while
// another receives.
type Conn struct {
	conn net.Conn

	// Format is how Send encodes. The zero value is neither; use New.
	Format plist.Format
	// Max is the longest message accepted, in bytes.
	Max int

	mu   sync.Mutex
	idle time.Duration
}

// New frames conn; messages go out in format.
func New(conn net.Conn, format plist.Format) *Conn {
	return &Conn{conn: conn, Format: format, Max: DefaultMax}
}

// NetConn returns the stream below, to hand it to another protocol.
func (c *Conn) NetConn() net.Conn { return c.conn }

// Close closes the stream.
func (c *Conn) Close() error { return c.conn.Close() }

// SetIdle sets how long a read or write may go without progress; 0 waits as
// long as the context does. It applies from the next read or write on.
func (c *Conn) SetIdle(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = d
}

func (c *Conn) idleTime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}

// Reader returns a reader of the raw stream that obeys ctx and the idle time.
// Call release when done with it.
func (c *Conn) Reader(ctx context.Context) (r io.Reader, release func()) {
	stop := context.AfterFunc(ctx, func() { c.conn.SetReadDeadline(time.Unix(1, 0)) })
	return &boundReader{c, ctx}, func() { stop() }
}

// Writer returns a writer of the raw stream that obeys ctx and the idle time.
// Call release when done with it.
func (c *Conn) Writer(ctx context.Context) (w io.Writer, release func()) {
	stop := context.AfterFunc(ctx, func() { c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	return &boundWriter{c, ctx}, func() { stop() }
}

type boundReader struct {
	c   *Conn
	ctx context.Context
}

func (r *boundReader) Read(p []byte) (int, error) {
	idle := r.c.idleTime()
	// The deadline first, then the context: a cancellation between the two has
	// either been seen here or will move the deadline again.
	if err := r.c.conn.SetReadDeadline(deadline(idle)); err != nil {
		return 0, &WireError{"read", err}
	}
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.c.conn.Read(p)
	return n, wireError(r.ctx, "read", idle, err)
}

type boundWriter struct {
	c   *Conn
	ctx context.Context
}

func (w *boundWriter) Write(p []byte) (int, error) {
	idle := w.c.idleTime()
	if err := w.c.conn.SetWriteDeadline(deadline(idle)); err != nil {
		return 0, &WireError{"write", err}
	}
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	n, err := w.c.conn.Write(p)
	return n, wireError(w.ctx, "write", idle, err)
}

func deadline(idle time.Duration) time.Time {
	if idle <= 0 {
		return time.Time{}
	}
	return time.Now().Add(idle)
}

// wireError sorts an error of the connection; io.EOF passes, since only the
// caller knows whether an end is expected there.
func wireError(ctx context.Context, op string, idle time.Duration, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &StalledError{op, idle}
	}
	return &WireError{op, err}
}

// Send encodes v and writes it as one message.
func (c *Conn) Send(ctx context.Context, v any) error {
	body, err := plist.Marshal(v, c.Format)
	if err != nil {
		return err
	}
	return c.SendFrame(ctx, body)
}

// SendFrame writes body behind its length.
func (c *Conn) SendFrame(ctx context.Context, body []byte) error {
	w, release := c.Writer(ctx)
	defer release()
	frame := make([]byte, 4, 4+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}

// Receive reads one message into v, as plist.Unmarshal does. It returns io.EOF
// when the peer closed the connection between two messages.
func (c *Conn) Receive(ctx context.Context, v any) error {
	body, err := c.ReceiveFrame(ctx)
	if err != nil {
		return err
	}
	return plist.Unmarshal(body, v)
}

// ReceiveFrame reads the body of one message. It returns io.EOF when the peer
// closed the connection between two messages, and a WireError around
// io.ErrUnexpectedEOF when it did so inside one.
func (c *Conn) ReceiveFrame(ctx context.Context) ([]byte, error) {
	r, release := c.Reader(ctx)
	defer release()
	var head [4]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if err == io.EOF && n == 0 {
			return nil, io.EOF
		}
		return nil, cutShort(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if int64(n) > int64(c.Max) {
		return nil, fmt.Errorf("%w: message of %d bytes, at most %d are accepted", plist.ErrMalformed, n, c.Max)
	}
	return readBody(r, int(n))
}

// readBody grows with what arrives, so that a length alone allocates little.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	body := make([]byte, min(n, step))
	for have := 0; ; {
		if _, err := io.ReadFull(r, body[have:]); err != nil {
			return nil, cutShort(err)
		}
		if have = len(body); have == n {
			return body, nil
		}
		body = append(body, make([]byte, min(n-have, have))...)
	}
}

func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &WireError{"read", io.ErrUnexpectedEOF}
	}
	return err
}
