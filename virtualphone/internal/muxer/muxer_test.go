package muxer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "rewrite golden files")

const testUDID = "00008101-000123456789ABCD"

// start serves a muxer whose BUID is known.
func start(t *testing.T) (m *Muxer, faults *fault.Set, dial func() net.Conn) {
	t.Helper()
	dir := t.TempDir()
	buid := `<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>SystemBUID</key><string>30142955-444094379208051516</string></dict></plist>`
	if err := os.WriteFile(filepath.Join(dir, systemFile), []byte(buid), 0o600); err != nil {
		t.Fatal(err)
	}
	faults = &fault.Set{}
	m, err := New(dir, faults, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return m, faults, func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		return conn
	}
}

// echo is a phone with one open port that answers what it reads.
func echo(serial string) Attachment {
	return Attachment{
		Properties: usbmux.Properties{ConnectionType: usbmux.ConnectionUSB, ConnectionSpeed: 480000000, ProductID: 4776, SerialNumber: serial},
		Open: func(port uint16) (Port, bool) {
			return func(_ context.Context, conn net.Conn) { io.Copy(conn, conn) }, port == 62078
		},
	}
}

// frame is a request as a client lays it out, byte for byte.
func frame(tag uint32, body string) []byte {
	var b []byte
	for _, v := range []uint32{uint32(16 + len(body)), 1, 8, tag} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, body...)
}

const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
`

func dict(keys ...string) string {
	return head + "<dict>" + strings.Join(keys, "") + "</dict></plist>"
}

func str(k, v string) string { return "<key>" + k + "</key><string>" + v + "</string>" }
func num(k, v string) string { return "<key>" + k + "</key><integer>" + v + "</integer>" }

func readFrame(t *testing.T, conn net.Conn) []byte {
	t.Helper()
	h := make([]byte, 16)
	if _, err := io.ReadFull(conn, h); err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint32(h)
	if n < 16 || n > 1<<20 {
		t.Fatalf("frame of %d bytes", n)
	}
	body := make([]byte, n-16)
	if _, err := io.ReadFull(conn, body); err != nil {
		t.Fatal(err)
	}
	return append(h, body...)
}

// TestGolden holds the bytes of every reply and event.
func TestGolden(t *testing.T) {
	m, _, dial := start(t)
	conn := dial()
	var out bytes.Buffer
	tag := uint32(1)
	ask := func(what, body string) {
		t.Helper()
		if _, err := conn.Write(frame(tag, body)); err != nil {
			t.Fatal(err)
		}
		got := readFrame(t, conn)
		out.WriteString("# " + what + "\n" + hex.EncodeToString(got[:16]) + "\n" + string(got[16:]))
		if binary.LittleEndian.Uint32(got[12:]) != tag {
			t.Errorf("%s: tag not echoed", what)
		}
		tag++
	}
	ask("ListDevices, nobody there", dict(str("MessageType", "ListDevices")))
	m.Attach(echo(testUDID))
	full := []string{
		str("ClientVersionString", "test"), str("ProgName", "test"), num("kLibUSBMuxVersion", "3"), str("BundleID", "org.test"),
	}
	ask("ListDevices", dict(append(full, str("MessageType", "ListDevices"))...))
	ask("ReadBUID", dict(str("MessageType", "ReadBUID")))
	ask("ReadPairRecord of nobody", dict(str("MessageType", "ReadPairRecord"), str("PairRecordID", testUDID)))
	record := head + "<dict><key>HostID</key><string>X</string></dict></plist>"
	enc := "<key>PairRecordData</key><data>" + b64(record) + "</data>"
	ask("SavePairRecord", dict(str("MessageType", "SavePairRecord"), str("PairRecordID", testUDID), enc, num("DeviceID", "1")))
	ask("ReadPairRecord", dict(str("MessageType", "ReadPairRecord"), str("PairRecordID", testUDID)))
	ask("DeletePairRecord", dict(str("MessageType", "DeletePairRecord"), str("PairRecordID", testUDID)))
	ask("DeletePairRecord again", dict(str("MessageType", "DeletePairRecord"), str("PairRecordID", testUDID)))
	ask("ListListeners", dict(str("MessageType", "ListListeners")))
	ask("Connect to no device", dict(str("MessageType", "Connect"), num("DeviceID", "9"), num("PortNumber", "32498")))
	ask("Connect to a closed port", dict(str("MessageType", "Connect"), num("DeviceID", "1"), num("PortNumber", "80")))
	ask("unknown", dict(str("MessageType", "Dance")))
	ask("no MessageType", dict())
	ask("Connect to lockdownd", dict(str("MessageType", "Connect"), num("DeviceID", "1"), num("PortNumber", "32498")))
	if _, err := conn.Write([]byte("raw")); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 3)
	if _, err := io.ReadFull(conn, raw); err != nil || string(raw) != "raw" {
		t.Fatalf("after Connect: %q, %v", raw, err)
	}

	conn = dial()
	ask("Listen", dict(str("MessageType", "Listen")))
	event := func(what string) {
		got := readFrame(t, conn)
		out.WriteString("# event: " + what + "\n" + hex.EncodeToString(got[:16]) + "\n" + string(got[16:]))
	}
	event("present phone")
	id := m.Attach(Attachment{Properties: usbmux.Properties{
		ConnectionType: usbmux.ConnectionNetwork, SerialNumber: testUDID, NetworkAddress: []byte{2, 0, 0, 0, 127, 0, 0, 1},
		EscapedFullServiceName: "02:00:00:00:00:01@fe80::1._apple-mobdev2._tcp.local.", InterfaceIndex: 1,
	}})
	event("attached by network")
	m.Detach(id)
	event("detached")
	other := dial()
	if _, err := other.Write(frame(1, dict(str("MessageType", "SavePairRecord"), str("PairRecordID", testUDID), enc, num("DeviceID", "1")))); err != nil {
		t.Fatal(err)
	}
	readFrame(t, other)
	event("paired")
	golden(t, "frames.golden", out.Bytes())
}

func b64(s string) string {
	b, _ := plist.Marshal([]byte(s), plist.XML)
	i, j := bytes.Index(b, []byte("<data>")), bytes.Index(b, []byte("</data>"))
	return string(b[i+6 : j])
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", name, got)
	}
}

func TestOldProtocol(t *testing.T) {
	_, _, dial := start(t)
	conn := dial()
	old := []byte{16, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0} // version 0, Listen
	conn.Write(old)
	var m usbmux.Message
	tag, err := usbmux.ReadMessage(conn, usbmux.MaxFrame, &m)
	if err != nil || tag != 7 || m.Number == nil || *m.Number != usbmux.ResultBadVersion {
		t.Fatalf("tag %d, %+v, %v", tag, m, err)
	}
	conn.Write(frame(8, dict(str("MessageType", "ReadBUID"))))
	if _, err := usbmux.ReadMessage(conn, usbmux.MaxFrame, &m); err != nil || m.BUID == "" {
		t.Errorf("afterwards: %+v, %v", m, err)
	}
}

// TestDropped: what makes the muxer hang up.
func TestDropped(t *testing.T) {
	_, _, dial := start(t)
	for name, b := range map[string][]byte{
		"frame over 64 KiB": frame(1, dict(str("MessageType", "ReadBUID"), str("X", strings.Repeat("x", 65536)))),
		"frame of 4 GiB":    {255, 255, 255, 255, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0},
		"length 3":          {3, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0},
		"no property list":  frame(1, "hello"),
		"an array":          frame(1, head+"<array/></plist>"),
	} {
		conn := dial()
		conn.Write(b)
		// A reset is a hang-up too.
		if rest, err := io.ReadAll(conn); len(rest) > 0 || os.IsTimeout(err) {
			t.Errorf("%s: answered %q, %v", name, rest, err)
		}
	}
}

func TestPairRecordIDs(t *testing.T) {
	_, _, dial := start(t)
	conn := dial()
	ask := func(kind, id string) usbmux.ResultCode {
		t.Helper()
		if err := usbmux.WriteMessage(conn, 1, usbmux.Message{MessageType: kind, PairRecordID: id, PairRecordData: []byte(head + "<dict/></plist>")}); err != nil {
			t.Fatal(err)
		}
		var m usbmux.Message
		if _, err := usbmux.ReadMessage(conn, usbmux.MaxFrame, &m); err != nil {
			t.Fatal(err)
		}
		if m.Number == nil {
			return usbmux.ResultOK
		}
		return *m.Number
	}
	for _, id := range []string{"", ".", "..", "../x", "/etc/x", `..\x`, "a/b", "x.plist", "a\x00b", "SystemConfiguration", "-x", strings.Repeat("a", 65), "C:"} {
		for _, kind := range []string{usbmux.MsgSavePairRecord, usbmux.MsgReadPairRecord, usbmux.MsgDeletePairRecord} {
			if got := ask(kind, id); got != usbmux.ResultInvalidArgument {
				t.Errorf("%s %q: result %d", kind, id, got)
			}
		}
	}
	// The USB serial has no dash, the record does.
	if got := ask(usbmux.MsgSavePairRecord, strings.ReplaceAll(testUDID, "-", "")); got != 0 {
		t.Errorf("save without dash: %d", got)
	}
	if got := ask(usbmux.MsgReadPairRecord, testUDID); got != 0 {
		t.Errorf("read with dash: %d", got)
	}
	if got := ask(usbmux.MsgReadPairRecord, strings.Repeat("0123456789", 4)); got != 2 {
		t.Errorf("read an old UDID that is not there: %d", got)
	}
}

func TestFaults(t *testing.T) {
	m, faults, dial := start(t)
	m.Attach(echo(testUDID))
	connect := dict(str("MessageType", "Connect"), num("DeviceID", "1"), num("PortNumber", "32498"))
	for _, tt := range []struct{ spec, want string }{
		{"cut@mux.Connect", ""},
		{"refuse@mux.Connect", "<integer>3</integer>"},
		{"refuse@mux.Connect=2", "<integer>2</integer>"},
		{"garbage@mux.Connect", "not what you asked for"},
		{"huge@mux.Connect", "\xff\xff\xff\xff\x01"},
		{"delay@mux.Connect=1ms", "<integer>0</integer>"},
	} {
		parsed, err := fault.Parse(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		faults.Add(parsed...)
		conn := dial()
		conn.Write(frame(1, connect))
		conn.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(conn)
		if err != nil && tt.want != "" || !strings.Contains(string(got), tt.want) || tt.want == "" && len(got) > 0 {
			t.Errorf("%s: %q, %v", tt.spec, got, err)
		}
		faults.Clear()
	}
}

func TestSlowListenerIsDropped(t *testing.T) {
	m, _, dial := start(t)
	conn := dial()
	conn.Write(frame(1, dict(str("MessageType", "Listen"))))
	readFrame(t, conn)
	// More than socket buffers and the queue hold together. The listener is noted down a
	// moment after it has its answer: no count of events is enough by itself.
	kept := func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.conns) > 0
	}
	for deadline := time.Now().Add(10 * time.Second); kept(); {
		m.Detach(m.Attach(echo(testUDID)))
		if time.Now().After(deadline) {
			t.Fatal("a listener that reads nothing was kept")
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add(frame(1, dict(str("MessageType", "ListDevices"))))
	f.Add(frame(1, dict(str("MessageType", "Connect"), num("DeviceID", "1"), num("PortNumber", "32498"))))
	f.Add(frame(1, dict(str("MessageType", "Connect"), num("DeviceID", "-1"), str("PortNumber", "x"))))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0})
	m, err := New(f.TempDir(), &fault.Set{}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.Fatal(err)
	}
	m.Attach(Attachment{Open: func(uint16) (Port, bool) { return nil, false }})
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("Listen")) {
			return // ends only with its connection
		}
		// Whatever comes, the client loop ends without a panic.
		_ = m.serveClient(context.Background(), &memConn{r: bytes.NewReader(b)})
	})
}

// memConn reads from memory and forgets what is written.
type memConn struct {
	net.Conn
	r io.Reader
}

func (c *memConn) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c *memConn) Write(p []byte) (int, error) { return len(p), nil }
func (c *memConn) Close() error                { return nil }
func (c *memConn) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
