package backupagent

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// What the phone does on command, as its host sees it.
func TestFaults(t *testing.T) {
	tests := []struct {
		spec string
		code int64
		text string
		ends bool // the connection
	}{
		{spec: "error@status=208", code: 208, text: "Device locked (MBErrorDomain/208)"},
		{spec: "error@scan=3", code: 3, text: "Failed to create snapshot: File exists (17) (MBErrorDomain/3)"},
		{spec: "error@upload:100=101", code: 101, text: "Internal error (MBErrorDomain/101)"},
		{spec: "error@upload.file:3=104", code: 104, text: "Multiple errors uploading files (MBErrorDomain/104)"},
		{spec: "error@respond=1", code: 1, text: "Internal error (MBErrorDomain/1)"},
		{spec: "cancel@upload:1000", code: 202, text: "Cancelled (MBErrorDomain/202)"},
		{spec: "cancel@upload.file:2", code: 202, text: "Cancelled (MBErrorDomain/202)"},
		{spec: "cancel@move", code: 202, text: "Cancelled (MBErrorDomain/202)"},
		{spec: "lock@upload.file:2", code: 208, text: "Device locked (MBErrorDomain/208)"},
		{spec: "truncate@upload.file:2", ends: true},
		{spec: "huge@upload.file:2", ends: true},
		{spec: "badcode@upload.file:2=0x07", ends: true},
		{spec: "nomanifest@manifest", code: 205, text: `Error moving files (MBErrorDomain/205)`},
		{spec: "nonsense@scan", code: 1, text: "fault nonsense@scan means nothing here (MBErrorDomain/1)"},
		{spec: "cut@password", code: 0}, // not a point of Backup
	}
	for _, tt := range tests {
		t.Run(tt.spec, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			p.fault(tt.spec)
			r := backupOnce(t, h, p)
			switch {
			case tt.ends && r.err == nil:
				t.Errorf("phone answered %d %q", r.code, r.text)
			case !tt.ends && (r.err != nil || r.code != tt.code || !strings.HasPrefix(r.text, tt.text)):
				t.Errorf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			if cancelled := slices.Contains(p.notified, notifyCancel); cancelled != strings.HasPrefix(tt.spec, "cancel") {
				t.Errorf("notifications %v", p.notified)
			}
			p.Clear()
			if tt.spec == "nomanifest@manifest" {
				return // the host moved files into a backup that has no manifest
			}
			wantSuccess(t, backupOnce(t, h, p))
			wantRestored(t, h, p)
		})
	}
}

// Destinations that no host may use.
func TestHostilePaths(t *testing.T) {
	tests := map[string]string{
		"path@upload.file:2=../../x":        "../../x",
		"path@upload.file:2=/etc/passwd":    "/etc/passwd",
		"path@upload.file:2=NUL":            "Status\x00.plist",
		`path@upload.file:2=a\x00b`:         "a\x00b",
		"path@upload.file:2=LONG":           strings.Repeat("x", 5000),
		"path@upload.file:2=other/Manifest": "other/Manifest",
	}
	for spec, want := range tests {
		t.Run(spec, func(t *testing.T) {
			p := newPhone(t)
			p.fill()
			p.fault(spec)
			seen := firstBatch(t, p)
			if len(seen) < 2 || seen[1].host != want {
				t.Errorf("destinations %+v", seen)
			}
		})
	}
	p := newPhone(t)
	p.fill()
	p.fault("devpath@upload.file:1=NUL")
	if seen := firstBatch(t, p); seen[0].device != "Status\x00.plist" {
		t.Errorf("source %q", seen[0].device)
	}
	p.fault("duplicate@upload.file:1")
	p.wipeAgent()
	if seen := firstBatch(t, p); len(seen) < 2 || seen[0] != seen[1] {
		t.Errorf("files %+v", seen)
	}
}

type pair struct{ device, host string }

// firstBatch reads the first exchange of data files as it comes and hangs up.
func firstBatch(t *testing.T, p *testPhone) []pair {
	t.Helper()
	h := newHost(t)
	var seen []pair
	uploads := 0
	h.before = func(name string, _ []any) ([]any, bool) {
		if name != devicelink.UploadFiles {
			return nil, false
		}
		if uploads++; uploads == 1 { // Status.plist
			return nil, false
		}
		r, release := h.fc.Reader(t.Context())
		defer release()
		frame := func() []byte {
			b, err := h.frame(r, 1<<20)
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
			return b
		}
		for {
			device := frame()
			if len(device) == 0 {
				return nil, true
			}
			seen = append(seen, pair{string(device), string(frame())})
			for b := frame(); len(b) > 0 && b[0] == devicelink.CodeData; b = frame() {
			}
		}
	}
	if r := backupOnce(t, h, p); r.err == nil {
		t.Fatalf("phone answered %d %q", r.code, r.text)
	}
	h.close()
	return seen
}

// A file that the phone cannot read is reported, and the backup goes on with
// what an earlier one has of it.
func TestUnreadableFile(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	p.fault("readerror@upload.file:3")
	wantSuccess(t, backupOnce(t, h, p))
	var failed string
	for name, end := range h.received {
		if end != "" {
			failed = name
			if end != " failed: Input/output error (5)" {
				t.Errorf("%s ends with%s", name, end)
			}
		}
	}
	if failed == "" {
		t.Fatal("no file failed")
	}
	if got, want := len(h.stored()), len(p.stored())-1; got != want {
		t.Errorf("host has %d files, want %d", got, want)
	}
	_, _, rows := openBackup(t, h, "")
	for name, r := range rows {
		if strings.HasSuffix(failed, r.ID.Path()) {
			t.Errorf("row of %s without a file", name)
		}
	}
	// The next backup gets it.
	wantSuccess(t, backupOnce(t, h, p))
	if got := len(h.sent(p)); got != 1 {
		t.Errorf("next backup sent %v", h.sent(p))
	}
	// When there is an older version, that one stays.
	p.write("HomeDomain/Library/SMS/sms.db", []byte("newer"))
	p.fault("readerror@upload.file:1")
	wantSuccess(t, backupOnce(t, h, p))
	if data := h.files[testUDID+"/"+itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db").Path()]; string(data) != "not really a database" {
		t.Errorf("stored is %q", data)
	}
	p.Clear()
	wantSuccess(t, backupOnce(t, h, p))
	wantRestored(t, h, p)
}

func TestUnreadableByPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		// Nothing is unreadable for root; the fault above does the same.
		return
	}
	p, h := newPhone(t), newHost(t)
	p.fill()
	if err := os.Chmod(p.at("HomeDomain/Library/SMS/sms.db"), 0); err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, backupOnce(t, h, p))
	for name, end := range h.received {
		if end != "" && end != " failed: Permission denied (13)" {
			t.Errorf("%s ends with%s", name, end)
		}
	}
}

// A file that changes while it is read ends with an error, and its domain is
// scanned and sent again once.
func TestFileChangesWhileRead(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	sms := testUDID + "/Snapshot/" + itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db").Path()
	p.fault("changed@upload.file:8")
	wantSuccess(t, backupOnce(t, h, p))
	want := []string{
		"upload file ×7",
		"upload file failed: File modified while being read",
		"upload file ×2",
	}
	summary := h.summary()
	i := slices.Index(summary, want[0])
	if i < 0 || i+3 > len(summary) {
		t.Fatalf("no such uploads in %v", summary)
	}
	if diff := cmp.Diff(want, summary[i:i+3]); diff != "" {
		t.Errorf("uploads (-want +got):\n%s", diff)
	}
	wantRestored(t, h, p)

	// Really: the phone writes to the file while earlier ones are sent. The
	// large one is more than the phone reads ahead, so that it cannot have come
	// to the others when the first file is announced.
	p, h = newPhone(t), newHost(t)
	p.fill()
	p.write("CameraRollDomain/Media/DCIM/100APPLE/IMG_0003.MOV", make([]byte, 2*ahead*devicelink.DeviceChunk))
	first := ""
	h.onFile = func(name string) {
		if first == "" && strings.Contains(name, "/Snapshot/") {
			first = name
			p.write("HomeDomain/Library/SMS/sms.db", []byte("written while the backup ran"))
			p.remove("HomeDomain/Library/Preferences/com.apple.a.plist")
		}
	}
	wantSuccess(t, backupOnce(t, h, p))
	h.onFile = nil
	if r, ok := h.received[sms]; !ok || r != "" {
		t.Errorf("sms.db ends with %q, %t", r, ok)
	}
	wantRestored(t, h, p)
}

func TestFreeSpace(t *testing.T) {
	p := newPhone(t)
	p.fill()
	need := int64(spaceReserve)
	for _, f := range p.files() {
		if p.rules.Backed(f[0], f[1], false) {
			info, err := os.Stat(p.at(f[0] + "/" + f[1]))
			if err != nil {
				t.Fatal(err)
			}
			need += info.Size()
		}
	}
	refused := []any{-1, "Operation not supported", map[string]any{}}
	tests := []struct {
		name   string
		free   any
		purge  []any // answer; nil: none is expected
		freed  any   // free space after it
		code   int64
		purged int64 // amount asked for
	}{
		{name: "enough", free: need + 1},
		{name: "unsigned, all there is", free: uint64(1<<63 + 5)},
		{name: "just not enough, refused", free: need, purge: refused, code: 105, purged: 2 << 30},
		{name: "nothing, refused", free: 0, purge: refused, code: 105, purged: need + 2<<30},
		{name: "refused with a number", free: 0, purge: []any{-1, "", 0}, code: 105, purged: need + 2<<30},
		{name: "purged", free: 5, purge: []any{0, "", 7}, freed: need + 1, purged: need - 5 + 2<<30},
		{name: "purged too little", free: 5, purge: []any{0, "", 7}, freed: need, code: 105, purged: need - 5 + 2<<30},
		{name: "host cannot tell", free: nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			asked, purged := 0, int64(0)
			h.before = func(name string, args []any) ([]any, bool) {
				switch name {
				case devicelink.GetFreeDiskSpace:
					asked++
					free := tt.free
					if asked == 2 {
						free = tt.freed
					}
					if free == nil {
						return []any{-1, "Unknown", map[string]any{}}, true
					}
					return []any{0, devicelink.EmptyParameter, free}, true
				case devicelink.PurgeDiskSpace:
					purged, _ = integer(args[0])
					if urgency, _ := integer(args[1]); urgency != 4 {
						t.Errorf("urgency %v", args[1])
					}
					return tt.purge, true
				}
				return nil, false
			}
			p.wipeAgent()
			r := backupOnce(t, h, p)
			if r.err != nil || r.code != tt.code || tt.code == 105 && r.text != "Insufficient free disk space on drive to back up (MBErrorDomain/105)" {
				t.Errorf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			if purged != tt.purged {
				t.Errorf("phone wants %d purged, want %d", purged, tt.purged)
			}
		})
	}
}

// What the host's Status.plist and Manifest.plist can make of a run.
func TestStartStates(t *testing.T) {
	status := func(s itunesbackup.StatusPlist) []byte {
		s.UUID, s.Date = "61AC4632-C46E-4BF8-888A-0B1C89FAA39D", testDay
		b, err := s.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fresh := status(itunesbackup.StatusPlist{IsFullBackup: true, Version: "3.3", BackupState: "new", SnapshotState: "finished"})
	tests := []struct {
		name   string
		before map[string][]byte
		code   int64
		text   string
		full   bool
	}{
		{"forced full", map[string][]byte{"Status.plist": fresh, "Manifest.plist": {}}, 0, "", true},
		{"empty manifest", map[string][]byte{"Manifest.plist": {}}, 205,
			"Error reading backup properties (MBErrorDomain/205). Underlying error: Error deserializing properties: Cannot parse a NULL or zero-length data (MBErrorDomain/11).", false},
		{"manifest is text", map[string][]byte{"Manifest.plist": []byte("hello")}, 205, "Error reading backup properties (MBErrorDomain/205)", false},
		{"database damaged", map[string][]byte{"Manifest.db": []byte("hello")}, 205, "Error reading manifest (MBErrorDomain/205)", false},
		{"database gone", map[string][]byte{"Manifest.db": nil}, 205, "Error reading manifest (MBErrorDomain/205). Underlying error: No such file or directory", false},
		{"status damaged", map[string][]byte{"Status.plist": []byte("hello")}, 205, "Error reading status (MBErrorDomain/205)", false},
		{"old status", map[string][]byte{"Status.plist": status(itunesbackup.StatusPlist{Version: "3.2", BackupState: "new", SnapshotState: "finished"})}, 0, "", true},
		{"nothing changed", nil, 0, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			wantSuccess(t, backupOnce(t, h, p))
			for name, data := range tt.before {
				if h.files[testUDID+"/"+name] = data; data == nil {
					delete(h.files, testUDID+"/"+name)
				}
			}
			r := backupOnce(t, h, p)
			if r.err != nil || r.code != tt.code || !strings.HasPrefix(r.text, tt.text) {
				t.Fatalf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			if tt.code != 0 {
				return
			}
			want := 0
			if tt.full {
				want = len(p.stored())
			}
			if got := len(h.sent(p)); got != want {
				t.Errorf("sent %d files, want %d", got, want)
			}
			if tt.name == "forced full" && h.state().UUID != "61AC4632-C46E-4BF8-888A-0B1C89FAA39D" {
				t.Errorf("status %+v", h.state())
			}
			wantRestored(t, h, p)
		})
	}
}

// A backup in the flat format of old versions is put aside first and removed in
// the end.
func TestOldFormat(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	h.folders[testUDID] = true
	h.files[testUDID+"/Manifest.mbdb"] = []byte("mbdb\x05\x00")
	data, err := itunesbackup.StatusPlist{Version: "2.4", UUID: "X", Date: testDay, BackupState: "new", SnapshotState: "finished"}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	h.files[testUDID+"/Status.plist"] = data
	wantSuccess(t, backupOnce(t, h, p))
	for name := range h.files {
		if !strings.HasPrefix(name, testUDID+"/") || strings.HasSuffix(name, "mbdb") {
			t.Errorf("%s is left", name)
		}
	}
	moved := fmt.Sprintf("move 1: %s", "")
	if !slices.Contains(h.log, moved) {
		t.Errorf("the old folder was not moved: %v", h.log[:4])
	}
	wantRestored(t, h, p)
}
