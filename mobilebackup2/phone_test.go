package mobilebackup2_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

const udid = "00008110-000A1B2C3D4E5F6A"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// phone is the other end, led by a script. Its methods fail the test when the
// host does not answer as it must.
type phone struct {
	*testing.T
	fc      *framing.Conn
	request map[string]any // the host's wish
}

// pair gives two ends of a TCP connection: a pipe has no buffer, a phone has.
func pair(t testing.TB) (host, phone net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if phone, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close(); phone.Close() })
	return host, phone
}

// play runs script as the phone and returns a client that is greeted. The
// script begins behind the host's request.
func play(t *testing.T, script func(p *phone)) *mobilebackup2.Client {
	t.Helper()
	host, far := pair(t)
	p := &phone{T: t, fc: framing.New(far, plist.Binary)}
	p.fc.SetIdle(10 * time.Second)
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() {
		defer close(done)
		defer far.Close()
		p.greet()
		if p.request = p.process(); p.request != nil {
			script(p)
		}
	}()
	c, err := mobilebackup2.New(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func (p *phone) greet() {
	p.send(devicelink.VersionExchange, 400, 0)
	if m := p.receive(); len(m) < 2 || m[1] != devicelink.VersionsOK {
		p.Errorf("host answered the version with %v", m)
	}
	p.send(devicelink.DeviceReady)
	if hello := p.process(); hello["MessageName"] != "Hello" || fmt.Sprint(hello["SupportedProtocolVersions"]) != "[2 2.1]" {
		p.Errorf("hello is %v", hello)
	}
	p.send(devicelink.ProcessMessage, map[string]any{"MessageName": "Response", "ErrorCode": 0, "ProtocolVersion": 2.1})
}

func (p *phone) send(elements ...any) {
	if err := p.fc.Send(context.Background(), elements); err != nil {
		p.Logf("phone: send: %v", err)
	}
}

func (p *phone) receive() []any {
	var m []any
	if err := p.fc.Receive(context.Background(), &m); err != nil {
		p.Logf("phone: receive: %v", err)
		return nil
	}
	return m
}

func (p *phone) process() map[string]any {
	m := p.receive()
	if len(m) != 2 || m[0] != devicelink.ProcessMessage {
		return nil
	}
	body, _ := m[1].(map[string]any)
	return body
}

// status reads the host's answer.
func (p *phone) status(want devicelink.Status) (text string, payload any) {
	m := p.receive()
	if len(m) != 4 || m[0] != devicelink.StatusResponse {
		p.Errorf("phone: got %v, want a status of four elements", m)
		return "", nil
	}
	var code int64
	switch n := m[1].(type) {
	case int64:
		code = n
	case uint64:
		code = int64(n)
	}
	if int32(code) != int32(want) {
		p.Errorf("phone: status %d %v, want %d", int32(code), m[2], want)
	}
	text, _ = m[2].(string)
	return text, m[3]
}

func (p *phone) ask(want devicelink.Status, elements ...any) any {
	p.send(elements...)
	_, payload := p.status(want)
	return payload
}

func (p *phone) raw(s string) {
	if _, err := io.WriteString(p.fc.NetConn(), s); err != nil {
		p.Logf("phone: write: %v", err)
	}
}

func frame(parts ...string) string {
	body := strings.Join(parts, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body
}

// upload sends path, contents, path, contents, …; contents that begin with ! fail.
func (p *phone) upload(want devicelink.Status, files ...string) string {
	p.send(devicelink.UploadFiles, map[string]any{}, 10.0, 0)
	for i := 0; i < len(files); i += 2 {
		p.raw(frame("/var/mobile/"+files[i]) + frame(files[i]))
		if text, bad := strings.CutPrefix(files[i+1], "!"); bad {
			p.raw(frame("\x0b" + text))
			continue
		}
		p.raw(frame("\x0c"+files[i+1]) + frame("\x00"))
	}
	p.raw(frame())
	text, _ := p.status(want)
	return text
}

// download asks for paths and gives what came: contents, or "!" and the error.
func (p *phone) download(want devicelink.Status, paths ...string) (got map[string]string, payload any) {
	list := []any{}
	for _, s := range paths {
		list = append(list, s)
	}
	p.send(devicelink.DownloadFiles, list, map[string]any{"DLDeviceIOCallbacks": 400508120}, 97.010055, 0)
	got = map[string]string{}
	for {
		path := p.frame()
		if path == "" {
			break
		}
		data := ""
		for {
			f := p.frame()
			if f == "" {
				p.Errorf("phone: the batch ended inside %s", path)
				return got, nil
			}
			if len(f) > 32<<10+1 {
				p.Errorf("phone: a frame of %d bytes", len(f))
			}
			if f[0] == 0x0c {
				data += f[1:]
				continue
			}
			if f[0] != 0 {
				data = "!" + f[1:]
			}
			break
		}
		got[path] = data
	}
	_, payload = p.status(want)
	return got, payload
}

func (p *phone) frame() string {
	n, err := devicelink.ReadFrameLength(p.fc.NetConn())
	if err != nil {
		p.Errorf("phone: %v", err)
		return ""
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(p.fc.NetConn(), b); err != nil {
		p.Errorf("phone: %v", err)
	}
	return string(b)
}

// respond is the last word; 0 is success.
func (p *phone) respond(code int, text string) {
	body := map[string]any{"MessageName": "Response", "ErrorCode": code}
	if text != "" {
		body["ErrorDescription"] = text
	}
	p.send(devicelink.ProcessMessage, body)
	p.receive() // the host's goodbye
}

func statusPlist(t testing.TB, state string) string {
	t.Helper()
	b, err := plist.Marshal(map[string]any{"IsFullBackup": false, "Version": "3.3", "UUID": "61AC4632-C46E-4BF8-888A-0B1C89FAA39D",
		"Date": time.Unix(1788000000, 0).UTC(), "BackupState": "new", "SnapshotState": state}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// limits are short, so that a test that hangs says so.
var limits = mobilebackup2.Limits{First: 10 * time.Second, Silence: 10 * time.Second, Transfer: 5 * time.Second, Farewell: time.Second}

var job = mobilebackup2.Job{Target: udid, Limits: limits}
