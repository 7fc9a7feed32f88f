package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestCopy_first(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.must(s.phone.Set("passcode=refuse")) // its owner never types it
	res := s.copy()
	s.equal(res)
	s.sound()
	sn, udid := res.Snapshot, s.phone.UDID()
	if want := []string{"keepsake-media", "udid:" + udid, "name:" + s.dev.Name()}; !slices.Equal(sn.Tags, want) {
		t.Errorf("tags %q, want %q", sn.Tags, want)
	}
	if want := []string{"/" + udid + "/Media"}; !slices.Equal(sn.Paths, want) || sn.Hostname != "keepsake" {
		t.Errorf("paths %q, host %q", sn.Paths, sn.Hostname)
	}
	if res.Counts[Song].Items != 2 || res.Protected.Items != 1 || res.Counts[Picture].Items == 0 || res.Counts[Video].Items == 0 || res.Counts[Book].Items != 2 ||
		res.Counts[Ringtone].Items != 1 || res.Counts[Podcast].Items != 1 {
		t.Errorf("counts %v, protected %v", res.Counts, res.Protected)
	}
	if res.New != res.Files || res.ReadFiles != res.Files || res.Changed+res.Unchanged+res.Removed != 0 || len(res.Problems) != 0 {
		t.Errorf("result %+v", res)
	}
	if sn.Summary.TotalFilesProcessed != uint64(res.Files) || sn.Summary.TotalBytesProcessed != uint64(res.Bytes) {
		t.Errorf("summary %+v", sn.Summary)
	}
	if n := s.phone.Count("passcode-prompt"); n != 0 {
		t.Errorf("%d passcode prompts", n)
	}
	if n := s.phone.Count("assertion"); n == 0 {
		t.Error("the phone was not kept awake")
	}
}

func TestCopy_unchanged(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	first := s.copy()
	s.faults("refuse@afc.open*0=20") // nothing is opened
	res := s.copy()
	s.equal(res)
	if res.ReadFiles != 0 || res.Unchanged != first.Files || res.New+res.Changed+res.Removed != 0 || len(res.Problems) != 0 {
		t.Errorf("result %+v", res)
	}
	if *res.Snapshot.Parent != first.Snapshot.ID {
		t.Errorf("parent %v", res.Snapshot.Parent)
	}
	s.phone.ClearFaults()
	s.opt.Full = true
	if res = s.copy(); res.ReadFiles != first.Files || res.Unchanged != first.Files || res.Added > 10_000 {
		t.Errorf("in full: %+v", res)
	}
}

func TestCopy_incremental(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.write("Podcasts/one.mp3", "one")
	s.write("Podcasts/two.mp3", "two")
	s.write("Podcasts/three.mp3", strings.Repeat("three", 1000))
	s.write("Podcasts/sub/four.mp3", "four")
	first := s.copy()
	s.must(os.Remove(s.file("Podcasts/one.mp3")))
	s.write("Podcasts/two.mp3", "zwei")
	s.must(os.Rename(s.file("Podcasts/three.mp3"), s.file("Podcasts/drei.mp3")))
	s.must(os.RemoveAll(s.file("Podcasts/sub")))
	s.write("Podcasts/sub", "now a file")
	s.write("Podcasts/new.mp3", "new")
	res := s.copy()
	s.equal(res)
	s.sound()
	// drei and new and sub are new; one, three and sub/four are gone.
	if res.New != 3 || res.Changed != 1 || res.Removed != 3 || res.Unchanged != first.Files-4 || res.ReadFiles != 4 {
		t.Errorf("result %+v", res)
	}
	// The same size and another time is read; the same size and time is not.
	when := time.Unix(1_700_000_000, 0)
	s.must(os.Chtimes(s.file("Podcasts/new.mp3"), when, when))
	if res = s.copy(); res.ReadFiles != 1 || res.New+res.Changed+res.Removed != 0 {
		t.Errorf("touched: %+v", res)
	}
	s.equal(res)
	// A phone that lives on.
	if _, err := s.phone.Use(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if res = s.copy(); res.New == 0 || res.Unchanged == 0 {
		t.Errorf("after two days: %+v", res)
	}
	s.equal(res)
	// A phone that lost everything: its last snapshot is empty, the earlier ones are not.
	s.must(os.RemoveAll(filepath.Join(s.phone.Dir(), "fs", "CameraRollDomain")))
	s.must(os.RemoveAll(filepath.Join(s.phone.Dir(), "media")))
	if res = s.copy(); res.Files == 0 && res.Removed == 0 {
		t.Errorf("emptied: %+v", res)
	}
	s.equal(res)
	s.sound()
}

func TestCopy_nothingThere(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{Empty: true})
	res := s.copy()
	if !res.Snapshot.ID.IsNull() || res.Files != 0 {
		t.Errorf("result %+v", res)
	}
	if list := s.snapshots(); len(list) != 0 {
		t.Errorf("%d snapshots", len(list))
	}
	found, err := Available(t.Context(), s.dev)
	if err != nil || found.Any() {
		t.Errorf("available: %+v, %v", found, err)
	}
}

func TestAvailable(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	found, err := Available(t.Context(), s.dev)
	if err != nil || !found.Synced || !found.Pictures {
		t.Errorf("available: %+v, %v", found, err)
	}
	for _, dir := range []string{"iTunes_Control/Music", "iTunes_Control/Ringtones", "Purchases", "Podcasts", "PhotoData/Sync"} {
		s.must(os.RemoveAll(s.file(dir)))
	}
	if found, err = Available(t.Context(), s.dev); err != nil || !found.Synced {
		t.Errorf("books only: %+v, %v", found, err)
	}
	s.must(os.Remove(s.file("Books/Manual.pdf")))
	if found, err = Available(t.Context(), s.dev); err != nil || !found.Synced {
		t.Errorf("a purchased book only: %+v, %v", found, err)
	}
	s.must(os.RemoveAll(s.file("Books/Purchases")))
	if found, err = Available(t.Context(), s.dev); err != nil || found.Synced || !found.Pictures {
		t.Errorf("pictures only: %+v, %v", found, err)
	}
	s.faults("refuse@afc.readdir*0=10")
	if found, err = Available(t.Context(), s.dev); err != nil || found.Any() {
		t.Errorf("shown nothing: %+v, %v", found, err)
	}
	s.faults("cut@afc.readdir")
	if _, err = Available(t.Context(), s.dev); err == nil {
		t.Error("a broken connection is no error")
	}
	s.phone.Unplug()
	if _, err = Available(t.Context(), s.dev); !errors.Is(err, device.ErrNoDevice) {
		t.Errorf("unplugged: %v", err)
	}
}

// A connection that breaks now and then costs nothing but time.
func TestCopy_brokenConnections(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	for _, spec := range []string{
		"cut@afc.readdir:3", "cut@afc.info:7", "cut@afc.open:2*2", "cut@afc.read:5", "cut@afc.close:4", "cut@afc.info:90",
		"garbage@afc.read:3", "garbage@afc.readdir:2", "huge@afc.info:11", "cut@service.com.apple.afc:2",
	} {
		t.Run(spec, func(t *testing.T) {
			s := s.anew(t)
			s.faults(spec)
			res := s.copy()
			if len(res.Problems) != 0 {
				t.Errorf("problems %v", res.Problems)
			}
			s.equal(res)
			s.sound()
		})
	}
}

// One file that breaks the connection every time, and a folder.
func TestCopy_breaker(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.opt.Connections = 1
	s.faults("cut@afc.open:3*2")
	res := s.copy()
	if len(res.Problems) != 1 || res.Problems[0].Kept {
		t.Errorf("problems %v", res.Problems)
	}
	s.faults("garbage@afc.open*0")
	s.opt.Full = true
	if res = s.copy(); len(res.Problems) == 0 {
		t.Error("nothing told")
	}
	s.faults("cut@afc.open*0")
	before := len(s.snapshots())
	if _, err := Copy(t.Context(), s.dev, s.repo, s.opt, s.rep); err == nil {
		t.Error("a phone that always hangs up gives no error")
	}
	if n := len(s.snapshots()); n != before {
		t.Errorf("%d snapshots, had %d", n, before)
	}
}

// unplugAt pulls the cable when so many bytes were copied.
func (s *setUp) unplugAt(bytes int64) {
	var done atomic.Bool
	s.rep.update = func(c progress.Counters) {
		if c.BytesTotal > 0 && c.Bytes >= bytes && done.CompareAndSwap(false, true) {
			s.phone.Unplug()
		}
	}
}

func TestCopy_unpluggedAndResumed(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	for i, part := range []int64{1, 20, 55, 80, 99} {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			s := s.anew(t)
			all, err := List(t.Context(), s.dev, s.opt, s.rep)
			s.must(err)
			if i%2 == 0 {
				s.opt.checkpointBytes = 1 // else at the end only
			}
			s.unplugAt(all.Bytes * part / 100)
			res, err := Copy(t.Context(), s.dev, s.repo, s.opt, s.rep)
			if err == nil {
				t.Fatalf("no error: %+v", res)
			}
			if n := len(s.snapshots()); n != 0 {
				t.Errorf("%d snapshots of an unfinished copy", n)
			}
			s.rep.update = nil
			kept := s.storedSoFar()
			s.phone.Plug()
			res = s.copy()
			s.equal(res)
			s.sound()
			if res.Resumed != kept || res.ReadFiles != res.Files-kept {
				t.Errorf("stored before the cut: %d; resumed %d, read %d of %d", kept, res.Resumed, res.ReadFiles, res.Files)
			}
			if part >= 60 && kept < 5 {
				t.Errorf("only %d files were kept", kept)
			}
			if left, _ := filepath.Glob(filepath.Join(s.opt.State, "*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// storedSoFar counts what the station knows to be stored.
func (s *setUp) storedSoFar() (n int64) {
	s.Helper()
	st, err := openState(s.opt.State, s.repo.ID(), s.phone.UDID())
	s.must(err)
	trees, err := st.read()
	s.must(err)
	session, err := s.repo.Begin(s.Context(), repository.Unlocked, 0)
	s.must(err)
	defer session.Close()
	for _, tree := range trees {
		b, err := loadEarlier(s.Context(), session, tree, "")
		s.must(err)
		for _, node := range b.nodes {
			if node.Type == "file" {
				n++
			}
		}
	}
	return n
}

func TestCopy_cancelled(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	s.rep.update = func(c progress.Counters) {
		if c.BytesTotal > 0 && c.Bytes > c.BytesTotal/2 {
			cancel(enough)
		}
	}
	if _, err := Copy(ctx, s.dev, s.repo, s.opt, s.rep); !errors.Is(err, enough) {
		t.Fatalf("err = %v", err)
	}
	s.rep.update = nil
	res := s.copy()
	if res.Resumed == 0 {
		t.Error("nothing was kept")
	}
	s.equal(res)
	// Before anything has begun.
	if _, err := Copy(ctx, s.dev, s.repo, s.opt, s.rep); !errors.Is(err, enough) {
		t.Errorf("err = %v", err)
	}
}

// What a prune took is read again; a station's file that makes no sense too.
func TestCopy_prunedMeanwhile(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.opt.checkpointBytes = 1
	all, err := List(t.Context(), s.dev, s.opt, s.rep)
	s.must(err)
	s.unplugAt(all.Bytes / 2)
	if _, err := Copy(t.Context(), s.dev, s.repo, s.opt, s.rep); err == nil {
		t.Fatal("no error")
	}
	s.rep.update = nil
	s.phone.Plug()
	_, err = s.repo.Prune(t.Context(), pruneAll)
	s.must(err)
	res := s.copy()
	if res.Resumed != 0 || res.ReadFiles != res.Files {
		t.Errorf("result %+v", res)
	}
	s.equal(res)
	s.sound()
	file := filepath.Join(s.opt.State, s.repo.ID().String(), s.phone.UDID()+".media")
	for _, junk := range []string{"", "{", `{"version":7,"trees":["x"]}`, `{"version":1,"trees":["` + strings.Repeat("ab", 32) + `"]}`} {
		s.must(os.MkdirAll(filepath.Dir(file), 0o700))
		s.must(os.WriteFile(file, []byte(junk), 0o600))
		if res = s.copy(); res.Resumed != 0 || res.Unchanged != res.Files {
			t.Errorf("%q: %+v", junk, res)
		}
	}
}

func TestCopy_lockedPhone(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.must(s.phone.Set("passcode=refuse")) // its owner never types it
	s.write("Recordings/secret.m4a", "memo")
	s.write("Books/locked/a.pdf", "book")
	s.must(s.phone.Set("media-protected=/Recordings|/Books/locked", "lock=locked"))
	res := s.copy()
	want := s.onPhone()
	for name := range want {
		if strings.HasPrefix(name, "Recordings/") || name == "Books/locked/a.pdf" {
			delete(want, name)
		}
	}
	s.same(s.inSnapshot(res.Snapshot), want)
	locked := len(res.Problems)
	if locked < 2 || !errors.Is(res.Problems[0].Err, afc.StatusPermissionDenied) || res.Problems[0].Kept || !strings.Contains(res.Problems[0].String(), "locked") {
		t.Fatalf("problems %v", res.Problems)
	}
	s.must(s.phone.Set("lock=unlocked"))
	if res = s.copy(); len(res.Problems) != 0 || res.New != int64(locked) {
		t.Errorf("unlocked: %+v", res)
	}
	s.equal(res)
	// Locked again, nothing is lost: what is unchanged is not even opened, of the
	// rest the earlier state is kept.
	s.must(s.phone.Set("lock=locked"))
	before := s.onPhone()
	s.write("Recordings/secret.m4a", "another memo")
	if res = s.copy(); len(res.Problems) != 1 || !res.Problems[0].Kept || res.Removed != 0 {
		t.Errorf("locked again: %+v", res)
	}
	s.same(s.inSnapshot(res.Snapshot), before)
	s.must(s.phone.Set("lock=before-first-unlock"))
	if _, err := Copy(t.Context(), s.dev, s.repo, s.opt, s.rep); !errors.Is(err, device.ErrLocked) {
		t.Errorf("before the first unlock: %v", err)
	}
}

// Folders that are not shown keep what the last snapshot has of them.
func TestCopy_foldersNotShown(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.opt.Connections = 1
	s.write("Podcasts/a/b/c.mp3", "c")
	first := s.copy()
	want := s.inSnapshot(first.Snapshot)
	s.faults("refuse@afc.readdir:2*0=10") // all but the root
	res := s.copy()
	s.same(s.inSnapshot(res.Snapshot), want)
	if res.Unchanged != first.Files || len(res.Problems) == 0 || res.Removed != 0 {
		t.Errorf("result %+v", res)
	}
	s.faults("refuse@afc.info*0=20")
	res = s.copy()
	s.same(s.inSnapshot(res.Snapshot), want)
	s.faults("refuse@afc.readdir*0=10")
	if _, err := Copy(t.Context(), s.dev, s.repo, s.opt, s.rep); !errors.Is(err, afc.StatusPermissionDenied) {
		t.Errorf("root not shown: %v", err)
	}
	s.sound()
}

func TestCopy_hardLinks(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.write("Podcasts/linked.mp3", "x")
	s.must(s.phone.Set("media-hard-links=/Podcasts/linked.mp3"))
	res := s.copy()
	if len(res.Problems) != 1 || res.Problems[0].Path != "Podcasts/linked.mp3" || !strings.Contains(res.Problems[0].Reason(), "cannot open") {
		t.Errorf("problems %v", res.Problems)
	}
}

// meddle changes a file each time that so many of its bytes were read.
func (s *setUp) meddle(name string, times int, change func(n int)) {
	var n atomic.Int64
	s.rep.update = func(c progress.Counters) {
		if c.Current == name && c.Bytes > 0 && int(n.Load()) < times {
			change(int(n.Add(1)))
		}
	}
}

func TestCopy_changedWhileRead(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.opt.Connections = 1
	const name = "Podcasts/live.mp3"
	change := func(n int) { s.write(name, strings.Repeat("y", 100+n)) }
	s.write(name, "first")
	s.meddle(name, 1, change)
	res := s.copy()
	if len(res.Problems) != 0 {
		t.Errorf("changed once: %v", res.Problems)
	}
	s.equal(res)
	kept := s.inSnapshot(res.Snapshot)[name]
	s.write(name, "second")
	s.meddle(name, 9, change)
	res = s.copy()
	if len(res.Problems) != 1 || !res.Problems[0].Kept || !errors.Is(res.Problems[0].Err, errChanging) {
		t.Errorf("changed twice: %v", res.Problems)
	}
	if got := s.inSnapshot(res.Snapshot)[name]; got != kept {
		t.Errorf("%q, want %q", got, kept)
	}
	s.rep.update = nil
	res = s.copy()
	s.equal(res)
	// Deleted while it is read.
	s.write(name, "third")
	s.meddle(name, 1, func(int) { os.Remove(s.file(name)) })
	res = s.copy()
	s.equal(res)
	if len(res.Problems) != 0 || res.Removed != 1 {
		t.Errorf("deleted: %+v", res)
	}
}

// A database and its log are of one moment.
func TestCopy_liveDatabase(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	s.opt.Connections = 1
	const db = "iTunes_Control/iTunes/MediaLibrary.sqlitedb"
	res := s.copy()
	before := s.inSnapshot(res.Snapshot)
	if before[db+"-wal"] == "" || before[db+"-shm"] != "" {
		t.Fatal("the log is missing, or the shared memory is there")
	}
	// The log changes while the database is read: both are read again.
	s.write(db, "database 2")
	s.write(db+"-wal", "log 2")
	s.meddle(db, 1, func(int) { s.write(db+"-wal", "log 3, longer") })
	res = s.copy()
	s.equal(res)
	if len(res.Problems) != 0 {
		t.Errorf("problems %v", res.Problems)
	}
	// It never rests: both stay as they were.
	kept := s.inSnapshot(res.Snapshot)
	s.write(db, "database 4")
	s.meddle(db, 9, func(n int) { s.write(db+"-wal", strings.Repeat("log", 10+n)) })
	res = s.copy()
	if len(res.Problems) != 2 {
		t.Errorf("problems %v", res.Problems)
	}
	got := s.inSnapshot(res.Snapshot)
	for _, name := range []string{db, db + "-wal"} {
		if got[name] != kept[name] {
			t.Errorf("%s: %.60q, want %.60q", name, got[name], kept[name])
		}
	}
	// The log is taken up into the database meanwhile.
	s.write(db, "database 5")
	s.meddle(db, 1, func(n int) { os.Remove(s.file(db + "-wal")) })
	res = s.copy()
	s.equal(res)
}

// What a backup in the same repository holds is not read over AFC; a sealed one
// holds nothing.
func TestCopy_fromBackup(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	dcim := filepath.Join(s.phone.Dir(), "fs", "CameraRollDomain", "Media", "DCIM")
	entries, err := os.ReadDir(filepath.Join(dcim, "100APPLE"))
	s.must(err)
	save := func(tags ...string) {
		session, err := s.repo.Begin(t.Context(), repository.Shared, 0)
		s.must(err)
		defer session.Close()
		w, err := session.Writer(t.Context())
		s.must(err)
		defer w.Close()
		tree := &format.Tree{}
		for _, e := range entries {
			info, err := e.Info()
			s.must(err)
			f, err := os.Open(filepath.Join(dcim, "100APPLE", e.Name()))
			s.must(err)
			c, err := w.SaveFile(t.Context(), f, e.Name(), info.Size())
			s.must(err)
			f.Close()
			ids, err := c.IDs(t.Context())
			s.must(err)
			n := node(e.Name(), format.NodeFile, 0o644, info.ModTime().Truncate(time.Second))
			n.Size, n.Content = uint64(info.Size()), ids
			tree.Nodes = append(tree.Nodes, n)
		}
		top, err := w.SaveTree(t.Context(), tree)
		s.must(err)
		for _, name := range []string{"100APPLE", "DCIM", "Media", "CameraRollDomain", s.phone.UDID()} {
			top, err = w.SaveTree(t.Context(), &format.Tree{Nodes: []format.Node{folderNode(name, time.Time{}, top)}})
			s.must(err)
		}
		_, err = w.Commit(t.Context(), &format.Snapshot{Time: time.Now(), Tree: &top, Tags: append(tags, "udid:"+s.phone.UDID())})
		s.must(err)
	}
	save("keepsake", "sealed")
	save("keepsake")
	name := filepath.Join(dcim, "100APPLE", entries[0].Name())
	when := time.Unix(1_700_000_000, 5)
	s.must(os.Chtimes(name, when, when)) // another second: read
	name = filepath.Join(dcim, "100APPLE", entries[1].Name())
	info, err := os.Stat(name)
	s.must(err)
	when = info.ModTime().Truncate(time.Second).Add(time.Millisecond)
	s.must(os.Chtimes(name, when, when)) // within the second: the manifest knows no better
	res := s.copy()
	if want := int64(len(entries) - 1); res.FromBackup != want || res.ReadFiles != res.Files-want {
		t.Errorf("from the backup %d, want %d; read %d of %d", res.FromBackup, want, res.ReadFiles, res.Files)
	}
	s.equal(res)
	s.sound()
}
