package backupagent

import (
	"bytes"
	"fmt"
	"math"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// The rows of protocol.md 7 about DeviceLink and mobilebackup2, each with the
// phone served by every client named there. The rows about the muxer, lockdownd
// and the small services are tested in package virtualphone.
func TestClientDifferences(t *testing.T) {
	for _, row := range []struct {
		topic string
		test  func(t *testing.T, h *clientHost)
	}{
		{"plist type: both accepted, binary sent", rowPlistType},
		{"DLVersionsOk third element: any; 400, 0 sent", rowVersionsOK},
		{"Backup keys: TargetIdentifier is enough", rowBackupKeys},
		{"full backup: either way, Manifest never read", rowFullBackup},
		{"first Status.plist: missing or there", rowFirstStatus},
		{"failing file in DownloadFiles: later paths need not come", rowFailingFile},
		{"code for local error: any but 0x0C ends the file", rowErrorCode},
		{"end codes: 0x00 of length 1, 0x0B with text", rowEndCodes},
		{"parent directories: made first", rowParents},
		{"move destination: into folders that are there, files only", rowMoves},
		{"MoveItems and RemoveItems, not the old names", rowNames},
		{"missing folder: never listed", rowListing},
		{"CreateDirectory: a payload of any type", rowPayload},
		{"negative codes: 32 bits of any number", rowNegative},
		{"errno mapping: -1 is a failure like others", rowGenericFailure},
		{"data frames of any size, in pieces", rowFrames},
		{"free space: 64 bits without overflow", rowFreeSpace},
		{"PurgeDiskSpace: only when needed", rowPurge},
		{"unknown messages: none", rowMessages},
	} {
		for _, c := range section7Clients {
			t.Run(row.topic+"/"+c.name, func(t *testing.T) {
				h := newClientHost(t, c)
				row.test(t, h)
			})
		}
	}
}

func rowPlistType(t *testing.T, h *clientHost) {
	h.p.fill()
	wantSuccess(t, h.backupAs()) // connectAs looks at what the phone sends
	h.wantWhole()
	h.restoreAs()
}

func rowVersionsOK(t *testing.T, h *clientHost) {
	for _, third := range []any{400, 300, 500, uint64(1) << 63, 400.0, "400", devicelink.EmptyParameter} {
		near, far := net.Pipe()
		h.attach(near)
		done := make(chan error, 1)
		h.done = done
		go func() { done <- serve(h.p.ctx, far, h.p, h.p.rules) }()
		h.receive()
		h.send(devicelink.VersionExchange, devicelink.VersionsOK, third)
		if m := h.receive(); m.name != devicelink.DeviceReady {
			t.Errorf("%v (%T) is answered with %v", third, third, m)
		}
		h.close()
	}
	h.p.fill()
	wantSuccess(t, h.backupAs())
}

func rowBackupKeys(t *testing.T, h *clientHost) {
	h.p.fill()
	for _, keys := range []map[string]any{h.c.keys, nil, {"Unheard": "of"}} {
		h.connectAs()
		wantSuccess(t, h.do("Backup", keys))
		h.close()
	}
	h.wantWhole()
}

func rowFullBackup(t *testing.T, h *clientHost) {
	h.p.fill()
	readsManifest := func(h *clientHost) bool {
		return slices.ContainsFunc(h.beforeUpload(), func(line string) bool { return strings.Contains(line, "Manifest") })
	}
	wantSuccess(t, h.backupAs())
	if readsManifest(h) {
		t.Errorf("first backup: %v", h.beforeUpload())
	}
	if !h.c.newStatus {
		// No phone is known to heed ForceFullBackup on a finished backup: in
		// real logs it reads the manifest and goes on from there (protocol.md
		// 4.2). Only an empty folder makes it full.
		wantSuccess(t, h.backupAs())
		if sent := h.sent(h.p); !readsManifest(h) || len(sent) > 0 {
			t.Errorf("ForceFullBackup on a finished backup: sent %v after %v", sent, h.beforeUpload())
		}
		clear(h.files)
		h.folders = map[string]bool{".": true}
	} else {
		h.forceFull()
		if h.c.empty {
			h.files[testUDID+"/Manifest.plist"] = nil
		}
	}
	wantSuccess(t, h.backupAs())
	if sent := h.sent(h.p); readsManifest(h) || len(sent) != len(h.p.stored()) {
		t.Errorf("full backup: sent %d of %d files after %v", len(sent), len(h.p.stored()), h.beforeUpload())
	}
	h.wantWhole()
}

func rowFirstStatus(t *testing.T, h *clientHost) {
	h.p.fill()
	uuid := ""
	if h.c.newStatus {
		uuid = h.state().UUID
	} else if len(h.files) > 0 {
		t.Fatal("the folder is not empty")
	}
	wantSuccess(t, h.backupAs())
	s := h.state()
	if s.IsFullBackup || s.SnapshotState != itunesbackup.SnapshotFinished || s.BackupState != itunesbackup.BackupNew || uuid != "" && s.UUID != uuid {
		t.Errorf("status %+v", s)
	}
	h.wantWhole()
}

func rowFailingFile(t *testing.T, h *clientHost) {
	h.p.fill()
	wantSuccess(t, h.backupAs())
	lost := testUDID + "/" + itunesbackup.MakeFileID("HomeDomain", "Library/Preferences/com.apple.a.plist").Path()
	data, ok := h.files[lost]
	if !ok {
		t.Fatal("nothing to lose")
	}
	delete(h.files, lost)
	before := h.p.digest(false)
	h.connectAs()
	restore := func() result {
		return h.do("Restore", map[string]any{"Options": map[string]any{"RestoreDontCopyBackup": true}})
	}
	if r := restore(); r.err != nil || r.code != 205 || !strings.Contains(r.text, `"`+lost+`" (MBErrorDomain/4)`) {
		t.Errorf("phone answered %d %q, %v", r.code, r.text, r.err)
	}
	if diff := cmp.Diff(before, h.p.digest(false)); diff != "" {
		t.Errorf("the phone changed (-before +after):\n%s", diff)
	}
	h.files[lost] = data
	wantSuccess(t, restore()) // both sides are still in step
	h.close()
}

func rowErrorCode(t *testing.T, h *clientHost) {
	for _, code := range []byte{devicelink.CodeLocalError, devicelink.CodeRemoteError, 0x01, 0xFF} {
		h.code = code
		clear(h.files)
		clear(h.folders)
		h.folders["."] = true
		h.p.wipe()
		h.p.write("HomeDomain/Library/a.txt", []byte{code})
		if r := h.backupAs(); r.err != nil || r.code != 0 {
			t.Errorf("%#x: phone answered %d %q, %v", code, r.code, r.text, r.err)
		}
		h.wantWhole()
	}
}

func rowEndCodes(t *testing.T, h *clientHost) {
	h.p.fill()
	h.p.fault("readerror@upload.file:3")
	wantSuccess(t, h.backupAs()) // takeFile refuses every other end
	ends := map[string]int{}
	for _, end := range h.received {
		ends[end]++
	}
	if ends[""] < 9 || ends[" failed: Input/output error (5)"] != 1 || len(ends) != 2 {
		t.Errorf("files end with %v", ends)
	}
}

func rowParents(t *testing.T, h *clientHost) {
	h.p.fill()
	wantSuccess(t, h.backupAs()) // takeFile refuses files without a folder
	last, first := 0, len(h.log)
	for i, line := range h.log {
		switch verb, _, _ := strings.Cut(line, " "); {
		case verb == "mkdir":
			last = i
		case verb == "upload":
			first = min(first, i)
		}
	}
	if last > first {
		t.Errorf("%q comes after %q", h.log[last], h.log[first])
	}
	for _, f := range []string{"", "/00", "/ff", "/Snapshot", "/Snapshot/00", "/Snapshot/ff"} {
		if !slices.ContainsFunc(h.asked, func(m message) bool { return m.name == devicelink.CreateDirectory && m.args[0] == testUDID+f }) {
			t.Errorf("%q was not made", testUDID+f)
		}
	}
}

func rowMoves(t *testing.T, h *clientHost) {
	h.p.fill()
	replaced := 0
	h.watch = func(name string, args []any) ([]any, bool) {
		if name != devicelink.MoveItems {
			return nil, false
		}
		for from, to := range args[0].(map[string]any) {
			if _, ok := h.files[from]; !ok {
				t.Errorf("%q is moved and is no file", from)
			}
			if dir := path.Dir(to.(string)); !h.folders[dir] {
				t.Errorf("%q is moved into %q, which is no folder", from, dir)
			}
			if h.folders[to.(string)] {
				t.Errorf("%q is moved onto the folder %q", from, to)
			}
			if _, ok := h.files[to.(string)]; ok {
				replaced++
			}
		}
		return nil, false
	}
	wantSuccess(t, h.backupAs())
	h.p.write("HomeDomain/Library/SMS/sms.db", []byte("one more"))
	wantSuccess(t, h.backupAs())
	if replaced != 3 { // sms.db, Manifest.plist and Manifest.db
		t.Errorf("%d files were replaced", replaced)
	}
	h.wantWhole()
}

func rowNames(t *testing.T, h *clientHost) {
	h.p.fill()
	wantSuccess(t, h.backupAs())
	h.p.remove("HomeDomain/Library/SMS/sms.db")
	wantSuccess(t, h.backupAs())
	for name, want := range map[string]bool{devicelink.MoveItems: true, devicelink.RemoveItems: true, devicelink.MoveFiles: false, devicelink.RemoveFiles: false} {
		if h.askedFor(name) != want {
			t.Errorf("%s sent: %t", name, !want)
		}
	}
	h.wantWhole()
}

func rowListing(t *testing.T, h *clientHost) {
	h.p.fill()
	h.watch = func(name string, args []any) ([]any, bool) {
		if name == devicelink.ContentsOfDirectory && !h.folders[args[0].(string)] {
			t.Errorf("the phone lists %q", args[0])
			if h.c.raises {
				return nil, true
			}
			return []any{0, devicelink.EmptyParameter, map[string]any{}}, true
		}
		return nil, false
	}
	for _, cut := range []string{"cut@scan", "cut@upload:300000", "cut@move:2", "cut@remove", "cut@verify"} {
		h.p.fault(cut)
		if r := h.backupAs(); r.err == nil {
			t.Errorf("%s: phone answered %d %q", cut, r.code, r.text)
		}
		h.p.Clear()
		wantSuccess(t, h.backupAs())
		h.wantWhole()
		h.p.write("CameraRollDomain/Media/DCIM/100APPLE/"+cut[4:8]+".HEIC", bytes.Repeat([]byte("x"), 400_000))
	}
	if !h.askedFor(devicelink.ContentsOfDirectory) {
		t.Error("the phone lists nothing")
	}
}

func rowPayload(t *testing.T, h *clientHost) {
	h.p.fill()
	payloads := []any{h.c.made, devicelink.EmptyParameter, "", map[string]any{}, []any{}, 0, 1.5, true, []byte{1}}
	n := 0
	h.watch = func(name string, _ []any) ([]any, bool) {
		if name == devicelink.CreateDirectory {
			n++
			h.c.made = payloads[n%len(payloads)]
		}
		return nil, false
	}
	wantSuccess(t, h.backupAs())
	wantSuccess(t, h.backupAs()) // the folders are there already
}

func rowNegative(t *testing.T, h *clientHost) {
	h.p.fill()
	own, n := h.c.negative, 0
	h.c.exists = devicelink.StatusExists // so -6, -7 and -13 occur
	h.c.negative = func(s devicelink.Status) any {
		n++
		return []any{own(s), bits64(s), signed(s), uint64(uint32(s))}[n%4]
	}
	for range 3 {
		wantSuccess(t, h.backupAs())
	}
	h.wantWhole()
	if n < 500 {
		t.Errorf("%d negative codes were sent", n)
	}
}

func rowGenericFailure(t *testing.T, h *clientHost) {
	h.p.fill()
	failing := ""
	h.watch = func(name string, args []any) ([]any, bool) {
		if name != failing {
			return nil, false
		}
		if name == devicelink.DownloadFiles {
			paths := args[0].([]any)
			h.sendAs(paths[:0])
		}
		return []any{h.c.negative(devicelink.StatusError), "Permission denied", h.c.made}, true
	}
	h.connectAs()
	for _, tt := range []struct {
		message string
		code    int64
		text    string
	}{
		{devicelink.DownloadFiles, 103, `Error reading status (MBErrorDomain/103). Underlying error: Permission denied at path "` + testUDID + `/Status.plist" (MBErrorDomain/100).`},
		{devicelink.CreateDirectory, 104, `Error creating directory (MBErrorDomain/104). Underlying error: Permission denied at path "` + testUDID + `" (MBErrorDomain/100).`},
		{devicelink.RemoveItems, 104, `Error removing snapshot directory (MBErrorDomain/104). Underlying error: Permission denied at path "` + testUDID + `/Snapshot" (MBErrorDomain/100).`},
		{"", 0, ""},
	} {
		failing = tt.message
		if r := h.do("Backup", h.c.keys); r.err != nil || r.code != tt.code || r.text != tt.text {
			t.Errorf("%s: phone answered %d %q, %v", tt.message, r.code, r.text, r.err)
		}
	}
	h.close()
	h.wantWhole()
}

// rowFrames restores a file in frames of the client's size; the one that knows
// no limit sends 64 MiB in one frame, and the phone must not hold it in memory.
func rowFrames(t *testing.T, h *clientHost) {
	h.p.fill()
	const big, bound = 64 << 20, 16 << 20
	if h.c.chunk > big {
		name := "CameraRollDomain/Media/DCIM/100APPLE/IMG_0009.MOV"
		h.p.write(name, nil)
		if err := os.Truncate(filepath.Clean(h.p.at(name)), big); err != nil {
			t.Fatal(err)
		}
		h.p.stamp(name)
	}
	wantSuccess(t, h.backupAs())
	h.wantWhole()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.restoreAs()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; h.c.chunk > big && took > bound {
		t.Errorf("the restore took %d bytes of memory", took)
	}
}

// need is what the phone wants free before it uploads (protocol.md 4.17).
func (p *testPhone) need() int64 {
	p.t.Helper()
	need := int64(spaceReserve)
	for _, f := range p.files() {
		if !p.rules.Backed(f[0], f[1], false) {
			continue
		}
		info, err := os.Stat(p.at(f[0] + "/" + f[1]))
		if err != nil {
			p.t.Fatal(err)
		}
		need += info.Size()
	}
	return need
}

func rowFreeSpace(t *testing.T, h *clientHost) {
	h.p.fill()
	for _, free := range []any{h.c.free, h.p.need() + 1, uint64(math.MaxUint64)} {
		clear(h.files)
		h.p.wipeAgent()
		h.c.free, h.asked = free, nil
		if r := h.backupAs(); r.err != nil || r.code != 0 || h.askedFor(devicelink.PurgeDiskSpace) {
			t.Errorf("%v free: phone answered %d %q, %v; purge wanted: %t", free, r.code, r.text, r.err, h.askedFor(devicelink.PurgeDiskSpace))
		}
	}
}

func rowPurge(t *testing.T, h *clientHost) {
	h.p.fill()
	need := h.p.need()
	for _, free := range []int64{0, need} {
		h.c.free = free
		r := h.backupAs()
		if r.err != nil || r.code != 105 || r.text != "Insufficient free disk space on drive to back up (MBErrorDomain/105)" {
			t.Errorf("%d free: phone answered %d %q, %v", free, r.code, r.text, r.err)
		}
		want := []string{"free", fmt.Sprintf("purge %d 4", need-free+2<<30)}
		if h.c.purge == nil { // success: the phone looks again
			want = append(want, "free")
		}
		if got := h.log[len(h.log)-len(want):]; !slices.Equal(got, want) {
			t.Errorf("%d free: phone asked for %v, want %v", free, got, want)
		}
	}
	if h.c.raises { // as its older versions
		h.watch = func(name string, _ []any) ([]any, bool) { return nil, name == devicelink.PurgeDiskSpace }
		if r := h.backupAs(); r.err == nil {
			t.Errorf("phone answered %d %q to nobody", r.code, r.text)
		}
		h.watch = nil
	}
	h.c.free = need + 1
	wantSuccess(t, h.backupAs())
}

// rowMessages counts the elements behind each name, as protocol.md 4.3 has them.
func rowMessages(t *testing.T, h *clientHost) {
	elements := map[string]int{
		devicelink.DownloadFiles: 4, devicelink.UploadFiles: 3, devicelink.GetFreeDiskSpace: 0, devicelink.PurgeDiskSpace: 2,
		devicelink.ContentsOfDirectory: 3, devicelink.CreateDirectory: 3, devicelink.MoveItems: 3, devicelink.RemoveItems: 3, devicelink.CopyItem: 5,
	}
	h.p.fill()
	wantSuccess(t, h.backupAs())
	h.p.remove("HomeDomain/Library/SMS/sms.db")
	h.p.write("HomeDomain/Library/b.txt", []byte("b"))
	wantSuccess(t, h.backupAs())
	h.connectAs()
	wantSuccess(t, h.do("Restore", map[string]any{"SourceIdentifier": testUDID})) // with a copy
	h.close()
	if !h.askedFor(devicelink.CopyItem) {
		t.Error("the restore made no copy")
	}
	for _, m := range h.asked {
		if want, known := elements[m.name]; !known || len(m.args) != want {
			t.Errorf("%s of %d elements behind the name", m.name, len(m.args))
		}
	}
}
