package backupagent

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// hostPatience is how long the host may do nothing while the phone waits for
// it inside a job. Between requests the phone waits for ever.
const hostPatience = 10 * time.Minute

// link is the phone's end of a DeviceLink connection.
type link struct {
	conn  *framing.Conn
	in    *bufferedConn
	level int64 // what both sides know: 400 has everything (protocol.md 3.2)
}

// bufferedConn lets many small frames come out of one read of the socket.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func newLink(conn net.Conn) *link {
	in := &bufferedConn{conn, bufio.NewReaderSize(conn, 128<<10)}
	return &link{conn: framing.New(in, plist.Binary), in: in}
}

// watch gives a context that ends when the host hangs up, says goodbye or
// cancels while the phone is busy with something else than the link. Call stop
// before the link is used again; what the host sent is still there to be read.
func (l *link) watch(ctx context.Context) (watched context.Context, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	// Before the reader starts: done by the reader itself it could come after
	// stop has set the deadline that ends it.
	if err := l.in.SetReadDeadline(time.Time{}); err != nil {
		cancel(errDisconnected)
		return watched, func() {}
	}
	go func() {
		defer close(done)
		if err := l.peek(); err != nil {
			cancel(err)
		}
	}()
	return watched, func() {
		// Wakes the reader; every read sets its own deadline afterwards.
		l.in.SetReadDeadline(time.Unix(1, 0))
		<-done
		cancel(nil)
	}
}

// peek waits for the next message and tells whether it ends the job.
func (l *link) peek() error {
	head, err := l.in.r.Peek(4)
	var body []byte
	if err == nil {
		n := int64(binary.BigEndian.Uint32(head))
		if n+4 > int64(l.in.r.Size()) {
			return nil
		}
		body, err = l.in.r.Peek(4 + int(n))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		return errDisconnected
	}
	m, err := decodeMessage(body[4:])
	if err != nil {
		return nil // told when it is read
	}
	if m.name == devicelink.Disconnect {
		return errDisconnected
	}
	if req, err := decodeRequest(m.args); err == nil && m.name == devicelink.ProcessMessage && req.name == mobilebackup2.MsgCancelBackup {
		if _, err := l.in.r.Discard(len(body)); err != nil {
			return errDisconnected
		}
		return errCancelled
	}
	return nil
}

// message is a control message: a property list array that opens with a name.
type message struct {
	name string
	args []any
}

// decodeMessage reads a control message, binary or XML.
func decodeMessage(body []byte) (message, error) {
	var v any
	if err := plist.Unmarshal(body, &v); err != nil {
		return message{}, protocolError("message: %v", err)
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return message{}, protocolError("message is no array with a name")
	}
	name, ok := list[0].(string)
	if !ok {
		return message{}, protocolError("message has no name")
	}
	return message{name, list[1:]}, nil
}

func (l *link) send(ctx context.Context, parts ...any) error {
	if err := l.conn.Send(ctx, parts); err != nil {
		return fmt.Errorf("send %v: %w", parts[0], err)
	}
	return nil
}

// receive waits for a message of the host. Pings are not answered
// (protocol.md 3.3); a disconnect is errDisconnected.
func (l *link) receive(ctx context.Context) (message, error) {
	for {
		body, err := l.conn.ReceiveFrame(ctx)
		if err != nil {
			if errors.Is(err, plist.ErrMalformed) {
				return message{}, protocolError("%v", err)
			}
			return message{}, err
		}
		if len(body) == 0 {
			return message{}, protocolError("empty message")
		}
		m, err := decodeMessage(body)
		switch {
		case err != nil:
			return message{}, err
		case m.name == devicelink.Disconnect:
			return message{}, errDisconnected
		case m.name != devicelink.Ping:
			return m, nil
		}
	}
}

// status is a DLMessageStatusResponse.
type status struct {
	code    devicelink.Status
	text    string
	payload any
}

// decodeStatus reads what follows the name. A phone wants exactly four
// elements; the code is read as 32 bits, signed, whatever it came as
// (protocol.md 4.5).
func decodeStatus(args []any) (status, error) {
	if len(args) != 3 {
		return status{}, protocolError("status response of %d elements, want 4", len(args)+1)
	}
	code, ok := integer(args[0])
	if !ok {
		return status{}, protocolError("status response without a code")
	}
	text, ok := args[1].(string)
	if !ok {
		return status{}, protocolError("status response without a text")
	}
	return status{devicelink.Status(int32(code)), text, args[2]}, nil
}

// awaitStatus waits for the host's status. CancelBackup may come instead.
func (l *link) awaitStatus(ctx context.Context) (status, error) {
	m, err := l.receive(ctx)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
		}
		return status{}, err
	}
	switch m.name {
	case devicelink.StatusResponse:
		return decodeStatus(m.args)
	case devicelink.ProcessMessage:
		if req, err := decodeRequest(m.args); err == nil && req.name == mobilebackup2.MsgCancelBackup {
			return status{}, errCancelled
		}
	}
	return status{}, protocolError("%s instead of a status", m.name)
}

// ask sends a message and waits for its status.
func (l *link) ask(ctx context.Context, parts ...any) (status, error) {
	if err := l.send(ctx, parts...); err != nil {
		return status{}, err
	}
	s, err := l.awaitStatus(ctx)
	if err != nil {
		return status{}, fmt.Errorf("wait for the answer to %v: %w", parts[0], err)
	}
	return s, nil
}

// failure gives what the host reported about path: nil for success, the entry
// of a multi-status that names path, or the status itself.
func (s status) failure(path string) *hostError {
	if s.code == devicelink.StatusOK {
		return nil
	}
	if s.code == devicelink.StatusMulti {
		if e := s.each()[path]; e != nil {
			return e
		}
	}
	return &hostError{status: s.code, text: s.text, path: path}
}

// each lists the errors of a multi-status by path.
func (s status) each() map[string]*hostError {
	payload, _ := s.payload.(map[string]any)
	errs := make(map[string]*hostError, len(payload))
	for path, v := range payload {
		entry, ok := v.(map[string]any)
		if !ok {
			continue
		}
		code, ok := integer(entry[devicelink.KeyErrorCode])
		if !ok || int32(code) == 0 {
			code = int64(devicelink.StatusError)
		}
		text, _ := entry[devicelink.KeyErrorString].(string)
		errs[path] = &hostError{status: devicelink.Status(int32(code)), text: text, path: path}
	}
	return errs
}

// onlyMissing tells whether nothing worse than "not found" was reported.
func (s status) onlyMissing() bool {
	if s.code != devicelink.StatusMulti {
		return s.code == devicelink.StatusOK || s.code == devicelink.StatusNotFound
	}
	errs := s.each()
	for _, e := range errs {
		if e.status != devicelink.StatusNotFound {
			return false
		}
	}
	return len(errs) > 0
}

// integer takes any number that a property list may hold; values over 2⁶³ wrap,
// as negative ones come from some hosts.
func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case uint64:
		return int64(n), true
	case int64:
		return n, true
	case float64:
		return int64(n), true
	}
	return 0, false
}

// brokenWire tells whether the connection is gone or stands still.
func brokenWire(err error) bool {
	var wire *framing.WireError
	var stalled *framing.StalledError
	return errors.As(err, &wire) || errors.As(err, &stalled) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
