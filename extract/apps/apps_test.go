package apps_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/apps"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/friendly"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// find asks Debian's find for the files and bytes of a folder.
func find(t *testing.T, dir string) (files, size int64) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "find", dir, "-type", "f", "-printf", "%s\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		files++
		size += n
	}
	return files, size
}

func TestPhones(t *testing.T) {
	for _, ios := range []string{"13.7", "17.6", "26.1"} {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := extracttest.Phone(t, ios)
			src := extracttest.Source(t, fsys)
			x := apps.New()
			extracttest.Conform(t, x, src)
			domains := map[string]bool{}
			for _, r := range extracttest.Read(t, x, src, extract.Query{}).Records {
				a := r.(*apps.App)
				var files, size int64
				for _, d := range a.Domains {
					n, s := find(t, filepath.Join(fmt.Sprint(fsys), d.Name))
					if n != d.Files || s != d.Bytes || domains[d.Name] {
						t.Errorf("%s: %+v, find counts %d files of %d bytes; seen before: %t", a.Key, d, n, s, domains[d.Name])
					}
					domains[d.Name] = true
					files, size = files+n, size+s
				}
				if a.Files != files || a.Bytes != size {
					t.Errorf("%s: %d files, %d bytes, want %d, %d", a.Key, a.Files, a.Bytes, files, size)
				}
			}
			entries, err := fs.ReadDir(fsys, ".")
			if err != nil || len(entries) != len(domains) {
				t.Errorf("%d of %d domains, %v", len(domains), len(entries), err)
			}
			shown(t, x, src)
		})
	}
}

// shown holds the tree for mounts, Files and an export against each other.
func shown(t *testing.T, x *apps.Reader, src *extract.Source) {
	t.Helper()
	tree, err := fs.Sub(friendly.New(src, []extract.Extractor{x}), "Apps")
	if err != nil {
		t.Fatal(err)
	}
	var lazy []string
	if err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			lazy = append(lazy, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var listed []string
	if err := x.Files(t.Context(), src, func(f extract.File) error {
		names := make([]string, len(f.Path))
		for i, n := range f.Path {
			names[i] = outtree.Escape(n)
		}
		listed = append(listed, strings.Join(names, "/"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &extracttest.Collector{}
	if err := x.Export(t.Context(), src, extract.ExportOptions{Format: "files"}, out, c); err != nil || len(c.Problems) > 0 {
		t.Fatal(err, c.Problems)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	var exported []string
	if err := fs.WalkDir(os.DirFS(filepath.Join(dir, "Apps")), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			exported = append(exported, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]string{lazy, listed, exported} {
		slices.Sort(list)
	}
	plain := make([]string, len(lazy)) // two names that differ by case are kept apart by whoever writes them
	for i, p := range lazy {
		plain[i] = strings.Replace(p, "/readme (2).txt", "/readme.txt", 1)
	}
	slices.Sort(plain)
	if !slices.Equal(plain, listed) || !slices.Equal(lazy, exported) {
		t.Errorf("%d files in the tree, %d listed, %d exported: %s", len(lazy), len(listed), len(exported), cmp.Diff(listed, exported))
	}
	const one = "System/HomeDomain/Library/SMS/sms.db"
	want, err := fs.ReadFile(src.FS, "HomeDomain/Library/SMS/sms.db")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "Apps", one))
	mounted, err2 := fs.ReadFile(tree, one)
	if err != nil || err2 != nil || string(got) != string(want) || string(mounted) != string(want) {
		t.Errorf("sms.db has %d bytes exported, %d in the tree, want %d: %v, %v", len(got), len(mounted), len(want), err, err2)
	}
}

func metadata(t *testing.T, m map[string]any) []byte {
	t.Helper()
	data, err := plist.Marshal(m, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var bought = time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC)

func device(t *testing.T) extract.Device {
	icon := []byte("\x89PNG\r\n\x1a\nicon")
	return extract.Device{Time: bought, Apps: apps.Installed(map[string]any{
		"net.whatsapp.WhatsApp": map[string]any{"PlaceholderIcon": icon, "iTunesMetadata": metadata(t, map[string]any{
			"itemName": "WhatsApp  Messenger", "artistName": "WhatsApp Inc.", "bundleShortVersionString": "25.1", "genre": "Social Networking", "purchaseDate": bought.Format(time.RFC3339)})},
		"com.example.broken": map[string]any{"iTunesMetadata": []byte("no list"), "PlaceholderIcon": "no icon"},
		"../x":               map[string]any{},
		"com.example.odd":    7,
	}, []string{"net.whatsapp.WhatsApp", "com.example.gone"}, map[string]any{
		"com.apple.mobilenotes":      map[string]any{"ContainerContentClass": "Data/Application", "CFBundleVersion": "3501", "Path": "/Applications/MobileNotes.app"},
		"com.example.tool":           map[string]any{"ContainerContentClass": "Data/Application", "CFBundleVersion": "7", "Path": "/var/containers/Bundle/Application/UUID/Tool.app"},
		"group.com.example.tool":     map[string]any{"ContainerContentClass": "Shared/AppGroup"},
		"com.example.broken.Share":   map[string]any{"ContainerContentClass": "Data/PluginKitPlugin"},
		"net.whatsapp.WhatsApp":      map[string]any{"ContainerContentClass": "Data/Application", "CFBundleVersion": "9999", "Path": "/x/Other.app"},
		"com.example.without.a.dict": nil,
	})}
}

func TestInstalled(t *testing.T) {
	want := []extract.App{
		{ID: "com.apple.mobilenotes", Name: "MobileNotes", Version: "3501"},
		{ID: "com.example.broken"}, {ID: "com.example.gone"}, {ID: "com.example.odd"},
		{ID: "com.example.tool", Name: "Tool", Version: "7"},
		{ID: "net.whatsapp.WhatsApp", Name: "WhatsApp Messenger", Version: "25.1", Seller: "WhatsApp Inc.", Genre: "Social Networking", Purchased: bought, Icon: []byte("\x89PNG\r\n\x1a\nicon")},
	}
	if diff := cmp.Diff(want, device(t).Apps); diff != "" {
		t.Error(diff)
	}
	if got := apps.Installed(nil, nil, nil); len(got) != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	// As other programs and older phones write them.
	long := strings.Repeat("ü", 400)
	got := apps.Installed(map[string]any{
		"com.example.a": map[string]any{"iTunesMetadata": map[string]any{"itemName": "A\xff", "bundleVersion": uint64(12), "com.apple.iTunesStore.downloadInfo": map[string]any{"purchaseDate": "2024-05-06T07:08:09Z"}}},
		"com.example.b": map[string]any{"iTunesMetadata": []byte("[]"), "PlaceholderIcon": nil},
		"com.example.c": map[string]any{"iTunesMetadata": metadata(t, map[string]any{"itemName": long, "purchaseDate": time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), "bundleShortVersionString": 1.5, "genre": []any{1}})},
	}, nil, map[string]any{
		"com.example.d": map[string]any{"Path": "/var/containers/Bundle/Application/X/D.app", "CFBundleVersion": 7}, "group.com.example.d": map[string]any{"Path": nil}, "com.example.e": "text",
	})
	bought := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	old := []extract.App{{ID: "com.example.a", Name: "A\uFFFD", Version: "12", Purchased: bought}, {ID: "com.example.b"}, {ID: "com.example.c", Name: long[:498], Version: "1.5", Purchased: bought}, {ID: "com.example.d", Name: "D"}}
	if diff := cmp.Diff(old, got); diff != "" {
		t.Error(diff)
	}
}

func made(t *testing.T) *extract.Source {
	f := func(n int) *fstest.MapFile {
		return &fstest.MapFile{Data: make([]byte, n), Mode: 0o600, ModTime: bought}
	}
	src := extracttest.Source(t, fstest.MapFS{
		"HomeDomain/Library/x":                                   f(1),
		"AppDomain-net.whatsapp.WhatsApp/Documents/a":            f(2),
		"AppDomainGroup-group.net.whatsapp.WhatsApp.shared/b":    f(3),
		"AppDomainGroup-group.net.whatsapp.family/c":             f(4),
		"AppDomainPlugin-net.whatsapp.WhatsApp.ServiceExtension": {Mode: fs.ModeDir | 0o700},
		"AppDomainGroup-group.com.apple.notes/NoteStore.sqlite":  f(5),
		"AppDomainGroup-243LU875E5.groups.com.apple.podcasts/d":  f(6),
		"AppDomain-com.one.Mail/e":                               f(7),
		"AppDomain-com.two.Mail/f":                               f(8),
		"AppDomain-org.example.System/g":                         f(9),
		"SysSharedContainerDomain-systemgroup.com.apple.x/h":     f(10),
	})
	src.Device = device(t)
	return src
}

// What belongs to whom, and where it is shown.
func TestOwners(t *testing.T) {
	src := made(t)
	x := apps.New()
	extracttest.Conform(t, x, src)
	got := map[string]string{}
	for _, r := range extracttest.Read(t, x, src, extract.Query{}).Records {
		a := r.(*apps.App)
		got[a.Key] = fmt.Sprintf("%s, %d domains, %d bytes, listed %t", a.Name, len(a.Domains), a.Bytes, a.Listed)
	}
	want := map[string]string{
		"net.whatsapp.WhatsApp": "WhatsApp Messenger, 3 domains, 5 bytes, listed true", "AppDomainGroup-group.net.whatsapp.family": "Group: group.net.whatsapp.family, 1 domains, 4 bytes, listed false",
		"com.apple.mobilenotes": "Notes, 1 domains, 5 bytes, listed true", "com.apple.podcasts": "Podcasts, 1 domains, 6 bytes, listed false",
		"com.one.Mail": "Mail, 1 domains, 7 bytes, listed false", "com.two.Mail": "Mail, 1 domains, 8 bytes, listed false", "org.example.System": "System, 1 domains, 9 bytes, listed false",
		"com.example.gone": "gone, 0 domains, 0 bytes, listed true", "com.example.tool": "Tool, 0 domains, 0 bytes, listed true",
		"com.example.broken": "broken, 0 domains, 0 bytes, listed true", "com.example.odd": "odd, 0 domains, 0 bytes, listed true",
		"HomeDomain": "System: HomeDomain, 1 domains, 1 bytes, listed false", "SysSharedContainerDomain-systemgroup.com.apple.x": "System: SysSharedContainerDomain-systemgroup.com.apple.x, 1 domains, 10 bytes, listed false",
	}
	if !maps.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	var paths []string
	tree := friendly.New(src, []extract.Extractor{x})
	if err := fs.WalkDir(tree, "Apps", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"Apps/Mail (com.one.Mail)/Data/e", "Apps/Mail (com.two.Mail)/Data/f", "Apps/Notes/Shared (group.com.apple.notes)/NoteStore.sqlite",
		"Apps/Other/Shared (group.net.whatsapp.family)/c",
		"Apps/Podcasts/Shared (243LU875E5.groups.com.apple.podcasts)/d", "Apps/System/HomeDomain/Library/x", "Apps/System/SysSharedContainerDomain-systemgroup.com.apple.x/h",
		"Apps/System (org.example.System)/Data/g", "Apps/WhatsApp Messenger/Data/Documents/a", "Apps/WhatsApp Messenger/Shared (group.net.whatsapp.WhatsApp.shared)/b"}; !slices.Equal(paths, want) {
		t.Error(cmp.Diff(want, paths))
	}
	if err := fstest.TestFS(tree, paths...); err != nil {
		t.Error(err)
	}
	if p, err := x.Preview(t.Context(), src, "net.whatsapp.WhatsApp", 60); err != nil || p.Type != "image/png" {
		t.Errorf("icon: %+v, %v", p, err)
	}
	if _, err := x.Preview(t.Context(), src, "com.example.broken", 60); !errors.Is(err, extract.ErrNoPreview) {
		t.Errorf("no icon: %v", err)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	src := made(t)
	if err := apps.New().Export(t.Context(), src, extract.ExportOptions{Format: "list", Query: extract.Query{Key: "net.whatsapp.WhatsApp"}}, out, &extracttest.Collector{}); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "Apps", "Apps.txt"))
	const want = "App                 Version  Files  Size  Bundle ID\nWhatsApp Messenger  25.1     2      5 B   net.whatsapp.WhatsApp\n"
	if err != nil || string(got) != want {
		t.Errorf("the list is\n%s%v", got, err)
	}
}

// A media copy has no apps, whatever folders it has.
func TestMediaCopy(t *testing.T) {
	src := &extract.Source{FS: fstest.MapFS{"DCIM/100APPLE/IMG_0001.JPG": {}, "Books/a.pdf": {}}}
	if err := apps.New().Read(t.Context(), src, extract.Query{}, &extracttest.Collector{}); !errors.Is(err, extract.ErrAbsent) {
		t.Errorf("apps of a media copy: %v", err)
	}
}

// many is a phone with half a million files.
type many struct {
	fstest.MapFS
	lists atomic.Int64
}

func (m *many) ReadDir(name string) ([]fs.DirEntry, error) {
	m.lists.Add(1)
	switch depth := strings.Count(name, "/"); {
	case name == ".":
		return folders(50, "AppDomain-com.example.app"), nil
	case depth == 0:
		return folders(10, "folder"), nil
	case depth == 1:
		list := make([]fs.DirEntry, 1000)
		for i := range list {
			list[i] = fs.FileInfoToDirEntry(info{name: fmt.Sprintf("a file with a name of some length %04d.dat", i)})
		}
		return list, nil
	}
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
}

func (m *many) Stat(name string) (fs.FileInfo, error) {
	return info{name: name, dir: strings.Count(name, "/") < 2}, nil
}

func folders(n int, name string) []fs.DirEntry {
	list := make([]fs.DirEntry, n)
	for i := range list {
		list[i] = fs.FileInfoToDirEntry(info{name: fmt.Sprintf("%s%02d", name, i), dir: true})
	}
	return list
}

type info struct {
	name string
	dir  bool
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return 100 }
func (i info) ModTime() time.Time { return bought }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }
func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

func TestManyFiles(t *testing.T) {
	fsys := &many{}
	src := &extract.Source{FS: fsys}
	x := apps.New()
	if c := extracttest.Read(t, x, src, extract.Query{Limit: 1}); c.Records[0].(*apps.App).Files != 10_000 {
		t.Errorf("the first: %+v", c.Records[0])
	}
	if n := fsys.lists.Swap(0); n > 12 {
		t.Errorf("one app took %d lists of folders", n)
	}
	tree := friendly.New(src, []extract.Extractor{x})
	if list, err := fs.ReadDir(tree, "Apps/app07 (com.example.app07)/Data/folder03"); err == nil {
		t.Errorf("an app is called by its ID though its name is unlike all others: %d", len(list))
	}
	if list, err := fs.ReadDir(tree, "Apps/app07/Data/folder03"); err != nil || len(list) != 1000 {
		t.Errorf("a folder: %d, %v", len(list), err)
	}
	if n := fsys.lists.Swap(0); n > 20 {
		t.Errorf("one folder took %d lists of folders", n)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var files int64
	for _, r := range extracttest.Read(t, x, src, extract.Query{}).Records {
		files += r.(*apps.App).Files
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); files != 500_000 || grown > 20<<20 {
		t.Errorf("%d files, %d bytes kept", files, grown)
	}
}
