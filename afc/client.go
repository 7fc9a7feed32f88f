package afc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	// MaxOpen is how many files the client keeps open at once.
	MaxOpen = 4
	// piece is how much one FileRead or FileWrite carries at most, in bytes.
	piece = 1 << 20
	// replyIdle lets the phone read a large directory.
	replyIdle = 60 * time.Second
	// maxPath bounds a path in bytes; the phone's own limit is 1024.
	maxPath = 4096
)

// Client speaks AFC over one connection. It may be used concurrently; requests
// take turns. After a broken connection or a cancelled request every call
// fails: the answers could no longer be told apart.
type Client struct {
	conn  *framing.Conn
	files chan struct{} // a token for each open file
	turn  chan struct{} // holds a token while a request is under way

	number uint64 // of the last packet; guarded by turn
	broken error  // why the connection is of no use; guarded by turn
}

// New speaks over conn, a started service, which belongs to the client from now on.
func New(conn net.Conn) *Client {
	c := &Client{
		conn:  framing.New(conn, plist.Binary), // for its deadlines, not its frames
		files: make(chan struct{}, MaxOpen),
		turn:  make(chan struct{}, 1),
	}
	c.conn.SetIdle(replyIdle)
	return c
}

// Close drops the connection; the phone closes the open files and drops their
// locks.
func (c *Client) Close() error { return c.conn.Close() }

// call makes one exchange. The reply is of kind want, or it is the phone's
// refusal, a Status.
func (c *Client) call(ctx context.Context, op Op, head, data []byte, want Op) (Packet, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return Packet{}, context.Cause(ctx)
	}
	if c.broken != nil {
		return Packet{}, fmt.Errorf("connection is of no use since: %w", c.broken)
	}
	reply, err := c.exchange(ctx, Packet{Op: op, Head: head, Data: data})
	if err != nil {
		c.broken = err
		return Packet{}, err
	}
	if reply.Op == OpStatus {
		switch status, err := u64(reply.Head); {
		case err != nil:
			return Packet{}, err
		case status != 0:
			return Packet{}, Status(status)
		}
	}
	if reply.Op != want {
		return Packet{}, fmt.Errorf("%w: answer of kind %#x to operation %#x", ErrMalformed, uint64(reply.Op), uint64(op))
	}
	return reply, nil
}

func (c *Client) exchange(ctx context.Context, p Packet) (Packet, error) {
	c.number++
	p.Number = c.number
	w, release := c.conn.Writer(ctx)
	err := WritePacket(w, p)
	release()
	if err != nil {
		return Packet{}, err
	}
	r, release := c.conn.Reader(ctx)
	defer release()
	reply, err := ReadPacket(r)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return Packet{}, &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
	}
	if err == nil && reply.Number != p.Number {
		err = fmt.Errorf("%w: answer to packet %d, want %d", ErrMalformed, reply.Number, p.Number)
	}
	return reply, err
}

func u64(b []byte) (uint64, error) {
	if len(b) < 8 {
		return 0, fmt.Errorf("%w: %d bytes where a number was due", ErrMalformed, len(b))
	}
	return binary.LittleEndian.Uint64(b), nil
}

func words(w ...uint64) []byte {
	b := make([]byte, 0, 8*len(w))
	for _, n := range w {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// cpath makes name a path on the wire: absolute, clean and NUL-terminated.
func cpath(name string) ([]byte, error) {
	if strings.ContainsRune(name, 0) || len(name) > maxPath {
		return nil, StatusInvalidArgument
	}
	return append([]byte(path.Join("/", name)), 0), nil
}

// onPath makes a request about one path that is answered by a bare Status.
func (c *Client) onPath(ctx context.Context, verb string, op Op, name string) error {
	p, err := cpath(name)
	if err == nil {
		_, err = c.call(ctx, op, p, nil, OpStatus)
	}
	return opError(verb, name, err)
}

func opError(verb, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, name, err)
}

// MakeDir makes a directory with the parents it needs; one that exists is no error.
func (c *Client) MakeDir(ctx context.Context, name string) error {
	return c.onPath(ctx, "make directory", OpMakeDir, name)
}

// Remove removes a file or an empty directory.
func (c *Client) Remove(ctx context.Context, name string) error {
	return c.onPath(ctx, "remove", OpRemovePath, name)
}

// RemoveAll removes a file, or a directory with all that is in it; what does
// not exist is no error.
func (c *Client) RemoveAll(ctx context.Context, name string) error {
	err := c.onPath(ctx, "remove", OpRemoveAll, name)
	if errors.Is(err, StatusNotFound) {
		return nil
	}
	return err
}

// Rename moves a file or directory.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	source, err := cpath(from)
	if err != nil {
		return opError("rename", from, err)
	}
	target, err := cpath(to)
	if err == nil {
		_, err = c.call(ctx, OpRenamePath, append(source, target...), nil, OpStatus)
	}
	return opError("rename "+from+" to", to, err)
}

// ReadDir returns the names in a directory, in the phone's order and without
// "." and "..". A name that is no single path element is malformed.
func (c *Client) ReadDir(ctx context.Context, name string) ([]string, error) {
	p, err := cpath(name)
	if err != nil {
		return nil, opError("read directory", name, err)
	}
	reply, err := c.call(ctx, OpReadDir, p, nil, OpData)
	if err != nil {
		return nil, opError("read directory", name, err)
	}
	names, err := parseNames(reply.Data)
	return names, opError("read directory", name, err)
}

// maxNames bounds the entries of one directory.
const maxNames = 1 << 20

func parseNames(data []byte) ([]string, error) {
	values, err := splitNUL(data, maxNames)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range values {
		switch {
		case name == "" || name == "." || name == "..":
		case strings.Contains(name, "/"):
			return nil, fmt.Errorf("%w: directory entry %.80q", ErrMalformed, name)
		default:
			names = append(names, name)
		}
	}
	return names, nil
}

// splitNUL cuts NUL-terminated strings apart; the last NUL may be missing.
func splitNUL(data []byte, limit int) ([]string, error) {
	data = bytes.TrimSuffix(data, []byte{0})
	if len(data) == 0 {
		return nil, nil
	}
	if n := bytes.Count(data, []byte{0}) + 1; n > limit {
		return nil, fmt.Errorf("%w: %d strings, at most %d are accepted", ErrMalformed, n, limit)
	}
	return strings.Split(string(data), "\x00"), nil
}

// DeviceInfo returns what the phone tells of the media partition, such as
// "Model", "FSTotalBytes" and "FSFreeBytes", as text.
func (c *Client) DeviceInfo(ctx context.Context) (map[string]string, error) {
	reply, err := c.call(ctx, OpGetDeviceInfo, nil, nil, OpData)
	if err != nil {
		return nil, fmt.Errorf("get AFC device info: %w", err)
	}
	pairs, err := parsePairs(reply.Data)
	if err != nil {
		return nil, fmt.Errorf("get AFC device info: %w", err)
	}
	return pairs, nil
}
