package devicelink

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// wire is a net.Conn that reads what a phone sent and keeps what the host sends.
type wire struct {
	in  io.Reader
	out bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error)       { return w.in.Read(p) }
func (w *wire) Write(p []byte) (int, error)      { return w.out.Write(p) }
func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

func frame(parts ...string) string {
	body := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body
}

func message(t testing.TB, f plist.Format, elements ...any) string {
	t.Helper()
	b, err := plist.Marshal(elements, f)
	if err != nil {
		t.Fatal(err)
	}
	return frame(string(b))
}

func conn(in string) (*Conn, *wire) {
	w := &wire{in: strings.NewReader(in)}
	return New(w), w
}

// The phone's hello of protocol.md 8.1, and the host's answer of 91 bytes.
const helloHex = "62706c6973743030a30102035f1018444c4d65737361676556657273696f6e45786368616e67651101901000080c272a000000000000010100000000000000040000000000000000000000000000002c"

func TestHandshake_golden(t *testing.T) {
	hello, err := hex.DecodeString(helloHex)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []plist.Format{plist.Binary, plist.XML} {
		c, w := conn(frame(string(hello)) + message(t, f, DeviceReady))
		if err := c.Handshake(t.Context()); err != nil {
			t.Fatal(err)
		}
		out := w.out.Bytes()
		if len(out) != 4+91 || binary.BigEndian.Uint32(out) != 91 {
			t.Errorf("answer of %d bytes, want 91 behind their length", len(out)-4)
		}
		var got []any
		if err := plist.Unmarshal(out[4:], &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{"DLMessageVersionExchange", "DLVersionsOk", uint64(400)}, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestHandshake_refuses(t *testing.T) {
	var protocol *ProtocolError
	for name, c := range map[string]struct {
		in   string
		want error // by errors.Is; nil means a ProtocolError
	}{
		"newer major":     {message(t, plist.Binary, VersionExchange, 401, 0), ErrVersion},
		"newer minor":     {message(t, plist.Binary, VersionExchange, 400, 1), ErrVersion},
		"version 0":       {message(t, plist.Binary, VersionExchange, 0, 0), ErrVersion},
		"text":            {message(t, plist.Binary, VersionExchange, "400", 0), nil},
		"two elements":    {message(t, plist.Binary, VersionExchange, 400), nil},
		"other message":   {message(t, plist.Binary, DeviceReady), nil},
		"no array":        {frame("<?xml version=\"1.0\"?><plist><dict/></plist>"), nil},
		"empty array":     {message(t, plist.Binary), nil},
		"number for name": {message(t, plist.Binary, 1, 2), nil},
		"not ready":       {message(t, plist.Binary, VersionExchange, 400, 0) + message(t, plist.Binary, Ping, "x"), nil},
		"empty frame":     {frame(""), nil},
		"4 GiB":           {"\xff\xff\xff\xff", nil},
		"garbage":         {frame("hello"), plist.ErrMalformed},
		"nothing":         {"", io.EOF},
	} {
		dl, _ := conn(c.in)
		err := dl.Handshake(t.Context())
		if c.want == nil && !errors.As(err, &protocol) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dl, _ := conn(message(t, plist.Binary, VersionExchange, 400, 0) + message(t, plist.Binary, Disconnect, "go away"))
	var gone *DisconnectedError
	if err := dl.Handshake(t.Context()); !errors.As(err, &gone) || gone.Reason != "go away" {
		t.Errorf("disconnect: %v", err)
	}
	dl, _ = conn(message(t, plist.Binary, VersionExchange, 400, 0)[:20])
	var broken *framing.WireError
	if err := dl.Handshake(t.Context()); !errors.As(err, &broken) {
		t.Errorf("cut short: %v", err)
	}
}

func TestReceive(t *testing.T) {
	opts := map[string]any{"DLDeviceIOCallbacks": 400508120}
	for _, c := range []struct {
		elements []any
		want     Message
	}{
		{[]any{DownloadFiles, []any{"u/Status.plist"}, opts, 0, 0}, Download{Paths: []string{"u/Status.plist"}}},
		{[]any{DownloadFiles, []any{}, opts, 97.010055, 0}, Download{Paths: []string{}, Progress: 97.010055}},
		{[]any{DownloadFiles, []any{"a"}}, Download{Paths: []string{"a"}}},
		{[]any{UploadFiles, opts, 12.5, 3 << 40}, Upload{12.5, 3 << 40}},
		{[]any{UploadFiles}, Upload{}},
		{[]any{GetFreeDiskSpace}, FreeSpace{}},
		{[]any{PurgeDiskSpace, 26418026591, 4}, Purge{26418026591, 4}},
		{[]any{PurgeDiskSpace, uint64(1 << 63), -4}, Purge{}},
		{[]any{ContentsOfDirectory, "u/ab", opts, 0.0}, List{"u/ab"}},
		{[]any{CreateDirectory, "_unback_/x", opts, 0.0}, MakeDir{"_unback_/x"}},
		{[]any{MoveItems, map[string]any{"u/b": "u/2", "u/a": "u/1"}, opts, 50}, Move{[]MovePair{{"u/a", "u/1"}, {"u/b", "u/2"}}, 50}},
		{[]any{MoveFiles, map[string]any{}}, Move{[]MovePair{}, 0}},
		{[]any{RemoveItems, []any{"u/Snapshot"}, opts, 99.9}, Remove{[]string{"u/Snapshot"}, 99.9}},
		{[]any{RemoveFiles, []any{"x"}, opts, "?"}, Remove{[]string{"x"}, 0}},
		{[]any{CopyItem, "u", "u-2", opts, 1.0, 5}, Copy{"u", "u-2"}},
		{[]any{ProcessMessage, map[string]any{"ErrorCode": 0}}, Process{map[string]any{"ErrorCode": uint64(0)}}},
		{[]any{Ping, "hi"}, Pinged{"hi"}},
		{[]any{Disconnect, EmptyParameter}, Disconnected{}},
		{[]any{Disconnect}, Disconnected{}},
	} {
		for _, f := range []plist.Format{plist.Binary, plist.XML} {
			dl, _ := conn(message(t, f, c.elements...))
			got, err := dl.Receive(t.Context())
			if err != nil {
				t.Errorf("%v: %v", c.elements, err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%v: %s", c.elements, diff)
			}
		}
	}
}

func TestReceive_refuses(t *testing.T) {
	for _, elements := range [][]any{
		{DownloadFiles},
		{DownloadFiles, "path"},
		{DownloadFiles, []any{1}},
		{ContentsOfDirectory},
		{ContentsOfDirectory, EmptyParameter},
		{CreateDirectory, 7},
		{MoveItems, []any{"a", "b"}},
		{MoveItems, map[string]any{"a": 1}},
		{RemoveItems, map[string]any{}},
		{CopyItem, "a"},
		{CopyItem, 1, "a"},
		{ProcessMessage},
		{ProcessMessage, "x"},
		{ProcessMessage, map[string]any{}, 3},
	} {
		dl, _ := conn(message(t, plist.Binary, elements...) + message(t, plist.Binary, Ping, "next"))
		var protocol *ProtocolError
		if _, err := dl.Receive(t.Context()); !errors.As(err, &protocol) {
			t.Errorf("%v: %v, want a ProtocolError", elements, err)
		}
		if m, err := dl.Receive(t.Context()); err != nil || m != (Pinged{"next"}) {
			t.Errorf("%v: out of step: %v %v", elements, m, err)
		}
	}
	dl, _ := conn(message(t, plist.Binary, "DLMessageFromTheFuture", 1))
	var unknown *UnknownMessageError
	if _, err := dl.Receive(t.Context()); !errors.As(err, &unknown) || unknown.Name != "DLMessageFromTheFuture" {
		t.Errorf("unknown: %v", err)
	}
	if _, err := dl.Receive(t.Context()); err != io.EOF {
		t.Errorf("end: %v, want io.EOF", err)
	}
}

// The answers of protocol.md 8.3, as binary property lists made by plistlib of
// the same values.
func TestAnswer_golden(t *testing.T) {
	for _, c := range []struct {
		code    Status
		text    string
		payload any
		want    string // base64
	}{
		{StatusMulti, "Multi status", map[string]any{"u/Status.plist": map[string]any{KeyErrorString: "No such file or directory", KeyErrorCode: -6}},
			"YnBsaXN0MDCkAQIDBF8QF0RMTWVzc2FnZVN0YXR1c1Jlc3BvbnNlE//////////zXE11bHRpIHN0YXR1c9EFBl51L1N0YXR1cy5wbGlzdNIHCAkKXxAPRExGaWxlRXJyb3JDb2RlXxARRExGaWxlRXJyb3JTdHJpbmcT//////////pfEBlObyBzdWNoIGZpbGUgb3IgZGlyZWN0b3J5CA0nMD1AT1RmeoMAAAAAAAABAQAAAAAAAAALAAAAAAAAAAAAAAAAAAAAnw=="},
		{StatusOK, "", 10000000,
			"YnBsaXN0MDCkAQIDBF8QF0RMTWVzc2FnZVN0YXR1c1Jlc3BvbnNlEABfEBpfX19FbXB0eVBhcmFtZXRlclN0cmluZ19fXxIAmJaACA0nKUYAAAAAAAABAQAAAAAAAAAFAAAAAAAAAAAAAAAAAAAASw=="},
		{StatusError, "Operation not supported", nil,
			"YnBsaXN0MDCkAQIDBF8QF0RMTWVzc2FnZVN0YXR1c1Jlc3BvbnNlE///////////XxAXT3BlcmF0aW9uIG5vdCBzdXBwb3J0ZWTQCA0nMEoAAAAAAAABAQAAAAAAAAAFAAAAAAAAAAAAAAAAAAAASw=="},
	} {
		want, err := base64.StdEncoding.DecodeString(c.want)
		if err != nil {
			t.Fatal(err)
		}
		dl, w := conn("")
		if err := dl.Answer(t.Context(), c.code, c.text, c.payload); err != nil {
			t.Fatal(err)
		}
		if got := w.out.String(); got != frame(string(want)) {
			t.Errorf("%d: got\n%s\nwant\n%s", c.code, base64.StdEncoding.EncodeToString([]byte(got[4:])), c.want)
		}
	}
}

type received struct {
	Device, Host, Data string
	Err                string
}

func receiveAll(r *Receiver) (files []received) {
	for r.Next() {
		f := received{Device: r.File().DevicePath, Host: r.File().HostPath}
		b, err := io.ReadAll(r.File())
		f.Data = string(b)
		if err != nil {
			f.Err = err.Error()
		}
		files = append(files, f)
	}
	return files
}

func TestReceiveFiles(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 40000) // longer than the read buffer
	for _, c := range []struct {
		name string
		in   string
		want []received
		bad  bool // the batch ends with an error
	}{
		{"nothing", frame(""), nil, false},
		{"one", frame("/d") + frame("u/h") + frame("\x0cabc") + frame("\x00") + frame(""), []received{{"/d", "u/h", "abc", ""}}, false},
		{"empty file", frame("/d") + frame("u/h") + frame("\x00") + frame(""), []received{{"/d", "u/h", "", ""}}, false},
		{"frames of any length", frame("/d") + frame("u/h") + frame("\x0ca") + frame("\x0c") + frame("\x0c"+big) + frame("\x0cz") + frame("\x00") + frame(""),
			[]received{{"/d", "u/h", "a" + big + "z", ""}}, false},
		{"success frame with bytes behind", frame("/d") + frame("u/h") + frame("\x00xyz") + frame("/d2") + frame("u/h2") + frame("\x00") + frame(""),
			[]received{{"/d", "u/h", "", ""}, {"/d2", "u/h2", "", ""}}, false},
		{"unreadable, real text", frame("/d") + frame("u/h") + frame("\x0bInput/output error (5)") + frame("/d2") + frame("u/h2") + frame("\x0cx") + frame("\x00") + frame(""),
			[]received{{"/d", "u/h", "", "the phone could not read /d: Input/output error (5)"}, {"/d2", "u/h2", "x", ""}}, false},
		{"unreadable after data", frame("/d") + frame("u/h") + frame("\x0cpart") + frame("\x0bgone") + frame(""), []received{{"/d", "u/h", "part", "the phone could not read /d: gone"}}, false},
		{"other end code", frame("/d") + frame("u/h") + frame("\x06not found") + frame(""), []received{{"/d", "u/h", "", "the phone could not read /d: not found"}}, false},
		{"end of batch inside a file", frame("/d") + frame("u/h") + frame("\x0cpart") + frame(""), []received{{"/d", "u/h", "part", "the phone could not read /d: the batch ended inside the file"}}, false},
		{"end of batch instead of a host path", frame("/d") + frame(""), nil, true},
		{"path of 5000", frame("/d") + frame("u/"+strings.Repeat("x", 5000)) + frame("\x00") + frame(""), []received{{"/d", "u/" + strings.Repeat("x", 5000), "", ""}}, false},
		{"path of 1 MiB", frame(strings.Repeat("x", 1<<20)), nil, true},
		{"cut in a length", frame("/d")[:2], nil, true},
		{"cut in a path", frame("/d")[:5], nil, true},
		{"cut in data", frame("/d") + frame("u/h") + frame("\x0cabcdef")[:8], []received{{"/d", "u/h", "abc", "connection lost: read: unexpected EOF"}}, true},
		{"cut in an error text", frame("/d") + frame("u/h") + frame("\x0babcdef")[:8], []received{{"/d", "u/h", "", "connection lost: read: unexpected EOF"}}, true},
		{"cut before a code", frame("/d") + frame("u/h") + frame("\x0b")[:4], []received{{"/d", "u/h", "", "connection lost: read: unexpected EOF"}}, true},
		{"cut after a file", frame("/d") + frame("u/h") + frame("\x00"), []received{{"/d", "u/h", "", ""}}, true},
		{"4 GiB frame, cut", frame("/d") + frame("u/h") + "\xff\xff\xff\xff\x0cabc", []received{{"/d", "u/h", "abc", "connection lost: read: unexpected EOF"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dl, _ := conn(c.in)
			r := dl.ReceiveFiles(t.Context())
			defer r.Close()
			got := receiveAll(r)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if (r.Err() != nil) != c.bad {
				t.Errorf("err = %v", r.Err())
			}
		})
	}
}

// Whatever part of a file is read, the next one is found.
func TestReceiveFiles_skips(t *testing.T) {
	in := ""
	for i := range 20 {
		in += frame("/d") + frame(fmt.Sprint("u/", i)) + frame("\x0c"+strings.Repeat("x", i*1000)) + frame("\x0cend") + frame("\x00")
	}
	dl, _ := conn(in + frame("") + message(t, plist.Binary, Ping, "next"))
	r := dl.ReceiveFiles(t.Context())
	n := 0
	for ; r.Next(); n++ {
		if r.File().HostPath != fmt.Sprint("u/", n) {
			t.Fatalf("file %d is %s", n, r.File().HostPath)
		}
		if _, err := r.File().Read(make([]byte, n*300)); err != nil && n > 0 {
			t.Fatal(err)
		}
		if n%3 == 0 && r.File().Finish() != nil {
			t.Error(r.File().Finish())
		}
	}
	r.Close()
	if n != 20 || r.Err() != nil {
		t.Errorf("%d files, %v", n, r.Err())
	}
	if m, err := dl.Receive(t.Context()); err != nil || m != (Pinged{"next"}) {
		t.Errorf("out of step: %v %v", m, err)
	}
}

// A frame of 4 GiB is taken in pieces: memory does not grow with it.
func TestReceiveFiles_hugeFrame(t *testing.T) {
	const n = 1<<32 - 2
	head := frame("/d") + frame("u/h") + "\xff\xff\xff\xff\x0c"
	w := &wire{in: io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, n), strings.NewReader(frame("\x00")+frame("")))}
	r := New(w).ReceiveFiles(t.Context())
	defer r.Close()
	if !r.Next() {
		t.Fatal(r.Err())
	}
	got, err := io.Copy(io.Discard, r.File())
	if got != n || err != nil || r.Next() || r.Err() != nil {
		t.Errorf("%d bytes, %v, %v", got, err, r.Err())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestSendFiles_golden(t *testing.T) {
	dl, w := conn("")
	s := dl.SendFiles(t.Context())
	defer s.Release()
	big := strings.Repeat("x", HostChunk) + "tail"
	if n, readErr, err := s.File("u/Status.plist", strings.NewReader("abc")); n != 3 || readErr != nil || err != nil {
		t.Error(n, readErr, err)
	}
	if _, readErr, err := s.File("u/empty", strings.NewReader("")); readErr != nil || err != nil {
		t.Error(readErr, err)
	}
	if n, _, _ := s.File("u/big", strings.NewReader(big)); n != int64(len(big)) {
		t.Error(n)
	}
	if err := s.Fail("u/none", "No such file or directory"); err != nil {
		t.Error(err)
	}
	if err := s.Fail("u/silent", ""); err != nil {
		t.Error(err)
	}
	if _, readErr, err := s.File("u/broken", io.MultiReader(strings.NewReader("part"), iotestErr{})); readErr != syscall.EIO || err != nil {
		t.Error(readErr, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	want := frame("u/Status.plist") + frame("\x0cabc") + frame("\x00") +
		frame("u/empty") + frame("\x00") +
		frame("u/big") + frame("\x0c", big[:HostChunk]) + frame("\x0ctail") + frame("\x00") +
		frame("u/none") + frame("\x06No such file or directory") +
		frame("u/silent") + frame("\x06unknown error") +
		frame("u/broken") + frame("\x0cpart") + frame("\x06"+syscall.EIO.Error()) +
		frame("")
	if got := w.out.String(); got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}

	dl, w = conn("")
	if err := dl.SendFiles(t.Context()).Close(); err != nil || w.out.String() != "\x00\x00\x00\x00" {
		t.Errorf("empty batch: %q, %v", w.out.String(), err)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, syscall.EIO }

func TestStatusOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Status
	}{
		{nil, 0},
		{syscall.ENOENT, -6}, {fs.ErrNotExist, -6}, {&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, -6},
		{syscall.EEXIST, -7}, {fs.ErrExist, -7},
		{syscall.ENOTDIR, -8}, {syscall.EISDIR, -9}, {syscall.ELOOP, -10}, {syscall.EIO, -11},
		{syscall.ENOSPC, -15}, {fmt.Errorf("put: %w", syscall.ENOSPC), -15}, {syscall.EDQUOT, -15},
		{syscall.EACCES, -1}, {syscall.EPERM, -1}, {syscall.EROFS, -1}, {syscall.ENOTEMPTY, -1}, {os.ErrClosed, -1}, {errors.New("x"), -1},
	} {
		if got := StatusOf(c.err); got != c.want {
			t.Errorf("StatusOf(%v) = %d, want %d", c.err, got, c.want)
		}
	}
	if !NoSpace(syscall.ENOSPC) || NoSpace(nil) || NoSpace(syscall.EIO) {
		t.Error("NoSpace")
	}
}

func TestReceive_contextAndStall(t *testing.T) {
	host, phone := net.Pipe()
	defer phone.Close()
	c := New(host)
	defer c.Close()
	c.SetIdle(20 * time.Millisecond)
	var stalled *framing.StalledError
	if _, err := c.Receive(t.Context()); !errors.As(err, &stalled) {
		t.Errorf("silence: %v", err)
	}
	c.SetIdle(0)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		time.Sleep(10 * time.Millisecond)
		cancel()
	}()
	if _, err := c.Receive(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// The stream is usable after a wait that was cancelled.
	go io.WriteString(phone, message(t, plist.Binary, Ping, "still here"))
	if m, err := c.Receive(t.Context()); err != nil || m != (Pinged{"still here"}) {
		t.Errorf("after that: %v %v", m, err)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add([]byte(message(f, plist.Binary, MoveItems, map[string]any{"u/b": "u/2"}, map[string]any{}, 50)))
	f.Add([]byte(message(f, plist.XML, DownloadFiles, []any{"u/Status.plist"}, map[string]any{}, 0, 0)))
	f.Add([]byte(message(f, plist.Binary, PurgeDiskSpace, 667490157139, 4)))
	f.Add([]byte("\xff\xff\xff\xffbplist00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dl, _ := conn(string(data))
		for {
			m, err := dl.Receive(t.Context())
			var unknown *UnknownMessageError
			if err == nil && m == nil {
				t.Fatal("neither message nor error")
			}
			if err != nil && !errors.As(err, &unknown) {
				return
			}
		}
	})
}

// Whatever comes, the receiver ends, and what it gives as good files is what
// the frames say.
func FuzzReceiveFiles(f *testing.F) {
	f.Add([]byte(frame("/d")+frame("u/h")+frame("\x0cabc")+frame("\x00")+frame("")), uint16(3))
	f.Add([]byte(frame("/d")+frame("u/h")+frame("\x0bInput/output error (5)")+frame("")), uint16(0))
	f.Add([]byte(frame("/d")+frame("u/h")+"\xff\xff\xff\xff\x0cabc"), uint16(1))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		dl, _ := conn(string(data))
		r := dl.ReceiveFiles(t.Context())
		defer r.Close()
		buf := make([]byte, int(piece)+1)
		total := 0
		for r.Next() {
			for {
				n, err := r.File().Read(buf)
				total += n
				if err != nil {
					break
				}
			}
		}
		if total > len(data) {
			t.Fatalf("%d bytes out of %d", total, len(data))
		}
	})
}
