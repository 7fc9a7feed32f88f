package afc

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"net"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// packet is the golden form: lengths, number and operation as they travel.
func packet(number uint64, op byte, head, data string) []byte {
	b := []byte("CFA6LPAA")
	b = binary.LittleEndian.AppendUint64(b, uint64(40+len(head)+len(data)))
	b = binary.LittleEndian.AppendUint64(b, uint64(40+len(head)))
	b = binary.LittleEndian.AppendUint64(b, number)
	b = append(b, op, 0, 0, 0, 0, 0, 0, 0)
	return append(append(b, head...), data...)
}

const (
	zero  = "\x00\x00\x00\x00\x00\x00\x00\x00"
	one   = "\x01\x00\x00\x00\x00\x00\x00\x00"
	two   = "\x02\x00\x00\x00\x00\x00\x00\x00"
	six   = "\x06\x00\x00\x00\x00\x00\x00\x00"
	eight = "\x08\x00\x00\x00\x00\x00\x00\x00"
	nine  = "\x09\x00\x00\x00\x00\x00\x00\x00"
)

// A real lock exchange is 56 bytes out and 48 back (protocol.md 4.9).
func TestFile_Lock_onTheWire(t *testing.T) {
	c, sent := script(t, packet(1, 0x0E, nine, ""), packet(2, 0x01, zero, ""), packet(3, 0x01, zero, ""))
	f, err := c.OpenFile(t.Context(), "/com.apple.itunes.lock_sync", ModeReadWriteCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want := packet(1, 0x0D, two+"/com.apple.itunes.lock_sync\x00", "")
	lock := packet(2, 0x1B, nine+six, "")
	if len(lock) != 56 {
		t.Fatalf("lock has %d bytes", len(lock))
	}
	want = append(append(want, lock...), packet(3, 0x14, nine, "")...)
	if diff := cmp.Diff(hex.Dump(want), hex.Dump(*sent)); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestClient_requestsOnTheWire(t *testing.T) {
	ctx := t.Context()
	ok := packet(1, 0x01, zero, "")
	for name, tc := range map[string]struct {
		answer, want []byte
		call         func(*Client) error
	}{
		"MakeDir":    {ok, packet(1, 0x09, "/iTunesRestore\x00", ""), func(c *Client) error { return c.MakeDir(ctx, "iTunesRestore/") }},
		"Remove":     {ok, packet(1, 0x08, "/a\x00", ""), func(c *Client) error { return c.Remove(ctx, "/a") }},
		"RemoveAll":  {packet(1, 0x01, eight, ""), packet(1, 0x22, "/a\x00", ""), func(c *Client) error { return c.RemoveAll(ctx, "/a") }},
		"Rename":     {ok, packet(1, 0x18, "/a\x00/b/c\x00", ""), func(c *Client) error { return c.Rename(ctx, "a", "b//c") }},
		"ReadDir":    {packet(1, 0x02, "", ".\x00..\x00x\x00"), packet(1, 0x03, "/\x00", ""), func(c *Client) error { _, err := c.ReadDir(ctx, ""); return err }},
		"Stat":       {packet(1, 0x02, "", "st_size\x000\x00st_ifmt\x00S_IFREG\x00"), packet(1, 0x0A, "/a\x00", ""), func(c *Client) error { _, err := c.Stat(ctx, "a"); return err }},
		"stays in /": {ok, packet(1, 0x08, "/etc/passwd\x00", ""), func(c *Client) error { return c.Remove(ctx, "../../etc/passwd") }},
	} {
		t.Run(name, func(t *testing.T) {
			c, sent := script(t, tc.answer)
			if err := tc.call(c); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(hex.Dump(tc.want), hex.Dump(*sent)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClient_answers(t *testing.T) {
	ctx := t.Context()
	stat := func(c *Client) error { _, err := c.Stat(ctx, "/a"); return err }
	list := func(c *Client) error { _, err := c.ReadDir(ctx, "/"); return err }
	open := func(c *Client) error { _, err := c.Open(ctx, "/a"); return err }
	malformed := func(err error) bool { return errors.Is(err, ErrMalformed) }
	wire := func(err error) bool { var w *framing.WireError; return errors.As(err, &w) }
	for name, tc := range map[string]struct {
		answer []byte
		call   func(*Client) error
		ok     func(error) bool
	}{
		"not found":             {packet(1, 0x01, eight, ""), stat, func(err error) bool { return errors.Is(err, fs.ErrNotExist) && errors.Is(err, StatusNotFound) }},
		"locked phone":          {packet(1, 0x01, "\x0a"+zero[1:], ""), open, func(err error) bool { return errors.Is(err, fs.ErrPermission) }},
		"unknown code":          {packet(1, 0x01, "\x63"+zero[1:], ""), open, func(err error) bool { return errors.Is(err, Status(99)) }},
		"code too short":        {packet(1, 0x01, "\x00", ""), stat, malformed},
		"ok where data was due": {packet(1, 0x01, zero, ""), stat, malformed},
		"other packet number":   {packet(2, 0x01, zero, ""), stat, malformed},
		"other kind":            {packet(1, 0x13, zero, ""), stat, malformed},
		"handle 0":              {packet(1, 0x0E, zero, ""), open, malformed},
		"no handle":             {packet(1, 0x0E, "", ""), open, malformed},
		"no st_ifmt":            {packet(1, 0x02, "", "st_size\x001\x00"), stat, malformed},
		"odd strings":           {packet(1, 0x02, "", "st_size\x001\x00st_ifmt\x00"), stat, malformed},
		"negative size":         {packet(1, 0x02, "", "st_size\x00-1\x00st_ifmt\x00S_IFREG\x00"), stat, malformed},
		"time is text":          {packet(1, 0x02, "", "st_size\x001\x00st_ifmt\x00S_IFREG\x00st_mtime\x00now\x00"), stat, malformed},
		"thousands of keys":     {packet(1, 0x02, "", strings.Repeat("k\x00v\x00", 1000)), stat, malformed},
		"name with a slash":     {packet(1, 0x02, "", "../../x\x00"), list, malformed},
		"wrong magic":           {bytes.Replace(packet(1, 0x01, zero, ""), []byte("CFA6LPAA"), []byte("CFA6LPAB"), 1), stat, malformed},
		"16 EiB":                {append([]byte("CFA6LPAA\xff\xff\xff\xff\xff\xff\xff\xff"), packet(1, 1, "", "")[16:]...), stat, malformed},
		"cut off":               {packet(1, 0x01, zero, "")[:44], stat, wire},
		"hung up":               {nil, stat, wire},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := script(t, tc.answer)
			if err := tc.call(c); !tc.ok(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestClient_isOfNoUseAfterNonsense(t *testing.T) {
	c, sent := script(t, packet(7, 0x01, zero, ""), packet(2, 0x01, zero, ""))
	if err := c.Remove(t.Context(), "/a"); !errors.Is(err, ErrMalformed) {
		t.Fatalf("got %v", err)
	}
	if err := c.Remove(t.Context(), "/b"); !errors.Is(err, ErrMalformed) {
		t.Errorf("second request: got %v", err)
	}
	if bytes.Contains(*sent, []byte("/b")) {
		t.Error("the second request was sent")
	}
}

func TestClient_refusesPathsThatCannotTravel(t *testing.T) {
	c, _ := script(t)
	for _, name := range []string{"a\x00b", strings.Repeat("x", 5000)} {
		if err := c.Remove(t.Context(), name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%.10q: got %v", name, err)
		}
	}
}

func TestClient_ReadDir_dropsDots(t *testing.T) {
	c, _ := script(t, packet(1, 0x02, "", ".\x00..\x00100APPLE\x00\xc3\xa4.jpg\x00a\\b\x00"))
	got, err := c.ReadDir(t.Context(), "/DCIM")
	if diff := cmp.Diff([]string{"100APPLE", "ä.jpg", "a\\b"}, got); err != nil || diff != "" {
		t.Errorf("error %v; names (-want +got):\n%s", err, diff)
	}
}

func TestClient_Stat(t *testing.T) {
	c, _ := script(t,
		packet(1, 0x02, "", "st_size\x0012\x00st_blocks\x008\x00st_nlink\x002\x00st_ifmt\x00S_IFLNK\x00LinkTarget\x00../x\x00st_mtime\x001700000000500000000\x00st_birthtime\x001600000000000000000\x00"))
	got, err := c.Stat(t.Context(), "/DCIM/link")
	if err != nil {
		t.Fatal(err)
	}
	want := &Info{name: "link", size: 12, mode: fs.ModeSymlink, modTime: time.Unix(1700000000, 5e8).UTC(), BirthTime: time.Unix(1600000000, 0).UTC(), Links: 2, LinkTarget: "../x"}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Info{})); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
}

func TestClient_FS(t *testing.T) {
	m := newMemory(map[string]string{
		"/DCIM/100APPLE/IMG_0001.JPG": "picture",
		"/DCIM/100APPLE/IMG_0002.JPG": strings.Repeat("x", 3000),
		"/DCIM/empty":                 "",
		"/Books/a.epub":               "book",
	})
	c := m.client(t)
	for root, want := range map[string][]string{
		"/":    {"DCIM/100APPLE/IMG_0001.JPG", "DCIM/empty", "Books/a.epub"},
		"DCIM": {"100APPLE/IMG_0001.JPG", "100APPLE/IMG_0002.JPG", "empty"},
	} {
		if err := fstest.TestFS(c.FS(t.Context(), root), want...); err != nil {
			t.Errorf("root %s: %v", root, err)
		}
	}
	if _, err := fs.Stat(c.FS(t.Context(), "/"), "../etc"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("path outside: %v", err)
	}
	if m.mostOpen > MaxOpen || len(m.open) != 0 {
		t.Errorf("%d files were open at once, %d are still", m.mostOpen, len(m.open))
	}
}

func TestFile_readsAndWrites(t *testing.T) {
	m := newMemory(map[string]string{"/a": "0123456789"})
	f := opened(t, m, "/a")
	b := make([]byte, 4)
	if n, err := f.ReadAt(b, 8); n != 2 || err != io.EOF || string(b[:n]) != "89" {
		t.Errorf("ReadAt the end: %q, %v", b[:n], err)
	}
	if n, err := f.Read(b); n != 4 || err != nil || string(b) != "0123" {
		t.Errorf("Read: %q, %v", b[:n], err)
	}
	if n, err := f.ReadAt(b, 5); n != 4 || err != nil || string(b) != "5678" {
		t.Errorf("ReadAt: %q, %v", b[:n], err)
	}
	if n, err := f.Write([]byte("XY")); n != 2 || err != nil || string(m.files["/a"]) != "0123XY6789" {
		t.Errorf("Write: %d, %v, file %q", n, err, m.files["/a"])
	}
	for _, tc := range []struct {
		offset int64
		whence int
		want   int64
	}{{1, io.SeekStart, 1}, {2, io.SeekCurrent, 3}, {-1, io.SeekEnd, 9}} {
		if got, err := f.Seek(tc.offset, tc.whence); got != tc.want || err != nil {
			t.Errorf("Seek(%d, %d) = %d, %v", tc.offset, tc.whence, got, err)
		}
	}
	if _, err := f.Seek(-1, io.SeekStart); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Seek before the start: %v", err)
	}
	if rest, err := io.ReadAll(f); string(rest) != "9" || err != nil {
		t.Errorf("rest %q, %v", rest, err)
	}
	if info, err := f.Stat(); err != nil || info.Size() != 10 {
		t.Errorf("Stat: %v, %v", info, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := f.Read(b); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
}

func TestFile_movesInPieces(t *testing.T) {
	m := newMemory(nil)
	c := m.client(t)
	data := bytes.Repeat([]byte("keepsake"), 320<<10) // 2.5 MiB
	if err := c.WriteFile(t.Context(), "/big", data); err != nil {
		t.Fatal(err)
	}
	got, err := c.ReadFile(t.Context(), "/big", math.MaxInt32)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %d bytes back, %v", len(got), err)
	}
	for _, n := range m.sizes {
		if n > 1<<20 {
			t.Errorf("a piece of %d bytes", n)
		}
	}
	if _, err := c.ReadFile(t.Context(), "/big", int64(len(data))-1); err == nil {
		t.Error("no error for a file over the limit")
	}
}

func TestClient_Open_waitsForAHandle(t *testing.T) {
	m := newMemory(map[string]string{"/a": "x"})
	c := m.client(t)
	var files []*File
	for range MaxOpen {
		f, err := c.Open(t.Context(), "/a")
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Open(ctx, "/a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("fifth file: %v", err)
	}
	if _, err := c.Open(t.Context(), "/a\x00"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("bad path: %v", err)
	}
	files[0].Close()
	if _, err := c.Open(t.Context(), "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := c.Open(t.Context(), "/a"); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestFile_Lock(t *testing.T) {
	for name, tc := range map[string]struct {
		busy int
		took time.Duration
		want error
	}{
		"free":            {0, 0, nil},
		"free in a while": {7, 1400 * time.Millisecond, nil},
		"never":           {99, 9800 * time.Millisecond, StatusWouldBlock},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(nil)
				f := opened(t, m, "/com.apple.itunes.lock_sync")
				m.locked = tc.busy
				start := time.Now()
				if err := f.Lock(t.Context()); !errors.Is(err, tc.want) || time.Since(start) != tc.took {
					t.Errorf("got %v after %s", err, time.Since(start))
				}
				if err := f.Unlock(t.Context()); err != nil {
					t.Errorf("unlock: %v", err)
				}
				m.locked = 99
				ctx, cancel := context.WithTimeout(t.Context(), 1100*time.Millisecond)
				defer cancel()
				if err := f.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, StatusWouldBlock) {
					t.Errorf("own deadline: %v", err)
				}
			})
		})
	}
}

func TestClient_silentPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go io.Copy(io.Discard, theirs)
		c := New(ours)
		var stalled *framing.StalledError
		if _, err := c.DeviceInfo(t.Context()); !errors.As(err, &stalled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestClient_DeviceInfo(t *testing.T) {
	got, err := newMemory(nil).client(t).DeviceInfo(t.Context())
	if err != nil || got["Model"] != "iPhone15,2" || got["FSFreeBytes"] != "42" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzReadPacket(f *testing.F) {
	f.Add(packet(1, 0x02, "", "st_size\x000\x00st_ifmt\x00S_IFREG\x00"))
	f.Add(packet(9, 0x01, zero, ""))
	f.Add(packet(2, 0x1B, nine+six, "x"))
	f.Add([]byte("CFA6LPAA\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ReadPacket(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WritePacket(&again, p); err != nil || !bytes.Equal(again.Bytes(), data[:again.Len()]) {
			t.Errorf("written again it differs, %v", err)
		}
		parseNames(p.Data)
		parseInfo("x", p.Data)
	})
}

func FuzzParseInfo(f *testing.F) {
	f.Add([]byte("st_size\x0012\x00st_nlink\x002\x00st_ifmt\x00S_IFLNK\x00LinkTarget\x00../x\x00st_mtime\x001700000000500000000\x00"))
	f.Add([]byte(".\x00..\x00a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if info, err := parseInfo("x", data); err == nil && info.Size() < 0 {
			t.Errorf("size %d", info.Size())
		} else if err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("error %v does not wrap ErrMalformed", err)
		}
		names, _ := parseNames(data)
		for _, n := range names {
			if n == "" || n == "." || n == ".." || strings.ContainsAny(n, "/\x00") {
				t.Errorf("name %q", n)
			}
		}
	})
}
