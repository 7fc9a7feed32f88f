package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/keepsake-backup/keepsake/server/api"
)

// Version is what runs there.
func (c *Client) Version(ctx context.Context) (api.Build, error) {
	return get[api.Build](ctx, c, "ask for the version", "/version", nil)
}

// Me is whose token it is.
func (c *Client) Me(ctx context.Context) (api.Me, error) {
	return get[api.Me](ctx, c, "ask whose token it is", "/me", nil)
}

// Overview is how everything is.
func (c *Client) Overview(ctx context.Context) (api.Overview, error) {
	return get[api.Overview](ctx, c, "ask how everything is", "/overview", nil)
}

// Phone is all that is known of a phone.
func (c *Client) Phone(ctx context.Context, udid string) (api.Phone, error) {
	return get[api.Phone](ctx, c, "ask about phone", at("phones", udid), nil)
}

// Versions are the versions of a phone, the newest first.
func (c *Client) Versions(ctx context.Context, udid string) ([]api.Version, error) {
	v, err := get[api.Versions](ctx, c, "list versions", at("phones", udid, "versions"), nil)
	return v.Versions, err
}

// Jobs are the newest jobs before the one with the number before (0: of all), of a
// phone or, with "", of all; limit 1 to 500. Next of the answer leads on.
func (c *Client) Jobs(ctx context.Context, udid string, before int64, limit int) (api.Jobs, error) {
	return get[api.Jobs](ctx, c, "list jobs", "/jobs", query("udid", udid, "before", number(before), "limit", number(int64(limit))))
}

// Job is a job with its log.
func (c *Client) Job(ctx context.Context, id int64) (api.Job, error) {
	return get[api.Job](ctx, c, "ask about job", at("jobs", number(id)), nil)
}

// Cancel ends a job.
func (c *Client) Cancel(ctx context.Context, id int64) error {
	return c.call(ctx, "cancel job", http.MethodPost, at("jobs", number(id), "cancel"), nil, nil, nil)
}

// BackUp starts a backup and gives the number of its job; full reads everything
// anew.
func (c *Client) BackUp(ctx context.Context, udid string, full bool) (int64, error) {
	return c.start(ctx, "start backup", at("phones", udid, "backup"), api.Backup{Full: full})
}

// CopyMedia starts a copy of music and pictures.
func (c *Client) CopyMedia(ctx context.Context, udid string) (int64, error) {
	return c.start(ctx, "start media copy", at("phones", udid, "media"), nil)
}

// Pair starts the pairing of a phone.
func (c *Client) Pair(ctx context.Context, udid string) (int64, error) {
	return c.start(ctx, "start pairing", at("phones", udid, "pair"), nil)
}

// SetEncryption switches the encryption of a phone's backups on or off or changes
// the backup password.
func (c *Client) SetEncryption(ctx context.Context, udid string, e api.Encryption) (int64, error) {
	return c.start(ctx, "change encryption", at("phones", udid, "encryption"), e)
}

// Rehearse starts the rehearsal of a version, "" the newest.
func (c *Client) Rehearse(ctx context.Context, udid, version string) (int64, error) {
	return c.start(ctx, "start rehearsal", at("phones", udid, "rehearse"), api.Rehearse{Version: version})
}

// Check starts reading and verifying what is stored of a phone.
func (c *Client) Check(ctx context.Context, udid string) (int64, error) {
	return c.start(ctx, "start check", at("phones", udid, "check"), nil)
}

// Copy starts copying what a target lacks.
func (c *Client) Copy(ctx context.Context, target string) (int64, error) {
	return c.start(ctx, "start copy", at("targets", target, "copy"), nil)
}

// Signal says that a phone is in its owner's hand. It answers what happens now.
func (c *Client) Signal(ctx context.Context, udid string) (string, error) {
	a, err := post[api.Answer](ctx, c, "signal", at("signal", udid), nil)
	return a.Text, err
}

// Preflight finds out whether a restore can be done.
func (c *Client) Preflight(ctx context.Context, r api.Restore) (api.Preflight, error) {
	return post[api.Preflight](ctx, c, "check restore", "/preflight", r)
}

// Restore starts a restore.
func (c *Client) Restore(ctx context.Context, r api.Restore) (int64, error) {
	return c.start(ctx, "start restore", "/restores", r)
}

// List is a page of a folder of a version; path "" is the top. Next of the answer
// is passed as after to get what follows.
func (c *Client) List(ctx context.Context, udid, version, path, after string, limit int) (api.Listing, error) {
	return get[api.Listing](ctx, c, "list folder", at("phones", udid, "versions", version, "files"), query("path", path, "after", after, "limit", number(int64(limit))))
}

// Search is a page of the names of a version that contain text, in any case.
func (c *Client) Search(ctx context.Context, udid, version, text, after string, limit int) (api.Listing, error) {
	return get[api.Listing](ctx, c, "search version", at("phones", udid, "versions", version, "search"), query("q", text, "after", after, "limit", number(int64(limit))))
}

// Download gives a file of a version from the byte offset on; the caller closes it.
func (c *Client) Download(ctx context.Context, udid, version, path string, offset int64) (io.ReadCloser, error) {
	var head http.Header
	if offset > 0 {
		head = http.Header{"Range": {fmt.Sprintf("bytes=%d-", offset)}}
	}
	resp, err := c.request(ctx, "download file", http.MethodGet, at("phones", udid, "versions", version, "download"), query("path", path), nil, head)
	if err != nil {
		return nil, err
	}
	if offset > 0 && resp.StatusCode != http.StatusPartialContent {
		return nil, errorsJoinClose(fmt.Errorf("download file: the service does not begin at byte %d", offset), resp.Body)
	}
	return resp.Body, nil
}

// DownloadZip gives a folder of a version as a ZIP; the caller closes it. A stream
// that ends without a good end of the ZIP has been cut.
func (c *Client) DownloadZip(ctx context.Context, udid, version, folder string) (io.ReadCloser, error) {
	resp, err := c.request(ctx, "download folder", http.MethodGet, at("phones", udid, "versions", version, "download"), query("path", folder, "zip", "1"), nil, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// query makes values of pairs; empty ones and zeros are left out.
func query(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" && pairs[i+1] != "0" {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	return v
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
