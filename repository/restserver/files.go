package restserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	// maxPack is the largest pack, in bytes: offsets in restic's indexes are
	// 32 bits wide.
	maxPack = 4<<30 - 1
	// maxFile bounds all other files; an index is about 8 MiB.
	maxFile = 64 << 20
	// typeV1 and typeV2 are the two forms of lists.
	typeV1 = "application/vnd.x.restic.rest.v1"
	typeV2 = "application/vnd.x.restic.rest.v2"
)

// create makes a repository's folders: POST /p/?create=true.
func (x *exchange) create(ctx context.Context, b backend.Backend) error {
	if x.r.URL.Query().Get("create") != "true" {
		return refuse(http.StatusBadRequest, "what is to be done? (create=true)")
	}
	if c, ok := backend.As[backend.Creator](b); ok {
		if err := c.Create(ctx); err != nil {
			return err
		}
	}
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// list sends the names, and to clients that know the second form the sizes.
func (x *exchange) list(ctx context.Context, b backend.Backend) error {
	v2 := strings.Contains(x.r.Header.Get("Accept"), typeV2)
	form := typeV1
	if v2 {
		form = typeV2
	}
	x.w.Header().Set("Content-Type", form)
	// The first bytes leave the buffer late: an error before that is an answer.
	out := bufio.NewWriterSize(x.w, 64<<10)
	separator := byte('[')
	var entry []byte
	err := b.List(ctx, x.target.fileType, func(info backend.FileInfo) error {
		entry = append(entry[:0], separator)
		separator = ','
		if v2 {
			entry = append(entry, `{"name":"`...)
			entry = append(entry, info.Name...) // hexadecimal digits
			entry = append(entry, `","size":`...)
			entry = strconv.AppendInt(entry, info.Size, 10)
			entry = append(entry, '}')
		} else {
			entry = append(entry, '"')
			entry = append(entry, info.Name...)
			entry = append(entry, '"')
		}
		_, err := out.Write(entry)
		return err
	})
	if err != nil {
		x.w.Header().Del("Content-Type")
		return err
	}
	if separator == '[' {
		_, err = out.WriteString("[")
	}
	_, err2 := out.WriteString("]")
	x.sweep(ctx, b)
	return errors.Join(err, err2, out.Flush())
}

// tempAge is after which time a file that is still being written is taken for
// what a crash has left.
const tempAge = 24 * time.Hour

// sweep removes what uploads left behind when this server was killed. Nobody
// else can, from afar; and packs are listed before a check or a prune, seldom
// and where all folders are read anyway.
func (x *exchange) sweep(ctx context.Context, b backend.Backend) {
	type sweeper interface {
		SweepTemp(ctx context.Context, olderThan time.Duration) (int, error)
	}
	s, ok := backend.As[sweeper](b)
	if !ok || x.target.fileType != backend.PackFile {
		return
	}
	if n, err := s.SweepTemp(ctx, tempAge); err != nil || n > 0 {
		x.o.Log.Warn("temporary files of uploads that never ended", "repository", x.target.repo(), "removed", n, "cause", err)
	}
}

// get sends a file or a part of it, or for HEAD its size.
func (x *exchange) get(ctx context.Context, b backend.Backend) error {
	info, err := b.Stat(ctx, x.target.handle)
	if err != nil {
		return err
	}
	h := x.w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-store") // locks come and go; the rest is cached where it is decrypted
	offset, length, status := int64(0), info.Size, http.StatusOK
	if text := x.r.Header.Get("Range"); text != "" && x.r.Method == http.MethodGet && info.Size > 0 {
		first, n, ok, err := parseRange(text, info.Size)
		if err != nil {
			h.Del("Content-Type")
			x.w.drain()
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", info.Size))
			http.Error(x.w, err.Error(), http.StatusRequestedRangeNotSatisfiable)
			return nil
		}
		if ok {
			offset, length, status = first, n, http.StatusPartialContent
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+n-1, info.Size))
		}
	}
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	if x.r.Method == http.MethodHead || length == 0 {
		x.w.WriteHeader(status)
		return nil
	}
	return x.transfer(ctx, b, offset, length, status)
}

// transfer sends the bytes. The backend may begin again after an error of its
// own: what the client has by then is not sent twice.
func (x *exchange) transfer(ctx context.Context, b backend.Backend, offset, length int64, status int) error {
	return b.Load(ctx, x.target.handle, offset, length, func(r io.Reader) error {
		if x.w.sent > 0 {
			if _, err := io.CopyN(io.Discard, r, x.w.sent); err != nil {
				return err
			}
		}
		if x.w.status == 0 {
			// Only now: an error before the first byte is an answer of its own.
			first := make([]byte, 1)
			if _, err := io.ReadFull(r, first); err != nil {
				return err
			}
			x.w.WriteHeader(status)
			if _, err := x.w.Write(first); err != nil {
				return err
			}
		}
		_, err := io.CopyBuffer(writerOnly{x.w}, io.LimitReader(r, length-x.w.sent), make([]byte, 64<<10))
		return err
	})
}

// writerOnly hides all but Write, which sets the time limits.
type writerOnly struct{ io.Writer }

// post takes in a file.
func (x *exchange) post(ctx context.Context, b backend.Backend) error {
	h, size := x.target.handle, x.r.ContentLength
	limit := int64(maxFile)
	if h.Type == backend.PackFile {
		limit = maxPack
	}
	switch {
	case size < 0:
		return refuse(http.StatusLengthRequired, "the size is to be announced")
	case size > limit:
		return refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("a %v has at most %d bytes", h.Type, limit))
	}
	switch _, err := b.Stat(ctx, h); {
	case err == nil:
		return refuse(http.StatusForbidden, "it exists")
	case !errors.Is(err, backend.ErrNotExist):
		return err
	}
	content, err := newBody(readerFunc(x.w.read), size, h.Name)
	if err != nil {
		return err
	}
	if err := b.Save(ctx, h, content); err != nil {
		if failure := content.failure(); failure != nil {
			return failure
		}
		return err
	}
	if !content.done() {
		return refuse(http.StatusForbidden, "it exists") // since a moment ago
	}
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// remove deletes a file; on an append-only server, a lock.
func (x *exchange) remove(ctx context.Context, b backend.Backend) error {
	if !x.o.AllowRemoval && x.target.fileType != backend.LockFile {
		return refuse(http.StatusForbidden, "this server is append-only: nothing but locks is removed")
	}
	if err := b.Remove(ctx, x.target.handle); err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusOK)
	return nil
}

// parseRange reads a Range header for a file of size bytes, which is not empty.
// Not ok: there is no single range of bytes in it, and the whole file is the
// answer. An error: there are no such bytes.
func parseRange(text string, size int64) (first, n int64, ok bool, err error) {
	spec, isBytes := strings.CutPrefix(text, "bytes=")
	from, to, isRange := strings.Cut(strings.TrimSpace(spec), "-")
	if !isBytes || !isRange || strings.Contains(spec, ",") {
		return 0, 0, false, nil
	}
	if from == "" { // the last bytes
		n, valid := digits(to)
		switch {
		case !valid:
			return 0, 0, false, nil
		case n == 0:
			return 0, 0, false, errors.New("a range of no bytes")
		}
		n = min(n, size)
		return size - n, n, true, nil
	}
	first, valid := digits(from)
	last := size - 1
	if to != "" {
		var validEnd bool
		last, validEnd = digits(to)
		valid = valid && validEnd && last >= first
	}
	switch {
	case !valid:
		return 0, 0, false, nil
	case first >= size:
		return 0, 0, false, fmt.Errorf("the file has %d bytes", size)
	}
	return first, min(last, size-1) - first + 1, true, nil
}

// digits reads a number without sign. What does not fit is taken as the largest.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}
