package lockdown

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	// label is what the phone's log calls this program.
	label = "keepsake"
	// maxReply bounds a reply in bytes. All values together are some 10 KB.
	maxReply = 8 << 20
	// replyIdle is how long the phone may be silent before a reply. It answers
	// from memory, except where it waits for a service to start.
	replyIdle   = 30 * time.Second
	serviceIdle = 2 * time.Minute
	pairIdle    = 2 * time.Minute // iOS may show its dialog before it answers
)

// Dialer opens ports of one phone: through usbmuxd, over Wi-Fi, or in a test.
type Dialer interface {
	DialPort(ctx context.Context, port uint16) (net.Conn, error)
}

// Client speaks to lockdownd over one connection. It is not safe for concurrent
// use; a phone serves several clients at once.
type Client struct {
	conn      *framing.Conn
	sessionID string
}

// New speaks to lockdownd over conn, which belongs to the client from now on.
func New(conn net.Conn) *Client {
	return &Client{conn: frame(conn)}
}

// Dial connects to lockdownd.
func Dial(ctx context.Context, d Dialer) (*Client, error) {
	conn, err := d.DialPort(ctx, Port)
	if err != nil {
		return nil, fmt.Errorf("connect to lockdownd: %w", err)
	}
	return New(conn), nil
}

func frame(conn net.Conn) *framing.Conn {
	c := framing.New(conn, plist.XML)
	c.Max = maxReply
	return c
}

// Close drops the connection and with it the session.
func (c *Client) Close() error { return c.conn.Close() }

// QueryType asks whether lockdownd is there at all, and returns an error when
// something else answers.
func (c *Client) QueryType(ctx context.Context) error {
	resp, err := c.call(ctx, replyIdle, Request{Request: ReqQueryType})
	if err != nil {
		return fmt.Errorf("query type: %w", err)
	}
	if resp.Type != ServiceType {
		return fmt.Errorf("query type: %w: %.60q answers, not %s", plist.ErrMalformed, resp.Type, ServiceType)
	}
	return nil
}

// call makes one exchange. The phone may be silent for idle.
func (c *Client) call(ctx context.Context, idle time.Duration, req Request) (Response, error) {
	req.Label = label
	c.conn.SetIdle(idle)
	if err := c.conn.Send(ctx, req); err != nil {
		return Response{}, err
	}
	body, err := c.conn.ReceiveFrame(ctx)
	if err == io.EOF {
		err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
	}
	if err != nil {
		return Response{}, err
	}
	resp, err := parseResponse(body)
	if err != nil {
		return Response{}, err
	}
	if resp.Error != "" {
		return resp, resp.Error
	}
	// Phones answer Unpair under another name (protocol.md 2.2).
	if resp.Request != req.Request && req.Request != ReqUnpair {
		return resp, fmt.Errorf("%w: answer to %.40q, want %s", plist.ErrMalformed, resp.Request, req.Request)
	}
	if resp.Result != "" && resp.Result != "Success" {
		return resp, fmt.Errorf("result %.40q without an error: %w", resp.Result, InvalidResponse)
	}
	return resp, nil
}

func parseResponse(body []byte) (Response, error) {
	var resp Response
	if err := plist.Unmarshal(body, &resp); err != nil {
		return Response{}, err
	}
	return resp, nil
}
