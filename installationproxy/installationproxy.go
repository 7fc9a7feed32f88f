// Package installationproxy is a client of com.apple.mobile.installation_proxy,
// as far as a backup needs it: which apps are installed.
//
//	computer                                        phone
//	{Command: "Browse", ClientOptions:
//	   {ApplicationType: "User",
//	    ReturnAttributes: […]}}                  →
//	               ←  {Status: "BrowsingApplications",
//	                   CurrentIndex: 0, CurrentAmount: 20, CurrentList: [{…}, …]}
//	               ←  … more of them …
//	               ←  {Status: "Complete"}
//
// (protocol.md 4.10; messages are framed as in package lockdown.)
package installationproxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// Service is the name under which lockdownd starts the proxy.
const Service = "com.apple.mobile.installation_proxy"

// Attributes of an app.
const (
	AttrBundleID = "CFBundleIdentifier"
	AttrName     = "CFBundleDisplayName"
	AttrVersion  = "CFBundleShortVersionString"
	// AttrSINF is the licence of an App Store app, AttrMetadata its property
	// list from the store: what a backup's Info.plist keeps (protocol.md 13.1).
	AttrSINF     = "ApplicationSINF"
	AttrMetadata = "iTunesMetadata"
)

const (
	// replyIdle lets a phone with hundreds of apps collect them.
	replyIdle = 2 * time.Minute
	// maxBatch bounds one message in bytes, maxApps what all may list: a phone
	// with 2,000 apps is not known.
	maxBatch = 32 << 20
	maxApps  = 20_000
)

// App is an installed app. Attributes holds all that was asked for and given;
// the other fields repeat the best known.
type App struct {
	BundleID   string
	Name       string // as under the icon
	Version    string
	SINF       []byte // nil for apps that are not from the App Store
	Metadata   []byte // nil likewise
	Attributes map[string]any
}

// RefusedError is the phone's refusal, in its own words.
type RefusedError struct{ Text string }

func (e *RefusedError) Error() string { return fmt.Sprintf("the phone refused: %.200s", e.Text) }

type request struct {
	Command       string        `plist:"Command"`
	ClientOptions clientOptions `plist:"ClientOptions"`
}

type clientOptions struct {
	ApplicationType  string   `plist:"ApplicationType,omitempty"`
	ReturnAttributes []string `plist:"ReturnAttributes,omitempty"`
}

type response struct {
	Status           string           `plist:"Status"`
	CurrentList      []map[string]any `plist:"CurrentList"`
	Error            string           `plist:"Error"`
	ErrorDescription string           `plist:"ErrorDescription"`
}

// Client speaks to the proxy. It is not safe for concurrent use.
type Client struct{ conn *framing.Conn }

// New speaks over conn, a started service, which belongs to the client from now on.
func New(conn net.Conn) *Client {
	c := &Client{framing.New(conn, plist.XML)}
	c.conn.Max = maxBatch
	c.conn.SetIdle(replyIdle)
	return c
}

// Close drops the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Browse lists the apps of the owner (not the system's own), in the phone's
// order, with the attributes asked for; none asks for everything. AttrBundleID
// is always among them.
func (c *Client) Browse(ctx context.Context, attributes ...string) ([]App, error) {
	apps, err := c.browse(ctx, attributes)
	if err != nil {
		return nil, fmt.Errorf("list apps: %w", err)
	}
	return apps, nil
}

func (c *Client) browse(ctx context.Context, attributes []string) ([]App, error) {
	if len(attributes) > 0 {
		attributes = withBundleID(attributes)
	}
	if err := c.conn.Send(ctx, request{"Browse", clientOptions{"User", attributes}}); err != nil {
		return nil, err
	}
	var apps []App
	for {
		var resp response
		if err := c.conn.Receive(ctx, &resp); err != nil {
			if err == io.EOF {
				err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
			}
			return nil, err
		}
		if resp.Error != "" {
			return nil, &RefusedError{resp.Error + " " + resp.ErrorDescription}
		}
		if len(apps)+len(resp.CurrentList) > maxApps {
			return nil, fmt.Errorf("%w: more than %d apps", plist.ErrMalformed, maxApps)
		}
		for _, attrs := range resp.CurrentList {
			app, err := appOf(attrs)
			if err != nil {
				return nil, err
			}
			apps = append(apps, app)
		}
		switch resp.Status {
		case "BrowsingApplications":
		case "Complete":
			return apps, nil
		default:
			return nil, fmt.Errorf("%w: status %.40q", plist.ErrMalformed, resp.Status)
		}
	}
}

func appOf(attrs map[string]any) (App, error) {
	app := App{Attributes: attrs}
	app.BundleID, _ = attrs[AttrBundleID].(string)
	app.Name, _ = attrs[AttrName].(string)
	app.Version, _ = attrs[AttrVersion].(string)
	app.SINF, _ = attrs[AttrSINF].([]byte)
	app.Metadata, _ = attrs[AttrMetadata].([]byte)
	if app.BundleID == "" {
		return App{}, fmt.Errorf("%w: app without %s", plist.ErrMalformed, AttrBundleID)
	}
	return app, nil
}

func withBundleID(attributes []string) []string {
	if slices.Contains(attributes, AttrBundleID) {
		return attributes
	}
	return append([]string{AttrBundleID}, attributes...)
}
