package backupagent

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents"
)

func restoreOnce(t *testing.T, h *testHost, p *testPhone, options map[string]any) result {
	t.Helper()
	h.connect(p)
	r := h.do("Restore", map[string]any{"Options": options})
	h.close() // a restart follows the response
	return r
}

// setInfo gives the backup an Info.plist, as hosts do.
func (h *testHost) setInfo(t *testing.T, version string) {
	t.Helper()
	data, err := itunesbackup.InfoPlist{ProductVersion: version, TargetIdentifier: testUDID, DisplayName: "Test phone"}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	h.files[testUDID+"/Info.plist"] = data
}

// readRestored gives what a commit left for the phone.
func (p *testPhone) readRestored() Restored {
	p.t.Helper()
	var r Restored
	data, err := os.ReadFile(filepath.Join(p.dir, "backup", "restored.json"))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// Every option of protocol.md 4.2, on, off and absent: what is on the phone
// afterwards. The phone has changed since the backup:
//
//	sms.db       changed, the backup has an older one
//	new.HEIC     not in the backup
//	a.plist      a setting, changed
//	b.plist      a setting that the backup lacks
//	note.txt     of an installed app, changed
//	other/x      of an app that is not installed and has no licence
func TestRestoreOptions(t *testing.T) {
	const (
		sms, camera, setting, newSetting = "HomeDomain/Library/SMS/sms.db", "CameraRollDomain/Media/DCIM/new.HEIC",
			"HomeDomain/Library/Preferences/com.apple.a.plist", "HomeDomain/Library/Preferences/b.plist"
		note, other, never = "AppDomain-com.example.app/Documents/note.txt", "AppDomain-com.example.other/x", "HomeDomain/Library/Caches/never"
	)
	type state map[string]string // path to content; "" for absent
	restored := state{sms: "not really a database", camera: "", setting: "setting a", newSetting: "", note: "note", other: "", never: "in no backup"}
	with := func(changes state) state {
		s := state{}
		for k, v := range restored {
			s[k] = v
		}
		for k, v := range changes {
			s[k] = v
		}
		return s
	}
	tests := []struct {
		name    string
		ios     string
		options map[string]any
		want    state
		reboots int
		copied  bool
	}{
		{"all absent", "18.6", nil, restored, 1, true},
		{"all defaults said", "18.6", map[string]any{"RestoreSystemFiles": true, "RestoreShouldReboot": true, "RestoreDontCopyBackup": false,
			"RestorePreserveSettings": false, "RemoveItemsNotRestored": true}, restored, 1, true},
		{"no copy", "18.6", map[string]any{"RestoreDontCopyBackup": true}, restored, 1, false},
		{"no restart", "18.6", map[string]any{"RestoreShouldReboot": false}, restored, 0, true},
		{"overlay", "18.6", map[string]any{"RemoveItemsNotRestored": false}, with(state{camera: "new picture", newSetting: "setting b"}), 1, true},
		{"settings kept", "18.6", map[string]any{"RestorePreserveSettings": true}, with(state{setting: "changed setting", newSetting: "setting b"}), 1, true},
		{"apps only", "18.6", map[string]any{"RestoreSystemFiles": false, "RemoveItemsNotRestored": false},
			state{sms: "newer messages", camera: "new picture", setting: "changed setting", newSetting: "setting b", note: "note", other: "", never: "in no backup"}, 1, true},
		{"overlay on iOS 27", "27.0", map[string]any{"RemoveItemsNotRestored": false}, restored, 1, true},
		{"settings kept on iOS 27", "27.0", map[string]any{"RemoveItemsNotRestored": false, "RestorePreserveSettings": true},
			with(state{setting: "changed setting", newSetting: "setting b"}), 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			p.write("AppDomain-com.example.other/x", []byte("other"))
			p.apps = append(p.apps, contents.App{BundleID: "com.example.other", Path: "/var/containers/Bundle/Application/Y/Other.app"})
			wantSuccess(t, backupOnce(t, h, p))
			h.setInfo(t, "18.6")

			p.apps = p.apps[:1]
			p.remove("AppDomain-com.example.other")
			p.write(sms, []byte("newer messages"))
			p.write(sms+"-wal", []byte("log of the newer one"))
			p.write(camera, []byte("new picture"))
			p.write(setting, []byte("changed setting"))
			p.write(newSetting, []byte("setting b"))
			p.write(note, []byte("changed note"))
			p.identity.ProductVersion = tt.ios
			wantSuccess(t, restoreOnce(t, h, p, tt.options))
			if p.reboots != tt.reboots {
				t.Errorf("%d restarts, want %d", p.reboots, tt.reboots)
			}
			copies := 0
			for name := range h.files {
				if strings.HasPrefix(name, testUDID+"-") && strings.HasSuffix(name, "/Info.plist") {
					copies++
				}
			}
			if copied := copies == 1; copied != tt.copied {
				t.Errorf("copied %t, want %t", copied, tt.copied)
			}
			// Nothing happens before the boot.
			if data, err := os.ReadFile(p.at(note)); err != nil || string(data) != "changed note" {
				t.Errorf("before the boot the note is %q, %v", data, err)
			}
			p.boot()
			got := state{}
			for name := range tt.want {
				data, err := os.ReadFile(p.at(name))
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
				got[name] = string(data)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("phone after the restore (-want +got):\n%s", diff)
			}
			if _, err := os.Stat(p.at(sms + "-wal")); tt.want[sms] == restored[sms] && !os.IsNotExist(err) {
				t.Error("the log of the replaced database is still there")
			}
			r := p.readRestored()
			if r.SetupState != "RestoredFromiTunesBackup" || r.BackupBuild != "22G86" || len(r.Apps) != 2 {
				t.Errorf("restored.json: %+v", r)
			}
		})
	}
}

// An erased phone has no apps. What comes back depends on the licences that the
// host left, and on RemoveItemsNotRestored (protocol.md 13.2).
func TestRestoreApps(t *testing.T) {
	tests := []struct {
		name    string
		licence bool
		remove  bool
		state   string
	}{
		{"licence", true, true, "placeholder"},
		{"licence without annotating", true, false, "missing"},
		{"no licence", false, true, "missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			before := p.digest(false)
			wantSuccess(t, backupOnce(t, h, p))
			p.wipe()
			p.apps = nil
			if tt.licence {
				data, err := plist.Marshal(map[string]any{"com.example.app": map[string]any{"ApplicationSINF": []byte("sinf"),
					"iTunesMetadata": []byte("meta"), "PlaceholderIcon": []byte("icon")}}, plist.XML)
				if err != nil {
					t.Fatal(err)
				}
				at := filepath.Join(p.dir, filepath.FromSlash(restoreApplications))
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			wantSuccess(t, restoreOnce(t, h, p, map[string]any{"RestoreDontCopyBackup": true, "RemoveItemsNotRestored": tt.remove}))
			p.boot()
			r := p.readRestored()
			if len(r.Apps) != 1 || r.Apps[0].State != tt.state || tt.state == "placeholder" && string(r.Apps[0].SINF) != "sinf" {
				t.Errorf("apps %+v", r.Apps)
			}
			_, err := os.Stat(p.at("AppDomain-com.example.app/Documents/note.txt"))
			if came := err == nil; came != (tt.state == "placeholder") {
				t.Errorf("data of the app came back: %t", came)
			}
			if tt.state == "placeholder" {
				if diff := cmp.Diff(before, p.digest(false)); diff != "" {
					t.Errorf("restored phone (-before +after):\n%s", diff)
				}
			}
		})
	}
}

func TestRestoreRefusals(t *testing.T) {
	full := func(t *testing.T) (*testPhone, *testHost) {
		p, h := newPhone(t), newHost(t)
		p.password = secret.NewBackupPassword("right")
		p.fill()
		wantSuccess(t, backupOnce(t, h, p))
		h.setInfo(t, "18.6")
		return p, h
	}
	sms := itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db").Path()
	photo := itunesbackup.MakeFileID("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC").Path()
	status := func(h *testHost, change func(*itunesbackup.StatusPlist)) {
		s := h.state()
		change(&s)
		h.files[testUDID+"/Status.plist"], _ = s.Marshal()
	}
	tests := []struct {
		name     string
		password string
		spoil    func(*testPhone, *testHost)
		code     int64
		text     string
	}{
		{"wrong password", "wrong", nil, 207, "Invalid password when restoring encrypted backup (MBErrorDomain/207). Underlying error: MKBKeyBagUnlock error (-3) (MBErrorDomain/207)."},
		{"no password", "", nil, 207, "Invalid password when restoring"},
		{"newer iOS", "right", func(_ *testPhone, h *testHost) { h.setInfo(h.t, "18.10") }, 203, "Cannot restore a backup of version 18.10 to version 18.6 (MBErrorDomain/203)"},
		{"phone full", "right", func(p *testPhone, _ *testHost) { p.policy.FreeSpace = 1000 }, 106, "Insufficient free disk space on device to restore (1000 < "},
		{"old phone full", "right", func(p *testPhone, h *testHost) {
			p.policy.FreeSpace = 1000
			p.identity.ProductVersion = "9.3"
		}, 105, "Insufficient free disk space on device to restore (1000 < "},
		{"find my", "right", func(p *testPhone, _ *testHost) { p.policy.FindMy = true }, 211, "Find My iPhone must be disabled before restoring (MBErrorDomain/211)"},
		{"locked", "right", func(p *testPhone, _ *testHost) { p.policy.Locked = true }, 208, "Device locked (MBErrorDomain/208)"},
		{"digest", "right", func(_ *testPhone, h *testHost) { h.files[testUDID+"/"+sms][0] ^= 1 }, 205, "Digest didn't match for some files (MBErrorDomain/205)"},
		{"lost file", "right", func(_ *testPhone, h *testHost) { h.lose(photo) }, 205, "downloading files (MBErrorDomain/205)"},
		{"damaged padding", "right", func(_ *testPhone, h *testHost) {
			h.files[testUDID+"/"+photo] = h.files[testUDID+"/"+photo][:700_000]
		}, 205, "Error decrypting files (MBErrorDomain/205)"},
		{"no status", "right", func(_ *testPhone, h *testHost) { h.lose("Status.plist") }, 205, "Error reading status (MBErrorDomain/205)"},
		{"empty backup", "right", func(_ *testPhone, h *testHost) {
			status(h, func(s *itunesbackup.StatusPlist) { s.BackupState, s.SnapshotState = "empty", "uploading" })
		}, 204, "Backup is empty (MBErrorDomain/204)"},
		{"old backup", "right", func(_ *testPhone, h *testHost) {
			status(h, func(s *itunesbackup.StatusPlist) { s.Version = "2.0" })
		}, 203, "Unsupported backup version 2.0 (MBErrorDomain/203)"},
		{"empty properties", "right", func(_ *testPhone, h *testHost) { h.files[testUDID+"/Manifest.plist"] = nil }, 205,
			"Error reading backup properties (MBErrorDomain/205). Underlying error: Error deserializing properties: Cannot parse a NULL or zero-length data (MBErrorDomain/11)."},
		{"manifest no database", "right", func(_ *testPhone, h *testHost) { h.files[testUDID+"/Manifest.db"] = []byte("0123456789abcdef") }, 205, "Error reading manifest (MBErrorDomain/205)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, h := full(t)
			if tt.spoil != nil {
				tt.spoil(p, h)
			}
			before := p.digest(true)
			options := map[string]any{"RestoreDontCopyBackup": true}
			if tt.password != "" {
				options["Password"] = tt.password
			}
			r := restoreOnce(t, h, p, options)
			if r.err != nil || r.code != tt.code || !strings.Contains(r.text, tt.text) {
				t.Fatalf("phone answered %d %q, %v", r.code, r.text, r.err)
			}
			if p.reboots != 0 {
				t.Error("phone restarted")
			}
			p.boot()
			if diff := cmp.Diff(before, p.digest(true)); diff != "" {
				t.Errorf("phone changed (-before +after):\n%s", diff)
			}
		})
	}
}

// A restore reads what an interrupted run left: of a run that was uploading the
// backup before it, of one that was moving the new one.
func TestRestoreOfUnfinishedRun(t *testing.T) {
	for _, spec := range []string{"cut@upload.file:3", "cut@move", "cut@move:2", "cut@move:3", "cut@remove"} {
		t.Run(spec, func(t *testing.T) {
			p, h := newPhone(t), newHost(t)
			p.fill()
			before := p.digest(false)
			wantSuccess(t, backupOnce(t, h, p))
			for _, name := range []string{"a", "b", "c", "d"} {
				p.write("AppDomain-com.example.app/Documents/"+name, []byte(name))
			}
			p.write("HomeDomain/Library/SMS/sms.db", []byte("newer"))
			if spec != "cut@upload.file:3" {
				before = p.digest(false)
			}
			p.fault(spec)
			backupOnce(t, h, p)
			p.Clear()
			p.wipe()
			wantSuccess(t, restoreOnce(t, h, p, map[string]any{"RestoreDontCopyBackup": true}))
			p.boot()
			if diff := cmp.Diff(before, p.digest(false)); diff != "" {
				t.Errorf("restored phone (-want +got):\n%s", diff)
			}
		})
	}
}

// A backup of one phone goes onto another from a folder of its own name.
func TestRestoreFromAnotherSource(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	before := p.digest(false)
	wantSuccess(t, backupOnce(t, h, p))
	for name, data := range h.under(testUDID) {
		h.files["other"+strings.TrimPrefix(name, testUDID)] = data
		delete(h.files, name)
	}
	p.wipe()
	h.connect(p)
	defer h.conn.Close()
	wantSuccess(t, h.do("Restore", map[string]any{"SourceIdentifier": "other", "Options": map[string]any{"RestoreDontCopyBackup": true}}))
	p.boot()
	if diff := cmp.Diff(before, p.digest(false)); diff != "" {
		t.Errorf("restored phone (-want +got):\n%s", diff)
	}
}

// A commit that is interrupted goes on at the next boot.
func TestCommitAfterInterruption(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	before := p.digest(false)
	wantSuccess(t, backupOnce(t, h, p))
	p.wipe()
	wantSuccess(t, restoreOnce(t, h, p, map[string]any{"RestoreDontCopyBackup": true}))
	ctx := &endingContext{Context: context.Background(), left: 12}
	if err := commitStaged(ctx, p.dir, p.rules); err == nil {
		t.Fatal("the commit was not interrupted")
	}
	p.boot()
	if diff := cmp.Diff(before, p.digest(false)); diff != "" {
		t.Errorf("restored phone (-want +got):\n%s", diff)
	}
	p.boot() // nothing is staged any more
}

// endingContext ends after it was asked a number of times.
type endingContext struct {
	context.Context
	left int
}

func (c *endingContext) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}
