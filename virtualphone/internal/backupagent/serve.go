package backupagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// notifyCancel tells hosts that the owner stopped the job on the phone.
const notifyCancel = "com.apple.itunes-client.syncCancelRequest"

// Serve answers one connection to com.apple.mobilebackup2 until the host
// disconnects or ctx ends, and closes conn. A phone has one agent: while a
// request is at work on one connection, those on others are refused.
//
// The error is nil when the host left in good order or was told why the phone
// would not go on with it. Otherwise it is a *ProtocolError, ctx's, that of the
// wire (package framing), or that of the local disk before a host could be told.
func Serve(ctx context.Context, conn net.Conn, phone Phone) error {
	return serve(ctx, conn, phone, phoneRules())
}

func serve(ctx context.Context, conn net.Conn, phone Phone, rules Rules) error {
	a := &agent{phone: phone, dir: phone.Dir(), link: newLink(conn), rules: rules, now: time.Now}
	defer a.link.conn.Close()
	err := a.session(ctx)
	var protocol *ProtocolError
	switch {
	case errors.Is(err, errDisconnected), errors.Is(err, errCut), err == io.EOF:
		return nil
	case errors.As(err, &protocol):
		// A phone gives its reason before it hangs up. Whether it arrives does
		// not matter any more.
		a.link.conn.SetIdle(time.Second)
		a.link.send(ctx, devicelink.Disconnect, protocol.Reason)
	}
	return err
}

// agent is the backup agent at work on one connection.
type agent struct {
	phone Phone
	dir   string
	link  *link
	rules Rules
	now   func() time.Time
}

// fs is where the files of the phone lie.
func (a *agent) fs() string { return filepath.Join(a.dir, "fs") }

// own is a path in the agent's own folder.
func (a *agent) own(parts ...string) string {
	return filepath.Join(append([]string{a.dir, "backup"}, parts...)...)
}

func (a *agent) session(ctx context.Context) error {
	if err := a.handshake(ctx); err != nil {
		return err
	}
	for {
		a.link.conn.SetIdle(0)
		m, err := a.link.receive(ctx)
		if brokenWire(err) && ctx.Err() == nil {
			return errDisconnected // without a word, as some hosts do
		}
		if err != nil {
			return err
		}
		if m.name != devicelink.ProcessMessage {
			return protocolError("unexpected message %s", m.name)
		}
		req, err := decodeRequest(m.args)
		if err != nil {
			return err
		}
		if err := a.answer(ctx, req); err != nil {
			return err
		}
	}
}

// handshake offers version 400, then agrees on mobilebackup2's (protocol.md 3.2, 4.1).
func (a *agent) handshake(ctx context.Context) error {
	a.link.conn.SetIdle(hostPatience)
	if err := a.link.send(ctx, devicelink.VersionExchange, devicelink.VersionMajor, devicelink.VersionMinor); err != nil {
		return err
	}
	m, err := a.link.receive(ctx)
	if err != nil {
		return err
	}
	if err := a.link.accept(m); err != nil {
		return err
	}
	if err := a.link.send(ctx, devicelink.DeviceReady); err != nil {
		return err
	}
	return a.hello(ctx)
}

// accept reads the host's answer to the version exchange. The third element is
// the host's version, whatever number it is; without one it knows ours.
func (l *link) accept(m message) error {
	if m.name != devicelink.VersionExchange || len(m.args) == 0 {
		return protocolError("%s instead of a version", m.name)
	}
	switch m.args[0] {
	case devicelink.VersionsOK, "DLErrorAcceptingDeviceLinkGreater":
	default:
		return protocolError("version refused: %v", m.args[0])
	}
	l.level = devicelink.VersionMajor
	if len(m.args) > 1 {
		if n, ok := integer(m.args[1]); ok {
			l.level = min(l.level, n)
		}
	}
	return nil
}

func (a *agent) hello(ctx context.Context) error {
	m, err := a.link.receive(ctx)
	if err != nil {
		return err
	}
	if m.name != devicelink.ProcessMessage {
		return protocolError("%s instead of Hello", m.name)
	}
	req, err := decodeRequest(m.args)
	if err != nil {
		return err
	}
	if req.name != mobilebackup2.MsgHello {
		return protocolError("%s instead of Hello", req.name)
	}
	version := req.protocolVersion()
	code := int64(mobilebackup2.CodeOK)
	if version == 0 {
		code = int64(mobilebackup2.CodeGeneric)
	}
	return a.link.send(ctx, devicelink.ProcessMessage,
		mobilebackup2.HelloResponse{MessageName: mobilebackup2.MsgResponse, ErrorCode: &code, ProtocolVersion: version})
}

// answer does one request. Its error ends the connection.
func (a *agent) answer(ctx context.Context, req request) error {
	a.link.conn.SetIdle(hostPatience)
	var err error
	after := func() {}
	switch req.name {
	case mobilebackup2.MsgBackup:
		err = a.exclusively(ctx, func() error { return a.backup(ctx, req) })
	case mobilebackup2.MsgRestore:
		err = a.exclusively(ctx, func() error { return a.restore(ctx, req) })
		if err == nil && req.restoreOptions().ShouldReboot {
			after = a.phone.Reboot
		}
	case mobilebackup2.MsgChangePassword:
		err = a.exclusively(ctx, func() error { return a.changePassword(ctx, req) })
	case mobilebackup2.MsgEraseDevice:
		if err = a.checkTarget(req); err == nil {
			a.phone.Erase()
			return errDisconnected // no answer: the link drops (protocol.md 4.2)
		}
	case mobilebackup2.MsgInfo, mobilebackup2.MsgList, mobilebackup2.MsgUnback, mobilebackup2.MsgExtract:
		err = a.legacy(ctx, req)
	case mobilebackup2.MsgCancelBackup:
	case "EnableCloudBackup":
		err = mbError(210, "No iCloud account")
	case "Remove":
		err = mbError(mobilebackup2.CodeGeneric, "Remove is no longer supported")
	default:
		return protocolError("unknown request %s", req.name)
	}
	if err := a.respond(ctx, err); err != nil {
		return err
	}
	after()
	return nil
}

// respond sends the final response for the outcome of a request, or returns
// the error that leaves nothing to say.
func (a *agent) respond(ctx context.Context, outcome error) error {
	if outcome == nil {
		// A fault here turns a success into its opposite.
		outcome = a.hit(ctx, "respond", 1)
	}
	code := mobilebackup2.CodeOK
	answer := mobilebackup2.Response{MessageName: mobilebackup2.MsgResponse, ErrorCode: &code}
	if outcome != nil {
		mb, ok := refusal(ctx, outcome)
		if !ok {
			return outcome
		}
		code = mb.Code
		answer.ErrorDescription = mb.Error()
	}
	return a.link.send(ctx, devicelink.ProcessMessage, answer)
}

// checkTarget refuses requests for another phone.
func (a *agent) checkTarget(req request) error {
	if req.target != a.phone.Identity().UDID {
		return mbError(mobilebackup2.CodeGeneric, fmt.Sprintf("Invalid target identifier: %q", req.target))
	}
	return nil
}

// unlock shows the passcode prompt, after which the phone must be unlocked
// (protocol.md 6).
func (a *agent) unlock(ctx context.Context) error {
	watched, stop := a.link.watch(ctx)
	entered, err := a.phone.Authenticate(watched)
	gone := context.Cause(watched)
	stop()
	switch {
	case gone != nil:
		return gone
	case errors.Is(err, ErrTimeout):
		return errLockedTimeout
	case errors.Is(err, ErrRefused):
		return errLocked
	case err != nil:
		return fmt.Errorf("ask for the passcode: %w", err)
	}
	if !entered && a.phone.Policy().Locked { // who enters it has unlocked the phone, which may lock again
		return errLocked
	}
	return nil
}

// busy holds, by state folder, a channel that is full while a request is at work.
var busy sync.Map

// turn is how long a request waits for one before it whose connection has just
// broken.
const turn = 20 * time.Second

// exclusively runs job when no other is at work on the phone.
func (a *agent) exclusively(ctx context.Context, job func() error) error {
	v, _ := busy.LoadOrStore(a.dir, make(chan struct{}, 1))
	slot := v.(chan struct{})
	wait := time.NewTimer(turn)
	defer wait.Stop()
	select {
	case slot <- struct{}{}:
	case <-wait.C:
		return mbError(mobilebackup2.CodeGeneric, "Another backup or restore is in progress")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-slot }()
	return job()
}

// legacy answers what phones since iOS 10 fail at: they look for a
// Manifest.mbdb that no backup has any more (protocol.md 4.14).
func (a *agent) legacy(ctx context.Context, req request) error {
	if err := a.checkTarget(req); err != nil {
		return err
	}
	folder := req.folder()
	props, err := a.readProperties(ctx, folder+"/Manifest.plist", 0)
	if err != nil {
		return err
	}
	if props.IsEncrypted && req.password.IsZero() {
		return errRestorePassword
	}
	name := folder + "/Manifest.mbdb"
	_, failed, err := a.readSmall(ctx, name, 0)
	if err != nil {
		return err
	}
	if failed == nil {
		return mbError(mobilebackup2.CodeVersion, "Unsupported backup version")
	}
	return readFailed("Error reading manifest", failed.mb())
}

// folder is the backup folder that a request means: the source's, which is
// the phone's own unless the host says otherwise.
func (r request) folder() string {
	if r.source != "" {
		return r.source
	}
	return r.target
}

// cutShort turns the end of the stream inside something into a broken wire.
func cutShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return &framing.WireError{Op: "read", Err: io.ErrUnexpectedEOF}
	}
	return err
}
