package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// acceptV2 asks for lists with sizes.
const acceptV2 = "application/vnd.x.restic.rest.v2"

const (
	// maxListEntry bounds the text of one entry of a list, in bytes: a name and a
	// number are about 90. What is read ahead can double it.
	maxListEntry = 64 << 10
	// maxV1Names bounds the names that are kept until their sizes are asked for;
	// that many packs of 16 MiB are 160 TB.
	maxV1Names = 10 << 20
)

// List asks for the names and sizes of all files of a type. Of a server that
// only tells names, every file is asked for its size.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	if t.Folder() == "" {
		return fmt.Errorf("list %v: only files with names are listed", t)
	}
	names, err := b.list(ctx, t, fn)
	if err == nil && len(names) > 0 {
		err = b.sizes(ctx, t, names, fn)
	}
	if err != nil {
		return fmt.Errorf("list files of type %v: %w", t, err)
	}
	return nil
}

// list passes on the entries that have a size and returns the names that have
// none.
func (b *Backend) list(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) (names []string, err error) {
	w := newWatch(ctx, b.patience)
	defer w.close()
	resp, err := b.send(w, http.MethodGet, b.root.JoinPath(t.Folder(), "/"), nil, "Accept", acceptV2)
	if err != nil {
		return nil, err
	}
	defer b.dismiss(w, resp)
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, nil
	default:
		return nil, refusal(resp)
	}
	err = decodeList(&bodyReader{body: resp.Body, watch: w, left: resp.ContentLength}, func(e listEntry) error {
		switch {
		case !backend.IsName(e.name):
			return nil
		case ctx.Err() != nil:
			return ctx.Err() // what is buffered of the answer does not know
		case e.hasSize:
			return fn(backend.FileInfo{Name: e.name, Size: e.size})
		case len(names) == maxV1Names:
			return fmt.Errorf("more than %d names", maxV1Names)
		}
		names = append(names, e.name)
		return nil
	})
	return names, err
}

// sizes asks for the size of each name, several at once. A file that has gone
// since the list was made is passed over.
func (b *Backend) sizes(ctx context.Context, t backend.FileType, names []string, fn func(backend.FileInfo) error) error {
	g, groupCtx := errgroup.WithContext(ctx)
	g.SetLimit(b.connections)
	var mu sync.Mutex // fn is called by one at a time, and not after an error
	for _, name := range names {
		if groupCtx.Err() != nil {
			break
		}
		g.Go(func() error {
			info, err := b.Stat(groupCtx, backend.Handle{Type: t, Name: name})
			if errors.Is(err, backend.ErrNotExist) {
				return nil
			} else if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if err := groupCtx.Err(); err != nil {
				return err
			}
			return fn(info)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// listEntry is an element of either form of list.
type listEntry struct {
	name    string
	size    int64
	hasSize bool
}

// UnmarshalJSON takes "name" and {"name":"…","size":4711}. The form of the
// elements decides, not the Content-Type, which proxies have been seen to change.
func (e *listEntry) UnmarshalJSON(data []byte) error {
	*e = listEntry{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &e.name)
	}
	var v2 struct {
		Name string `json:"name"`
		Size *int64 `json:"size"`
	}
	if err := json.Unmarshal(data, &v2); err != nil {
		return err
	}
	if v2.Size == nil || *v2.Size < 0 {
		return fmt.Errorf("the entry of %.80q has no size", v2.Name)
	}
	e.name, e.size, e.hasSize = v2.Name, *v2.Size, true
	return nil
}

// decodeList reads a list element by element, so that its length need not be
// bounded: the memory it takes is.
func decodeList(r io.Reader, fn func(listEntry) error) error {
	bounded := &boundedReader{r: r, left: maxListEntry}
	d := json.NewDecoder(bounded)
	start, err := d.Token()
	if err != nil {
		return fmt.Errorf("decode list: %w", noEOF(err))
	}
	if start == nil {
		return nil // null, as some encoders write an empty list
	}
	if start != json.Delim('[') {
		return errors.New("decode list: it is no JSON array")
	}
	for bounded.left = maxListEntry; d.More(); bounded.left = maxListEntry {
		var e listEntry
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("decode list: %w", noEOF(err))
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("decode list: %w", noEOF(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("decode list: something follows it")
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// boundedReader fails when more than left bytes are wanted of it.
type boundedReader struct {
	r    io.Reader
	left int
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, fmt.Errorf("an entry is longer than %d bytes", maxListEntry)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
