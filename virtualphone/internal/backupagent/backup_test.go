package backupagent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wantSuccess fails the test unless r is a success.
func wantSuccess(t *testing.T, r result) {
	t.Helper()
	if r.err != nil || r.code != 0 {
		t.Fatalf("phone answered %d %q, %v", r.code, r.text, r.err)
	}
}

// backupOnce runs one backup on a connection of its own.
func backupOnce(t *testing.T, h *testHost, p *testPhone) result {
	t.Helper()
	h.connect(p)
	defer h.conn.Close()
	return h.do("Backup", nil)
}

func TestFullThenUnchangedThenIncremental(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	wantSuccess(t, backupOnce(t, h, p))
	want := []string{
		"download Status.plist",
		"free",
		"mkdir ×514",
		"upload Status.plist",
		"upload file ×9",
		"upload Snapshot/Manifest.plist",
		"upload Snapshot/Manifest.db",
		"upload Status.plist",
		"move 9",
		"move 1: Snapshot/Manifest.plist",
		"move 1: Snapshot/Manifest.db",
		"upload Status.plist",
		"remove 1: Snapshot",
		"remove 1: Manifest.mbdx",
		"upload Status.plist",
		"download Status.plist",
		"download Manifest.plist",
		"download Manifest.db",
		"list ",
		"list shard ×256",
	}
	if diff := cmp.Diff(want, h.summary()); diff != "" {
		t.Errorf("first full backup (-want +got):\n%s", diff)
	}
	if s := h.state(); s.SnapshotState != "finished" || s.BackupState != "new" || s.IsFullBackup {
		t.Errorf("status after a full backup: %+v", s)
	}
	uuid := h.state().UUID

	wantSuccess(t, backupOnce(t, h, p))
	want = []string{
		"download Status.plist",
		"download Manifest.plist",
		"download Manifest.db",
		"list ",
		"list shard ×256",
		"free",
		"mkdir ×514",
		"upload Status.plist",
		"upload Snapshot/Manifest.plist",
		"upload Snapshot/Manifest.db",
		"upload Status.plist",
		"move 1: Snapshot/Manifest.plist",
		"move 1: Snapshot/Manifest.db",
		"upload Status.plist",
		"remove 1: Snapshot",
		"remove 1: Manifest.mbdx",
		"upload Status.plist",
		"download Status.plist",
		"download Manifest.plist",
		"download Manifest.db",
		"list ",
		"list shard ×256",
	}
	if diff := cmp.Diff(want, h.summary()); diff != "" {
		t.Errorf("unchanged backup (-want +got):\n%s", diff)
	}
	if got := h.state().UUID; got != uuid {
		t.Errorf("UUID went from %s to %s", uuid, got)
	}

	p.write("HomeDomain/Library/SMS/sms.db", []byte("one more message"))
	p.write("CameraRollDomain/Media/DCIM/100APPLE/IMG_0003.HEIC", []byte("new picture"))
	p.remove("CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC")
	p.remove("AppDomain-com.example.app/Documents")
	p.write("AppDomain-com.example.app/Documents", []byte("a file now"))
	wantSuccess(t, backupOnce(t, h, p))
	wantSent := []string{
		"AppDomain-com.example.app/Documents",
		"CameraRollDomain/Media/DCIM/100APPLE/IMG_0003.HEIC",
		"HomeDomain/Library/SMS/sms.db",
	}
	if diff := cmp.Diff(wantSent, h.sent(p)); diff != "" {
		t.Errorf("incremental backup sent (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(p.stored(), h.stored()); diff != "" {
		t.Errorf("host folder (-want +got):\n%s", diff)
	}
}

func TestRestoreToErasedPhone(t *testing.T) {
	p, h := newPhone(t), newHost(t)
	p.fill()
	before := p.digest(false)
	wantSuccess(t, backupOnce(t, h, p))
	p.wipe()
	h.connect(p)
	wantSuccess(t, h.do("Restore", map[string]any{"Options": map[string]any{"RestoreDontCopyBackup": true}}))
	h.close()
	if p.reboots != 1 {
		t.Errorf("phone restarted %d times", p.reboots)
	}
	p.boot()
	if diff := cmp.Diff(before, p.digest(false)); diff != "" {
		t.Errorf("restored phone (-before +after):\n%s", diff)
	}
}
