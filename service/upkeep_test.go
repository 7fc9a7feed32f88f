package service_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// tell lets messages and pings go out.
func (h *house) tell() {
	h.t.Helper()
	set, err := h.Settings(h.t.Context(), anna)
	if err != nil {
		h.t.Fatal(err)
	}
	set.Notify, set.Ping = []string{"ntfy://ntfy.sh/secret-topic"}, "https://hc-ping.com/secret"
	if err := h.SetSettings(h.t.Context(), anna, set); err != nil {
		h.t.Fatal(err)
	}
}

// told waits for a message whose title contains text.
func (h *house) told(text string) {
	h.t.Helper()
	h.await("a message with "+text, func() bool {
		for _, m := range h.mail.messages() {
			if strings.Contains(m.Title, text) {
				return true
			}
		}
		return false
	})
}

// TestAfterBackup: command, photos and ping follow a backup; what fails of it
// does not fail the backup.
func TestAfterBackup(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	h := newHouse(t, virtualphone.Config{DeviceName: "Anna's iPhone", Passcode: passcode(t, "after=10ms")}, func(o *service.Options) {
		o.AfterBackup = `printf '%s %s %s' "$KEEPSAKE_RESULT" "$KEEPSAKE_PHONE" "$KEEPSAKE_PASSWORD" > '` + out + `'`
	})
	t.Setenv("KEEPSAKE_PASSWORD", "not for commands")
	h.mail.err = errors.New("nobody takes mail")
	h.setUp()
	h.tell()
	album := t.TempDir()
	set, err := h.Settings(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	set.HandOver = album
	if err := h.SetSettings(t.Context(), anna, set); err != nil {
		t.Fatal(err)
	}
	h.pair(anna, 0)
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	h.told("Enter the passcode on Anna's iPhone")
	select {
	case err := <-h.pings:
		if err != nil {
			t.Errorf("ping: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("no ping")
	}
	h.await("the command", func() bool { b, err := os.ReadFile(out); return err == nil && string(b) == "done Anna's iPhone " })
	h.await("photos are handed over", func() bool {
		list := h.jobs(service.HandOverJob, 0)
		return len(list) == 1 && list[0].State == service.Done
	})
	first, err := filepath.Glob(filepath.Join(album, "Anna's iPhone", "*", "*"))
	if err != nil || len(first) == 0 {
		t.Fatalf("photos: %v, %v", first, err)
	}
	if err := os.Remove(first[0]); err != nil {
		t.Fatal(err)
	}
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	h.await("the second hand-over", func() bool {
		list := h.jobs(service.HandOverJob, 0)
		return len(list) == 2 && list[0].State == service.Done
	})
	if _, err := os.Stat(first[0]); !os.IsNotExist(err) {
		t.Errorf("a photo came twice: %v", err)
	}
}

// TestMembersPhotos: an admin's folder does not get the photos of a member.
func TestMembersPhotos(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	set, err := h.Settings(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	set.HandOver = t.TempDir()
	if err := h.SetSettings(t.Context(), anna, set); err != nil {
		t.Fatal(err)
	}
	h.pair(ben, 0)
	h.done(h.BackUp(t.Context(), ben, h.udid(0), false))
	h.await("its rehearsal", func() bool { return h.phone(ben, 0).RehearsalOK })
	if list := h.jobs(service.HandOverJob, 0); len(list) != 0 {
		t.Errorf("handed over: %+v", list)
	}
	if err := h.SetGrant(t.Context(), ben, h.udid(0), true); err != nil {
		t.Fatal(err)
	}
	h.done(h.BackUp(t.Context(), ben, h.udid(0), false))
	h.await("the hand-over", func() bool { return len(h.jobs(service.HandOverJob, 0)) == 1 })
}

// TestMonth: without the phone, time passes: the page says so, and people are told.
func TestMonth(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{DeviceName: "Ben's iPhone"}, nil)
	h.setUp()
	h.tell()
	h.pair(ben, 0)
	h.done(h.BackUp(t.Context(), ben, h.udid(0), false))
	h.await("its rehearsal", func() bool { return h.phone(ben, 0).RehearsalOK })
	h.automatic(0)
	h.server.Phones()[0].Unplug()
	h.await("it is gone", func() bool { return !h.phone(ben, 0).Cable })
	if m := h.phone(ben, 0).State.Mood; m != service.Good {
		t.Errorf("mood: %+v", h.phone(ben, 0).State)
	}
	for range 8 * 4 { // a time of day at which people are told comes by
		h.clock.forward(6 * time.Hour)
		time.Sleep(20 * time.Millisecond)
	}
	h.await("it is late", func() bool { return h.phone(ben, 0).State.Mood == service.Late })
	p := h.phone(ben, 0)
	if p.DaysVerified != 8 || !strings.Contains(p.State.Text, "8 days") || p.State.Do == "" {
		t.Errorf("%d days, %+v", p.DaysVerified, p.State)
	}
	h.told("No verified backup")
	n := len(h.mail.messages())
	h.clock.forward(time.Hour)
	time.Sleep(300 * time.Millisecond)
	if again := len(h.mail.messages()); again != n {
		t.Errorf("told again: %+v", h.mail.messages()[n:])
	}
	h.await("the weekly check", func() bool {
		list := h.jobs(service.CheckJob, 0)
		return len(list) == 1 && list[0].State == service.Done
	})
	h.clock.forward(25 * 24 * time.Hour)
	h.await("the monthly rehearsal", func() bool { return len(h.jobs(service.RehearseJob, 0)) == 2 })
	h.server.Phones()[0].Plug()
	h.await("it is backed up", func() bool { return h.phone(ben, 0).State.Mood == service.Good })
}

// TestFailed: people are told once that a backup failed, and that it went well again.
func TestFailed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{DeviceName: "Anna's iPhone"}, nil)
	h.setUp()
	h.tell()
	h.pair(anna, 0)
	faults, err := virtualphone.ParseFaults("error@scan*2=101")
	if err != nil {
		t.Fatal(err)
	}
	h.server.Phones()[0].AddFaults(faults...)
	for range 2 {
		if j := h.ended(must(h.BackUp(t.Context(), anna, h.udid(0), false))); j.State != service.FailedJob || j.Hint == "" {
			t.Errorf("job: %+v", j)
		}
	}
	h.told("The backup of Anna's iPhone failed")
	if p := h.phone(anna, 0); p.State.Mood == service.Good || p.State.Text == "" {
		t.Errorf("state: %+v", p.State)
	}
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	h.told("backed up again")
	if n := len(h.mail.messages()); n != 2 {
		t.Errorf("%d messages: %+v", n, h.mail.messages())
	}
}

// TestNightlyMedia: music and pictures are copied once, and not again and again.
func TestNightlyMedia(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{Empty: true}, nil)
	h.setUp()
	h.pair(anna, 0)
	policy := h.phone(anna, 0).Policy
	policy.Automatic, policy.Media = true, true
	if err := h.SetPolicy(t.Context(), anna, h.udid(0), policy); err != nil {
		t.Fatal(err)
	}
	h.await("a media copy", func() bool {
		list := h.jobs(service.MediaJob, 0)
		return len(list) > 0 && list[0].State == service.Done
	})
	time.Sleep(500 * time.Millisecond)
	if list := h.jobs(service.MediaJob, 0); len(list) != 1 {
		t.Errorf("%d copies", len(list))
	}
	h.clock.forward(25 * time.Hour)
	h.await("the next night", func() bool {
		list := h.jobs(service.MediaJob, 0)
		return len(list) == 2 && list[0].State == service.Done
	})
}

// TestLostDisk: an empty folder where the backups were is no place to begin anew.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.tell()
	h.pair(anna, 0)
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	h.await("its rehearsal", func() bool { return h.phone(anna, 0).RehearsalOK })
	if err := os.Rename(h.place, h.place+" away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.place, 0o700); err != nil {
		t.Fatal(err)
	}
	h.await("the page says so", func() bool { o, err := h.Overview(t.Context(), anna); return err == nil && o.PlaceErr != "" })
	j := h.ended(must(h.BackUp(t.Context(), anna, h.udid(0), false)))
	if j.State != service.FailedJob || j.Hint == "" {
		t.Errorf("job: %+v", j)
	}
	h.told("Backups have no place")
	if left, err := os.ReadDir(h.place); err != nil || len(left) != 0 {
		t.Errorf("in the empty folder: %v, %v", left, err)
	}
	if err := os.Remove(h.place); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(h.place+" away", h.place); err != nil {
		t.Fatal(err)
	}
	h.await("it is back", func() bool { o, err := h.Overview(t.Context(), anna); return err == nil && o.PlaceErr == "" })
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	if n := h.phone(anna, 0).Versions; n != 2 {
		t.Errorf("%d versions", n)
	}
}

// TestEncryption: switched on here, stored in the clear, restored; and sealed when
// the password was changed elsewhere, until it is typed.
func TestEncryption(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(anna, 0)
	old, changed := secret.NewBackupPassword("old"), secret.NewBackupPassword("changed")
	h.done(h.SetEncryption(t.Context(), anna, h.udid(0), secret.BackupPassword{}, old))
	if p := h.phone(anna, 0); !p.Encrypted || !p.KnowsPassword {
		t.Errorf("phone: %+v", p)
	}
	v := h.done(h.BackUp(t.Context(), anna, h.udid(0), false)).Version
	list, err := h.Versions(t.Context(), anna, h.udid(0))
	if err != nil || len(list) != 1 || !list[0].Encrypted || list[0].Sealed || list[0].Verified.IsZero() {
		t.Fatalf("versions: %+v, %v", list, err)
	}
	if _, err := h.List(t.Context(), anna, h.udid(0), v, "", "", 1); err != nil {
		t.Errorf("look inside: %v", err)
	}
	flight, err := h.Preflight(t.Context(), anna, service.RestoreRequest{UDID: h.udid(0), Source: h.udid(0), Version: v})
	if err != nil || flight.NeedsPassword {
		t.Errorf("pre-flight: %+v, %v", flight, err)
	}
	// Another computer changes it.
	h.done(h.SetEncryption(t.Context(), anna, h.udid(0), old, changed))
	if err := h.db.DeleteSecret(t.Context(), "backup-password:"+h.udid(0)); err != nil {
		t.Fatal(err)
	}
	sealed := h.done(h.BackUp(t.Context(), anna, h.udid(0), false)).Version
	if p := h.phone(anna, 0); p.KnowsPassword || p.State.Mood != service.Asking || !strings.Contains(p.State.Do, "backup password") {
		t.Errorf("state: %+v", p.State)
	}
	if _, err := h.List(t.Context(), anna, h.udid(0), sealed, "", "", 1); err == nil {
		t.Error("a sealed version was looked into")
	}
	if err := h.RememberPassword(t.Context(), anna, h.udid(0), secret.NewBackupPassword("wrong")); err == nil {
		t.Error("a wrong password was taken")
	}
	if err := h.RememberPassword(t.Context(), anna, h.udid(0), changed); err != nil {
		t.Fatal(err)
	}
	if _, err := h.List(t.Context(), anna, h.udid(0), sealed, "", "", 1); err != nil {
		t.Errorf("look into the sealed version: %v", err)
	}
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	if list, err := h.Versions(t.Context(), anna, h.udid(0)); err != nil || list[0].Sealed {
		t.Errorf("the next version: %+v, %v", list[0], err)
	}
}

// TestSettings: secrets go in and do not come out.
func TestSettings(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.tell()
	set, err := h.Settings(t.Context(), anna)
	if err != nil || len(set.Notify) != 1 || set.Notify[0] != service.Kept || set.Ping != service.Kept {
		t.Fatalf("settings: %+v, %v", set, err)
	}
	set.Notify = append(set.Notify, "gotify://gotify.example.com/AWjbFVZa2M4hxVH")
	if err := h.SetSettings(t.Context(), anna, set); err != nil {
		t.Fatal(err)
	}
	b, err := h.db.Unseal(t.Context(), "notify")
	if err != nil || !strings.Contains(string(b.Reveal()), "ntfy.sh") || !strings.Contains(string(b.Reveal()), "gotify") {
		t.Errorf("kept: %v", err)
	}
	for _, wrong := range []func(*service.Settings){
		func(s *service.Settings) { s.Name = "" }, func(s *service.Settings) { s.Parallel = 0 }, func(s *service.Settings) { s.CheckWeekly = 101 },
		func(s *service.Settings) { s.HandOver = "photos" }, func(s *service.Settings) { s.Notify = []string{"gopher://x"} }, func(s *service.Settings) { s.Ping = "file:///etc/passwd" },
		func(s *service.Settings) { s.Notify = []string{service.Kept, service.Kept, service.Kept} },
	} {
		bad := set
		bad.Notify = append([]string(nil), set.Notify...)
		wrong(&bad)
		if err := h.SetSettings(t.Context(), anna, bad); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
	data, err := os.ReadFile(filepath.Join(h.data, "keepsake.db"))
	if err != nil || strings.Contains(string(data), "secret-topic") {
		t.Errorf("the database tells the secret, %v", err)
	}
}
