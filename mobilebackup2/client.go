package mobilebackup2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// Limits say how long the phone may be silent before a job is given up. They
// bound the lack of progress, never the length. Zero fields mean the defaults.
type Limits struct {
	// First is the wait for the first message: the phone may be asking for its
	// passcode, up to 30 minutes long (protocol.md 6). Default 40 minutes.
	First time.Duration
	// Silence is the wait between messages: scanning and preparing a large
	// phone takes minutes without a word (protocol.md 4.15). Default 30 minutes.
	Silence time.Duration
	// Transfer is the wait inside a transfer, and for the small exchanges of the
	// start. Default 5 minutes.
	Transfer time.Duration
	// Farewell is how long a cancelled job waits for the phone to end its side. Default 3 seconds.
	Farewell time.Duration
}

func (l Limits) withDefaults() Limits {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&l.First, 40 * time.Minute}, {&l.Silence, 30 * time.Minute}, {&l.Transfer, 5 * time.Minute}, {&l.Farewell, 3 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return l
}

// Job is what all requests have in common.
type Job struct {
	Target string // UDID of the phone, exactly as it says it
	Source string // UDID whose backup is used; empty means Target
	Limits Limits
}

func (j Job) source() string {
	if j.Source == "" {
		return j.Target
	}
	return j.Source
}

// Summary is what a job moved.
type Summary struct {
	Files   int64 // received or sent, without the phone's Status.plist and manifests
	Bytes   int64 // of all files
	Moved   int64
	Removed int64
	Unread  []*devicelink.RemoteFileError // files that the phone could not read
	Content string                        // of the phone's last word; empty for most requests
}

// Client is one connection to the backup service. It does one job, since the
// phone waits for the end of the connection after its last word.
type Client struct {
	dl      *devicelink.Conn
	version float64
}

// New brings DeviceLink up on conn and agrees on a protocol version. It owns
// conn from the start and closes it on an error.
func New(ctx context.Context, conn net.Conn) (_ *Client, err error) {
	c := &Client{dl: devicelink.New(conn)}
	defer func() {
		if err != nil {
			c.dl.Close()
		}
	}()
	c.dl.SetIdle(Limits{}.withDefaults().Transfer)
	if err := c.dl.Handshake(ctx); err != nil {
		return nil, fmt.Errorf("start backup service: %w", startError(err))
	}
	if err := c.hello(ctx); err != nil {
		return nil, fmt.Errorf("greet backup service: %w", startError(err))
	}
	return c, nil
}

func startError(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return &LinkError{Phase: greeting, Err: ErrDisconnected}
	case isLink(err):
		return &LinkError{Phase: greeting, Err: err}
	case isNonsense(err):
		return &NonsenseError{err}
	}
	return err
}

// greeting is before any job.
const greeting Phase = "greeting"

func (c *Client) hello(ctx context.Context) error {
	hello := Hello{MessageName: MsgHello, SupportedProtocolVersions: []float64{Version20, Version21}}
	if err := c.dl.Send(ctx, devicelink.ProcessMessage, hello); err != nil {
		return err
	}
	m, err := c.dl.Receive(ctx)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case devicelink.Process:
		r, err := parseResponse(m.Body)
		if err != nil {
			return err
		}
		if r.code != CodeOK {
			return &DeviceError{Request: MsgHello, Code: r.code, Text: r.text}
		}
		v, ok := m.Body["ProtocolVersion"].(float64)
		if !ok || v != Version20 && v != Version21 {
			return &VersionError{Offered: v}
		}
		c.version = v
		return nil
	case devicelink.Disconnected:
		return &devicelink.DisconnectedError{Reason: m.Reason}
	}
	return &devicelink.ProtocolError{Op: "hello", Reason: fmt.Sprintf("got %T first", m)}
}

// Version is the protocol version agreed on, 2.1 with every phone known.
func (c *Client) Version() float64 { return c.version }

// Close says goodbye, as far as the phone still listens, and closes the
// connection. It does not wait for the phone.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	// The phone may be gone already; nothing depends on its hearing this.
	_ = c.dl.Disconnect(ctx, "")
	return c.dl.Close()
}

// BackupOptions of the request itself.
type BackupOptions struct {
	// ForceFull sends ForceFullBackup. Phones seem to ignore it (protocol.md
	// 4.2); package backup has the way that works.
	ForceFull bool
}

// Backup lets the phone back itself up into store, below the folder Job.Source.
func (c *Client) Backup(ctx context.Context, job Job, opt BackupOptions, store Store, obs Observer) (*Summary, error) {
	req := Request{MessageName: MsgBackup, TargetIdentifier: job.Target, SourceIdentifier: job.source()}
	if opt.ForceFull {
		req.Options = map[string]any{"ForceFullBackup": true}
	}
	return c.run(ctx, job, req, store, obs)
}

// Restore lets the phone take the backup Job.Source out of store. A Response
// without error means that the phone has everything; it commits it at its next
// start (protocol.md 11.7).
func (c *Client) Restore(ctx context.Context, job Job, opt RestoreOptions, store Store, obs Observer) (*Summary, error) {
	req := Request{MessageName: MsgRestore, TargetIdentifier: job.Target, SourceIdentifier: job.source(), Options: opt}
	return c.run(ctx, job, req, store, obs)
}

// ChangePassword sets (only new), removes (only old) or changes the backup
// password. A phone with a passcode asks its owner for it first.
func (c *Client) ChangePassword(ctx context.Context, job Job, old, new secret.BackupPassword, obs Observer) error {
	req := Request{MessageName: MsgChangePassword, TargetIdentifier: job.Target, OldPassword: WirePassword(old.Reveal()), NewPassword: WirePassword(new.Reveal())}
	_, err := c.run(ctx, job, req, nil, obs)
	return err
}

func (c *Client) run(ctx context.Context, job Job, req Request, store Store, obs Observer) (*Summary, error) {
	if reason := CheckPath(job.source(), job.source()); reason != "" || job.Target == "" {
		return nil, fmt.Errorf("%s: no usable UDID (%q, %q): %s", req.MessageName, job.Target, job.Source, reason)
	}
	if obs == nil {
		obs = Nobody{}
	}
	l := newLoop(c.dl, job, req.MessageName, store, obs)
	err := l.run(ctx, req)
	if com, ok := store.(Committer); ok && store != nil {
		// The outcome is settled even when ctx has ended.
		if cerr := com.Commit(context.WithoutCancel(ctx), err); cerr != nil && err == nil {
			err = &HostError{Op: "finish", Err: cerr}
		}
	}
	if err != nil {
		return &l.sum, err
	}
	return &l.sum, nil
}

// isLink tells whether err means that the connection is of no more use.
func isLink(err error) bool {
	var wire *framing.WireError
	var stalled *framing.StalledError
	var gone *devicelink.DisconnectedError
	return errors.As(err, &wire) || errors.As(err, &stalled) || errors.As(err, &gone) || errors.Is(err, ErrDisconnected)
}

// isNonsense tells whether err is about what the phone said.
func isNonsense(err error) bool {
	var protocol *devicelink.ProtocolError
	var unknown *devicelink.UnknownMessageError
	return errors.As(err, &protocol) || errors.As(err, &unknown) || errors.Is(err, plist.ErrMalformed)
}
