package client

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/keepsake-backup/keepsake/server/api"
)

// Kinds are the kinds of content of a version: which there are, and why others could
// not be read.
func (c *Client) Kinds(ctx context.Context, udid, version string) (api.ContentKinds, error) {
	return get[api.ContentKinds](ctx, c, "look inside version", at("phones", udid, "versions", version, "content"), nil)
}

// Groups are what the records of a kind lie in: albums, conversations, calendars.
func (c *Client) Groups(ctx context.Context, udid, version, kind string) (api.ContentGroups, error) {
	return get[api.ContentGroups](ctx, c, "list "+kind+" of version", at("phones", udid, "versions", version, "content", kind, "groups"), nil)
}

// RecordQuery chooses records; the zero value is the newest of all.
type RecordQuery struct {
	Table, Group, Key string
	Natural           bool // in the order in which people read, instead of the newest first
	Skip, Limit       int  // Limit 0 is the most that there is in a page
}

// Records are a page of the records of a kind.
func (c *Client) Records(ctx context.Context, udid, version, kind string, q RecordQuery) (api.ContentRecords, error) {
	order := ""
	if q.Natural {
		order = "natural"
	}
	return get[api.ContentRecords](ctx, c, "read "+kind+" of version", at("phones", udid, "versions", version, "content", kind),
		query("table", q.Table, "group", q.Group, "key", q.Key, "order", order, "skip", number(int64(q.Skip)), "limit", number(int64(q.Limit))))
}

// ContentQuery says what to look for in what was written.
type ContentQuery struct {
	Text          string // words that all have to be there
	Kind, Version string // only there; "" is everywhere
	After         string // api.Found.Next of the page before
	Limit         int    // 0 is 50
}

// SearchContent finds what was written, in one version of a phone or in all of them.
func (c *Client) SearchContent(ctx context.Context, udid string, q ContentQuery) (api.Found, error) {
	return get[api.Found](ctx, c, "search phone", at("phones", udid, "search"),
		query("q", q.Text, "kind", q.Kind, "version", q.Version, "after", q.After, "limit", number(int64(q.Limit))))
}

// CompareVersions tells what has changed between two versions; older "" is the backup
// before newer.
func (c *Client) CompareVersions(ctx context.Context, udid, older, newer string) (api.Changes, error) {
	return get[api.Changes](ctx, c, "compare versions", at("phones", udid, "versions", newer, "changes"), query("from", older))
}

// maxPreview is the largest small picture, in bytes.
const maxPreview = 4 << 20

// Preview gives a small picture of a record: a JPEG, PNG, GIF or WebP.
func (c *Client) Preview(ctx context.Context, udid, version, kind, key string) ([]byte, error) {
	resp, err := c.request(ctx, "get picture", http.MethodGet, at("phones", udid, "versions", version, "content", kind, "preview"), query("key", key), nil, nil)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxPreview+1))
	if err == nil && len(data) > maxPreview {
		err = fmt.Errorf("get picture: larger than %d bytes", maxPreview)
	}
	return data, errorsJoinClose(err, resp.Body)
}

// Extract gives a kind as a ZIP of files that other programs read, in one of its
// formats ("" is the usual one), or one group of it; the caller closes it. A stream
// that ends without a good end of the ZIP has been cut.
func (c *Client) Extract(ctx context.Context, udid, version, kind, format, group string) (io.ReadCloser, error) {
	resp, err := c.request(ctx, "extract "+kind, http.MethodGet, at("phones", udid, "versions", version, "content", kind, "extract"), query("format", format, "group", group), nil, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
