package lockdownd

import (
	"bufio"
	"errors"
	"io"
	"net"
)

// recordConn lies under crypto/tls and never lets it read beyond the record
// that it is in, so that the bytes after the last record (plaintext again,
// once StopSession took TLS away) are still there (protocol.md 2.6, 9).
//
//	| type u8 | version u16 | length u16 BE | fragment |
type recordConn struct {
	net.Conn
	r *bufio.Reader

	left int // of the current record's fragment
	head []byte
	hbuf [recordHeaderLen]byte
}

const recordHeaderLen = 5

// Kinds of TLS records, 20 to 23; what is no record starts otherwise: a message
// to lockdownd with the high byte of its length, which is 0.
const (
	recordTypeFirst = 20
	recordTypeLast  = 23
)

func newRecordConn(conn net.Conn, r *bufio.Reader) *recordConn {
	return &recordConn{Conn: conn, r: r}
}

// Read gives bytes of one record at most.
func (c *recordConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.head) == 0 && c.left == 0 {
		if _, err := io.ReadFull(c.r, c.hbuf[:]); err != nil {
			return 0, err
		}
		c.head = c.hbuf[:]
		c.left = int(c.hbuf[3])<<8 | int(c.hbuf[4])
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// atRecord tells whether the next byte opens another TLS record; it waits for
// that byte.
func (c *recordConn) atRecord() (bool, error) {
	if len(c.head) > 0 || c.left > 0 {
		return false, errors.New("inside a TLS record")
	}
	b, err := c.r.Peek(1)
	if err != nil {
		return false, err
	}
	return b[0] >= recordTypeFirst && b[0] <= recordTypeLast, nil
}

// plainConn reads a connection through a buffer that outlives TLS.
type plainConn struct {
	net.Conn
	r *bufio.Reader
}

func (c plainConn) Read(p []byte) (int, error) { return c.r.Read(p) }
