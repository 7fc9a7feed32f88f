package friendly_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/friendly"
)

// kind is a Filer of whatever a test wants to show.
type kind struct {
	title  string
	paths  []string
	read   error // of Read
	files  error // of Files, after the last file
	list   []extract.File
	count  int // made-up files with an origin, besides list
	listed atomic.Int32
}

func (k *kind) Info() extract.Info {
	return extract.Info{Kind: strings.ToLower(k.title), Title: k.title, Paths: k.paths}
}

func (k *kind) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }

func (k *kind) Read(context.Context, *extract.Source, extract.Query, extract.Emitter) error {
	return k.read
}

func (k *kind) Files(_ context.Context, _ *extract.Source, give func(extract.File) error) error {
	k.listed.Add(1)
	for _, f := range k.list {
		if err := give(f); err != nil {
			return err
		}
	}
	for i := range k.count {
		name := fmt.Sprintf("IMG_%06d.HEIC", i)
		if err := give(extract.File{Path: []string{"2026", fmt.Sprintf("2026-%02d", i%12+1), name}, Time: time.Unix(int64(i), 0), Origin: fmt.Sprintf("CameraRollDomain/Media/DCIM/%dAPPLE/%s", 100+i/1000, name)}); err != nil {
			return err
		}
	}
	return k.files
}

// branches shows folders of the source.
type branches struct{ kind }

func (*branches) Branches(_ context.Context, _ *extract.Source, give func([]string, string) error) error {
	return errors.Join(give([]string{"Notes", "Data"}, "AppDomain-notes"), give([]string{"Notes", "Gone"}, "AppDomain-gone"))
}

var made = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func file(data string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(data), Mode: 0o600, ModTime: made.Add(-time.Hour)}
}

func text(s string) func(context.Context, io.Writer) error {
	return func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func source() *extract.Source {
	return &extract.Source{Device: extract.Device{Time: made}, FS: fstest.MapFS{
		"CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC": file("one"),
		"CameraRollDomain/Media/DCIM/101APPLE/IMG_0001.HEIC": file("two"),
		"AppDomain-notes/Documents/a:b.txt":                  file("note"),
		"AppDomain-notes/Documents/A":                        file("upper"),
		"AppDomain-notes/Documents/a":                        file("lower"),
		"HomeDomain/Library/x.db":                            file("db"),
	}}
}

func paths(t *testing.T, fsys fs.FS) []string {
	t.Helper()
	var list []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func tree() (*friendly.FS, *kind) {
	photos := &kind{title: "Photos", paths: []string{"CameraRollDomain/Media/DCIM/*/*"}, list: []extract.File{
		{Path: []string{"2026", "IMG_0001.HEIC"}, Origin: "CameraRollDomain/Media/DCIM/101APPLE/IMG_0001.HEIC", Time: made.Add(time.Hour)},
		{Path: []string{"2026", "IMG_0001.HEIC"}, Origin: "CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC"},
		{Path: []string{"2026", "img_0001.heic"}, Make: text("three")},
		{Path: []string{"..", "CON.txt"}, Make: text("four")},
		{Path: []string{"2026"}, Make: text("a file as well as a folder")},
		{Path: []string{"Zoë 🏡", "a/b\x00"}, Make: text("five")},
	}}
	return friendly.New(source(), []extract.Extractor{
		photos,
		&kind{title: "Contacts", paths: []string{"HomeDomain/Library/none.db"}},
		&kind{title: "Calls", paths: []string{"HomeDomain/Library/x.db"}, read: fmt.Errorf("calls: %w", extract.ErrAbsent)},
		&kind{title: "Notes", paths: []string{"HomeDomain/Library/x.db"}, read: errors.New("broken"), files: errors.New("the database is damaged"),
			list: []extract.File{{Path: []string{"whole.txt"}, Make: text("whole")}}},
		&branches{kind{title: "Apps", paths: []string{"*"}}},
	}), photos
}

func TestTree(t *testing.T) {
	fsys, photos := tree()
	want := []string{
		"Apps/Notes/Data/Documents/A", "Apps/Notes/Data/Documents/a (2)", "Apps/Notes/Data/Documents/a%3Ab.txt", "Apps/Notes/Gone/Could not be read.txt",
		"Notes/Could not be read.txt", "Notes/whole.txt",
		"Photos/%2E%2E/%43ON.txt", "Photos/2026/IMG_0001 (2).HEIC", "Photos/2026/IMG_0001.HEIC", "Photos/2026/img_0001 (3).heic",
		"Photos/2026 (2)", "Photos/Zoë 🏡/a%2Fb%00",
	}
	if got := paths(t, fsys); !slices.Equal(got, want) {
		t.Errorf("the tree is\n%s", strings.Join(got, "\n"))
	}
	for name, content := range map[string]string{"Photos/2026/IMG_0001.HEIC": "one", "Photos/2026/IMG_0001 (2).HEIC": "two", "Photos/2026/img_0001 (3).heic": "three",
		"Apps/Notes/Data/Documents/a (2)": "lower"} {
		if data, err := fs.ReadFile(fsys, name); err != nil || string(data) != content {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if data, err := fs.ReadFile(fsys, "Notes/Could not be read.txt"); err != nil || !strings.Contains(string(data), "the database is damaged") {
		t.Errorf("the reason: %q, %v", data, err)
	}
	for name, want := range map[string]time.Time{"Photos/2026/IMG_0001 (2).HEIC": made.Add(time.Hour), "Photos/2026/IMG_0001.HEIC": made.Add(-time.Hour), "Photos/2026 (2)": made, "Photos": made} {
		if info, err := fs.Stat(fsys, name); err != nil || !info.ModTime().Equal(want) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{"Contacts", "Calls", "Photos/2027", "Photos/2026 (2)/x", "Photos/2026/IMG_0002.HEIC", "/Photos", "Photos/", "..", ""} {
		if _, err := fsys.Open(name); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("open %q: %v", name, err)
		}
	}
	if n := photos.listed.Load(); n != 1 {
		t.Errorf("photos were listed %d times", n)
	}
	if err := fstest.TestFS(fsys, want...); err != nil {
		t.Error(err)
	}
}

func TestStream(t *testing.T) {
	fsys, _ := tree()
	f, err := fsys.Open("Photos/2026/IMG_0001 (2).HEIC")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.(io.Seeker).Seek(-2, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(f)
	at := make([]byte, 2)
	if n, _ := f.(io.ReaderAt).ReadAt(at, 0); err != nil || string(rest) != "wo" || n != 2 || string(at) != "tw" {
		t.Errorf("read %q and %q, %v", rest, at, err)
	}
	var whole bytes.Buffer
	g, err := fsys.Open("Photos/2026/IMG_0001 (2).HEIC")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if _, err := g.(io.WriterTo).WriteTo(&whole); err != nil || whole.String() != "two" {
		t.Errorf("wrote %q, %v", whole.String(), err)
	}
}

// A film of 4 GiB is opened and read from its end at once.
func TestLargeFilm(t *testing.T) {
	dir := t.TempDir()
	film, err := os.Create(filepath.Join(dir, "film.mov"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 4<<30 + 7
	if _, err := film.WriteAt([]byte("the end"), size-7); err != nil {
		t.Fatal(err)
	}
	if err := film.Close(); err != nil {
		t.Fatal(err)
	}
	src := &extract.Source{FS: os.DirFS(dir)}
	fsys := friendly.New(src, []extract.Extractor{&kind{title: "Photos", paths: []string{"film.mov"}, list: []extract.File{{Path: []string{"film.mov"}, Origin: "film.mov"}}}})
	start := time.Now()
	f, err := fsys.Open("Photos/film.mov")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != size {
		t.Fatalf("stat: %v, %v", info, err)
	}
	if _, err := f.(io.Seeker).Seek(-7, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(f); err != nil || string(data) != "the end" {
		t.Errorf("read %q, %v", data, err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What is made is made once as long as it is kept, never more than 64 MiB, and
// again when it is asked for later.
func TestMake(t *testing.T) {
	var times [4]atomic.Int32
	large := func(i, mib int) extract.File {
		return extract.File{Path: []string{fmt.Sprint(i)}, Make: func(_ context.Context, w io.Writer) error {
			times[i].Add(1)
			for range mib {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	failing := errors.New("the phone has no paper")
	fsys := friendly.New(source(), []extract.Extractor{&kind{title: "Notes", paths: []string{"HomeDomain"}, list: []extract.File{
		large(0, 30), large(1, 30), large(2, 30), large(3, 65),
		{Path: []string{"fails"}, Make: func(context.Context, io.Writer) error { return failing }}}}})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if info, err := fs.Stat(fsys, "Notes/0"); err != nil || info.Size() != 30<<20 {
				t.Errorf("stat: %v, %v", info, err)
			}
		})
	}
	all.Wait()
	if n := times[0].Load(); n != 1 {
		t.Errorf("made %d times for eight who asked", n)
	}
	for _, name := range []string{"Notes/1", "Notes/2", "Notes/0"} {
		if data, err := fs.ReadFile(fsys, name); err != nil || len(data) != 30<<20 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
	if n := times[0].Load(); n != 2 {
		t.Errorf("made %d times; the first should have been let go", n)
	}
	for range 2 {
		if _, err := fs.Stat(fsys, "Notes/3"); !errors.Is(err, friendly.ErrTooLarge) {
			t.Errorf("65 MiB: %v", err)
		}
		if _, err := fsys.Open("Notes/fails"); !errors.Is(err, failing) {
			t.Errorf("a failing one: %v", err)
		}
	}
	if n := times[3].Load(); n != 1 {
		t.Errorf("what is too large was made %d times", n)
	}
}

// Two files without one source of bytes are a mistake of the reader, and said so.
func TestWrongFile(t *testing.T) {
	for _, f := range []extract.File{{}, {Path: []string{"a"}}, {Path: []string{"a"}, Origin: "x", Make: text("y")}, {Path: []string{"a"}, Origin: "../x"}} {
		fsys := friendly.New(source(), []extract.Extractor{&kind{title: "Notes", paths: []string{"HomeDomain"}, list: []extract.File{f}}})
		if got := paths(t, fsys); !slices.Equal(got, []string{"Notes/Could not be read.txt"}) {
			t.Errorf("%+v gives %q", f, got)
		}
	}
}

func TestManyFiles(t *testing.T) {
	const count = 100_000
	fsys := friendly.New(source(), []extract.Extractor{&kind{title: "Photos", paths: []string{"CameraRollDomain"}, count: count}})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	entries, err := fs.ReadDir(fsys, "Photos/2026/2026-01")
	if err != nil || len(entries) != 8334 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	entries = nil
	if grown := int64(heap()) - int64(before); grown > 40<<20 {
		t.Errorf("%d files take %d bytes", count, grown)
	} else {
		t.Logf("%d files take %d bytes", count, grown)
	}
	runtime.KeepAlive(fsys)
}
