package backupagent

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// The first bytes on the wire (protocol.md 8.1).
func TestHandshakeBytes(t *testing.T) {
	p := newPhone(t)
	near, far := net.Pipe()
	defer near.Close()
	go serve(p.ctx, far, p, p.rules)
	near.SetDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, 84)
	if _, err := io.ReadFull(near, got); err != nil {
		t.Fatal(err)
	}
	const want = "00000050" + "62706c6973743030a30102035f1018444c4d65737361676556657273696f6e45786368616e67651101901000080c272a000000000000010100000000000000040000000000000000000000000000002c"
	if hex.EncodeToString(got) != want {
		t.Errorf("got %x\nwant %s", got, want)
	}
	h := &testHost{t: t}
	h.attach(near)
	h.send(devicelink.VersionExchange, devicelink.VersionsOK, 400)
	got = make([]byte, 4+67)
	if _, err := io.ReadFull(near, got); err != nil {
		t.Fatal(err)
	}
	if m, err := decodeMessage(got[4:]); err != nil || m.name != devicelink.DeviceReady || got[3] != 67 {
		t.Errorf("ready is %x, %v", got, err)
	}
}

func TestVersions(t *testing.T) {
	tests := []struct {
		name   string
		answer []any
		level  int64 // 0: refused
	}{
		{"libimobiledevice", []any{devicelink.VersionExchange, devicelink.VersionsOK, 400}, 400},
		{"older host", []any{devicelink.VersionExchange, devicelink.VersionsOK, 100}, 100},
		{"newer host", []any{devicelink.VersionExchange, devicelink.VersionsOK, 500}, 400},
		{"no number", []any{devicelink.VersionExchange, devicelink.VersionsOK}, 400},
		{"greater", []any{devicelink.VersionExchange, "DLErrorAcceptingDeviceLinkGreater", 300}, 300},
		{"refused", []any{devicelink.VersionExchange, "DLVersionsNotOk"}, 0},
		{"something else", []any{devicelink.DeviceReady}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, f := range []plist.Format{plist.Binary, plist.XML} {
				body, err := plist.Marshal(tt.answer, f)
				if err != nil {
					t.Fatal(err)
				}
				m, err := decodeMessage(body)
				if err != nil {
					t.Fatal(err)
				}
				l := &link{}
				err = l.accept(m)
				var protocol *ProtocolError
				if tt.level == 0 && !errors.As(err, &protocol) || tt.level != 0 && (err != nil || l.level != tt.level) {
					t.Errorf("level %d, %v", l.level, err)
				}
			}
		})
	}
}

// A host that speaks XML is served like any other.
func TestXMLHost(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	h.xml = true
	p.fill()
	wantSuccess(t, backupOnce(t, h, p))
	wantSuccess(t, backupOnce(t, h, p))
	if sent := h.sent(p); len(sent) > 0 {
		t.Errorf("unchanged backup sent %v", sent)
	}
	wantRestored(t, h, p)
}

// Hosts below level 200 know other names, below 300 nothing of free space.
func TestOldHost(t *testing.T) {
	p := newPhone(t)
	a, b := net.Pipe()
	defer a.Close()
	l := newLink(b)
	l.level = 100
	agent := &agent{phone: p, link: l}
	if _, ok, err := agent.freeSpace(p.ctx); ok || err != nil {
		t.Errorf("free space: %t, %v", ok, err)
	}
	h := &testHost{t: t}
	h.attach(a)
	go agent.move(p.ctx, []string{"a"}, []string{"b"}, 0)
	if m := h.receive(); m.name != devicelink.MoveFiles {
		t.Errorf("phone sends %s", m.name)
	}
}

// What else a host may ask, and how the connection goes on.
func TestOtherRequests(t *testing.T) {
	tests := []struct {
		name string
		more map[string]any
		code int64
		text string
		end  bool // the phone hangs up
	}{
		{"Info", nil, 205, "Error reading manifest (MBErrorDomain/205)", false},
		{"List", nil, 205, "Error reading manifest (MBErrorDomain/205)", false},
		{"Unback", nil, 205, "Error reading manifest (MBErrorDomain/205)", false},
		{"Extract", map[string]any{"DomainName": "HomeDomain", "RelativePath": "x"}, 205, "Error reading manifest", false},
		{"CancelBackup", nil, 0, "", false},
		{"EnableCloudBackup", nil, 210, "", false},
		{"Remove", nil, 1, "", false},
		{"Backup", map[string]any{"TargetIdentifier": "another"}, 1, "Invalid target identifier", false},
		{"Restore", map[string]any{"TargetIdentifier": "another"}, 1, "Invalid target identifier", false},
		{"ChangePassword", map[string]any{"TargetIdentifier": "another"}, 1, "Invalid target identifier", false},
		{"EraseDevice", map[string]any{"TargetIdentifier": "another"}, 1, "Invalid target identifier", false},
		{"EraseDevice", nil, 0, "", true},
		{"Invented", nil, 0, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			wantSuccess(t, backupOnce(t, h, p))
			h.connect(p)
			h.send(devicelink.Ping, "hello")
			r := h.do(tt.name, tt.more)
			if tt.end {
				if r.err == nil {
					t.Fatalf("phone answered %d %q", r.code, r.text)
				}
			} else {
				if r.err != nil || r.code != tt.code || !strings.HasPrefix(r.text, tt.text) {
					t.Fatalf("phone answered %d %q, %v", r.code, r.text, r.err)
				}
				// The connection is as good as before.
				wantSuccess(t, h.do("Backup", nil))
			}
			err := h.close()
			var protocol *ProtocolError
			if tt.name == "Invented" != errors.As(err, &protocol) || tt.name != "Invented" && err != nil {
				t.Errorf("agent ended with %v", err)
			}
			if want := tt.name == "EraseDevice" && tt.end; (p.erased == 1) != want {
				t.Errorf("erased %d times", p.erased)
			}
		})
	}
}

func TestHostSaysGoodbye(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	h.connect(p)
	h.send(devicelink.Disconnect, devicelink.EmptyParameter)
	select {
	case err := <-h.done:
		if err != nil {
			t.Errorf("agent ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the agent does not end")
	}
}

// The agent ends with its context, wherever it is.
func TestContextEnds(t *testing.T) {
	for _, spec := range []string{"", "stall@backup.start", "stall@upload:10"} {
		t.Run(spec, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			ctx, cancel := context.WithCancel(p.ctx)
			p.ctx = ctx
			p.fault(spec)
			h.connect(p)
			ended := make(chan result, 1)
			if spec != "" {
				go func() { ended <- h.do("Backup", nil) }()
			}
			time.Sleep(50 * time.Millisecond)
			cancel()
			select {
			case err := <-h.done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("agent ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the agent does not end")
			}
			if spec != "" && (<-ended).err == nil {
				t.Error("the host got an answer")
			}
		})
	}
}

// Only one request is at work at a time; the next waits for its turn.
func TestTurns(t *testing.T) {
	p := newPhone(t)
	p.fill()
	p.auth = nil
	h1, h2 := newHost(t), newHost(t)
	h1.connect(p)
	h2.connect(p)
	results := make(chan result, 2)
	go func() { results <- h1.do("Backup", nil) }()
	go func() { results <- h2.do("Backup", nil) }()
	wantSuccess(t, <-results)
	wantSuccess(t, <-results)
	h1.close()
	h2.close()
}

func TestRefusedBackups(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*testPhone)
		code  int64
		text  string
	}{
		{"refused", func(p *testPhone) { p.auth = ErrRefused }, 208, "Device locked (MBErrorDomain/208)"},
		{"not answered", func(p *testPhone) { p.auth = ErrTimeout }, 208, "Device locked - timeout waiting for passcode entry (MBErrorDomain/208)"},
		{"locked", func(p *testPhone) { p.policy.Locked = true }, 208, "Device locked (MBErrorDomain/208)"},
		{"in set-up", func(p *testPhone) { p.policy.SetupDone = false }, 212, "Unable to backup until Setup is finished (MBErrorDomain/212)"},
		{"restoring from iCloud", func(p *testPhone) { p.policy.CloudRestoreRunning = true }, 25, "Unable to backup while a restore from iCloud is in progress (MBErrorDomain/25)"},
		{"must encrypt", func(p *testPhone) { p.policy.RequiresEncryption = true }, 207, "Backup encryption is required but not enabled (MBErrorDomain/207)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			tt.spoil(p)
			r := backupOnce(t, h, p)
			if r.err != nil || r.code != tt.code || r.text != tt.text {
				t.Errorf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			if len(h.log) > 0 {
				t.Errorf("phone asked for %v", h.log)
			}
		})
	}
}

func TestChangePassword(t *testing.T) {
	tests := []struct {
		name      string
		current   string
		old, new_ string
		spoil     func(*testPhone)
		code      int64
		text      string
		after     string
	}{
		{name: "enable", new_: "secret", after: "secret"},
		{name: "change", current: "a", old: "a", new_: "b", after: "b"},
		{name: "disable", current: "a", old: "a"},
		{name: "enable twice", current: "a", new_: "b", code: 207, text: "Invalid password (MBErrorDomain/207)", after: "a"},
		{name: "wrong old", current: "a", old: "x", new_: "b", code: 207, text: "Invalid password (MBErrorDomain/207)", after: "a"},
		{name: "disable without", old: "x", code: 207, text: "Invalid password (MBErrorDomain/207)"},
		{name: "nothing", code: 207, text: "Invalid password (MBErrorDomain/207)"},
		{name: "profile", current: "a", old: "a", spoil: func(p *testPhone) { p.policy.EncryptionLockedByMDM = true }, code: 1, after: "a",
			text: "Error setting WillEncrypt value in lockdown (MBErrorDomain/1). Underlying error: Cannot remove iTunes Backup Encryption - Encrypted Backup MDM setting present on device (MBErrorDomain/22)."},
		{name: "passcode refused", new_: "b", spoil: func(p *testPhone) { p.auth = ErrRefused }, code: 208, text: "Device locked (MBErrorDomain/208)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.password = secret.NewBackupPassword(tt.current)
			if tt.spoil != nil {
				tt.spoil(p)
			}
			h.connect(p)
			more := map[string]any{}
			if tt.old != "" {
				more["OldPassword"] = tt.old
			}
			if tt.new_ != "" {
				more["NewPassword"] = tt.new_
			}
			r := h.do("ChangePassword", more)
			h.close()
			if r.err != nil || r.code != tt.code || r.text != tt.text {
				t.Errorf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			if got := p.BackupPassword().Reveal(); got != tt.after {
				t.Errorf("password is %q", got)
			}
			switched := (tt.current == "") != (tt.after == "")
			if posted := len(p.notified) == 1; posted != switched {
				t.Errorf("notifications %v", p.notified)
			}
		})
	}
}

// A host that leaves while the phone asks for the passcode, or cancels, is not
// waited for.
func TestLeavingAtPasscodePrompt(t *testing.T) {
	tests := map[string]func(*testHost){
		"hangs up":    func(h *testHost) { h.conn.Close() },
		"disconnects": func(h *testHost) { h.send(devicelink.Disconnect, "bye") },
		"cancels":     func(h *testHost) { h.send(devicelink.ProcessMessage, map[string]any{"MessageName": "CancelBackup"}) },
	}
	for name, leave := range tests {
		t.Run(name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			asked := make(chan bool)
			p.prompt = func(ctx context.Context) error {
				close(asked)
				<-ctx.Done()
				return context.Cause(ctx)
			}
			h.connect(p)
			ended := make(chan result, 1)
			go func() { ended <- h.do("Backup", nil) }()
			<-asked
			leave(h)
			if name == "cancels" {
				if r := <-ended; r.code != 202 {
					t.Errorf("phone answered %d %q, %v", r.code, r.text, r.err)
				}
				h.conn.Close()
			}
			select {
			case err := <-h.done:
				if err != nil {
					t.Errorf("agent ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the agent does not end")
			}
		})
	}
}
