package backupagent

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// fillMany adds enough files for several batches.
func (p *testPhone) fillMany() {
	p.fill()
	for i := range 125 {
		p.write(fmt.Sprintf("AppDomain-com.example.app/Library/f%03d", i), bytes.Repeat([]byte{byte(i)}, 10+i))
	}
}

// interruptions are the points at which the wire may break; every one leaves
// the host with a backup that the next run continues.
var interruptions = []string{
	"cut@backup.start", "cut@status", "cut@scan",
	"cut@upload:1", "cut@upload:300000", "cut@upload:600000",
	"cut@upload.file:1", "cut@upload.file:128", "cut@upload.file:129", "cut@upload.file:132",
	"cut@manifest",
	"cut@move", "cut@move:2", "cut@move:3", "cut@move:4",
	"cut@remove", "cut@verify", "cut@respond",
}

func TestInterruptedBackupContinues(t *testing.T) {
	for _, spec := range interruptions {
		t.Run("full/"+spec, func(t *testing.T) {
			t.Parallel()
			testInterruption(t, spec, true, false)
		})
		t.Run("incremental, encrypted/"+spec, func(t *testing.T) {
			t.Parallel()
			testInterruption(t, spec, false, true)
		})
	}
}

func testInterruption(t *testing.T, spec string, full, encrypted bool) {
	p, h := newPhone(t), newHost(t)
	if encrypted {
		p.password = secret.NewBackupPassword("pass word")
	}
	if full {
		p.fillMany()
	} else {
		p.fill()
		wantSuccess(t, backupOnce(t, h, p))
		p.fillMany()
		p.remove("CameraRollDomain/Media/DCIM/100APPLE/IMG_0002.HEIC")
	}
	p.fault(spec)
	if r := backupOnce(t, h, p); r.err == nil {
		t.Fatalf("phone answered %d %q", r.code, r.text)
	}
	first := map[string]bool{}
	for name, end := range h.received {
		if end == "" && strings.Contains(name, "/Snapshot/") && !strings.Contains(name, "Manifest") {
			first[name] = true
		}
	}
	p.Clear()
	wantSuccess(t, backupOnce(t, h, p))
	for name := range h.received {
		if first[name] {
			t.Errorf("%s was sent again", name)
		}
	}
	if diff := cmp.Diff(p.stored(), h.stored()); diff != "" {
		t.Errorf("host folder (-want +got):\n%s", diff)
	}
	wantRestored(t, h, p)
}

// wantRestored restores the backup to an erased phone and compares.
func wantRestored(t *testing.T, h *testHost, p *testPhone) {
	t.Helper()
	password := p.BackupPassword()
	before := p.digest(!password.IsZero())
	p.wipe()
	p.SetBackupPassword(secret.BackupPassword{})
	h.connect(p)
	defer h.conn.Close()
	options := map[string]any{"RestoreDontCopyBackup": true}
	if !password.IsZero() {
		options["Password"] = password.Reveal()
	}
	wantSuccess(t, h.do("Restore", map[string]any{"Options": options}))
	p.boot()
	if diff := cmp.Diff(before, p.digest(!password.IsZero())); diff != "" {
		t.Errorf("restored phone (-before +after):\n%s", diff)
	}
	if p.BackupPassword().Reveal() != password.Reveal() {
		t.Error("the backup password did not come with the restore")
	}
}

// A run may be interrupted any number of times.
func TestInterruptedAgainAndAgain(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fillMany()
	sent := map[string]int{}
	for _, spec := range []string{"cut@upload.file:50", "cut@upload.file:60", "cut@upload.file:10", "cut@manifest", "cut@move:2", "cut@move:2", "cut@remove"} {
		p.fault(spec)
		if r := backupOnce(t, h, p); r.err == nil {
			t.Fatalf("%s: phone answered %d %q", spec, r.code, r.text)
		}
		for name := range h.received {
			sent[name]++
		}
	}
	p.Clear()
	wantSuccess(t, backupOnce(t, h, p))
	again := maps.Collect(func(yield func(string, int) bool) {
		for name, n := range sent {
			if n > 1 && strings.Contains(name, "/Snapshot/") && !strings.Contains(name, "Manifest") && !yield(name, n) {
				return
			}
		}
	})
	if len(again) > 0 {
		t.Errorf("sent more than once: %v", again)
	}
	wantRestored(t, h, p)
}

// What changed on the phone between two tries is sent again, what stayed is
// not, and what vanished is not in the backup.
func TestContinuedAfterChanges(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fillMany()
	p.fault("cut@upload.file:130")
	backupOnce(t, h, p)
	p.Clear()
	p.write("AppDomain-com.example.app/Library/f000", []byte("0123456789"))
	p.remove("AppDomain-com.example.app/Library/f001")
	wantSuccess(t, backupOnce(t, h, p))
	if sent := h.sent(p); len(sent) == 0 || len(sent) > 15 || sent[0] != "AppDomain-com.example.app/Library/f000" {
		t.Errorf("sent %d files, first %v", len(sent), sent[:min(3, len(sent))])
	}
	wantRestored(t, h, p)
}

// Without the phone's own notes, or with another password, everything is sent
// again.
func TestUnusableHalfSnapshot(t *testing.T) {
	for name, spoil := range map[string]func(*testPhone){
		"notes gone":       func(p *testPhone) { p.wipeAgent() },
		"password changed": func(p *testPhone) { p.password = secret.NewBackupPassword("another") },
		"encryption off":   func(p *testPhone) { p.password = secret.BackupPassword{} },
	} {
		t.Run(name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.password = secret.NewBackupPassword("first")
			p.fillMany()
			p.fault("cut@upload.file:130")
			backupOnce(t, h, p)
			p.Clear()
			spoil(p)
			wantSuccess(t, backupOnce(t, h, p))
			if got, want := len(h.sent(p)), len(p.stored()); got != want {
				t.Errorf("sent %d of %d files", got, want)
			}
			wantRestored(t, h, p)
		})
	}
}

// A host that lost a file of the Snapshot gets it again; one that lost a file of
// the finished backup gets everything again.
func TestLostFiles(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fillMany()
	p.fault("cut@upload.file:130")
	backupOnce(t, h, p)
	p.Clear()
	lost := itunesbackup.MakeFileID("AppDomain-com.example.app", "Library/f003").Path()
	h.lose("Snapshot/" + lost)
	wantSuccess(t, backupOnce(t, h, p))
	if sent := h.sent(p); len(sent) == 0 || sent[0] != "AppDomain-com.example.app/Library/f003" {
		t.Errorf("sent %v", sent)
	}
	h.lose(lost)
	wantSuccess(t, backupOnce(t, h, p))
	if got, want := len(h.sent(p)), len(p.stored()); got != want {
		t.Errorf("sent %d of %d files", got, want)
	}
	wantRestored(t, h, p)
}

// A host may also fail by status. The phone says so and continues next time.
func TestHostFailures(t *testing.T) {
	noSpace := []any{-15, "No space left on device", map[string]any{}}
	tests := []struct {
		name    string
		message string
		nth     int
		status  []any
		code    int64
		text    string
	}{
		{"no space for files", devicelink.UploadFiles, 3, noSpace, 104,
			"Error uploading files (MBErrorDomain/104). Underlying error: No space left on device (MBErrorDomain/105)."},
		{"several files", devicelink.UploadFiles, 2, []any{uint64(1<<64 - 13), "Multi status", map[string]any{"x": map[string]any{"DLFileErrorString": "I/O", "DLFileErrorCode": -11}}}, 104,
			`Multiple errors uploading files (MBErrorDomain/104). Underlying error: I/O at path "x" (MBErrorDomain/100).`},
		{"snapshot stays", devicelink.RemoveItems, 1, []any{-1, "Directory not empty", map[string]any{}}, 104,
			"Error removing snapshot directory (MBErrorDomain/104). Underlying error: Directory not empty"},
		{"no folder", devicelink.CreateDirectory, 3, []any{-11, "Input/output error", map[string]any{}}, 104,
			"Error creating directory (MBErrorDomain/104)"},
		{"no move", devicelink.MoveItems, 1, []any{-6, "No such file or directory", map[string]any{}}, 205, "Error moving files (MBErrorDomain/205)"},
		{"status unreadable", devicelink.DownloadFiles, 1, nil, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fillMany()
			n := 0
			h.before = func(name string, _ []any) ([]any, bool) {
				if name != tt.message {
					return nil, false
				}
				n++
				if n != tt.nth {
					return nil, false
				}
				if name == devicelink.UploadFiles {
					if err := h.drop(); err != nil {
						t.Error(err)
					}
				}
				return tt.status, true
			}
			r := backupOnce(t, h, p)
			if tt.status == nil {
				if r.err == nil {
					t.Fatalf("phone answered %d %q", r.code, r.text)
				}
			} else if r.code != tt.code || !strings.HasPrefix(r.text, tt.text) {
				t.Fatalf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			h.before = nil
			wantSuccess(t, backupOnce(t, h, p))
			wantRestored(t, h, p)
		})
	}
}
