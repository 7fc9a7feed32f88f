package usbmux

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// daemon gives a client whose every connection is served by serve, with the
// request already read.
func daemon(t *testing.T, serve func(conn net.Conn, req Message)) *Client {
	return &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			var req Message
			if _, err := ReadMessage(theirs, MaxFrame, &req); err == nil {
				serve(theirs, req)
			}
		}()
		return ours, nil
	}}
}

// reply answers every request with one frame.
func reply(t *testing.T, v any) *Client {
	return daemon(t, func(conn net.Conn, _ Message) { WriteMessage(conn, tag, v) })
}

func result(code ResultCode) Message { return Message{MessageType: MsgResult, Number: &code} }

// The bytes that leave for the daemon, whole frames.
func TestClient_requestsOnTheWire(t *testing.T) {
	udid := must(ParseUDID("00008030001c2d3e4f5a6b7c"))
	const head = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
	<dict>
		<key>ClientVersionString</key>
		<string>keepsake</string>
`
	const tail = `		<key>ProgName</key>
		<string>keepsake</string>
		<key>kLibUSBMuxVersion</key>
		<integer>3</integer>
	</dict>
</plist>
`
	ctx := t.Context()
	for _, tc := range []struct {
		name, mid string
		call      func(*Client) error
	}{
		{MsgListDevices, "\t\t<key>MessageType</key>\n\t\t<string>ListDevices</string>\n",
			func(c *Client) error { _, err := c.List(ctx); return err }},
		{MsgConnect, "\t\t<key>DeviceID</key>\n\t\t<integer>7</integer>\n\t\t<key>MessageType</key>\n\t\t<string>Connect</string>\n\t\t<key>PortNumber</key>\n\t\t<integer>32498</integer>\n",
			func(c *Client) error { _, err := c.Connect(ctx, 7, 62078); return err }},
		{MsgReadBUID, "\t\t<key>MessageType</key>\n\t\t<string>ReadBUID</string>\n",
			func(c *Client) error { _, err := c.ReadBUID(ctx); return err }},
		{MsgReadPairRecord, "\t\t<key>MessageType</key>\n\t\t<string>ReadPairRecord</string>\n\t\t<key>PairRecordID</key>\n\t\t<string>00008030-001C2D3E4F5A6B7C</string>\n",
			func(c *Client) error { _, err := c.ReadPairRecord(ctx, udid); return err }},
		{MsgSavePairRecord, "\t\t<key>DeviceID</key>\n\t\t<integer>7</integer>\n\t\t<key>MessageType</key>\n\t\t<string>SavePairRecord</string>\n\t\t<key>PairRecordData</key>\n\t\t<data>AQID</data>\n\t\t<key>PairRecordID</key>\n\t\t<string>00008030-001C2D3E4F5A6B7C</string>\n",
			func(c *Client) error { return c.SavePairRecord(ctx, udid, 7, []byte{1, 2, 3}) }},
		{MsgDeletePairRecord, "\t\t<key>MessageType</key>\n\t\t<string>DeletePairRecord</string>\n\t\t<key>PairRecordID</key>\n\t\t<string>00008030-001C2D3E4F5A6B7C</string>\n",
			func(c *Client) error { return c.DeletePairRecord(ctx, udid) }},
		{MsgListen, "\t\t<key>MessageType</key>\n\t\t<string>Listen</string>\n",
			func(c *Client) error { return c.Listen(ctx, func(Event) error { return nil }) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sent := make(chan []byte, 1)
			c := &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go func() {
					defer theirs.Close()
					frame := make([]byte, MaxFrame)
					n, _ := theirs.Read(frame)
					sent <- frame[:n]
				}()
				return ours, nil
			}}
			var broken *framing.WireError
			if err := tc.call(c); !errors.As(err, &broken) {
				t.Errorf("daemon that hangs up: got %v, want a WireError", err)
			}
			body := head + tc.mid + tail
			n := len(body) + 16
			want := append([]byte{byte(n), byte(n >> 8), 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0}, body...)
			if diff := cmp.Diff(string(want), string(<-sent)); diff != "" {
				t.Errorf("frame (-want +got):\n%s", diff)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestClient_List(t *testing.T) {
	// A frame as another daemon writes it: other white space, unknown keys.
	const body = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>DeviceList</key><array>
<dict><key>DeviceID</key><integer>1</integer><key>MessageType</key><string>Attached</string><key>Properties</key><dict>
<key>ConnectionSpeed</key><integer>480000000</integer><key>ConnectionType</key><string>USB</string><key>DeviceID</key><integer>1</integer>
<key>LocationID</key><integer>0</integer><key>ProductID</key><integer>4776</integer><key>UDID</key><string>x</string>
<key>SerialNumber</key><string>00008030001c2d3e4f5a6b7c</string></dict></dict>
<dict><key>DeviceID</key><integer>268435456</integer><key>MessageType</key><string>Attached</string><key>Properties</key><dict>
<key>ConnectionType</key><string>Network</string><key>DeviceID</key><integer>268435456</integer>
<key>EscapedFullServiceName</key><string>18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._apple-mobdev2._tcp.local.</string>
<key>InterfaceIndex</key><integer>0</integer><key>NetworkAddress</key><data>AgAAAMCoAQIAAAAAAAAAAA==</data>
<key>SerialNumber</key><string>8A1B2C3D4E5F60718293A4B5C6D7E8F901234567</string></dict></dict>
<dict><key>DeviceID</key><integer>3</integer><key>Properties</key><dict><key>ConnectionType</key><string>USB</string>
<key>DeviceID</key><integer>3</integer><key>SerialNumber</key><string>odd</string></dict></dict>
</array></dict></plist>`
	c := daemon(t, func(conn net.Conn, req Message) {
		n := len(body) + 16
		conn.Write(append([]byte{byte(n), byte(n >> 8), 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0}, body...))
	})
	got, err := c.List(t.Context())
	want := []Device{
		{ID: 1, UDID: UDID{"00008030-001C2D3E4F5A6B7C"}, Serial: "00008030001c2d3e4f5a6b7c", Transport: "USB", ConnectionSpeed: 480000000, ProductID: 4776},
		{ID: 1 << 28, UDID: UDID{"8a1b2c3d4e5f60718293a4b5c6d7e8f901234567"}, Serial: "8A1B2C3D4E5F60718293A4B5C6D7E8F901234567", Transport: "Network",
			Addr: netip.MustParseAddrPort("192.168.1.2:0"), ServiceName: "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._apple-mobdev2._tcp.local."},
		{ID: 3, Serial: "odd", Transport: "USB"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(UDID{}), cmpopts.EquateComparable(netip.AddrPort{})); err != nil || diff != "" {
		t.Errorf("error %v; list (-want +got):\n%s", err, diff)
	}
}

func TestClient_List_empty(t *testing.T) {
	c := reply(t, DeviceListReply{DeviceList: []Message{}})
	if got, err := c.List(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestClient_refusals(t *testing.T) {
	ctx := t.Context()
	udid := must(ParseUDID(strings.Repeat("a", 40)))
	for _, tc := range []struct {
		name string
		code ResultCode
		call func(*Client) error
		ok   func(error) bool
	}{
		{"no such attachment", ResultBadDevice, func(c *Client) error { _, err := c.Connect(ctx, 9, 1); return err }, isResult(ResultBadDevice)},
		{"nothing listens", ResultConnectionRefused, func(c *Client) error { _, err := c.Connect(ctx, 9, 1); return err }, isResult(ResultConnectionRefused)},
		{"no pair record", ResultBadDevice, func(c *Client) error { _, err := c.ReadPairRecord(ctx, udid); return err },
			func(err error) bool { return errors.Is(err, ErrNoPairRecord) }},
		{"pair record not readable", ResultInvalidArgument, func(c *Client) error { _, err := c.ReadPairRecord(ctx, udid); return err }, isResult(ResultInvalidArgument)},
		{"record not saved", ResultInvalidArgument, func(c *Client) error { return c.SavePairRecord(ctx, udid, 0, []byte{1}) }, isResult(ResultInvalidArgument)},
		{"delete without record", ResultBadDevice, func(c *Client) error { return c.DeletePairRecord(ctx, udid) }, func(err error) bool { return err == nil }},
		{"deaf daemon", ResultBadCommand, func(c *Client) error { return c.Listen(ctx, nil) }, isResult(ResultBadCommand)},
		{"list refused", ResultBadVersion, func(c *Client) error { _, err := c.List(ctx); return err }, isResult(ResultBadVersion)},
		{"no BUID", ResultBadCommand, func(c *Client) error { _, err := c.ReadBUID(ctx); return err }, isResult(ResultBadCommand)},
		{"BUID without BUID", ResultOK, func(c *Client) error { _, err := c.ReadBUID(ctx); return err }, isMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := tc.call(reply(t, result(tc.code))); !tc.ok(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func isResult(code ResultCode) func(error) bool {
	return func(err error) bool {
		var refused *ResultError
		return errors.As(err, &refused) && refused.Code == code
	}
}

func isMalformed(err error) bool { return errors.Is(err, plist.ErrMalformed) }

func TestClient_nonsense(t *testing.T) {
	for name, tc := range map[string]struct {
		frame []byte
		ok    func(error) bool
	}{
		"4 GiB frame":     {[]byte{255, 255, 255, 255, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0}, isMalformed},
		"too short":       {[]byte{15, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0}, isMalformed},
		"no plist":        {[]byte{17, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 'x'}, isMalformed},
		"binary protocol": {[]byte{16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, func(err error) bool { var v *BadVersionError; return errors.As(err, &v) }},
		"cut off":         {[]byte{99, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, '<'}, isWire},
		"hung up":         {nil, isWire},
	} {
		t.Run(name, func(t *testing.T) {
			c := daemon(t, func(conn net.Conn, _ Message) { conn.Write(tc.frame) })
			if _, err := c.List(t.Context()); !tc.ok(err) {
				t.Errorf("got %v", err)
			}
		})
	}
	c := daemon(t, func(conn net.Conn, _ Message) { WriteMessage(conn, 2, DeviceListReply{}) })
	if _, err := c.List(t.Context()); !isMalformed(err) {
		t.Errorf("other tag: got %v", err)
	}
	if err := c.SavePairRecord(t.Context(), UDID{}, 0, make([]byte, MaxFrame)); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("record too long for a frame: got %v", err)
	}
}

func isWire(err error) bool {
	var broken *framing.WireError
	return errors.As(err, &broken)
}

func TestClient_silentDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := daemon(t, func(conn net.Conn, _ Message) { io.Copy(io.Discard, conn) })
		start := time.Now()
		var stalled *framing.StalledError
		if _, err := c.List(t.Context()); !errors.As(err, &stalled) || time.Since(start) != replyTimeout {
			t.Errorf("got %v after %s", err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.List(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("own deadline: got %v", err)
		}
	})
}

func TestClient_noDaemon(t *testing.T) {
	c := &Client{Address: Address{"unix", "/nonexistent/usbmuxd"}}
	_, err := c.List(t.Context())
	var absent *DaemonError
	if !errors.As(err, &absent) || absent.Hint() == "" {
		t.Errorf("got %v, want a DaemonError", err)
	}
}

func TestClient_Connect_givesTheRawStream(t *testing.T) {
	c := daemon(t, func(conn net.Conn, req Message) {
		if req.DeviceID != 7 || SwapPort(req.PortNumber) != 62078 {
			t.Errorf("got device %d, port %d", req.DeviceID, SwapPort(req.PortNumber))
		}
		var frame bytes.Buffer
		WriteMessage(&frame, tag, result(ResultOK))
		frame.WriteString("hello") // in the same segment as the reply
		conn.Write(frame.Bytes())
		io.Copy(conn, conn)
	})
	conn, err := c.Connect(t.Context(), 7, 62078)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go conn.Write([]byte(" world")) // a pipe has no buffer
	got := make([]byte, 11)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "hello world" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestClient_Listen(t *testing.T) {
	c := daemon(t, func(conn net.Conn, _ Message) {
		WriteMessage(conn, tag, result(ResultOK))
		for _, m := range []Message{
			{MessageType: MsgAttached, DeviceID: 4, Properties: &Properties{ConnectionType: "USB", DeviceID: 4, SerialNumber: strings.Repeat("b", 40)}},
			{MessageType: "FromTheFuture"},
			{MessageType: MsgPaired, DeviceID: 4},
			{MessageType: MsgDetached, DeviceID: 4},
		} {
			WriteMessage(conn, 0, m)
		}
	})
	var got []Event
	err := c.Listen(t.Context(), func(ev Event) error { got = append(got, ev); return nil })
	if !isWire(err) {
		t.Errorf("daemon that hangs up: got %v", err)
	}
	dev := Device{ID: 4, UDID: UDID{strings.Repeat("b", 40)}, Serial: strings.Repeat("b", 40), Transport: "USB"}
	want := []Event{{Kind: Attached, ID: 4, Device: dev}, {Kind: Paired, ID: 4}, {Kind: Detached, ID: 4}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(UDID{}), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	enough := errors.New("enough")
	if err := c.Listen(t.Context(), func(Event) error { return enough }); err != enough {
		t.Errorf("error of the callback: got %v", err)
	}
}

func TestClient_Listen_endsWithItsContext(t *testing.T) {
	c := daemon(t, func(conn net.Conn, _ Message) {
		WriteMessage(conn, tag, result(ResultOK))
		io.Copy(io.Discard, conn)
	})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := c.Listen(ctx, func(Event) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadMessage(f *testing.F) {
	var frame bytes.Buffer
	WriteMessage(&frame, 1, Message{MessageType: MsgAttached, DeviceID: 1, Properties: &Properties{SerialNumber: "x", NetworkAddress: []byte{2, 0, 0, 0, 1, 2, 3, 4}}})
	f.Add(frame.Bytes())
	frame.Reset()
	WriteMessage(&frame, 0, result(ResultBadDevice))
	f.Add(frame.Bytes())
	f.Add(must(hex.DecodeString("ffffffff010000000800000001000000")))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m Message
		if _, err := ReadMessage(bytes.NewReader(data), MaxFrame, &m); err != nil {
			return
		}
		if m.Properties != nil {
			deviceOf(m.Properties, m.DeviceID)
		}
		var again bytes.Buffer
		if err := WriteMessage(&again, 1, m); err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
