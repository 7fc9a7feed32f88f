package service_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func clockAt(t time.Time) schedule.Clock { return schedule.Clock(t.Hour()*60 + t.Minute()) }

// TestTwoPhones: both are backed up, at the same time.
func TestTwoPhones(t *testing.T) {
	h := newHouse(t, virtualphone.Config{Count: 2, Passcode: passcode(t, "after=600ms")}, nil)
	h.setUp()
	h.pair(anna, 0)
	h.pair(ben, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen sync.Map // the state of each job that Ben was told last
	events := h.Watch(ctx, ben)
	go func() {
		for e := range events {
			if e.Job != nil {
				seen.Store(e.Job.ID, e.Job.State)
			}
		}
	}()
	one, err := h.BackUp(t.Context(), anna, h.udid(0), false)
	if err != nil {
		t.Fatal(err)
	}
	two, err := h.BackUp(t.Context(), ben, h.udid(1), false)
	if err != nil {
		t.Fatal(err)
	}
	h.await("both run", func() bool {
		o, err := h.Overview(t.Context(), anna)
		return err == nil && len(o.Running) == 2
	})
	o, err := h.Overview(t.Context(), ben)
	if err != nil || len(o.Running) != 1 || o.Running[0].ID != two || len(o.Phones) != 1 {
		t.Errorf("what Ben sees: %+v, %v", o, err)
	}
	h.done(one, nil)
	h.done(two, nil)
	h.await("Ben is told the end of his", func() bool { state, _ := seen.Load(two); return state == service.Done })
	if _, foreign := seen.Load(one); foreign {
		t.Error("Ben was told of Anna's")
	}
}

// TestRestart: a backup that runs when the service is stopped goes on afterwards,
// and nothing is doubled.
func TestRestart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	phone := h.server.Phones()[0]
	h.pair(anna, 0)
	faults, err := virtualphone.ParseFaults("stall@upload.file:60")
	if err != nil {
		t.Fatal(err)
	}
	phone.AddFaults(faults...)
	id, err := h.BackUp(t.Context(), anna, h.udid(0), false)
	if err != nil {
		t.Fatal(err)
	}
	h.await("it runs", func() bool { j, err := h.Job(t.Context(), anna, id); return err == nil && j.State == service.Running })
	time.Sleep(300 * time.Millisecond)
	phone.ClearFaults()
	h.again()
	j := h.ended(id)
	if j.State != service.Cancelled || !strings.Contains(j.Text, "goes on") {
		t.Errorf("job: %+v", j)
	}
	h.known(0)
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	if p := h.phone(anna, 0); p.Versions != 1 {
		t.Errorf("%d versions", p.Versions)
	}
}

// TestKilled: a process that dies leaves jobs behind that look as if they ran.
func TestKilled(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(anna, 0)
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	h.stop()
	db, err := catalog.Open(t.Context(), filepath.Join(h.data, "keepsake.db"), catalog.Options{Key: secret.NewBytes(make([]byte, 32))})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int64{}
	for _, kind := range []service.JobKind{service.BackupJob, service.CheckJob, service.RestoreJob} {
		id, _, err := db.Enqueue(t.Context(), catalog.Job{Kind: string(kind), UDID: h.udid(0)})
		if err != nil {
			t.Fatal(err)
		}
		ids[string(kind)] = id
		if kind != service.RestoreJob {
			if err := db.Start(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	h.open()
	if j := h.ended(ids["backup"]); j.State != service.Cancelled {
		t.Errorf("backup: %+v", j)
	}
	if j := h.ended(ids["restore"]); j.State != service.Cancelled || j.Hint == "" {
		t.Errorf("restore: %+v", j)
	}
	h.done(ids["check"], nil) // it is done anew
	if p := h.phone(anna, 0); p.Versions != 1 || p.LastBackup.IsZero() {
		t.Errorf("phone: %+v", p)
	}
}

// TestBrowse: files of a version by folder, by name and by content.
func TestBrowse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(anna, 0)
	v := h.done(h.BackUp(t.Context(), anna, h.udid(0), false)).Version
	top, err := h.List(t.Context(), anna, h.udid(0), v, "", "", 0)
	if err != nil || len(top.Entries) == 0 || top.Version.ID != v {
		t.Fatalf("top: %+v, %v", top, err)
	}
	names := map[string]string{}
	for _, e := range top.Entries {
		names[e.Path] = e.Name
		if !e.Dir || strings.HasPrefix(e.Path, "_ios") {
			t.Errorf("at the top: %+v", e)
		}
	}
	if names["CameraRollDomain"] != "Photos and videos" {
		t.Errorf("names: %v", names)
	}
	var all []service.Entry
	for after := ""; ; {
		l, err := h.Search(t.Context(), anna, h.udid(0), v, ".JPG", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Entries...)
		if after = l.Next; after == "" {
			break
		}
	}
	whole, err := h.Search(t.Context(), anna, h.udid(0), v, ".jpg", "", 0)
	if err != nil || len(whole.Entries) == 0 || len(whole.Entries) != len(all) {
		t.Fatalf("search by pages: %d, at once: %d, %v", len(all), len(whole.Entries), err)
	}
	f, err := h.Open(t.Context(), anna, h.udid(0), v, all[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil || int64(len(data)) != all[0].Size {
		t.Fatalf("%d bytes, %v; want %d", len(data), err, all[0].Size)
	}
	if _, err := f.Seek(2, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(f); err != nil || !bytes.Equal(rest, data[2:]) {
		t.Errorf("after seeking: %d bytes, %v", len(rest), err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"../etc/passwd", "/etc/passwd", "", ".", "CameraRollDomain", "_ios/keepsake.json", "nowhere"} {
		if f, err := h.Open(t.Context(), anna, h.udid(0), v, name); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				f.Close()
			}
			t.Errorf("open %q: %v", name, err)
		}
	}
	if _, err := h.List(t.Context(), anna, h.udid(0), strings.Repeat("0", 64), "", "", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another version: %v", err)
	}
}

// TestRetention: what is not to be kept goes; what is pinned stays.
func TestRetention(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(anna, 0)
	var ids []string
	for range 4 {
		ids = append(ids, h.done(h.BackUp(t.Context(), anna, h.udid(0), false)).Version)
		h.clock.forward(24 * time.Hour)
	}
	if err := h.Pin(t.Context(), anna, h.udid(0), ids[0], true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Forget(t.Context(), anna, h.udid(0), ids[0]); err == nil {
		t.Error("a pinned version was removed")
	}
	if err := h.SetRetention(t.Context(), anna, h.udid(0), service.Retention{Last: 1}); err != nil {
		t.Fatal(err)
	}
	h.await("old versions go", func() bool { return h.phone(anna, 0).Versions <= 3 && len(h.jobs(service.ForgetJob, 0)) > 0 })
	h.done(h.jobs(service.ForgetJob, 0)[0].ID, nil)
	left, err := h.Versions(t.Context(), anna, h.udid(0))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, v := range left {
		there[v.ID] = true
	}
	if !there[ids[0]] || !there[ids[3]] || there[ids[1]] && there[ids[2]] {
		t.Errorf("left: %v of %v", there, ids)
	}
	if j := h.ended(must(h.Forget(t.Context(), anna, h.udid(0), ids[3]))); j.State != service.FailedJob || j.Hint == "" {
		t.Errorf("the newest version went: %+v", j)
	}
	// A service that is killed when it has removed a version still lists it.
	rows, err := h.db.Versions(t.Context(), h.udid(0))
	if err != nil {
		t.Fatal(err)
	}
	ghost := rows[0]
	ghost.ID = strings.Repeat("ab", 32)
	if err := h.db.ReplaceVersions(t.Context(), h.udid(0), append(rows, ghost)); err != nil {
		t.Fatal(err)
	}
	h.done(h.Forget(t.Context(), anna, h.udid(0), ghost.ID))
	if left, err = h.Versions(t.Context(), anna, h.udid(0)); err != nil || len(left) != len(rows) {
		t.Errorf("%d versions are listed, of which %d are there: %v", len(left), len(rows), err)
	}
}

func must(id int64, err error) int64 {
	if err != nil {
		panic(err)
	}
	return id
}

// TestTarget: copies are made as soon as the target is there.
func TestTarget(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(anna, 0)
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	disk := filepath.Join(t.TempDir(), "usb")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	id, err := h.AddTarget(t.Context(), anna, "usb", filepath.Join(disk, "keepsake"), nil, secret.RepositoryPassword{})
	h.done(id, err)
	target := func() service.Target {
		o, err := h.Overview(t.Context(), anna)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Targets) != 1 {
			return service.Target{Behind: -2}
		}
		return o.Targets[0]
	}
	h.await("it is up to date", func() bool { return target().Here && target().Behind == 0 })
	if v, err := h.Versions(t.Context(), anna, h.udid(0)); err != nil || len(v) != 1 || len(v[0].Copies) != 1 || v[0].Copies[0] != "usb" {
		t.Errorf("versions: %+v, %v", v, err)
	}
	if err := os.Rename(disk, disk+" away"); err != nil {
		t.Fatal(err)
	}
	h.await("it is away", func() bool { return !target().Here })
	h.done(h.BackUp(t.Context(), anna, h.udid(0), false))
	h.await("it is behind", func() bool { return target().Behind > 0 })
	if err := os.Rename(disk+" away", disk); err != nil {
		t.Fatal(err)
	}
	h.await("it is brought up to date by itself", func() bool { return target().Here && target().Behind == 0 })
	if err := h.RemoveTarget(t.Context(), anna, "usb"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Copy(t.Context(), anna, "usb"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy to a target that was removed: %v", err)
	}
}

// TestRestoreErased: a phone that was reset shows up, and gets its backup back.
func TestRestoreErased(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{DeviceName: "Anna's iPhone"}, nil)
	h.setUp()
	phone := h.server.Phones()[0]
	h.pair(anna, 0)
	v := h.done(h.BackUp(t.Context(), anna, h.udid(0), false)).Version
	var before, after bytes.Buffer
	if err := phone.Digest(t.Context(), &before); err != nil {
		t.Fatal(err)
	}
	if err := phone.Erase(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.await("it shows up as fresh", func() bool {
		o, err := h.Overview(t.Context(), anna)
		return err == nil && len(o.Fresh) == 1 && o.Fresh[0].InSetup
	})
	q := service.RestoreRequest{UDID: h.udid(0), Source: h.udid(0), Version: v}
	flight, err := h.Preflight(t.Context(), anna, q)
	if err != nil || !flight.Ready || flight.Files == 0 {
		t.Fatalf("pre-flight: %+v, %v", flight, err)
	}
	restored := phone.Count("restored")
	h.done(h.Restore(t.Context(), anna, q, secret.BackupPassword{}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := phone.Await(ctx, "restored", restored+1); err != nil {
		t.Fatal(err)
	}
	if err := phone.Digest(t.Context(), &after); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(before.Bytes(), after.Bytes()) {
		t.Error("the phone is not as it was")
	}
}
