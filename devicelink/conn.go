package devicelink

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	// readBuffer holds a whole frame of the phone (DeviceChunk) and the frames
	// of the small files behind it, so that those cost no read of their own.
	readBuffer = 256<<10 + 4<<10
	// sendBuffer gathers frames of HostChunk on their way out.
	sendBuffer = 256 << 10
	// maxMessage bounds a control message. The largest real ones, a MoveItems
	// of 128 files or a DownloadFiles of a batch, stay under 64 KiB.
	maxMessage = 16 << 20
)

// ErrVersion says that the phone offered a DeviceLink version this host does
// not speak.
var ErrVersion = errors.New("unsupported DeviceLink version")

// ProtocolError is a message that is no DeviceLink, or not the one that must
// come here. After it the two sides no longer agree on where they are.
type ProtocolError struct {
	Op     string // what was being read, such as "version exchange"
	Reason string
}

func (e *ProtocolError) Error() string { return "devicelink: " + e.Op + ": " + e.Reason }

// DisconnectedError is a DLMessageDisconnect of the phone.
type DisconnectedError struct{ Reason string }

func (e *DisconnectedError) Error() string {
	if e.Reason == "" {
		return "the phone ended the connection"
	}
	return "the phone ended the connection: " + e.Reason
}

// Conn is the host's end of one DeviceLink. It owns the stream given to New.
type Conn struct {
	frames *framing.Conn
	in     source
	br     *bufio.Reader
	out    []byte // send buffer, made on first use
}

// source lets one bufio.Reader live across operations with contexts of their own.
type source struct{ r io.Reader }

func (s *source) Read(p []byte) (int, error) { return s.r.Read(p) }

// New wraps a connection to the service, TLS already done.
func New(conn net.Conn) *Conn {
	c := &Conn{frames: framing.New(conn, plist.Binary)}
	c.br = bufio.NewReaderSize(&c.in, readBuffer)
	return c
}

// SetIdle sets how long a read or write may go without progress before it
// fails with a framing.StalledError; 0 waits as long as the context does.
func (c *Conn) SetIdle(d time.Duration) { c.frames.SetIdle(d) }

// Close closes the stream without a word; see Disconnect.
func (c *Conn) Close() error { return c.frames.Close() }

// reading points the buffered reader at the stream under ctx.
func (c *Conn) reading(ctx context.Context) (release func()) {
	r, release := c.frames.Reader(ctx)
	c.in.r = r
	return release
}

// Handshake answers the phone's version exchange and waits until it is ready
// (protocol.md 3.2). It accepts every version up to 400.0, as the field does.
func (c *Conn) Handshake(ctx context.Context) error {
	list, err := c.receive(ctx)
	if err != nil {
		return fmt.Errorf("read DeviceLink version: %w", err)
	}
	const op = "version exchange"
	if list.name() != VersionExchange {
		return &ProtocolError{op, fmt.Sprintf("got %q first", list.name())}
	}
	if len(list) < 3 {
		return &ProtocolError{op, fmt.Sprintf("%d elements, at least 3 are needed", len(list))}
	}
	major, ok1 := integer(list[1])
	minor, ok2 := integer(list[2])
	if !ok1 || !ok2 {
		return &ProtocolError{op, "the version is no number"}
	}
	if major < 1 || major > VersionMajor || major == VersionMajor && minor > VersionMinor {
		return fmt.Errorf("%w: the phone offers %d.%d, this host speaks up to %d.%d", ErrVersion, major, minor, VersionMajor, VersionMinor)
	}
	if err := c.Send(ctx, VersionExchange, VersionsOK, VersionMajor); err != nil {
		return fmt.Errorf("answer DeviceLink version: %w", err)
	}
	list, err = c.receive(ctx)
	if err != nil {
		return fmt.Errorf("wait for DeviceLink to be ready: %w", err)
	}
	if list.name() == Disconnect {
		return &DisconnectedError{list.text(1)}
	}
	if list.name() != DeviceReady {
		return &ProtocolError{op, fmt.Sprintf("got %q where %s must come", list.name(), DeviceReady)}
	}
	return nil
}

// Send sends one control message: its elements, the name first.
func (c *Conn) Send(ctx context.Context, elements ...any) error {
	return c.frames.Send(ctx, elements)
}

// Answer sends a status response, always of four elements (protocol.md 4.5).
// An empty text becomes the empty parameter, a nil payload an empty dictionary.
func (c *Conn) Answer(ctx context.Context, code Status, text string, payload any) error {
	if text == "" {
		text = EmptyParameter
	}
	if payload == nil {
		payload = map[string]any{}
	}
	return c.Send(ctx, StatusResponse, int64(code), text, payload)
}

// Disconnect tells the phone that the host is done; the caller closes.
func (c *Conn) Disconnect(ctx context.Context, reason string) error {
	if reason == "" {
		reason = EmptyParameter
	}
	return c.Send(ctx, Disconnect, reason)
}

// Drain reads and drops what the phone still sends, until it closes, ctx ends
// or nothing arrives for the idle time. A stream closed with unread bytes is
// reset, and a reset can leave the phone with a mounted snapshot (protocol.md 4.15).
func (c *Conn) Drain(ctx context.Context) {
	defer c.reading(ctx)()
	// Whatever ends it, there is nobody left to tell.
	_, _ = io.Copy(io.Discard, c.br)
}

// Receive waits for the next message of the phone and decodes it strictly. It
// returns io.EOF when the phone closed the stream between two messages, an
// [UnknownMessageError] for a name it does not know, and a [ProtocolError] for
// a message whose elements do not fit its name. After either of the latter the
// stream is still in step.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	list, err := c.receive(ctx)
	if err != nil {
		return nil, err
	}
	return decode(list)
}

func (c *Conn) receive(ctx context.Context) (array, error) {
	body, err := c.receiveBody(ctx)
	if err != nil {
		return nil, err
	}
	return parse(body)
}

func parse(body []byte) (array, error) {
	var v any
	if err := plist.Unmarshal(body, &v); err != nil {
		return nil, fmt.Errorf("decode message of the phone: %w", err)
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, &ProtocolError{"message", "not an array with a name"}
	}
	if _, ok := list[0].(string); !ok {
		return nil, &ProtocolError{"message", "the name is no string"}
	}
	return list, nil
}

func (c *Conn) receiveBody(ctx context.Context) ([]byte, error) {
	defer c.reading(ctx)()
	var head [4]byte
	if n, err := io.ReadFull(c.br, head[:]); err != nil {
		if err == io.EOF && n == 0 {
			return nil, io.EOF
		}
		return nil, cutShort(err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxMessage {
		return nil, &ProtocolError{"message", fmt.Sprintf("%d bytes, at most %d are accepted", n, maxMessage)}
	}
	if n == 0 {
		return nil, &ProtocolError{"message", "a frame without contents"}
	}
	// Grow with what arrives: a length alone must not allocate much.
	body := make([]byte, min(n, 1<<20))
	for have := 0; ; {
		if _, err := io.ReadFull(c.br, body[have:]); err != nil {
			return nil, cutShort(err)
		}
		if have = len(body); have == int(n) {
			return body, nil
		}
		body = append(body, make([]byte, min(int(n)-have, have))...)
	}
}

func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
	}
	return err
}
