package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// drained is how much of a body that nobody wants is read so that the
// connection can be used again, in bytes.
const drained = 64 << 10

// watch ends a request that stands still. Its clock runs while the wire is
// waited for, not while somebody works with what came.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	after  time.Duration
}

func newWatch(ctx context.Context, after time.Duration) *watch {
	ctx, cancel := context.WithCancelCause(ctx)
	return &watch{ctx, cancel, time.AfterFunc(after, func() { cancel(&stallError{after}) }), after}
}

func (w *watch) wait()  { w.timer.Reset(w.after) }
func (w *watch) pause() { w.timer.Stop() }

func (w *watch) close() {
	w.timer.Stop()
	w.cancel(nil)
}

// explain replaces err by the true cause, if that is a stall: as an ended
// context it would look like the caller's wish.
func (w *watch) explain(err error) error {
	var stall *stallError
	if err != nil && errors.As(context.Cause(w.ctx), &stall) {
		return stall
	}
	return err
}

// send makes one request. The answer's body has to be closed; its status may be
// any. Header lines are given in pairs. data may be nil.
func (b *Backend) send(w *watch, method string, u *url.URL, data *upload, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(w.ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "keepsake")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if b.user != "" || !b.password.IsZero() {
		req.SetBasicAuth(b.user, b.password.Reveal())
	}
	if data != nil {
		data.attach(req, w)
	}
	w.wait()
	resp, err := b.client.Do(req)
	w.pause()
	if err != nil {
		return nil, connectionError(w.explain(err))
	}
	return resp, nil
}

// exchange makes a request whose answer is its status. data may be nil.
func (b *Backend) exchange(ctx context.Context, method string, u *url.URL, data *upload) error {
	w := newWatch(ctx, b.patience)
	defer w.close()
	resp, err := b.send(w, method, u, data)
	if err != nil {
		return err
	}
	defer b.dismiss(w, resp)
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
		return nil
	}
	return refusal(resp)
}

// dismiss closes an answer of which no more is wanted.
func (b *Backend) dismiss(w *watch, resp *http.Response) {
	w.wait()
	// An error here costs the connection, which the transport notices itself.
	_, _ = io.CopyN(io.Discard, resp.Body, drained)
	_ = resp.Body.Close()
	w.pause()
}

// upload is a body under way. The transport may go on reading a body after the
// answer has come, but a Content belongs to its owner again when Save returns:
// from release on, nobody reads it.
type upload struct {
	mu       sync.Mutex
	content  backend.Content // guarded by mu, nil after release
	size     int64
	failed   error // of reading the content; guarded by mu
	released bool
}

func newUpload(data backend.Content) *upload { return &upload{content: data, size: data.Size()} }

func (u *upload) attach(req *http.Request, w *watch) {
	req.ContentLength = u.size
	req.Header.Set("Content-Type", "application/octet-stream")
	if u.size == 0 {
		req.Body = http.NoBody
		return
	}
	open := func() (io.ReadCloser, error) { return &uploadReader{upload: u, watch: w}, nil }
	req.Body, _ = open()
	req.GetBody = open // for a redirect, or a connection that turns out to be dead
}

func (u *upload) release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.content, u.released = nil, true
}

// sourceError is what reading the content failed with.
func (u *upload) sourceError() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.failed
}

var errReleased = errors.New("the request is over")

type uploadReader struct {
	upload *upload
	watch  *watch
	offset int64
}

func (r *uploadReader) Read(p []byte) (int, error) {
	u := r.upload
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.released {
		return 0, errReleased
	}
	r.watch.wait()
	left := u.size - r.offset
	if left <= 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := u.content.ReadAt(p, r.offset)
	r.offset += int64(n)
	switch {
	case n == len(p):
		return n, nil // io.EOF is allowed together with the last bytes
	case err == io.EOF || err == nil:
		err = io.ErrUnexpectedEOF
	}
	u.failed = fmt.Errorf("read the data to send: %w", err)
	return n, u.failed
}

func (r *uploadReader) Close() error { return nil }
