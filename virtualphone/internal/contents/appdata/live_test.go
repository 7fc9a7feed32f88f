package appdata

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLiveChanges lives two days, one of which leaves a log beside sms.db, and
// checks what each database says has changed.
func TestLiveChanges(t *testing.T) {
	ctx, o := context.Background(), tiny("18.5")
	dir := newPhone(t, o)
	account := filepath.Join(dir, remindersDomain, "Container_v1", "Stores")
	entries, err := os.ReadDir(account)
	if err != nil {
		t.Fatal(err)
	}
	store := remindersDomain + "/Container_v1/Stores/" + entries[0].Name()
	counts := []struct{ what, rel, q string }{
		{"messages", "HomeDomain/" + smsDB, "SELECT count(*) FROM message"},
		{"attachments", "HomeDomain/" + smsDB, "SELECT count(*) FROM attachment"},
		{"calls", "HomeDomain/" + callHistory, "SELECT count(*) FROM ZCALLRECORD"},
		{"highest contact", "HomeDomain/" + addressBook, "SELECT max(ROWID) FROM ABPerson"},
		{"changes of contacts", "HomeDomain/" + addressBook, "SELECT count(*) FROM ABPersonChanges"},
		{"events", "HomeDomain/" + calendarDB, "SELECT count(*) FROM CalendarItem"},
		{"reminders done", store, "SELECT sum(ZCOMPLETED) FROM ZREMCDREMINDER"},
		{"voicemails", "HomeDomain/" + voicemailDir + "voicemail.db", "SELECT count(*) FROM voicemail"},
		{"memos", memosDomain + "/Recordings/CloudRecordings.db", "SELECT count(*) FROM ZCLOUDRECORDING"},
		{"visits", "HomeDomain/" + safariDir + "History.db", "SELECT count(*) FROM history_visits"},
		{"chats", whatsAppDomain + "/ChatStorage.sqlite", "SELECT count(*) FROM ZWAMESSAGE"},
		{"chat media", whatsAppDomain + "/ChatStorage.sqlite", "SELECT count(*) FROM ZWAMEDIAITEM WHERE ZMEDIALOCALPATH IS NOT NULL"},
		{"latest edit of a note", notesDomain + "/" + noteStore, "SELECT CAST(max(ZMODIFICATIONDATE1) AS INTEGER) FROM ZICCLOUDSYNCINGOBJECT"},
	}
	read := func() []int {
		out := make([]int, len(counts))
		for i, c := range counts {
			n, err := strconv.Atoi(one(t, open(t, dir, c.rel, true), c.q))
			if err != nil {
				t.Fatal(err)
			}
			out[i] = n
		}
		return out
	}
	logs := 0
	for day := 1; day <= 2; day++ {
		before, people := read(), one(t, open(t, dir, "HomeDomain/"+addressBook, true), "SELECT count(*) FROM ABPerson")
		at := testNow.AddDate(0, 0, day)
		if err := Live(ctx, dir, o, at); err != nil {
			t.Fatal(err)
		}
		for i, n := range read() {
			if n <= before[i] {
				t.Errorf("day %d: %s: %d, was %d", day, counts[i].what, n, before[i])
			}
		}
		// One came, one went.
		if got := one(t, open(t, dir, "HomeDomain/"+addressBook, true), "SELECT count(*) FROM ABPerson"); got != people {
			t.Errorf("day %d: %s contacts, were %s", day, got, people)
		}
		checkIntegrity(t, dir)
		checkAttachments(t, dir)
		logs += checkLog(t, dir, o, at)
		for rel, v := range tree(t, dir) {
			if _, stamp, _ := strings.Cut(v, " "); stamp > at.Format(time.RFC3339Nano) {
				t.Errorf("day %d: %s modified %s", day, rel, stamp)
			}
		}
		checkNoneLater(t, dir, at)
	}
	if logs != 1 {
		t.Errorf("%d of 2 days left a log, want 1", logs)
	}
}

// checkLog looks for sms.db's sidecars, which must hold that day and nothing
// but that day, and for NoteStore's, which are always there.
func checkLog(t *testing.T, dir string, o Options, day time.Time) int {
	t.Helper()
	for _, s := range []string{"-wal", "-shm"} {
		if info, err := os.Stat(filepath.Join(dir, notesDomain, noteStore+s)); err != nil || info.Size() == 0 {
			t.Errorf("notes: %v", err)
		}
		info, err := os.Stat(filepath.Join(dir, homeDomain, filepath.FromSlash(smsDB)+s))
		if there := err == nil && info.Size() > 0; there != leavesWAL(o.Seed, day) {
			t.Errorf("%s: sms.db%s exists: %v", day, s, there)
		}
	}
	without := one(t, open(t, dir, "HomeDomain/"+smsDB, false), "SELECT count(*) FROM message")
	with := one(t, open(t, dir, "HomeDomain/"+smsDB, true), "SELECT count(*) FROM message")
	if (without != with) != leavesWAL(o.Seed, day) {
		t.Errorf("%s: %s messages in the file, %s with its log", day, without, with)
	}
	if leavesWAL(o.Seed, day) {
		return 1
	}
	return 0
}

// checkNoneLater checks that nothing that happened did so after the day.
func checkNoneLater(t *testing.T, dir string, day time.Time) {
	t.Helper()
	for _, c := range []struct {
		rel, q string
		limit  int64
	}{
		{"HomeDomain/" + smsDB, "SELECT max(date) FROM message", cocoaNano(day)},
		{"HomeDomain/" + callHistory, "SELECT CAST(max(ZDATE) AS INTEGER) FROM ZCALLRECORD", cocoaSeconds(day)},
		{"HomeDomain/" + addressBook, "SELECT max(ModificationDate) FROM ABPerson", cocoaSeconds(day)},
		{"HomeDomain/" + voicemailDir + "voicemail.db", "SELECT max(date) FROM voicemail", day.Unix()},
		{"HomeDomain/" + safariDir + "History.db", "SELECT CAST(max(visit_time) AS INTEGER) FROM history_visits", cocoaSeconds(day)},
		{whatsAppDomain + "/ChatStorage.sqlite", "SELECT CAST(max(ZMESSAGEDATE) AS INTEGER) FROM ZWAMESSAGE", cocoaSeconds(day)},
		{"HomeDomain/" + calendarDB, "SELECT CAST(max(last_modified) AS INTEGER) FROM CalendarItem", cocoaSeconds(day)},
	} {
		n, err := strconv.ParseInt(one(t, open(t, dir, c.rel, true), c.q), 10, 64)
		if err != nil || n > c.limit {
			t.Errorf("%s: %s: %d, limit %d: %v", c.rel, c.q, n, c.limit, err)
		}
	}
}

// TestLiveMissing lives on a phone that has been erased, then on phones that
// each lack one database.
func TestLiveMissing(t *testing.T) {
	ctx, o := context.Background(), tiny("")
	empty := t.TempDir()
	if err := Live(ctx, empty, o, testNow); err != nil {
		t.Errorf("erased phone: %v", err)
	}
	if left := tree(t, empty); len(left) != 0 {
		t.Errorf("an erased phone has files: %v", left)
	}
	dir := newPhone(t, o)
	day := testNow
	for gone := range slices.Chunk(databases(t, dir), 3) {
		for _, rel := range gone {
			for _, s := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(filepath.Join(dir, filepath.FromSlash(rel)) + s); err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}
		day = day.Add(24 * time.Hour)
		if err := Live(ctx, dir, o, day); err != nil {
			t.Errorf("without %s: %v", gone, err)
		}
		for _, rel := range gone {
			if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(rel))); err == nil {
				t.Errorf("%s is back", rel)
			}
		}
	}
}

// TestLiveSameDay lives a day twice: guids must not collide.
func TestLiveSameDay(t *testing.T) {
	ctx, o := context.Background(), tiny("")
	dir := newPhone(t, o)
	for range 2 {
		if err := Live(ctx, dir, o, testNow); err != nil {
			t.Fatal(err)
		}
	}
	checkIntegrity(t, dir)
}

// TestLiveDamaged checks that a file that is there but no database is an error,
// unlike one that is missing.
func TestLiveDamaged(t *testing.T) {
	o := tiny("")
	dir := newPhone(t, o)
	path := filepath.Join(dir, homeDomain, filepath.FromSlash(smsDB))
	if err := os.WriteFile(path, []byte("this is not a database, and long enough to be looked at"), fs.FileMode(0o600)); err != nil {
		t.Fatal(err)
	}
	if err := Live(context.Background(), dir, o, testNow); err == nil {
		t.Error("no error")
	}
}
