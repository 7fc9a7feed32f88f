package media

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

var pruneAll = repository.PruneOptions{}

func TestCopy_names(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	for _, name := range []string{
		"Podcasts/... ", "Podcasts/..a", "Podcasts/\"quoted\" \\ back", "Podcasts/new\nline", "Podcasts/é", "Podcasts/é", "Podcasts/-rf", "Podcasts/CON",
		"Podcasts/" + strings.Repeat("n", 255), "Books/a.epub/OEBPS/x.xhtml", "Podcasts/a/b/c/d/e/f/g/h/i/j.mp3",
	} {
		s.write(name, name)
	}
	s.write("Podcasts/empty", "")
	s.must(os.MkdirAll(s.file("Podcasts/empty folder"), 0o755))
	for link, target := range map[string]string{
		"Podcasts/loop": "loop", "Podcasts/self": ".", "Podcasts/up": "../../../../etc", "Podcasts/passwd": "/etc/passwd", "Podcasts/a/round": "../../Podcasts", "Books/Music": "../iTunes_Control/Music",
	} {
		s.must(os.Symlink(target, s.file(link)))
	}
	res := s.copy()
	if len(res.Problems) != 0 {
		t.Errorf("problems %v", res.Problems)
	}
	s.equal(res)
	s.sound()
	if got := s.inSnapshot(res.Snapshot); got["Podcasts/passwd"] != "link /etc/passwd" || got["Podcasts/self"] != "link ." {
		t.Error("links are not kept as links")
	}
}

// The working folders and whatever else lies there stay out.
func TestCopy_scope(t *testing.T) {
	s := newSetUp(t, virtualphone.Config{})
	for _, name := range []string{"Downloads/x.mp3", "PublicStaging/x", "AirFair/x", "iTunesRestore/x.plist", "com.apple.itunes.lock_sync", "PhotoData/Caches/x.jpg", "iTunes_Control/iTunes/iTunesPrefs", "Musicbox/x.mp3"} {
		s.write(name, "no")
	}
	s.write("PhotoData/Sync/100SYNCD/IMG_0001.JPG", "synced")
	res := s.copy()
	got := s.inSnapshot(res.Snapshot)
	for name := range got {
		if inside, above := inScope(name); !inside && !above {
			t.Errorf("copied %s", name)
		}
	}
	if got["PhotoData/Sync/100SYNCD/IMG_0001.JPG"] == "" {
		t.Error("synced pictures are missing")
	}
	s.opt.Protected = true
	res = s.copy()
	if res.Protected.Items != 0 || res.New != 1 || res.Counts[Song].Items != 3 {
		t.Errorf("with FairPlay: %+v", res)
	}
}

func TestKindOf(t *testing.T) {
	for name, want := range map[string]Kind{
		"DCIM/100APPLE/IMG_0001.HEIC": Picture, "DCIM/100APPLE/IMG_0001.MOV": Video, "DCIM/100APPLE/IMG_0001.AAE": Other,
		"PhotoData/CPLAssets/group1/A.jpg": Picture, "PhotoData/Photos.sqlite": Other, "PhotoData/Mutations/DCIM/100APPLE/IMG_0001/Adjustments/FullSizeRender.jpg": Other,
		"iTunes_Control/Music/F00/ABCD.m4a": Song, "iTunes_Control/Music/F00/ABCD.mp4": Video, "iTunes_Control/Music/F00/ABCD.m4b": Book, "Purchases/-1.m4a": Song,
		"iTunes_Control/Ringtones/A.m4r": Ringtone, "Books/a.epub/x/y.css": Book, "Books/Manual.PDF": Book, "Books/iBooksData2.plist": Other,
		"Podcasts/a.mp3": Podcast, "Recordings/a.m4a": Recording, "Recordings/Recordings.db": Other, "elsewhere/a.mp3": Other,
	} {
		if got := kindOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	c := newCounter()
	c.add("Books/a.epub/x", 1)
	c.add("Books/a.epub/y", 2)
	c.add("Books/b.pdf", 4)
	if got := c.counts[Book]; got != (Count{2, 7}) {
		t.Errorf("books %v", got)
	}
}

func TestProblem_String(t *testing.T) {
	p := Problem{Path: "a\x1b[2Jb\n", Err: errors.New("odd\rcause"), Kept: true}
	if got, want := p.String(), "a\uFFFD[2Jb\uFFFD: odd\uFFFDcause (its earlier state is kept)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Stock restic restores the files, and nothing of them is in clear anywhere.
func TestCopy_restic(t *testing.T) {
	dir := t.TempDir()
	be, err := local.Open(filepath.Join(dir, "repository"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSetUpIn(t, virtualphone.Config{}, be)
	s.opt.State = filepath.Join(dir, "state")
	s.opt.checkpointBytes = 1
	const mark = "a sentence that nobody else says"
	s.write("Podcasts/Treason at Midnight.mp3", strings.Repeat(mark, 10))
	all, err := List(t.Context(), s.dev, s.opt, s.rep)
	s.must(err)
	s.unplugAt(all.Bytes - 1)
	if _, err := Copy(t.Context(), s.dev, s.repo, s.opt, s.rep); err == nil {
		t.Fatal("no error")
	}
	if s.storedSoFar() == 0 {
		t.Fatal("nothing was kept")
	}
	nothingInClear(t, dir, mark, "Treason", "IMG_0001", "Podcasts")
	s.rep.update = nil
	s.phone.Plug()
	s.copy()
	nothingInClear(t, dir, mark, "Treason", "IMG_0001", "Podcasts")

	target := t.TempDir()
	for _, args := range [][]string{{"check", "--read-data"}, {"restore", "latest", "--tag", "keepsake-media", "--target", target}} {
		cmd := exec.CommandContext(t.Context(), "restic", append([]string{"-r", filepath.Join(dir, "repository"), "--no-cache"}, args...)...)
		cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=correct-horse")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("restic %v: %v\n%s", args, err, out)
		}
	}
	got := map[string]string{}
	root := filepath.Join(target, s.phone.UDID(), "Media")
	want := s.onPhone()
	s.must(filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		if err != nil || at == root {
			return err
		}
		rel, err := filepath.Rel(root, at)
		if err == nil {
			got[filepath.ToSlash(rel)], err = describeHost(at, d)
		}
		return err
	}))
	s.same(got, want)
}

func nothingInClear(t *testing.T, dir string, marks ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(at)
		for _, mark := range marks {
			if bytes.Contains(data, []byte(mark)) || strings.Contains(at, mark) {
				t.Errorf("%s tells %q", at, mark)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
