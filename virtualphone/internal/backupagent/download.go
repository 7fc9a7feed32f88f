package backupagent

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// maxErrorText bounds the text behind an error code; what is longer is read and
// dropped.
const maxErrorText = 4096

// fileSink takes the bytes of one file that the host sends. After an error of
// Write the rest of the file is thrown away and Close is still called.
type fileSink interface {
	io.Writer
	// Close is told whether the host sent the whole file.
	Close(complete bool) error
}

// download asks the host for files and feeds each to the sink that open gives
// for its path. It returns what the host could not send: a host may stop at its
// first such file (protocol.md 4.4), then the others are among them.
//
// The error is that of the wire, of the protocol, or the first of a sink; in
// the last case the connection is still good.
func (l *link) download(ctx context.Context, paths []string, progress float64, open func(path string) (fileSink, error)) (map[string]*hostError, error) {
	if err := l.send(ctx, devicelink.DownloadFiles, paths, map[string]any{}, progress, 0); err != nil {
		return nil, err
	}
	d := downloading{open: open, missing: make(map[string]bool, len(paths)), failed: map[string]*hostError{}}
	for _, p := range paths {
		d.missing[p] = true
	}
	if err := d.receive(ctx, l); err != nil {
		return nil, fmt.Errorf("download %d files: %w", len(paths), err)
	}
	s, err := l.awaitStatus(ctx)
	if err != nil {
		return nil, fmt.Errorf("download %d files: %w", len(paths), err)
	}
	d.settle(s)
	return d.failed, d.sinkErr
}

type downloading struct {
	open    func(path string) (fileSink, error)
	missing map[string]bool       // asked for and not seen yet
	failed  map[string]*hostError // ended with something else than success
	sinkErr error                 // the first error of our side
	buf     []byte
}

// receive reads files until the frame of length 0.
func (d *downloading) receive(ctx context.Context, l *link) error {
	r, release := l.conn.Reader(ctx)
	defer release()
	d.buf = make([]byte, 128<<10)
	for {
		n, err := devicelink.ReadFrameLength(r)
		if err != nil {
			return cutShort(err)
		}
		if n == 0 {
			return nil
		}
		if n > devicelink.MaxPath {
			return protocolError("path of %d bytes", n)
		}
		name := make([]byte, n)
		if _, err := io.ReadFull(r, name); err != nil {
			return cutShort(err)
		}
		path := string(name)
		if !d.missing[path] {
			return protocolError("the host sends %q, which was not asked for", path)
		}
		delete(d.missing, path)
		if err := d.file(r, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

// file reads the frames of one file: data, then anything that is not data.
func (d *downloading) file(r io.Reader, path string) error {
	sink := d.sink(path)
	var head [1]byte
	for {
		n, err := devicelink.ReadFrameLength(r)
		if err != nil {
			return d.abandon(sink, cutShort(err))
		}
		if n == 0 {
			return d.abandon(sink, protocolError("empty frame inside a file"))
		}
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return d.abandon(sink, cutShort(err))
		}
		body := io.LimitReader(r, int64(n)-1)
		if head[0] == devicelink.CodeData {
			err = d.data(sink, body, int64(n)-1)
		} else {
			err = d.end(sink, path, head[0], body, int64(n)-1)
		}
		if err != nil || head[0] != devicelink.CodeData {
			return err
		}
	}
}

func (d *downloading) sink(path string) fileSink {
	if d.sinkErr == nil {
		sink, err := d.open(path)
		if err == nil {
			return &onceSink{sink: sink, err: &d.sinkErr}
		}
		d.sinkErr = err
	}
	return &onceSink{err: &d.sinkErr}
}

// data passes a frame on piece by piece, however long it claims to be.
func (d *downloading) data(sink fileSink, body io.Reader, n int64) error {
	for n > 0 {
		piece := d.buf[:min(n, int64(len(d.buf)))]
		if _, err := io.ReadFull(body, piece); err != nil {
			return d.abandon(sink, cutShort(err))
		}
		sink.Write(piece) // its error is in d.sinkErr
		n -= int64(len(piece))
	}
	return nil
}

func (d *downloading) end(sink fileSink, path string, code byte, body io.Reader, n int64) error {
	var text bytes.Buffer
	if _, err := io.CopyN(&text, body, min(n, maxErrorText)); err != nil {
		return d.abandon(sink, cutShort(err))
	}
	if err := discard(body, n-int64(text.Len())); err != nil {
		return d.abandon(sink, err)
	}
	if code != devicelink.CodeSuccess {
		// The byte is the negated status, whatever the clients put there
		// (protocol.md 4.4); the status that follows may know better.
		d.failed[path] = &hostError{status: devicelink.Status(-int8(code)), text: text.String(), path: path}
	}
	sink.Close(code == devicelink.CodeSuccess)
	return nil
}

func (d *downloading) abandon(sink fileSink, err error) error {
	sink.Close(false)
	return err
}

func discard(r io.Reader, n int64) error {
	if _, err := io.CopyN(io.Discard, r, n); err != nil {
		return cutShort(err)
	}
	return nil
}

// settle adds what the final status says.
func (d *downloading) settle(s status) {
	each := s.each()
	for path := range d.missing {
		e := s.failure(path)
		if e == nil {
			e = &hostError{status: devicelink.StatusNotFound, text: "No such file or directory", path: path}
		}
		e.unsent = each[path] == nil && len(each) > 0
		d.failed[path] = e
	}
	for path, e := range d.failed {
		switch better := each[path]; {
		case better != nil:
			d.failed[path] = better
		case s.code != devicelink.StatusOK && s.code != devicelink.StatusMulti && len(d.failed) == 1:
			d.failed[path] = &hostError{status: s.code, text: e.text, path: path}
		}
	}
}

// onceSink keeps the first error of a sink for the end of the transfer, so that
// the rest of the stream can be read and the connection stays usable.
type onceSink struct {
	sink fileSink // nil when it could not be opened
	err  *error
	bad  bool
}

func (s *onceSink) note(err error) {
	if err != nil {
		s.bad = true
		if *s.err == nil {
			*s.err = err
		}
	}
}

func (s *onceSink) Write(p []byte) (int, error) {
	if s.sink != nil && !s.bad {
		_, err := s.sink.Write(p)
		s.note(err)
	}
	return len(p), nil
}

func (s *onceSink) Close(complete bool) error {
	if s.sink != nil {
		s.note(s.sink.Close(complete && !s.bad))
	}
	return nil
}

// bytesSink keeps a small file in memory.
type bytesSink struct {
	buf bytes.Buffer
	max int
}

func (s *bytesSink) Write(p []byte) (int, error) {
	if s.buf.Len()+len(p) > s.max {
		return 0, fmt.Errorf("more than %d bytes", s.max)
	}
	return s.buf.Write(p)
}

func (s *bytesSink) Close(bool) error { return nil }
