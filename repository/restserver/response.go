package restserver

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// maxDrained is how much of a body that is refused is read all the same, in
// bytes: over HTTP/1 a client that is still sending may not see the answer.
const maxDrained = 64 << 20

// response is a ResponseWriter whose reader must not stand still.
type response struct {
	http.ResponseWriter
	r         *http.Request
	control   *http.ResponseController
	patience  time.Duration
	status    int   // 0 until it is sent
	sent      int64 // bytes of the body
	ended     bool  // there is no more of the request's body, or not for us
	unlimited bool  // the connection knows no deadlines
}

func newResponse(w http.ResponseWriter, r *http.Request, patience time.Duration) *response {
	return &response{ResponseWriter: w, r: r, control: http.NewResponseController(w), patience: patience}
}

// wait gives the client some more time to take what is sent.
func (w *response) wait() {
	w.deadline(w.control.SetWriteDeadline, time.Now().Add(w.patience))
}

// deadline sets one. Recorders of tests have none; and a broken connection, the
// other reason for an error, shows at the next read or write.
func (w *response) deadline(set func(time.Time) error, t time.Time) {
	if !w.unlimited {
		w.unlimited = errors.Is(set(t), http.ErrNotSupported)
	}
}

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.wait()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.wait()
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// read reads from the request's body, and waits for a part of it for a limited
// time. At its end the limit is taken away: net/http goes on reading to notice
// that a client leaves, and would take a passed limit for that.
func (w *response) read(p []byte) (int, error) {
	w.deadline(w.control.SetReadDeadline, time.Now().Add(w.patience))
	n, err := w.r.Body.Read(p)
	if err != nil {
		w.ended = true
		w.deadline(w.control.SetReadDeadline, time.Time{})
	}
	return n, err
}

// drain reads a body that nobody wants, within limits.
func (w *response) drain() {
	if w.ended || w.r.ProtoMajor >= 2 || w.r.ContentLength == 0 || w.r.Header.Get("Expect") != "" {
		return
	}
	// What is not drained costs the connection, no more.
	_, _ = io.CopyN(io.Discard, readerFunc(w.read), maxDrained)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
