package backupagent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/framing"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// testHost is a host that keeps the backup in memory, knows what it expects
// and writes down what the phone does.
type testHost struct {
	t       *testing.T
	files   map[string][]byte // by path, the UDID first
	folders map[string]bool
	free    int64
	xml     bool // speak XML, as some hosts do

	conn net.Conn
	fc   *framing.Conn
	done chan error // how Serve ended

	log      []string          // what the phone asked for, one line each
	received map[string]string // host path to how its last upload ended
	progress []float64
	// before may answer a message instead of the host, or end the connection.
	before func(name string, args []any) (status []any, handled bool)
	// intercept sees every host path of an upload before it is stored.
	onFile func(path string)
}

func newHost(t *testing.T) *testHost {
	t.Helper()
	return &testHost{t: t, files: map[string][]byte{}, folders: map[string]bool{".": true}, free: 1 << 50, received: map[string]string{}}
}

// connect starts the agent of p on a new connection and greets it.
func (h *testHost) connect(p *testPhone) {
	h.t.Helper()
	near, far := net.Pipe()
	h.attach(near)
	done := make(chan error, 1)
	h.done = done
	rules := p.rules
	go func() { done <- serve(p.ctx, far, p, rules) }()
	h.greet()
}

func (h *testHost) attach(conn net.Conn) {
	h.conn = conn
	format := plist.Binary
	if h.xml {
		format = plist.XML
	}
	h.fc = framing.New(conn, format)
	h.fc.SetIdle(20 * time.Second)
}

func (h *testHost) greet() {
	h.t.Helper()
	if m := h.receive(); m.name != devicelink.VersionExchange {
		h.t.Fatalf("phone opens with %v", m)
	}
	h.send(devicelink.VersionExchange, devicelink.VersionsOK, 400)
	if m := h.receive(); m.name != devicelink.DeviceReady {
		h.t.Fatalf("phone says %v, want ready", m)
	}
	h.send(devicelink.ProcessMessage, map[string]any{"MessageName": "Hello", "SupportedProtocolVersions": []float64{2.0, 2.1}})
	m := h.receive()
	dict := m.args[0].(map[string]any)
	if code, ok := integer(dict["ErrorCode"]); !ok || code != 0 || dict["ProtocolVersion"] != 2.1 {
		h.t.Fatalf("hello answered with %v", dict)
	}
}

// close hangs up and waits for the agent.
func (h *testHost) close() error {
	h.t.Helper()
	h.conn.Close()
	select {
	case err := <-h.done:
		return err
	case <-time.After(10 * time.Second):
		h.t.Fatal("the agent does not end")
		return nil
	}
}

func (h *testHost) send(parts ...any) {
	h.t.Helper()
	if err := h.fc.Send(context.Background(), parts); err != nil {
		h.t.Fatalf("send %v: %v", parts[0], err)
	}
}

func (h *testHost) receive() message {
	h.t.Helper()
	m, err := h.tryReceive()
	if err != nil {
		h.t.Fatalf("receive: %v", err)
	}
	return m
}

func (h *testHost) tryReceive() (message, error) {
	body, err := h.fc.ReceiveFrame(context.Background())
	if err != nil {
		return message{}, err
	}
	return decodeMessage(body)
}

// result is the final response, or how the connection ended without one.
type result struct {
	code int64
	text string
	err  error
}

// do sends a request and serves the phone until its response.
func (h *testHost) do(name string, more map[string]any) result {
	h.t.Helper()
	req := map[string]any{"MessageName": name, "TargetIdentifier": testUDID}
	for k, v := range more {
		req[k] = v
	}
	h.log, h.progress = nil, nil
	clear(h.received)
	if err := h.fc.Send(context.Background(), []any{devicelink.ProcessMessage, req}); err != nil {
		return result{err: err}
	}
	for {
		m, err := h.tryReceive()
		if err != nil {
			return result{err: err}
		}
		if m.name == devicelink.Disconnect {
			return result{err: errDisconnected}
		}
		if m.name == devicelink.ProcessMessage {
			dict, ok := m.args[0].(map[string]any)
			if !ok || len(m.args) != 1 {
				h.t.Fatalf("response %v", m)
			}
			code, ok := integer(dict["ErrorCode"])
			if !ok {
				h.t.Fatalf("response without a code: %v", dict)
			}
			text, _ := dict["ErrorDescription"].(string)
			return result{code: code, text: text}
		}
		if err := h.answer(m); err != nil {
			return result{err: err}
		}
	}
}

// errGone ends the connection in the middle of an exchange.
var errGone = errors.New("host gone")

func (h *testHost) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *testHost) answer(m message) error {
	h.checkProgress(m)
	if h.before != nil {
		if s, handled := h.before(m.name, m.args); handled {
			if s == nil {
				h.conn.Close()
				return errGone
			}
			return h.fc.Send(context.Background(), append([]any{devicelink.StatusResponse}, s...))
		}
	}
	switch m.name {
	case devicelink.DownloadFiles:
		return h.sendFiles(m.args[0].([]any))
	case devicelink.UploadFiles:
		return h.takeFiles()
	case devicelink.GetFreeDiskSpace:
		h.note("free")
		return h.status(0, h.free)
	case devicelink.PurgeDiskSpace:
		h.note("purge %v %v", m.args...)
		return h.fc.Send(context.Background(), []any{devicelink.StatusResponse, -1, "Operation not supported", map[string]any{}})
	case devicelink.ContentsOfDirectory:
		return h.listing(m.args[0].(string))
	case devicelink.CreateDirectory:
		name := m.args[0].(string)
		h.note("mkdir %s", h.short(name))
		h.check(name)
		if h.folders[name] {
			return h.fc.Send(context.Background(), []any{devicelink.StatusResponse, -7, "File exists", devicelink.EmptyParameter})
		}
		h.folders[name] = true
		return h.status(0, devicelink.EmptyParameter)
	case devicelink.MoveItems:
		return h.moves(m.args[0].(map[string]any))
	case devicelink.RemoveItems:
		return h.removes(m.args[0].([]any))
	case devicelink.CopyItem:
		from, to := m.args[0].(string), m.args[1].(string)
		h.note("copy %s", h.short(from))
		for name, data := range h.under(from) {
			h.files[to+strings.TrimPrefix(name, from)] = data
		}
		h.folders[to] = true
		return h.status(0, map[string]any{})
	}
	h.t.Errorf("unknown message %s", m.name)
	return errGone
}

// checkProgress wants every percentage between 0 and 100 and none smaller than
// the one before.
func (h *testHost) checkProgress(m message) {
	at := map[string]int{devicelink.DownloadFiles: 2, devicelink.UploadFiles: 1, devicelink.ContentsOfDirectory: 2,
		devicelink.CreateDirectory: 2, devicelink.MoveItems: 2, devicelink.RemoveItems: 2}
	i, ok := at[m.name]
	if !ok {
		return
	}
	p, ok := m.args[i].(float64)
	if !ok || p < 0 || p > 100 {
		h.t.Errorf("%s has progress %v", m.name, m.args[i])
	}
	if n := len(h.progress); n > 0 && p < h.progress[n-1] {
		h.t.Errorf("progress went from %v back to %v at %s", h.progress[n-1], p, m.name)
	}
	h.progress = append(h.progress, p)
}

func (h *testHost) status(code int, payload any) error {
	return h.fc.Send(context.Background(), []any{devicelink.StatusResponse, code, devicelink.EmptyParameter, payload})
}

// missing answers that there is no such file.
func (h *testHost) missing() error {
	return h.fc.Send(context.Background(), []any{devicelink.StatusResponse, uint64(1<<64 - 6), "No such file or directory", map[string]any{}})
}

// check refuses the paths that a host must refuse.
func (h *testHost) check(p string) {
	if !filepath.IsLocal(p) || path.Clean(p) != p {
		h.t.Errorf("host path %q", p)
	}
}

// under gives the files in a folder and below.
func (h *testHost) under(folder string) map[string][]byte {
	files := map[string][]byte{}
	for name, data := range h.files {
		if strings.HasPrefix(name, folder+"/") {
			files[name] = data
		}
	}
	return files
}

// short leaves out the UDID.
func (h *testHost) short(p string) string {
	return strings.TrimPrefix(strings.TrimPrefix(p, testUDID), "/")
}

// sendFiles answers as libimobiledevice does: it stops at the first error.
func (h *testHost) sendFiles(paths []any) error {
	ctx := context.Background()
	w, release := h.fc.Writer(ctx)
	defer release()
	status := []any{devicelink.StatusResponse, 0, devicelink.EmptyParameter, map[string]any{}}
	for _, v := range paths {
		p := v.(string)
		h.check(p)
		data, ok := h.files[p]
		h.note("download %s", h.short(p))
		if err := devicelink.WriteFrame(w, []byte(p)); err != nil {
			return err
		}
		if !ok {
			if err := devicelink.WriteFrame(w, []byte{devicelink.CodeLocalError}, []byte("No such file or directory")); err != nil {
				return err
			}
			status = []any{devicelink.StatusResponse, uint64(1<<64 - 13), "Multi status",
				map[string]any{p: map[string]any{devicelink.KeyErrorString: "No such file or directory", devicelink.KeyErrorCode: -6}}}
			break
		}
		for len(data) > 0 {
			n := min(len(data), devicelink.HostChunk)
			if err := devicelink.WriteFrame(w, []byte{devicelink.CodeData}, data[:n]); err != nil {
				return err
			}
			data = data[n:]
		}
		if err := devicelink.WriteFrame(w, []byte{devicelink.CodeSuccess}); err != nil {
			return err
		}
	}
	if err := devicelink.WriteFrame(w); err != nil {
		return err
	}
	return h.fc.Send(ctx, status)
}

// takeFiles stores what the phone uploads, as strictly as libimobiledevice.
func (h *testHost) takeFiles() error {
	ctx := context.Background()
	r, release := h.fc.Reader(ctx)
	defer release()
	for {
		device, err := h.frame(r, 4096)
		if err != nil || len(device) == 0 {
			if err == nil {
				err = h.status(0, map[string]any{})
			}
			return err
		}
		name, err := h.frame(r, 4096)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(device), "/") {
			h.t.Errorf("device path %q", device)
		}
		if h.onFile != nil {
			h.onFile(string(name))
		}
		end, err := h.takeFile(r, string(name))
		if err != nil {
			return err
		}
		h.received[string(name)] = end
		h.note("upload %s%s", h.short(string(name)), end)
	}
}

func (h *testHost) takeFile(r io.Reader, name string) (string, error) {
	h.check(name)
	if !h.folders[path.Dir(name)] {
		h.t.Errorf("upload into %s, which is no folder", path.Dir(name))
	}
	h.files[name] = nil
	for {
		data, err := h.frame(r, devicelink.DeviceChunk+1)
		if err != nil {
			return "", err
		}
		if len(data) == 0 {
			return "", fmt.Errorf("empty frame inside %s", name)
		}
		switch {
		case data[0] == devicelink.CodeData:
			h.files[name] = append(h.files[name], data[1:]...)
		case data[0] == devicelink.CodeSuccess && len(data) == 1:
			return "", nil
		case data[0] == devicelink.CodeRemoteError && len(data) > 1:
			return " failed: " + string(data[1:]), nil
		default:
			return "", fmt.Errorf("%s ends with %q", name, data)
		}
	}
}

func (h *testHost) frame(r io.Reader, most uint32) ([]byte, error) {
	n, err := devicelink.ReadFrameLength(r)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

func (h *testHost) listing(name string) error {
	h.note("list %s", h.short(name))
	if !h.folders[name] {
		h.t.Errorf("listing of %s, which is no folder", name)
		return h.missing() // some hosts give up the job here: the phone must not ask
	}
	dict := map[string]any{}
	entry := func(at, kind string, size int) {
		base, inside := strings.CutPrefix(at, name+"/")
		if inside && !strings.Contains(base, "/") {
			dict[base] = map[string]any{devicelink.KeyFileType: kind, devicelink.KeyFileSize: size, devicelink.KeyModificationDate: testDay}
		}
	}
	for at, data := range h.files {
		entry(at, devicelink.TypeRegular, len(data))
	}
	for at := range h.folders {
		entry(at, devicelink.TypeDirectory, 0)
	}
	return h.status(0, dict)
}

func (h *testHost) moves(pairs map[string]any) error {
	froms := slices.Sorted(maps.Keys(pairs))
	h.note("move %d: %s", len(froms), h.short(froms[0]))
	for _, from := range froms {
		to := pairs[from].(string)
		h.check(from)
		h.check(to)
		if !h.folders[path.Dir(to)] {
			h.t.Errorf("move into %s, which is no folder", path.Dir(to))
		}
		if data, ok := h.files[from]; ok {
			h.files[to] = data
			delete(h.files, from)
			continue
		}
		if !h.folders[from] {
			return h.missing()
		}
		for name, data := range h.under(from) {
			h.files[to+strings.TrimPrefix(name, from)] = data
			delete(h.files, name)
		}
		maps.DeleteFunc(h.folders, func(f string, _ bool) bool { return f == from || strings.HasPrefix(f, from+"/") })
		h.folders[to] = true
	}
	return h.status(0, map[string]any{})
}

func (h *testHost) removes(paths []any) error {
	h.note("remove %d: %s", len(paths), h.short(paths[0].(string)))
	for _, v := range paths {
		p := v.(string)
		h.check(p)
		if _, ok := h.files[p]; !ok && !h.folders[p] {
			return h.fc.Send(context.Background(), []any{devicelink.StatusResponse, -13, "Multi status",
				map[string]any{p: map[string]any{devicelink.KeyErrorString: "No such file or directory", devicelink.KeyErrorCode: -6}}})
		}
		in := func(name string) bool { return name == p || strings.HasPrefix(name, p+"/") }
		maps.DeleteFunc(h.files, func(name string, _ []byte) bool { return in(name) })
		maps.DeleteFunc(h.folders, func(name string, _ bool) bool { return in(name) })
	}
	return h.status(0, map[string]any{})
}

// summary folds runs of the same kind of message: what a log of such a run
// looks like from far away. Files in Snapshot are counted per exchange.
func (h *testHost) summary() []string {
	var out []string
	n, last := 0, ""
	flush := func() {
		if n > 1 {
			out[len(out)-1] = fmt.Sprintf("%s ×%d", last, n)
		}
	}
	for _, line := range h.log {
		kind := line
		verb, name, _ := strings.Cut(line, " ")
		switch {
		case verb == "mkdir":
			kind = "mkdir"
		case verb == "list" && len(name) == 2:
			kind = "list shard"
		case verb == "list" && strings.HasPrefix(name, "Snapshot/"):
			kind = "list snapshot shard"
		case verb == "upload" && strings.HasPrefix(name, "Snapshot/") && !strings.Contains(name, "Manifest"):
			kind = "upload file"
			if _, text, failed := strings.Cut(name, " "); failed {
				kind = "upload file " + text
			}
		case verb == "move" && !strings.Contains(name, "Manifest"):
			kind = "move " + strings.SplitN(name, ":", 2)[0]
		case verb == "remove" && len(name) > 40:
			kind = "remove " + strings.SplitN(name, ":", 2)[0]
		}
		if kind == last {
			n++
			continue
		}
		flush()
		out, n, last = append(out, kind), 1, kind
	}
	flush()
	return out
}

// sent lists the data files of the last run, as Domain/path.
func (h *testHost) sent(p *testPhone) []string {
	names := map[string]string{}
	for _, f := range p.files() {
		names[itunesbackup.MakeFileID(f[0], f[1]).Path()] = f[0] + "/" + f[1]
	}
	var out []string
	for name, end := range h.received {
		id := strings.TrimPrefix(name, testUDID+"/Snapshot/")
		if id == name || strings.HasPrefix(id, "Manifest") || end != "" {
			continue
		}
		if n, ok := names[id]; ok {
			id = n
		}
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (h *testHost) state() itunesbackup.StatusPlist {
	h.t.Helper()
	s, err := itunesbackup.ParseStatusPlist(h.files[testUDID+"/Status.plist"])
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// stored lists the data files of the backup.
func (h *testHost) stored() []string {
	var out []string
	for name := range h.under(testUDID) {
		if rel := h.short(name); !strings.HasSuffix(rel, ".plist") && rel != "Manifest.db" {
			out = append(out, rel)
		}
	}
	slices.Sort(out)
	return out
}

// lose deletes a file of the backup.
func (h *testHost) lose(name string) {
	h.t.Helper()
	if _, ok := h.files[testUDID+"/"+name]; !ok {
		h.t.Fatalf("no file %s to lose", name)
	}
	delete(h.files, testUDID+"/"+name)
}

// drop reads an upload to its end and stores nothing.
func (h *testHost) drop() error {
	r, release := h.fc.Reader(context.Background())
	defer release()
	for inFile := 0; ; {
		n, err := devicelink.ReadFrameLength(r)
		if err != nil {
			return err
		}
		if n == 0 && inFile == 0 {
			return nil
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		switch {
		case inFile < 2: // the two paths
			inFile++
		case b[0] != devicelink.CodeData:
			inFile = 0
		}
	}
}
