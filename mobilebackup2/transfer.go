package mobilebackup2

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// maxUnread bounds how many unreadable files a Summary lists.
const maxUnread = 1000

// meter tells the observer what passes. It gives pieces as large as its reader
// and never more often than once a read.
type meter struct {
	r   io.Reader
	n   int64
	obs Observer
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if n > 0 {
		m.n += int64(n)
		m.obs.FileBytes(int64(n))
	}
	return n, err
}

// upload receives a batch and answers once, after its end, whatever happened:
// until then the phone does not listen.
func (l *loop) upload(ctx context.Context) error {
	r := l.dl.ReceiveFiles(ctx)
	defer r.Close()
	code, text := devicelink.StatusOK, ""
	for r.Next() {
		f := r.File()
		if l.store == nil {
			code, text = devicelink.StatusError, notSupported
			continue
		}
		if !l.allowed("write", f.HostPath) {
			code, text, _ = refusal()
			continue
		}
		if code == devicelink.StatusNoSpace {
			continue // the phone is told at the end; more writes would only fail too
		}
		err := l.put(ctx, f)
		if r.Err() != nil || ctx.Err() != nil {
			break
		}
		if err != nil && code == devicelink.StatusOK {
			code, text = devicelink.StatusOf(err), errorText(err)
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return l.dl.Answer(ctx, code, text, nil)
}

// put stores one file. Its error is the host's; a file that the phone could not
// read is noted and no error, since the phone knows.
func (l *loop) put(ctx context.Context, f *devicelink.Incoming) error {
	file := File{Path: f.HostPath, DevicePath: f.DevicePath}
	state := isState(f.HostPath)
	if !state {
		l.enter(Receiving)
		l.obs.FileBegin(file)
	}
	l.meter.r, l.meter.n = f, 0
	err := l.store.Put(ctx, f.HostPath, &l.meter)
	if err == nil {
		// A store that stopped before the end has not seen how the file ended.
		if err = f.Finish(); err != nil {
			err = errors.Join(err, l.store.Remove(ctx, f.HostPath))
		}
	}
	var unread *devicelink.RemoteFileError
	result := err
	switch {
	case err == nil:
		if !state {
			l.sum.Files++
		}
		l.sum.Bytes += l.meter.n
	case ctx.Err() != nil:
	case errors.As(err, &unread):
		if len(l.sum.Unread) < maxUnread {
			l.sum.Unread = append(l.sum.Unread, unread)
		}
		result, err = unread, nil
	case f.Broken() != nil: // the wire, which the caller sees too
	default:
		err = l.blame("write", f.HostPath, err)
		result = err
	}
	if !state || result != nil {
		l.obs.FileEnd(file, l.meter.n, result)
	}
	return err
}

// isState tells whether path is one of the few files that are the phone's
// bookkeeping, not its contents.
func isState(path string) bool {
	_, rest, _ := strings.Cut(path, "/")
	rest = strings.TrimPrefix(rest, "Snapshot/")
	switch rest {
	case "Status.plist", "Manifest.plist", "Manifest.db", "Manifest.mbdb", "Info.plist":
		return true
	}
	return false
}

// download sends files. Every path is answered, an empty list with the bare end
// of a batch (protocol.md 4.3, 4.4).
func (l *loop) download(ctx context.Context, m devicelink.Download) error {
	l.expect(ctx, m.Paths)
	s := l.dl.SendFiles(ctx)
	defer s.Release()
	failures := map[string]any{}
	for _, path := range m.Paths {
		err := l.send(ctx, s, path)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var told *toldError
		if !errors.As(err, &told) {
			return err
		}
		failures[path] = map[string]any{devicelink.KeyErrorString: told.text, devicelink.KeyErrorCode: int64(told.code)}
	}
	if err := s.Close(); err != nil {
		return err
	}
	if len(failures) > 0 {
		return l.dl.Answer(ctx, devicelink.StatusMulti, "Multi status", failures)
	}
	return l.dl.Answer(ctx, devicelink.StatusOK, "", nil)
}

// expect tells a store that reads ahead what comes. It is told nothing of a
// request with a bad path, which ends the job.
func (l *loop) expect(ctx context.Context, paths []string) {
	e, ok := l.store.(Expecter)
	if !ok || l.refused != nil {
		return
	}
	for _, p := range paths {
		if CheckPath(p, l.roots...) != "" {
			return
		}
	}
	e.Expect(ctx, paths)
}

// toldError is a failure that the phone has been told in place of the file.
type toldError struct {
	code devicelink.Status
	text string
}

func (e *toldError) Error() string { return e.text }

// send sends one file. A toldError leaves the connection in order.
func (l *loop) send(ctx context.Context, s *devicelink.Sender, path string) error {
	tell := func(code devicelink.Status, text string) error {
		if err := s.Fail(path, text); err != nil {
			return err
		}
		return &toldError{code, text}
	}
	if l.store == nil {
		return tell(devicelink.StatusError, notSupported)
	}
	if !l.allowed("read", path) {
		return tell(devicelink.StatusError, "Operation not permitted")
	}
	state := isState(path)
	l.sending(state)
	r, _, err := l.store.Open(ctx, path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) && (state || l.request == MsgBackup) {
			return tell(devicelink.StatusNotFound, errorText(err)) // a first backup has none
		}
		code, text, _ := l.failed("read", path, err)
		return tell(code, text)
	}
	defer r.Close()
	file := File{Path: path}
	if !state {
		l.obs.FileBegin(file)
	}
	l.meter.r, l.meter.n = r, 0
	n, readErr, err := s.File(path, &l.meter)
	if err != nil {
		return err
	}
	var result error
	if readErr != nil {
		result = l.blame("read", path, readErr)
		err = &toldError{devicelink.StatusOf(readErr), errorText(readErr)}
	} else {
		l.sum.Bytes += n
		if !state {
			l.sum.Files++
		}
	}
	if !state || result != nil {
		l.obs.FileEnd(file, n, result)
	}
	return err
}

func (l *loop) sending(state bool) {
	switch {
	case !state:
		l.enter(Sending)
	case l.committed:
		l.enter(Verifying)
	case l.phase == Waiting:
		l.enter(Preparing)
	}
}
