package backupagent

import (
	"bytes"
	"context"
	"math"
	"net"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// client is a column of protocol.md 7: how one program behaves as a host.
type client struct {
	name      string
	xml       bool           // its property lists are XML
	mixed     bool           // its Hello is XML, what follows is binary
	echo      bool           // DLVersionsOk repeats the phone's version instead of 400
	keys      map[string]any // of Backup, beside TargetIdentifier
	newStatus bool           // puts a Status.plist there before the first backup
	empty     bool           // and an empty Manifest.plist when it wants a full one
	stops     bool           // a file it cannot read ends the batch
	chunk     int            // bytes of data in one frame
	made      any            // payload of the answer to CreateDirectory
	exists    devicelink.Status
	negative  func(devicelink.Status) any
	raises    bool // gives up the job on what it does not expect
	free      any
	purge     []any // answer to PurgeDiskSpace; nil repeats the free space
}

func bits64(s devicelink.Status) any { return uint64(int64(s)) }
func signed(s devicelink.Status) any { return int64(s) }

var section7Clients = []client{
	{
		name: "libimobiledevice",
		keys: map[string]any{"SourceIdentifier": testUDID, "Options": map[string]any{"ForceFullBackup": true}}, stops: true, chunk: 32 << 10,
		made: devicelink.EmptyParameter, exists: devicelink.StatusExists, negative: bits64,
		free: int64(1 << 40), purge: []any{-1, "Operation not supported", map[string]any{}},
	}, {
		name: "pymobiledevice3", xml: true, echo: true,
		newStatus: true, empty: true, chunk: 32 << 10,
		made: map[string]any{}, negative: bits64, raises: true,
		free: int64(1 << 40), purge: []any{-1, "Operation not supported", 0},
	}, {
		name: "idevice",
		keys: map[string]any{"SourceIdentifier": testUDID, "Options": map[string]any{"ForceFullBackup": true}}, chunk: 32 << 10,
		made: devicelink.EmptyParameter, negative: signed,
		free: int64(1 << 40), purge: []any{-1, "Operation not supported", map[string]any{}},
	}, {
		name: "NIMD", mixed: true,
		newStatus: true, chunk: 128 << 20,
		made: map[string]any{}, negative: signed,
		free: int64(math.MaxInt64),
	},
}

// clientHost is a testHost that behaves like c.
type clientHost struct {
	*testHost
	c     client
	p     *testPhone
	asked []message                                   // everything the phone asked for
	watch func(name string, args []any) ([]any, bool) // as testHost.before
	code  byte                                        // that ends a file it cannot read
}

func newClientHost(t *testing.T, c client) *clientHost {
	h := &clientHost{testHost: newHost(t), c: c, p: newPhone(t), code: devicelink.CodeLocalError}
	h.xml = c.xml
	h.before = h.answerAs
	if c.newStatus {
		h.forceFull()
	}
	return h
}

// forceFull writes the Status.plist of a backup that has to be full.
func (h *clientHost) forceFull() {
	h.t.Helper()
	data, err := itunesbackup.StatusPlist{IsFullBackup: true, Version: "3.3", UUID: "61AC4632-C46E-4BF8-888A-0B1C89FAA39D", Date: testDay,
		BackupState: itunesbackup.BackupNew, SnapshotState: itunesbackup.SnapshotFinished}.Marshal()
	if err != nil {
		h.t.Fatal(err)
	}
	h.folders[testUDID] = true
	h.files[testUDID+"/Status.plist"] = data
}

// connectAs is the handshake as the client does it.
func (h *clientHost) connectAs() {
	h.t.Helper()
	near, far := net.Pipe()
	h.attach(near)
	done := make(chan error, 1)
	h.done = done
	go func() { done <- serve(h.p.ctx, far, h.p, h.p.rules) }()
	body, err := h.fc.ReceiveFrame(h.p.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	m, err := decodeMessage(body)
	if err != nil || m.name != devicelink.VersionExchange || len(m.args) != 2 || m.args[0] != uint64(400) || m.args[1] != uint64(0) {
		h.t.Fatalf("the phone opens with %v, %v", m, err)
	}
	if !bytes.HasPrefix(body, []byte("bplist00")) {
		h.t.Errorf("the phone speaks %.20q", body)
	}
	third := any(400)
	if h.c.echo {
		third = m.args[0]
	}
	h.send(devicelink.VersionExchange, devicelink.VersionsOK, third)
	if m := h.receive(); m.name != devicelink.DeviceReady || len(m.args) != 0 {
		h.t.Fatalf("the phone says %v, want ready", m)
	}
	h.hello()
	if m := h.receive(); m.name != devicelink.ProcessMessage || m.args[0].(map[string]any)["ProtocolVersion"] != 2.1 {
		h.t.Fatalf("hello answered with %v", m)
	}
}

func (h *clientHost) hello() {
	h.t.Helper()
	hello := []any{devicelink.ProcessMessage, map[string]any{"MessageName": "Hello", "SupportedProtocolVersions": []float64{2.0, 2.1}}}
	if !h.c.mixed {
		h.send(hello...)
		return
	}
	body, err := plist.Marshal(hello, plist.XML)
	if err == nil {
		err = devicelink.WriteFrame(h.conn, body)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// backupAs runs a backup on a connection of its own.
func (h *clientHost) backupAs() result {
	h.t.Helper()
	h.connectAs()
	defer h.conn.Close()
	return h.do("Backup", h.c.keys)
}

// restoreAs erases the phone, restores and compares.
func (h *clientHost) restoreAs() {
	h.t.Helper()
	before := h.p.digest(false)
	h.p.wipe()
	h.connectAs()
	wantSuccess(h.t, h.do("Restore", map[string]any{"SourceIdentifier": testUDID, "Options": map[string]any{"RestoreDontCopyBackup": true}}))
	h.close()
	h.p.boot()
	if diff := cmp.Diff(before, h.p.digest(false)); diff != "" {
		h.t.Errorf("restored phone (-before +after):\n%s", diff)
	}
}

// wantWhole compares the host's files with the phone's.
func (h *clientHost) wantWhole() {
	h.t.Helper()
	if diff := cmp.Diff(h.p.stored(), h.stored()); diff != "" {
		h.t.Errorf("host folder (-want +got):\n%s", diff)
	}
}

// askedFor tells whether the phone sent such a message.
func (h *clientHost) askedFor(name string) bool {
	return slices.ContainsFunc(h.asked, func(m message) bool { return m.name == name })
}

// answerAs answers what the clients do not agree on, and leaves the rest to
// testHost. No status means that the client gives up.
func (h *clientHost) answerAs(name string, args []any) ([]any, bool) {
	h.asked = append(h.asked, message{name, args})
	if h.watch != nil {
		if s, handled := h.watch(name, args); handled {
			return s, true
		}
	}
	switch name {
	case devicelink.DownloadFiles:
		return h.sendAs(args[0].([]any)), true
	case devicelink.CreateDirectory:
		folder := args[0].(string)
		h.note("mkdir %s", h.short(folder))
		h.check(folder)
		if h.folders[folder] && h.c.exists != devicelink.StatusOK {
			return []any{h.c.negative(h.c.exists), "File exists", h.c.made}, true
		}
		h.folders[folder] = true
		return []any{0, devicelink.EmptyParameter, h.c.made}, true
	case devicelink.GetFreeDiskSpace:
		h.note("free")
		return []any{0, devicelink.EmptyParameter, h.c.free}, true
	case devicelink.PurgeDiskSpace:
		h.note("purge %v %v", args...)
		if h.c.purge == nil {
			return []any{0, devicelink.EmptyParameter, h.c.free}, true
		}
		return h.c.purge, true
	case devicelink.RemoveItems:
		return h.removeAs(args[0].([]any))
	case devicelink.MoveFiles, devicelink.RemoveFiles:
		h.t.Errorf("%s, which newer clients do not know", name)
		return nil, true
	}
	return nil, false
}

// removeAs reports what is not there with the client's numbers.
func (h *clientHost) removeAs(paths []any) ([]any, bool) {
	for _, v := range paths {
		p := v.(string)
		if _, ok := h.files[p]; !ok && !h.folders[p] {
			h.note("remove %d: %s", len(paths), h.short(p))
			return h.multi(p, devicelink.StatusNotFound), true
		}
	}
	return nil, false
}

func (h *clientHost) multi(p string, code devicelink.Status) []any {
	return []any{h.c.negative(devicelink.StatusMulti), "Multi status", map[string]any{p: map[string]any{
		devicelink.KeyErrorString: "No such file or directory", devicelink.KeyErrorCode: h.c.negative(code)}}}
}

// sendAs sends files in the client's frames and gives its status.
func (h *clientHost) sendAs(paths []any) []any {
	w, release := h.fc.Writer(context.Background())
	defer release()
	write := func(parts ...[]byte) {
		if err := devicelink.WriteFrame(w, parts...); err != nil {
			h.t.Errorf("send files: %v", err)
		}
	}
	status := []any{0, devicelink.EmptyParameter, map[string]any{}}
	for _, v := range paths {
		p := v.(string)
		h.check(p)
		h.note("download %s", h.short(p))
		write([]byte(p))
		data, ok := h.files[p]
		if !ok {
			write([]byte{h.code}, []byte("No such file or directory"))
			status = h.multi(p, devicelink.StatusNotFound)
			if h.c.stops {
				break
			}
			continue
		}
		for len(data) > 0 {
			n := min(len(data), h.c.chunk)
			write([]byte{devicelink.CodeData}, data[:n])
			data = data[n:]
		}
		write([]byte{devicelink.CodeSuccess})
	}
	write()
	return status
}

// beforeUpload is what was noted before the phone looked for room.
func (h *clientHost) beforeUpload() []string {
	h.t.Helper()
	i := slices.Index(h.log, "free")
	if i < 0 {
		h.t.Fatalf("the phone never asked for free space: %.10q", h.log)
	}
	return h.log[:i]
}
