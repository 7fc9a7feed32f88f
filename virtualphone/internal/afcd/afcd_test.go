package afcd

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newServer has a picture, a recording and a song, each in its own layer.
func newServer(t testing.TB) (s *Server, setPolicy func(Policy)) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"fs/CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.JPG": "picture",
		"fs/CameraRollDomain/Media/PhotoData/Photos.sqlite":    "library",
		"fs/MediaDomain/Media/Recordings/a.m4a":                "memo",
		"media/iTunes_Control/Music/F00/ABCD.m4a":              "song",
		"media/PhotoData/Thumbnails/t":                         "thumb",
		"secret":                                               "outside",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(1_700_000_000, 123456789)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
	}
	var policy atomic.Pointer[Policy]
	policy.Store(&Policy{})
	return &Server{
		Dir: dir, Policy: func() Policy { return *policy.Load() }, Faults: &fault.Set{}, Log: slog.New(slog.DiscardHandler),
	}, func(p Policy) { policy.Store(&p) }
}

// host speaks raw packets.
type host struct {
	t testing.TB
	net.Conn
	next uint64
}

func dial(t testing.TB, s *Server) *host {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	phone, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- s.Serve(context.Background(), phone)
		phone.Close()
	}()
	t.Cleanup(func() { c.Close(); <-done })
	c.SetDeadline(time.Now().Add(10 * time.Second))
	return &host{t: t, Conn: c}
}

func u64(n ...uint64) []byte {
	var b []byte
	for _, v := range n {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// packet lays out a request by hand.
func packet(number, op uint64, head, data []byte) []byte {
	b := append([]byte("CFA6LPAA"), u64(uint64(40+len(head)+len(data)), uint64(40+len(head)), number, op)...)
	return append(append(b, head...), data...)
}

// ask sends and returns the reply's operation and body. Parameters all go where
// libimobiledevice puts them, into the head.
func (h *host) ask(op afc.Op, head []byte, data ...byte) (afc.Op, []byte) {
	h.t.Helper()
	h.next++
	if _, err := h.Write(packet(h.next, uint64(op), head, data)); err != nil {
		h.t.Fatal(err)
	}
	var head40 [40]byte
	if _, err := io.ReadFull(h, head40[:]); err != nil {
		h.t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint64(head40[24:]); n != h.next {
		h.t.Errorf("packet number %d echoed as %d", h.next, n)
	}
	body := make([]byte, binary.LittleEndian.Uint64(head40[8:])-40)
	if _, err := io.ReadFull(h, body); err != nil {
		h.t.Fatal(err)
	}
	return afc.Op(binary.LittleEndian.Uint64(head40[32:])), body
}

// status asks for something that answers with a status.
func (h *host) status(op afc.Op, head []byte, data ...byte) afc.Status {
	h.t.Helper()
	got, body := h.ask(op, head, data...)
	if got != afc.OpStatus || len(body) != 8 {
		h.t.Fatalf("operation %#x answered by %#x %q", uint64(op), uint64(got), body)
	}
	return afc.Status(binary.LittleEndian.Uint64(body))
}

func (h *host) want(want afc.Status, op afc.Op, head []byte, data ...byte) {
	h.t.Helper()
	if got := h.status(op, head, data...); got != want {
		h.t.Errorf("operation %#x %q: status %d, want %d", uint64(op), head, uint64(got), uint64(want))
	}
}

func (h *host) open(path string, mode uint64) uint64 {
	h.t.Helper()
	op, body := h.ask(afc.OpFileOpen, append(u64(mode), name(path)...))
	if op != afc.OpFileOpenResult {
		h.t.Fatalf("open %s: %#x %x", path, uint64(op), body)
	}
	return binary.LittleEndian.Uint64(body)
}

func (h *host) list(path string) []string {
	h.t.Helper()
	op, body := h.ask(afc.OpReadDir, name(path))
	if op != afc.OpData {
		h.t.Fatalf("list %s: %#x %x", path, uint64(op), body)
	}
	return strings.Split(strings.TrimSuffix(string(body), "\x00"), "\x00")
}

func (h *host) info(path string) map[string]string {
	h.t.Helper()
	op, body := h.ask(afc.OpGetFileInfo, name(path))
	if op != afc.OpData {
		h.t.Fatalf("info %s: %#x %x", path, uint64(op), body)
	}
	kv := strings.Split(strings.TrimSuffix(string(body), "\x00"), "\x00")
	m := map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

func (h *host) read(handle, n uint64) string {
	h.t.Helper()
	op, body := h.ask(afc.OpFileRead, u64(handle, n))
	if op != afc.OpData {
		h.t.Fatalf("read: %#x %x", uint64(op), body)
	}
	return string(body)
}

func name(p string) []byte { return append([]byte(p), 0) }

func TestLayers(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	for path, want := range map[string][]string{
		"/":                                 {".", "..", "DCIM", "PhotoData", "Recordings", "iTunes_Control"},
		"":                                  {".", "..", "DCIM", "PhotoData", "Recordings", "iTunes_Control"},
		"/DCIM/100APPLE":                    {".", "..", "IMG_0001.JPG"},
		"PhotoData":                         {".", "..", "Photos.sqlite", "Thumbnails"},
		"/DCIM/../Recordings/":              {".", "..", "a.m4a"},
		"/../../../iTunes_Control/./Music/": {".", "..", "F00"},
	} {
		if d := cmp.Diff(want, h.list(path)); d != "" {
			t.Errorf("%q: %s", path, d)
		}
	}
	h.want(afc.StatusNotFound, afc.OpReadDir, name("/Books"))
	h.want(afc.StatusNotFound, afc.OpReadDir, name("/Recordings/a.m4a"))
	for path, want := range map[string]string{
		"/DCIM/100APPLE/IMG_0001.JPG": "picture", "/Recordings/a.m4a": "memo", "/iTunes_Control/Music/F00/ABCD.m4a": "song", "/PhotoData/Thumbnails/t": "thumb",
	} {
		f := h.open(path, 1)
		if got := h.read(f, 1<<40); got != want {
			t.Errorf("%s: %q", path, got)
		}
		if got := h.read(f, 10); got != "" {
			t.Errorf("%s at its end: %q", path, got)
		}
		h.want(0, afc.OpFileClose, u64(f))
	}
	// What is new goes where its folder is.
	for path, place := range map[string]string{
		"/com.apple.itunes.lock_sync": "media/com.apple.itunes.lock_sync",
		"/DCIM/new":                   "fs/CameraRollDomain/Media/DCIM/new",
		"/PhotoData/Thumbnails/new":   "media/PhotoData/Thumbnails/new",
		"/Recordings/new":             "fs/MediaDomain/Media/Recordings/new",
	} {
		h.want(0, afc.OpFileClose, u64(h.open(path, 2)))
		if _, err := os.Stat(filepath.Join(s.Dir, place)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFileInfo(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	want := map[string]string{
		"st_size": "7", "st_blocks": "1", "st_nlink": "1", "st_ifmt": "S_IFREG", "st_mtime": "1700000000123456789", "st_birthtime": "1700000000123456789",
	}
	if d := cmp.Diff(want, h.info("/DCIM/100APPLE/IMG_0001.JPG")); d != "" {
		t.Error(d)
	}
	if got := h.info("/"); got["st_ifmt"] != "S_IFDIR" {
		t.Errorf("root: %v", got)
	}
	h.want(0, afc.OpMakeLink, append(u64(2), "Recordings/a.m4a\x00link\x00"...))
	if got := h.info("link"); got["st_ifmt"] != "S_IFLNK" || got["LinkTarget"] != "Recordings/a.m4a" {
		t.Errorf("link: %v", got)
	}
	h.want(afc.StatusNotSupported, afc.OpMakeLink, append(u64(1), "a\x00b\x00"...))
	h.want(0, afc.OpSetModTime, append(u64(1_600_000_000_000_000_000), name("Recordings/a.m4a")...))
	if got := h.info("Recordings/a.m4a")["st_mtime"]; got != "1600000000000000000" {
		t.Errorf("st_mtime %s", got)
	}
	op, body := h.ask(afc.OpGetDeviceInfo, nil)
	if op != afc.OpData || !bytes.Contains(body, []byte("FSFreeBytes\x0064000000000\x00")) {
		t.Errorf("device info: %q", body)
	}
}

// TestModes: protocol.md 4.9.
func TestModes(t *testing.T) {
	for mode, tt := range map[uint64]struct {
		creates, truncates bool
		readable, writable bool
		appends            bool
	}{
		1: {readable: true},
		2: {creates: true, readable: true, writable: true},
		3: {creates: true, truncates: true, writable: true},
		4: {creates: true, truncates: true, readable: true, writable: true},
		5: {creates: true, writable: true, appends: true},
		6: {creates: true, readable: true, writable: true, appends: true},
	} {
		s, _ := newServer(t)
		h := dial(t, s)
		if tt.creates {
			h.want(0, afc.OpFileClose, u64(h.open("/new", mode)))
		} else {
			h.want(afc.StatusNotFound, afc.OpFileOpen, append(u64(mode), name("/new")...))
		}
		f := h.open("/Recordings/a.m4a", mode)
		content := "memo"
		if tt.truncates {
			content = ""
		}
		if tt.readable {
			if got := h.read(f, 100); got != content {
				t.Errorf("mode %d reads %q", mode, got)
			}
			h.want(0, afc.OpFileSeek, u64(f, 0, 0))
		} else if got := h.status(afc.OpFileRead, u64(f, 1)); got == 0 {
			t.Errorf("mode %d reads", mode)
		}
		got := h.status(afc.OpFileWrite, u64(f), 'X', 'Y')
		if (got == 0) != tt.writable {
			t.Errorf("mode %d writes: %d", mode, got)
		}
		h.want(0, afc.OpFileClose, u64(f))
		want := "memo"
		switch {
		case tt.truncates:
			want = "XY"
		case tt.appends:
			want = "memoXY"
		case tt.writable:
			want = "XYmo"
		}
		if b, err := os.ReadFile(filepath.Join(s.Dir, "fs/MediaDomain/Media/Recordings/a.m4a")); err != nil || string(b) != want {
			t.Errorf("mode %d leaves %q, %v", mode, b, err)
		}
	}
}

func TestSeekTellSize(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	f := h.open("/Recordings/a.m4a", 2)
	back2 := int64(-2)
	for _, tt := range []struct {
		whence uint64
		off    int64
		at     uint64
	}{{0, 3, 3}, {1, back2, 1}, {2, back2, 2}} {
		h.want(0, afc.OpFileSeek, u64(f, tt.whence, uint64(tt.off)))
		if op, body := h.ask(afc.OpFileTell, u64(f)); op != afc.OpFileTellResult || binary.LittleEndian.Uint64(body) != tt.at {
			t.Errorf("%+v: at %x", tt, body)
		}
	}
	h.want(afc.StatusInvalidArgument, afc.OpFileSeek, u64(f, 9, 0))
	h.want(afc.StatusInvalidArgument, afc.OpFileSeek, u64(f, 0, 1<<63))
	h.want(0, afc.OpFileSetSize, u64(f, 10))
	h.want(afc.StatusNoSpace, afc.OpFileSetSize, u64(f, 1<<60))
	h.want(0, afc.OpTruncate, append(u64(2), name("/Recordings/a.m4a")...))
	if got := h.info("/Recordings/a.m4a")["st_size"]; got != "2" {
		t.Errorf("size %s", got)
	}
}

func TestMakeRemoveRename(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	h.want(0, afc.OpMakeDir, name("/iTunesRestore"))
	h.want(0, afc.OpMakeDir, name("/iTunesRestore")) // again
	h.want(0, afc.OpMakeDir, name("/DCIM/a/b/c"))
	if _, err := os.Stat(filepath.Join(s.Dir, "fs/CameraRollDomain/Media/DCIM/a/b/c")); err != nil {
		t.Error(err)
	}
	h.want(afc.StatusDirNotEmpty, afc.OpRemovePath, name("/DCIM/a"))
	h.want(0, afc.OpRemovePath, name("/DCIM/a/b/c"))
	h.want(0, afc.OpRenamePath, []byte("/DCIM/a/b\x00/DCIM/z\x00"))
	h.want(0, afc.OpRemoveAll, name("/DCIM/a"))
	h.want(afc.StatusNotFound, afc.OpRemovePath, name("/DCIM/a"))
	h.want(afc.StatusNotFound, afc.OpRenamePath, []byte("/DCIM/a\x00/DCIM/b\x00"))
	h.want(afc.StatusPermissionDenied, afc.OpRemoveAll, name("/"))
	h.want(0, afc.OpRemoveAll, name("/PhotoData")) // in two layers
	if d := cmp.Diff([]string{".", "..", "DCIM", "Recordings", "iTunesRestore", "iTunes_Control"}, h.list("/")); d != "" {
		t.Error(d)
	}
}

// TestGolden: the lock exchange of protocol.md 4.9 is 56 bytes out, 48 back.
func TestGolden(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	for _, tt := range []struct{ name, request, reply string }{
		{"open", hex.EncodeToString(packet(0, 0x0D, append(u64(2), name("/lock")...), nil)),
			"43464136" + "4c504141" + "3000000000000000" + "3000000000000000" + "0000000000000000" + "0e00000000000000" + "0100000000000000"},
		{"lock", "434641364c504141" + "3800000000000000" + "3800000000000000" + "0700000000000000" + "1b00000000000000" + "0100000000000000" + "0600000000000000",
			"434641364c504141" + "3000000000000000" + "3000000000000000" + "0700000000000000" + "0100000000000000" + "0000000000000000"},
		{"write", hex.EncodeToString(packet(8, 0x10, u64(1), []byte("hi"))),
			"434641364c504141" + "3000000000000000" + "3000000000000000" + "0800000000000000" + "0100000000000000" + "0000000000000000"},
		{"seek", hex.EncodeToString(packet(8, 0x11, u64(1, 0, 0), nil)),
			"434641364c504141" + "3000000000000000" + "3000000000000000" + "0800000000000000" + "0100000000000000" + "0000000000000000"},
		{"read", hex.EncodeToString(packet(9, 0x0F, u64(1, 64), nil)),
			"434641364c504141" + "2a00000000000000" + "2800000000000000" + "0900000000000000" + "0200000000000000" + "6869"},
		{"tell", hex.EncodeToString(packet(10, 0x12, u64(1), nil)),
			"434641364c504141" + "3000000000000000" + "3000000000000000" + "0a00000000000000" + "1300000000000000" + "0200000000000000"},
		{"missing", hex.EncodeToString(packet(11, 0x0A, name("/nothing"), nil)),
			"434641364c504141" + "3000000000000000" + "3000000000000000" + "0b00000000000000" + "0100000000000000" + "0800000000000000"},
	} {
		request, err := hex.DecodeString(tt.request)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(request)
		got := make([]byte, len(tt.reply)/2)
		if _, err := io.ReadFull(h, got); err != nil || hex.EncodeToString(got) != tt.reply {
			t.Errorf("%s:\n got %x %v\nwant %s", tt.name, got, err, tt.reply)
		}
	}
}

// TestParametersInData: some clients put the path behind the fixed part.
func TestParametersInData(t *testing.T) {
	s, _ := newServer(t)
	h := dial(t, s)
	if op, _ := h.ask(afc.OpFileOpen, u64(1), name("/Recordings/a.m4a")...); op != afc.OpFileOpenResult {
		t.Errorf("answered by %#x", uint64(op))
	}
	if op, _ := h.ask(afc.OpGetFileInfo, nil, name("/Recordings/a.m4a")...); op != afc.OpData {
		t.Errorf("answered by %#x", uint64(op))
	}
}

func TestFaults(t *testing.T) {
	s, _ := newServer(t)
	for spec, want := range map[string]afc.Status{
		"refuse@afc.info=10": 10, "refuse@afc.info": 1, "delay@afc.info=1ms": 8,
	} {
		faults, err := fault.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		set := s.Faults.(*fault.Set)
		set.Clear()
		set.Add(faults...)
		dial(t, s).want(want, afc.OpGetFileInfo, name("/nothing"))
	}
	for _, spec := range []string{"cut@afc.info", "nonsense@afc.info"} {
		faults, err := fault.Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		set := s.Faults.(*fault.Set)
		set.Clear()
		set.Add(faults...)
		h := dial(t, s)
		h.Write(packet(1, 0x0A, name("/"), nil))
		if b, err := io.ReadAll(h); len(b) > 0 || os.IsTimeout(err) {
			t.Errorf("%s: %x, %v", spec, b, err)
		}
	}
}

func FuzzServe(f *testing.F) {
	f.Add(packet(1, 3, name("/"), nil))
	f.Add(append(packet(1, 0x0D, append(u64(4), name("/f")...), nil), packet(2, 0x10, u64(1), []byte("hello"))...))
	f.Add(append(packet(1, 0x0D, append(u64(4), name("/f")...), nil), packet(2, 0x15, u64(1, 1<<40), nil)...))
	f.Add(packet(1, 0x18, []byte("/a\x00../../b\x00"), nil))
	f.Add(packet(1, 0x1C, append(u64(2), "../..\x00x\x00"...), nil))
	f.Add(packet(1, 0x22, name("/"), nil))
	f.Add([]byte("CFA6LPAA\xff\xff\xff\xff\xff\xff\xff\xff"))
	s, _ := newServer(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = s.Serve(context.Background(), &memConn{r: bytes.NewReader(b)})
		if got, err := os.ReadFile(filepath.Join(s.Dir, "secret")); err != nil || string(got) != "outside" {
			t.Fatalf("a file outside was touched: %q, %v", got, err)
		}
	})
}

type memConn struct {
	net.Conn
	r io.Reader
}

func (c *memConn) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c *memConn) Write(p []byte) (int, error) { return len(p), nil }
func (c *memConn) Close() error                { return nil }
