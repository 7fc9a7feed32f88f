package dirstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

const udid = storetest.UDID

func lockName(dir string) string { return filepath.Join(dir, ".keepsake-"+udid+".lock") }

func id(i int) string     { return fmt.Sprintf("%02x%038x", i%256, i) }
func staged(i int) string { return udid + "/Snapshot/" + id(i)[:2] + "/" + id(i) }

func status(t testing.TB, state string) string {
	t.Helper()
	b, err := plist.Marshal(map[string]any{"SnapshotState": state}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func put(t testing.TB, s *Store, p, content string) {
	t.Helper()
	if err := s.Put(t.Context(), p, strings.NewReader(content)); err != nil {
		t.Fatal(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir), open(t, dir)
	if _, err := a.Lock(udid, false); err != nil {
		t.Fatal(err)
	}
	var locked *LockedError
	for _, shared := range []bool{false, true} {
		if _, err := b.Lock(udid, shared); !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Hint() == "" {
			t.Errorf("shared=%v: %v", shared, err)
		}
	}
	if _, err := b.Lock("other", false); err != nil {
		t.Errorf("another phone: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lockName(dir)); !os.IsNotExist(err) {
		t.Errorf("the lock file stays: %v", err)
	}
	c, d := open(t, dir), open(t, dir)
	for _, s := range []*Store{c, d} {
		if _, err := s.Lock(udid, true); err != nil {
			t.Errorf("shared: %v", err)
		}
	}
	if _, err := open(t, dir).Lock(udid, false); !errors.As(err, &locked) {
		t.Errorf("exclusive beside shared: %v", err)
	}
	for _, bad := range []string{"", "..", "a/b", "/"} {
		if _, err := open(t, dir).Lock(bad, false); err == nil {
			t.Errorf("%q was locked", bad)
		}
	}
}

// An aborted run leaves a note about what is not on the disk yet; a settled one
// leaves nothing.
func TestLock_note(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := s.Lock(udid, false); err != nil {
		t.Fatal(err)
	}
	put(t, s, udid+"/Status.plist", status(t, "uploading"))
	put(t, s, staged(1), "one")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var m marker
	data, err := os.ReadFile(lockName(dir))
	if err != nil || json.Unmarshal(data, &m) != nil || m.Running || m.Unsynced.IsZero() {
		t.Fatalf("note %s, %v", data, err)
	}

	s = open(t, dir)
	if n, err := s.Lock(udid, false); n != 0 || err != nil {
		t.Fatalf("after an aborted run on the same start of the machine: dropped %d, %v", n, err)
	}
	put(t, s, udid+"/Status.plist", status(t, "moving"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(lockName(dir)); !os.IsNotExist(err) {
		t.Errorf("the note stays though all is durable: %v", err)
	}
}

func TestLock_recovers(t *testing.T) {
	const today, yesterday = "", "another start of the machine"
	for _, c := range []struct {
		name     string
		boot     string
		running  bool
		unsynced time.Duration // ago
		state    string
		want     int // dropped of files 0 to 4, one hour apart, the newest now
	}{
		{"ended by itself", today, false, 90 * time.Minute, "uploading", 0},
		{"killed", today, true, 90 * time.Minute, "uploading", 1},
		{"killed before anything", today, true, 0, "uploading", 1},
		{"power failure", yesterday, true, 150 * time.Minute, "uploading", 3},
		{"power failure after the end", yesterday, false, 150 * time.Minute, "uploading", 3},
		{"power failure of a first run", yesterday, true, 999 * time.Hour, "", 5},
		{"moving", yesterday, true, 999 * time.Hour, "moving", 0},
		{"removing", yesterday, true, 999 * time.Hour, "removing", 0},
		{"finished", yesterday, true, 999 * time.Hour, "finished", 0},
		{"damaged status", yesterday, true, 999 * time.Hour, "?", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			for i := range 5 {
				put(t, s, staged(i), "contents")
				at := time.Now().Add(-time.Duration(4-i) * time.Hour)
				if err := os.Chtimes(filepath.Join(dir, staged(i)), at, at); err != nil {
					t.Fatal(err)
				}
			}
			switch c.state {
			case "":
			case "?":
				put(t, s, udid+"/Status.plist", "garbage")
			default:
				put(t, s, udid+"/Status.plist", status(t, c.state))
			}
			if err := os.WriteFile(filepath.Join(dir, udid, tempPrefix+"Status.plist"), []byte("half"), 0o600); err != nil {
				t.Fatal(err)
			}
			m := marker{PID: 1, Boot: c.boot, Running: c.running}
			if c.boot == today {
				m.Boot = bootID()
			}
			if c.unsynced > 0 {
				m.Unsynced = time.Now().Add(-c.unsynced)
			}
			data, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(lockName(dir), data, 0o600); err != nil {
				t.Fatal(err)
			}

			s = open(t, dir)
			n, err := s.Lock(udid, false)
			if err != nil || n != c.want {
				t.Errorf("dropped %d, %v; want %d", n, err, c.want)
			}
			list, _, err := s.staged(udid + "/Snapshot")
			if err != nil || len(list) != 5-c.want {
				t.Errorf("%d files stay, %v", len(list), err)
			}
			if _, err := os.Stat(filepath.Join(dir, udid, tempPrefix+"Status.plist")); !os.IsNotExist(err) {
				t.Errorf("half a file stays: %v", err)
			}
		})
	}
}

func TestLock_tornNote(t *testing.T) {
	dir := t.TempDir()
	put(t, open(t, dir), staged(1), "x")
	if err := os.WriteFile(lockName(dir), []byte(`{"pid":1,"bo`), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := open(t, dir).Lock(udid, false); n != 1 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
}
