// Package springboard is a client of com.apple.springboardservices, as far as a
// backup needs it: the icons of apps.
//
//	computer                                             phone
//	{command: "getIconPNGData", bundleId: "com.…"}    →
//	                                                  ←  {pngData: …}
//
// (protocol.md 4.10; note the lower-case keys.)
package springboard

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Service is the name under which lockdownd starts it.
const Service = "com.apple.springboardservices"

const (
	replyIdle = 30 * time.Second
	// maxReply bounds a reply in bytes: icons have 5 to 100 KB.
	maxReply = 8 << 20
)

// RefusedError is the phone's refusal, in its own words.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return fmt.Sprintf("the phone refused: %.200s", e.Text) }

type request struct {
	Command  string `plist:"command"`
	BundleID string `plist:"bundleId"`
}

type response struct {
	PNGData []byte `plist:"pngData"`
	Error   string `plist:"Error"`
}

// Client speaks to the service. It is not safe for concurrent use.
type Client struct{ conn *framing.Conn }

// New speaks over conn, a started service, which belongs to the client from now on.
func New(conn net.Conn) *Client {
	c := &Client{framing.New(conn, plist.Binary)}
	c.conn.Max = maxReply
	c.conn.SetIdle(replyIdle)
	return c
}

// Close drops the connection.
func (c *Client) Close() error { return c.conn.Close() }

// IconPNG returns the icon of an app as a PNG file; nil without an error when
// the phone has none to give.
func (c *Client) IconPNG(ctx context.Context, bundleID string) ([]byte, error) {
	png, err := c.iconPNG(ctx, bundleID)
	if err != nil {
		return nil, fmt.Errorf("get icon of %s: %w", bundleID, err)
	}
	return png, nil
}

func (c *Client) iconPNG(ctx context.Context, bundleID string) ([]byte, error) {
	if err := c.conn.Send(ctx, request{"getIconPNGData", bundleID}); err != nil {
		return nil, err
	}
	var resp response
	if err := c.conn.Receive(ctx, &resp); err != nil {
		if err == io.EOF {
			err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
		}
		return nil, err
	}
	if resp.Error != "" {
		return nil, &RefusedError{resp.Error}
	}
	if len(resp.PNGData) > 0 && !bytes.HasPrefix(resp.PNGData, []byte("\x89PNG\r\n\x1a\n")) {
		return nil, fmt.Errorf("%w: pngData is no PNG file", plist.ErrMalformed)
	}
	return resp.PNGData, nil
}
