package mobilebackup2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

const notSupported = "Operation not supported"

// loop answers the phone until its last word.
type loop struct {
	dl      *devicelink.Conn
	job     Job
	limits  Limits
	request string
	store   Store // nil when the request has no files
	obs     Observer
	sum     Summary
	phase   Phase

	roots     []string
	committed bool // files have been moved or removed: what follows is verification

	refused  *PathError // the first bad path; from then on nothing is done
	hostErr  *HostError // the first failure of the store
	missing  MissingFilesError
	surprise int // messages that were not understood, or came after refused
	meter    meter
}

func newLoop(dl *devicelink.Conn, job Job, request string, store Store, obs Observer) *loop {
	return &loop{dl: dl, job: job, limits: job.Limits.withDefaults(), request: request, store: store, obs: obs,
		roots: []string{job.source(), job.Target, UnbackFolder}, meter: meter{obs: obs}}
}

// run sends the request and serves the phone. Its error is the root cause.
func (l *loop) run(ctx context.Context, req Request) error {
	l.enter(Waiting)
	l.dl.SetIdle(l.limits.Transfer)
	err := l.dl.Send(ctx, devicelink.ProcessMessage, req)
	if err == nil {
		err = l.serve(ctx)
	}
	var refusal *DeviceError
	if err != nil && !errors.As(err, &refusal) {
		l.farewell()
	}
	if ctx.Err() != nil && !errors.As(err, &refusal) && err != nil {
		return context.Cause(ctx)
	}
	return l.explain(err)
}

func (l *loop) serve(ctx context.Context) error {
	idle := l.limits.First
	for {
		if l.refused != nil {
			idle = min(idle, 10*time.Second)
		}
		l.dl.SetIdle(idle)
		m, err := l.dl.Receive(ctx)
		l.dl.SetIdle(l.limits.Transfer)
		idle = l.limits.Silence
		var unknown *devicelink.UnknownMessageError
		var protocol *devicelink.ProtocolError
		switch {
		case errors.As(err, &unknown):
			l.surprise++
			err = l.dl.Answer(ctx, devicelink.StatusError, notSupported, nil)
			if err == nil && l.surprise > 100 {
				err = unknown
			}
		case errors.As(err, &protocol) || errors.Is(err, plist.ErrMalformed):
			// The phone may be waiting for a status; whether it hears this one
			// no longer matters.
			_ = l.dl.Answer(ctx, devicelink.StatusInvalidParameter, "malformed message", nil)
		case err == io.EOF:
			err = ErrDisconnected
		case err == nil:
			if p, ok := m.(devicelink.Process); ok {
				return l.last(ctx, p)
			}
			err = l.handle(ctx, m)
		}
		if err != nil {
			return err
		}
		if l.refused != nil {
			if l.surprise++; l.surprise > 20 {
				return l.refused
			}
		}
	}
}

// explain puts the root cause first: our own disk before the phone's echo of it.
func (l *loop) explain(err error) error {
	switch {
	case err != nil && isLink(err):
		err = &LinkError{Phase: l.phase, Err: err}
	case err != nil && isNonsense(err):
		err = &NonsenseError{err}
	}
	var cause error
	var device *DeviceError
	switch {
	case l.refused != nil:
		cause = l.refused
	case l.hostErr != nil:
		cause = l.hostErr
	case l.missing.Count > 0 && errors.As(err, &device) && l.request != MsgBackup: // there it is the phone that sent too little
		switch device.Code {
		case CodeNotFound, CodeReadingFromHost, CodeCorruptBackup, CodeWritingToHost, CodeMultiple:
			cause = &l.missing
		}
	}
	switch {
	case cause == nil || err != nil && errors.Is(err, cause):
		return err
	case err == nil:
		return cause
	}
	return fmt.Errorf("%w; then: %w", cause, err)
}

// farewell tells the phone that the job is over and gives it a moment to end
// its side, so that the stream is not reset under it.
func (l *loop) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), l.limits.Farewell)
	defer cancel()
	l.dl.SetIdle(l.limits.Farewell)
	if l.dl.Disconnect(ctx, "") == nil {
		l.dl.Drain(ctx)
	}
}

func (l *loop) enter(p Phase) {
	if l.phase != p {
		l.phase = p
		l.obs.Phase(p)
	}
}

func (l *loop) progress(percent float64) {
	if percent > 0 && percent <= 100 {
		l.obs.Progress(percent)
	}
}

// last judges the phone's last word.
func (l *loop) last(ctx context.Context, p devicelink.Process) error {
	r, err := parseResponse(p.Body)
	if err != nil {
		return err
	}
	if r.code != CodeOK {
		return &DeviceError{Request: l.request, Code: r.code, Text: r.text}
	}
	l.sum.Content = r.content
	if l.request == MsgBackup && l.hostErr == nil && l.refused == nil {
		return l.finished(ctx)
	}
	return nil
}

// finished looks at Status.plist as the store has it (protocol.md 4.7).
func (l *loop) finished(ctx context.Context) error {
	path := l.job.source() + "/Status.plist"
	r, _, err := l.store.Open(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return &UnfinishedError{"nothing: there is none"}
	}
	if err != nil {
		return &HostError{"read", path, err}
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return &HostError{"read", path, err}
	}
	var status struct {
		SnapshotState string `plist:"SnapshotState"`
	}
	if err := plist.Unmarshal(data, &status); err != nil {
		return fmt.Errorf("%w: %w", &UnfinishedError{"nothing readable"}, err)
	}
	if status.SnapshotState != "finished" {
		return &UnfinishedError{fmt.Sprintf("%.40q", status.SnapshotState)}
	}
	return nil
}

type response struct {
	code          Code
	text, content string
}

func parseResponse(body map[string]any) (response, error) {
	var r response
	switch n := body["ErrorCode"].(type) {
	case int64:
		r.code = Code(n)
	case uint64:
		r.code = Code(n)
	default:
		return r, &devicelink.ProtocolError{Op: "response", Reason: fmt.Sprintf("no ErrorCode in %.40q", fmt.Sprint(body["MessageName"]))}
	}
	r.text, _ = body["ErrorDescription"].(string)
	r.content, _ = body["Content"].(string)
	if r.text == "" && r.code != CodeOK {
		r.text = "no description"
	}
	return r, nil
}

// handle answers one request. Its error is the connection's.
func (l *loop) handle(ctx context.Context, m devicelink.Message) error {
	switch m := m.(type) {
	case devicelink.Pinged:
		return nil
	case devicelink.Disconnected:
		return &devicelink.DisconnectedError{Reason: m.Reason}
	case devicelink.Upload:
		l.progress(m.Progress)
		return l.upload(ctx)
	case devicelink.Download:
		l.progress(m.Progress)
		return l.download(ctx, m)
	case devicelink.List:
		if l.store != nil {
			return l.list(ctx, m)
		}
	}
	code, text, payload := l.ask(ctx, m)
	return l.dl.Answer(ctx, code, text, payload)
}

// ask does what needs no bulk transfer and gives the elements of the answer.
func (l *loop) ask(ctx context.Context, m devicelink.Message) (devicelink.Status, string, any) {
	if l.store == nil {
		return devicelink.StatusError, notSupported, nil
	}
	switch m := m.(type) {
	case devicelink.FreeSpace:
		return l.freeSpace(ctx)
	case devicelink.Purge:
		return l.purge(ctx, m)
	case devicelink.MakeDir:
		return l.one(ctx, "create folder", l.store.Mkdir, m.Path)
	case devicelink.Move:
		return l.move(ctx, m)
	case devicelink.Remove:
		return l.remove(ctx, m)
	case devicelink.Copy:
		c, ok := l.store.(Copier)
		if !ok {
			return devicelink.StatusError, notSupported, nil
		}
		return l.two(ctx, "copy", c.Copy, m.From, m.To)
	}
	return devicelink.StatusError, notSupported, nil
}

func (l *loop) freeSpace(ctx context.Context) (devicelink.Status, string, any) {
	l.enter(Preparing)
	f, ok := l.store.(FreeSpacer)
	if !ok {
		return devicelink.StatusError, notSupported, int64(0)
	}
	n, err := f.FreeSpace(ctx)
	if err != nil {
		// The phone goes on without the check (protocol.md 4.17); if the disk
		// is broken, the next write says so.
		return devicelink.StatusOf(err), errorText(err), int64(0)
	}
	return devicelink.StatusOK, "", max(n, 0)
}

func (l *loop) purge(ctx context.Context, m devicelink.Purge) (devicelink.Status, string, any) {
	p, ok := l.store.(Purger)
	if !ok {
		return devicelink.StatusError, notSupported, nil
	}
	n, err := p.Purge(ctx, m.Amount)
	if err != nil {
		return devicelink.StatusOf(err), errorText(err), int64(0)
	}
	return devicelink.StatusOK, "", max(n, 0)
}

func (l *loop) list(ctx context.Context, m devicelink.List) error {
	if l.committed {
		l.enter(Verifying)
	} else {
		l.enter(Preparing)
	}
	code, text, payload := refusal()
	if l.allowed("list", m.Path) {
		entries, err := l.store.ReadDir(ctx, m.Path)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			// A folder that is not there is listed as empty, as the field does.
			return l.dl.AnswerList(ctx, entries)
		}
		code, text, payload = l.failed("list", m.Path, err)
	}
	return l.dl.Answer(ctx, code, text, payload)
}

func (l *loop) move(ctx context.Context, m devicelink.Move) (devicelink.Status, string, any) {
	l.enter(Moving)
	l.progress(m.Progress)
	l.committed = true
	for i, item := range m.Items {
		if ctx.Err() != nil {
			l.moved(i)
			return refusal() // the answer is never sent: ctx ends it
		}
		if code, text, payload := l.two(ctx, "move", l.store.Rename, item.From, item.To); code != devicelink.StatusOK {
			l.moved(i)
			return code, text, payload
		}
	}
	l.moved(len(m.Items))
	return devicelink.StatusOK, "", nil
}

func (l *loop) moved(n int) {
	l.sum.Moved += int64(n)
	l.obs.Moved(n)
}

func (l *loop) remove(ctx context.Context, m devicelink.Remove) (devicelink.Status, string, any) {
	l.enter(Removing)
	l.progress(m.Progress)
	l.committed = true
	for _, path := range m.Paths {
		if ctx.Err() != nil {
			return refusal()
		}
		if code, text, payload := l.one(ctx, "remove", l.store.Remove, path); code != devicelink.StatusOK && code != devicelink.StatusNotFound {
			return code, text, payload
		}
		l.sum.Removed++
		l.obs.Removed(1)
	}
	return devicelink.StatusOK, "", nil
}

func (l *loop) one(ctx context.Context, op string, do func(context.Context, string) error, path string) (devicelink.Status, string, any) {
	if !l.allowed(op, path) {
		return refusal()
	}
	if err := do(ctx, path); err != nil {
		return l.failed(op, path, err)
	}
	return devicelink.StatusOK, "", nil
}

func (l *loop) two(ctx context.Context, op string, do func(ctx context.Context, from, to string) error, from, to string) (devicelink.Status, string, any) {
	if !l.allowed(op, from) || !l.allowed(op, to) {
		return refusal()
	}
	if err := do(ctx, from, to); err != nil {
		return l.failed(op, from, err)
	}
	return devicelink.StatusOK, "", nil
}

// allowed checks a path and latches the first bad one.
func (l *loop) allowed(op, path string) bool {
	if l.refused != nil {
		return false
	}
	if reason := CheckPath(path, l.roots...); reason != "" {
		l.refused = &PathError{op, path, reason}
		return false
	}
	return true
}

func refusal() (devicelink.Status, string, any) {
	return devicelink.StatusError, "Operation not permitted", nil
}

// failed makes a status of a store's error and remembers it when it is trouble
// of this computer: not a folder that exists, nor a file that is missing.
func (l *loop) failed(op, path string, err error) (devicelink.Status, string, any) {
	code := devicelink.StatusOf(err)
	switch {
	case op == "create folder" && code == devicelink.StatusExists:
	case code == devicelink.StatusNotFound && op != "write":
		l.lacks(path)
	default:
		l.blame(op, path, err)
	}
	return code, errorText(err), nil
}

func (l *loop) blame(op, path string, err error) *HostError {
	var host *HostError
	if !errors.As(err, &host) {
		host = &HostError{op, path, err}
	}
	if l.hostErr == nil {
		l.hostErr = host
	}
	return host
}

func (l *loop) lacks(path string) {
	if l.missing.Count++; len(l.missing.Paths) < 20 {
		l.missing.Paths = append(l.missing.Paths, path)
	}
}

// errorText is what the phone may read of an error: no path of this computer.
func errorText(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "No such file or directory"
	case errors.As(err, &errno) && errno != 0:
		text := errno.Error()
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return "Unknown error"
}
