package backupagent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestDecodeStatus(t *testing.T) {
	tests := []struct {
		name string
		args []any
		want devicelink.Status
		ok   bool
	}{
		{"success", []any{0, devicelink.EmptyParameter, map[string]any{}}, 0, true},
		{"signed", []any{-13, "Multi status", map[string]any{}}, -13, true},
		{"64 bits", []any{uint64(18446744073709551603), "Multi status", map[string]any{}}, -13, true},
		{"32 bits", []any{uint64(4294967283), "", map[string]any{}}, -13, true},
		{"text as payload", []any{0, devicelink.EmptyParameter, devicelink.EmptyParameter}, 0, true},
		{"number as payload", []any{0, "", 5}, 0, true},
		{"three elements", []any{0, ""}, 0, false},
		{"five elements", []any{0, "", "", ""}, 0, false},
		{"no code", []any{"0", "", ""}, 0, false},
		{"no text", []any{0, 0, ""}, 0, false},
	}
	for _, tt := range tests {
		for _, f := range []plist.Format{plist.Binary, plist.XML} {
			t.Run(tt.name, func(t *testing.T) {
				body, err := plist.Marshal(append([]any{devicelink.StatusResponse}, tt.args...), f)
				if err != nil {
					t.Fatal(err)
				}
				m, err := decodeMessage(body)
				if err != nil {
					t.Fatal(err)
				}
				s, err := decodeStatus(m.args)
				if tt.ok != (err == nil) || s.code != tt.want {
					t.Errorf("got %v, %v", s, err)
				}
			})
		}
	}
}

// How hosts report a file that they do not have, and others they cannot read.
func TestDownloadErrors(t *testing.T) {
	entry := func(code any) map[string]any {
		return map[string]any{devicelink.KeyErrorString: "text", devicelink.KeyErrorCode: code}
	}
	tests := []struct {
		name   string
		frames [][]byte
		status []any
		want   map[string]devicelink.Status
	}{
		{"multi status", [][]byte{[]byte("a"), {6, 'x'}, {}}, []any{-13, "Multi status", map[string]any{"a": entry(-6)}},
			map[string]devicelink.Status{"a": -6, "b": -13}},
		{"every file", [][]byte{[]byte("a"), {6, 'x'}, []byte("b"), {6, 'y'}, {}}, []any{-13, "", map[string]any{"a": entry(-6), "b": entry(uint64(1<<64 - 11))}},
			map[string]devicelink.Status{"a": -6, "b": -11}},
		{"plain status", [][]byte{[]byte("a"), {0}, []byte("b"), {6, 'y'}, {}}, []any{-11, "I/O", map[string]any{}}, map[string]devicelink.Status{"b": -11}},
		{"byte only", [][]byte{[]byte("a"), {12, 'd'}, {11, 'x'}, []byte("b"), {0}, {}}, []any{0, "", map[string]any{}}, map[string]devicelink.Status{"a": -11}},
		{"not mentioned", [][]byte{[]byte("a"), {0}, {}}, []any{0, "", map[string]any{}}, map[string]devicelink.Status{"b": -6}},
		{"nothing at all", [][]byte{{}}, []any{-1, "No", map[string]any{}}, map[string]devicelink.Status{"a": -1, "b": -1}},
		{"other order", [][]byte{[]byte("b"), {12}, {12, '1', '2'}, {0, 'x'}, []byte("a"), {0}, {}}, []any{0, "", map[string]any{}}, map[string]devicelink.Status{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			failed, err := downloadFrom(tt.frames, tt.status)
			if err != nil {
				t.Fatal(err)
			}
			if len(failed) != len(tt.want) {
				t.Errorf("failed: %v", failed)
			}
			for path, code := range tt.want {
				if e := failed[path]; e == nil || e.status != code {
					t.Errorf("%s: %+v, want %d", path, e, code)
				}
			}
		})
	}
}

func TestDownloadRefusesNonsense(t *testing.T) {
	for name, frames := range map[string][][]byte{
		"path not asked for": {[]byte("c"), {0}, {}},
		"path twice":         {[]byte("a"), {0}, []byte("a"), {0}, {}},
		"long path":          {bytes.Repeat([]byte("a"), 5000)},
		"empty frame inside": {[]byte("a"), {}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := downloadFrom(frames, []any{0, "", map[string]any{}})
			var protocol *ProtocolError
			if !errors.As(err, &protocol) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// downloadFrom lets the phone ask for a and b, and answers with frames and a
// status.
func downloadFrom(frames [][]byte, status []any) (map[string]*hostError, error) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() {
		h := &testHost{}
		h.attach(near)
		if _, err := h.tryReceive(); err != nil {
			return
		}
		for _, f := range frames {
			if devicelink.WriteFrame(near, f) != nil {
				return
			}
		}
		h.fc.Send(context.Background(), append([]any{devicelink.StatusResponse}, status...))
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return newLink(far).download(ctx, []string{"a", "b"}, 0, func(string) (fileSink, error) { return &bytesSink{max: 100}, nil })
}

// A file that the phone cannot store does not cost the connection.
func TestDownloadSinkFails(t *testing.T) {
	full := errors.New("disk full")
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		h := &testHost{files: map[string][]byte{"a": make([]byte, 100_000), "b": {1}}, t: t}
		h.attach(near)
		for range 2 {
			m, err := h.tryReceive()
			if err != nil || h.sendFiles(m.args[0].([]any)) != nil {
				return
			}
		}
	}()
	l := newLink(far)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := l.download(ctx, []string{"a", "b"}, 0, func(string) (fileSink, error) { return nil, full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	sink := &bytesSink{max: 10}
	if _, err := l.download(ctx, []string{"b"}, 0, func(string) (fileSink, error) { return sink, nil }); err != nil || sink.buf.Len() != 1 {
		t.Errorf("second download: %d bytes, %v", sink.buf.Len(), err)
	}
}

func TestErrorTexts(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{errLocked, "Device locked (MBErrorDomain/208)"},
		{readFailed("Error reading status", &Error{Code: 1, Text: "Multi status", Path: "U/Status.plist"}),
			`Error reading status (MBErrorDomain/103). Underlying error: Multi status at path "U/Status.plist" (MBErrorDomain/1).`},
		{writeFailed("Error removing snapshot directory", mbError(100, "Directory not empty")),
			"Error removing snapshot directory (MBErrorDomain/104). Underlying error: Directory not empty (MBErrorDomain/100)."},
		{readFailed("Error reading backup properties", emptyProperties()),
			"Error reading backup properties (MBErrorDomain/205). Underlying error: Error deserializing properties: Cannot parse a NULL or zero-length data (MBErrorDomain/11)."},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"18.6", "18.6", 0}, {"18.10", "18.9", 1}, {"9.3.5", "18", -1}, {"17.3", "17.3.1", -1}, {"", "1", -1}} {
		if got := compareVersions(tt.a, tt.b); (got > 0) != (tt.want > 0) || (got < 0) != (tt.want < 0) {
			t.Errorf("%q and %q: %d", tt.a, tt.b, got)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, v := range []any{
		[]any{devicelink.StatusResponse, -13, "Multi status", map[string]any{"a": map[string]any{devicelink.KeyErrorCode: -6, devicelink.KeyErrorString: "x"}}},
		[]any{devicelink.ProcessMessage, map[string]any{"MessageName": "Restore", "TargetIdentifier": "u", "Options": map[string]any{"RemoveItemsNotRestored": false, "Password": "p"}}},
		[]any{devicelink.ProcessMessage, map[string]any{"MessageName": "Hello", "SupportedProtocolVersions": []float64{2, 2.1}}},
		[]any{devicelink.StatusResponse, 0, "", map[string]any{"Status.plist": map[string]any{devicelink.KeyFileType: devicelink.TypeRegular, devicelink.KeyFileSize: 5}}},
		[]any{devicelink.Disconnect}, []any{}, "text", 5,
	} {
		for _, format := range []plist.Format{plist.Binary, plist.XML} {
			body, err := plist.Marshal(v, format)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := decodeMessage(body)
		if err != nil {
			return
		}
		if s, err := decodeStatus(m.args); err == nil {
			s.each()
			s.failure("a")
			s.onlyMissing()
			decodeListing(s.payload)
		}
		if req, err := decodeRequest(m.args); err == nil {
			req.restoreOptions()
			req.protocolVersion()
			req.folder()
		}
		(&link{}).accept(m)
	})
}

func FuzzDownload(f *testing.F) {
	frames := func(parts ...[]byte) []byte {
		var b bytes.Buffer
		for _, p := range parts {
			devicelink.WriteFrame(&b, p)
		}
		return b.Bytes()
	}
	f.Add(frames([]byte("a"), []byte("\x0cdata"), []byte{0}, nil))
	f.Add(frames([]byte("a"), []byte("\x06text"), []byte("b"), []byte{12}, []byte{0}, nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 12})
	f.Add([]byte{0, 0, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff, 6})
	f.Fuzz(func(t *testing.T, data []byte) {
		d := downloading{open: func(string) (fileSink, error) { return &bytesSink{max: 16}, nil },
			missing: map[string]bool{"a": true, "b": true}, failed: map[string]*hostError{}, buf: make([]byte, 1024)}
		r := bytes.NewReader(data)
		for {
			n, err := devicelink.ReadFrameLength(r)
			if err != nil || n == 0 || n > devicelink.MaxPath {
				return
			}
			name := make([]byte, n)
			if _, err := io.ReadFull(r, name); err != nil || !d.missing[string(name)] {
				return
			}
			delete(d.missing, string(name))
			if d.file(r, string(name)) != nil {
				return
			}
		}
	})
}

func FuzzSentRecords(f *testing.F) {
	e := &entry{mtime: 5, size: 6, stored: stored{size: 16, hasKey: true, hasDigest: true}}
	rec := encodeSent(e.id, sentFile{stored: e.stored, mtime: e.mtime, size: e.size})
	f.Add(append(append(rec, 'A'), rec[:50]...))
	f.Add(append([]byte{'F'}, make([]byte, 20)...))
	f.Add([]byte("garbage"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := loadSent(t, data)
		s.keep(nil)
		if len(s.sent) > 0 {
			t.Error("kept what did not arrive")
		}
	})
}
