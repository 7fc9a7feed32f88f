package dirstore

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// statusOf is the Status.plist of one run.
func statusOf(t testing.TB, run, state string) string {
	t.Helper()
	b, err := plist.Marshal(map[string]any{"SnapshotState": state, "Date": run}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// locked opens a store for a run, which closeIt ends.
func locked(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(udid, false); err != nil {
		t.Fatal(err)
	}
	return s
}

// The steps of a run, as the phone asks for them. Each run has its own contents.
var steps = []struct {
	name string
	do   func(t *testing.T, s *Store, run string)
}{
	{"uploading", func(t *testing.T, s *Store, run string) {
		put(t, s, udid+"/Status.plist", statusOf(t, run, "uploading"))
		put(t, s, staged(1), run)
	}},
	{"manifests", func(t *testing.T, s *Store, run string) {
		put(t, s, udid+"/Snapshot/Manifest.plist", run)
		put(t, s, udid+"/Snapshot/Manifest.db", run)
	}},
	{"moving", func(t *testing.T, s *Store, run string) {
		put(t, s, udid+"/Info.plist", run)
		put(t, s, udid+"/Status.plist", statusOf(t, run, "moving"))
		move(t, s, staged(1), udid+"/01/"+id(1))
	}},
	{"manifest moved", func(t *testing.T, s *Store, _ string) {
		move(t, s, udid+"/Snapshot/Manifest.plist", udid+"/Manifest.plist")
	}},
	{"moved", func(t *testing.T, s *Store, _ string) { move(t, s, udid+"/Snapshot/Manifest.db", udid+"/Manifest.db") }},
	{"removing", func(t *testing.T, s *Store, run string) {
		put(t, s, udid+"/Status.plist", statusOf(t, run, "removing"))
		remove(t, s, udid+"/02/"+id(2))
		remove(t, s, udid+"/Snapshot")
	}},
	{"finished", func(t *testing.T, s *Store, run string) {
		put(t, s, udid+"/Status.plist", statusOf(t, run, "finished"))
	}},
}

func move(t testing.TB, s *Store, from, to string) {
	t.Helper()
	if err := s.Rename(t.Context(), from, to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func remove(t testing.TB, s *Store, p string) {
	t.Helper()
	if err := s.Remove(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// upTo does the steps of a run up to and with the one named, from the one after from.
func upTo(t *testing.T, s *Store, run, from, last string) {
	on := from == ""
	for _, step := range steps {
		if on {
			step.do(t, s, run)
		}
		if step.name == last {
			return
		}
		on = on || step.name == from
	}
}

// first leaves a finished backup of the run "first".
func first(t *testing.T, dir string) {
	s := locked(t, dir)
	put(t, s, udid+"/02/"+id(2), "first")
	for _, step := range steps {
		if step.name != "removing" {
			step.do(t, s, "first")
		}
	}
	remove(t, s, udid+"/Snapshot")
	closeIt(t, s)
}

func closeIt(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// good are the files of a finished backup as its reader has to see them.
func good(run string, other bool) map[string]string {
	files := map[string]string{"Info.plist": run, "Manifest.plist": run, "Manifest.db": run, "01/" + id(1): run}
	if other {
		files["02/"+id(2)] = run
	}
	return files
}

// shown reads a backup through Previous; what lies in Snapshot does not count.
func shown(t *testing.T, dir string) (files map[string]string, previous bool) {
	t.Helper()
	fsys, previous, err := Previous(filepath.Join(dir, udid))
	if err != nil {
		t.Fatal(err)
	}
	defer fsys.Close()
	files = map[string]string{}
	err = fs.WalkDir(fsys, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || p == "Status.plist" || strings.HasPrefix(p, "Snapshot/") {
			return err
		}
		b, err := fs.ReadFile(fsys, p)
		files[p] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, previous
}

// Whatever step is the last of a run of ours, the backup before it is shown
// whole until the new one is finished; the next run ends the job and leaves
// nothing behind.
func TestPrevious_everyStep(t *testing.T) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			dir := t.TempDir()
			first(t, dir)
			s := locked(t, dir)
			upTo(t, s, "second", "", step.name)
			closeIt(t, s)
			want := good("first", true)
			if step.name == "finished" {
				want = good("second", false)
			}
			files, previous := shown(t, dir)
			if !maps.Equal(files, want) || previous != (step.name != "finished") {
				t.Errorf("previous %v, files %v", previous, files)
			}
			s = locked(t, dir)
			if step.name != "finished" {
				upTo(t, s, "second", step.name, "finished")
			}
			closeIt(t, s)
			if files, previous := shown(t, dir); previous || !maps.Equal(files, good("second", false)) {
				t.Errorf("after the next run: previous %v, files %v", previous, files)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
				t.Errorf("left beside the backup: %v, %v", names, err)
			}
		})
	}
}

// Another program goes on where our run was cut off. It sets nothing aside, so
// what we kept may no longer make a backup: then it is not shown, and dropped.
func TestPrevious_otherProgram(t *testing.T) {
	for _, c := range []struct {
		name     string
		ours     string // the last step of our run
		other    string // and of the other's
		previous bool   // the first backup can still be shown
		again    string // the last step of the other's next run
	}{
		{"it only sent", "uploading", "manifests", true, ""},
		{"it began to move", "uploading", "moving", false, ""},
		{"it removed", "uploading", "removing", false, ""},
		{"it finished", "uploading", "finished", false, ""},
		{"it went on moving", "moving", "moved", false, ""},
		{"it moved the last", "manifest moved", "moved", false, ""},
		{"it removed after our move", "moved", "removing", false, ""},
		{"it finished after our move", "moving", "finished", false, ""},
		{"it finished after our removal", "removing", "finished", false, ""},
		{"it finished and sent again", "uploading", "finished", false, "manifests"},
		{"it finished after our move and sent again", "moved", "finished", false, "uploading"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			first(t, dir)
			s := locked(t, dir)
			upTo(t, s, "second", "", c.ours)
			closeIt(t, s)

			// The other program is a store without a lock: it keeps nothing. It
			// writes its Info.plist first, as idevicebackup2 does.
			o, err := Open(dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			put(t, o, udid+"/Info.plist", "other")
			upTo(t, o, "other", c.ours, c.other)
			if c.again != "" {
				upTo(t, o, "again", "", c.again)
			}
			closeIt(t, o)

			files, previous := shown(t, dir)
			if previous != c.previous {
				t.Errorf("the first backup is shown: %v", previous)
			}
			if want := good("first", true); previous {
				want["Info.plist"] = "other"
				if !maps.Equal(files, want) {
					t.Errorf("shown as the first backup: %v", files)
				}
			}
			s = locked(t, dir)
			if s.kept != c.previous {
				t.Errorf("kept %v", s.kept)
			}
			if _, err := os.Stat(filepath.Join(dir, previousDir(udid))); (err == nil) != c.previous {
				t.Errorf("what was set aside: %v", err)
			}
			closeIt(t, s)
		})
	}
}

// A backup whose folder was deleted is gone, whatever is left of it.
func TestPrevious_folderDeleted(t *testing.T) {
	dir := t.TempDir()
	first(t, dir)
	s := locked(t, dir)
	upTo(t, s, "second", "", "removing")
	closeIt(t, s)
	if err := os.RemoveAll(filepath.Join(dir, udid)); err != nil {
		t.Fatal(err)
	}
	if ok, err := open(t, dir).UsePrevious(udid); ok || err != nil {
		t.Errorf("shown: %v, %v", ok, err)
	}
	s = locked(t, dir)
	if s.kept {
		t.Error("still kept")
	}
	closeIt(t, s)
}

// A phone that does not do as phones do harms the last good backup as little.
func TestPrevious_strangePhones(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, s *Store)
	}{
		{"writes over a file", func(t *testing.T, s *Store) { put(t, s, udid+"/01/"+id(1), "new") }},
		{"removes a folder", func(t *testing.T, s *Store) { remove(t, s, udid+"/01") }},
		{"removes a file, then its folder", func(t *testing.T, s *Store) {
			put(t, s, udid+"/01/"+id(257), "new")
			remove(t, s, udid+"/01/"+id(257))
			remove(t, s, udid+"/01")
		}},
		{"removes everything", func(t *testing.T, s *Store) { remove(t, s, udid) }},
		{"moves a file away", func(t *testing.T, s *Store) { move(t, s, udid+"/01/"+id(1), udid+"/03/x") }},
		{"moves a file over another", func(t *testing.T, s *Store) { move(t, s, udid+"/01/"+id(1), udid+"/02/"+id(2)) }},
		{"moves nothing over a file", func(t *testing.T, s *Store) { move(t, s, staged(7), udid+"/01/"+id(1)) }},
		{"moves nothing over a folder", func(t *testing.T, s *Store) { move(t, s, staged(7), udid+"/01") }},
		{"moves a folder over a folder", func(t *testing.T, s *Store) { move(t, s, udid+"/02", udid+"/01") }},
	} {
		for _, announced := range []bool{false, true} {
			name := c.name
			if announced {
				name += ", announced"
			}
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				first(t, dir)
				s := locked(t, dir)
				if announced {
					put(t, s, udid+"/Status.plist", statusOf(t, "second", "uploading"))
				}
				c.do(t, s)
				closeIt(t, s)
				files, _ := shown(t, dir)
				for p, want := range good("first", true) {
					if files[p] != want {
						t.Errorf("%s is %q", p, files[p])
					}
				}
				// A second look, by the next run, comes to the same.
				s = locked(t, dir)
				defer closeIt(t, s)
				if c.name != "moves nothing over a file" && c.name != "moves nothing over a folder" && !s.kept {
					t.Error("not kept")
				}
			})
		}
	}
}

// A phone that sets a whole backup aside takes along what was kept of it.
func TestPrevious_folderSetAside(t *testing.T) {
	dir := t.TempDir()
	first(t, dir)
	s := locked(t, dir)
	upTo(t, s, "second", "", "moved")
	const old = udid + "-20260102-030405"
	move(t, s, udid, old)
	closeIt(t, s)
	fsys, previous, err := Previous(filepath.Join(dir, old))
	if err != nil || !previous {
		t.Fatal(previous, err)
	}
	defer fsys.Close()
	if b, err := fs.ReadFile(fsys, "01/"+id(1)); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
}

// A copy is one of the backup that is shown.
func TestPrevious_copy(t *testing.T) {
	dir := t.TempDir()
	first(t, dir)
	s := locked(t, dir)
	upTo(t, s, "second", "", "removing")
	closeIt(t, s)
	s = open(t, dir)
	if ok, err := s.UsePrevious(udid); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := s.Copy(t.Context(), udid, "copy"); err != nil {
		t.Fatal(err)
	}
	for p, want := range good("first", true) {
		if b, err := os.ReadFile(filepath.Join(dir, "copy", p)); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v", p, b, err)
		}
	}
}
