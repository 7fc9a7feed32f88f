package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Load reads a file or a part of one. The server's statement of what it sends
// is compared with what was asked for before fn sees a byte.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := backend.CheckRange(offset, length); err != nil {
		return fmt.Errorf("load %v: %w", h, err)
	}
	if err := b.load(ctx, h, offset, length, fn); err != nil {
		return fmt.Errorf("load %v: %w", h, err)
	}
	return nil
}

func (b *Backend) load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	w := newWatch(ctx, b.patience)
	defer w.close()
	var header []string
	if offset != 0 || length != 0 {
		header = []string{"Range", rangeOf(offset, length)}
	}
	resp, err := b.send(w, http.MethodGet, b.url(h), nil, header...)
	if err != nil {
		return err
	}
	defer b.dismiss(w, resp)
	n, err := expected(resp, offset, length)
	if err != nil {
		return err
	}
	r := &bodyReader{body: resp.Body, watch: w, left: n}
	if err := fn(r); err != nil {
		return err
	}
	// Whoever passes over an error of reading has not read what it thinks.
	return r.err
}

// rangeOf is the header for length bytes from offset on, or for all of them.
func rangeOf(offset, length int64) string {
	if length == 0 {
		return fmt.Sprintf("bytes=%d-", offset)
	}
	return fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
}

// expected is how many bytes will come, -1 if the server does not say and the
// end of the body is marked otherwise.
func expected(resp *http.Response, offset, length int64) (int64, error) {
	whole := offset == 0 && length == 0
	switch code := resp.StatusCode; {
	case code == http.StatusOK && whole:
		if resp.ContentLength < 0 && resp.ProtoMajor < 2 && len(resp.TransferEncoding) == 0 {
			return 0, &permanentError{errors.New("the server does not tell where the file ends")}
		}
		return resp.ContentLength, nil
	case code == http.StatusOK && resp.ContentLength == 0:
		// Go's servers answer so to any range of an empty file.
		return available(0, offset, length)
	case code == http.StatusOK:
		return 0, &permanentError{errors.New("the server sends the whole file instead of a part (no ranges)")}
	case code == http.StatusPartialContent && !whole:
		return partial(resp, offset, length)
	case code == http.StatusRequestedRangeNotSatisfiable && !whole:
		size, ok := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */")
		total, err := strconv.ParseInt(size, 10, 64)
		if !ok || err != nil || total < 0 {
			return 0, fmt.Errorf("bytes from %d on: %w", offset, io.ErrUnexpectedEOF)
		}
		return available(total, offset, length)
	}
	return 0, refusal(resp)
}

// available is how many bytes of a file of size bytes there are to a range.
func available(size, offset, length int64) (int64, error) {
	switch {
	case length == 0 && offset <= size:
		return size - offset, nil
	case offset+length <= size:
		return length, nil
	}
	return 0, fmt.Errorf("%d bytes from %d on, of %d: %w", length, offset, size, io.ErrUnexpectedEOF)
}

// partial checks a 206 against what was asked for.
func partial(resp *http.Response, offset, length int64) (int64, error) {
	text := resp.Header.Get("Content-Range")
	first, last, total, ok := parseContentRange(text)
	if !ok {
		return 0, &permanentError{fmt.Errorf("the server sends a part but says %.100q of it", text)}
	}
	if total >= 0 {
		if _, err := available(total, offset, length); err != nil {
			return 0, err
		}
	}
	n := last - first + 1 // 0: rclone answers "5-4/5" to what begins at the end, and "9-4/5" to what begins behind it
	switch {
	case n < 0 || first != offset || length != 0 && n > length || resp.ContentLength >= 0 && n != resp.ContentLength,
		total >= 0 && length == 0 && last != total-1:
		return 0, fmt.Errorf("asked for %s, the server sends %.100q with %d bytes", rangeOf(offset, length), text, resp.ContentLength)
	case length != 0 && n < length:
		return 0, fmt.Errorf("asked for %s, the server sends %.100q: %w", rangeOf(offset, length), text, io.ErrUnexpectedEOF)
	}
	return n, nil
}

// parseContentRange reads "bytes 4096-8191/10000"; total is -1 for "*".
func parseContentRange(text string) (first, last, total int64, ok bool) {
	text, ok1 := strings.CutPrefix(text, "bytes ")
	span, size, ok2 := strings.Cut(text, "/")
	from, to, ok3 := strings.Cut(span, "-")
	if !ok1 || !ok2 || !ok3 {
		return 0, 0, 0, false
	}
	var err1, err2, err3 error
	first, err1 = strconv.ParseInt(from, 10, 64)
	last, err2 = strconv.ParseInt(to, 10, 64)
	total = -1
	if size != "*" {
		total, err3 = strconv.ParseInt(size, 10, 64)
		if total < 0 {
			return 0, 0, 0, false
		}
	}
	ok = err1 == nil && err2 == nil && err3 == nil && first >= 0 && last >= -1 && last < 1<<62 && (total < 0 || last < total)
	return first, last, total, ok
}

// bodyReader reads an answer's body up to what was announced, and not less.
type bodyReader struct {
	body  io.Reader
	watch *watch
	left  int64 // -1: until the end
	err   error // the first one but io.EOF
}

func (r *bodyReader) Read(p []byte) (int, error) {
	switch {
	case r.err != nil:
		return 0, r.err
	case r.left == 0:
		return 0, io.EOF
	case r.left > 0 && int64(len(p)) > r.left:
		p = p[:r.left]
	}
	r.watch.wait()
	n, err := r.body.Read(p)
	r.watch.pause()
	if r.left > 0 {
		r.left -= int64(n)
	}
	switch {
	case err == io.EOF && r.left > 0:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil && err != io.EOF:
		r.err = r.watch.explain(err)
		return n, r.err
	case err == io.EOF && r.left < 0:
		r.left = 0
	}
	return n, err
}
