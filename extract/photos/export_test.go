package photos

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/export"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/thumbnail"
)

var update = flag.Bool("update", false, "write the golden files anew")

// exportTo exports a phone into a folder and gives what was written and what could
// not be read.
func exportTo(t *testing.T, dir string, src *extract.Source, o extract.ExportOptions) (outtree.Stats, []*extract.Problem) {
	t.Helper()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &extracttest.Collector{}
	if err := export.Write(t.Context(), New(), src, o, out, c); err != nil {
		t.Fatal(err)
	}
	stats := out.Stats()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return stats, c.Problems
}

// listing gives the paths below a folder, with sizes and times.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".keepsake") {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, at)
		at = info.ModTime().UTC().Format(time.RFC3339)
		if strings.HasSuffix(rel, ".json") || strings.HasSuffix(rel, ".txt") {
			at = "-" // that of the export
		}
		list = append(list, fmt.Sprintf("%s\t%d\t%s", filepath.ToSlash(rel), info.Size(), at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	at := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(at, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got), see -update:\n%s", name, d)
	}
}

func TestExport_golden(t *testing.T) {
	src := extracttest.Source(t, phone(t, "18.6"))
	for _, layout := range []string{"date", "album"} {
		dir := t.TempDir()
		_, problems := exportTo(t, dir, src, extract.ExportOptions{Layout: layout})
		if len(problems) > 0 {
			t.Error(problems)
		}
		golden(t, layout+".txt", []byte(strings.Join(listing(t, dir), "\n")+"\n"))
		if layout == "date" {
			text, err := os.ReadFile(filepath.Join(dir, "Photos/2023/2023-07/IMG_0002.HEIC.xmp"))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "IMG_0002.HEIC.xmp", text)
		}
	}
}

// Every file of every photo is there byte for byte, and the index says where.
func TestExport_bytes(t *testing.T) {
	for _, ios := range extracttest.Generations {
		fsys, dir := phone(t, ios), t.TempDir()
		src := extracttest.Source(t, fsys)
		exportTo(t, dir, src, extract.ExportOptions{})
		var index []exportedLine
		data, err := os.ReadFile(filepath.Join(dir, "Photos/photos.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &index); err != nil {
			t.Fatal(err)
		}
		all := read(t, src, extract.Query{})
		if len(index) != len(all) {
			t.Fatalf("the index has %d photos of %d", len(index), len(all))
		}
		for i, p := range all {
			if index[i].Key != p.Key {
				t.Fatalf("the index has %s where %s should be", index[i].Key, p.Key)
			}
			parts := p.parts()
			if want := len(parts) + min(len(parts), 1); len(index[i].Exported) != want {
				t.Errorf("%s: %d files, want %d and a sidecar: %q", p.Name, len(index[i].Exported), len(parts), index[i].Exported)
				continue
			}
			for j, part := range parts {
				sameFile(t, filepath.Join(dir, index[i].Exported[j]), fsys, part.origin, p.when(time.UTC))
			}
		}
	}
}

type exportedLine struct {
	Key      string   `json:"key"`
	Exported []string `json:"exported"`
}

func sameFile(t *testing.T, at string, fsys fs.FS, origin string, when time.Time) {
	t.Helper()
	got, err := os.ReadFile(at)
	if err != nil {
		t.Error(err)
		return
	}
	want, err := fs.ReadFile(fsys, origin)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not %s", at, origin)
	}
	if info, err := os.Stat(at); err != nil || !info.ModTime().Equal(when) {
		t.Errorf("%s: time %v, want %v", at, info.ModTime(), when)
	}
}

// A second run writes nothing; a photo that is new is added, and what belongs
// together stays together.
func TestExport_again(t *testing.T) {
	dir := t.TempDir()
	src := extracttest.Source(t, phone(t, "17.3"))
	first, _ := exportTo(t, dir, src, extract.ExportOptions{})
	before := listing(t, dir)
	if again, _ := exportTo(t, dir, src, extract.ExportOptions{}); again.Written != 0 || again.Kept != first.Written {
		t.Errorf("second run: %+v after %+v", again, first)
	}
	if after := listing(t, dir); !slices.Equal(before, after) {
		t.Errorf("the second run changed something:\n%s", cmp.Diff(before, after))
	}
}

func TestExport_jpeg(t *testing.T) {
	dir := t.TempDir()
	src := extracttest.Source(t, phone(t, "18.6"))
	if _, problems := exportTo(t, dir, src, extract.ExportOptions{Format: "jpeg"}); len(problems) > 0 {
		t.Fatal(problems)
	}
	heic, jpegs := 0, 0
	for _, l := range listing(t, dir) {
		name, _, _ := strings.Cut(l, "\t")
		switch strings.ToLower(filepath.Ext(name)) {
		case ".heic":
			heic++
		case ".jpg":
			jpegs++
		}
	}
	if heic != 0 || jpegs < 15 {
		t.Errorf("%d HEIC and %d JPEG", heic, jpegs)
	}
	// The converted picture keeps its date; ffprobe reads its size.
	p := read(t, src, extract.Query{Limit: 1})[0]
	name, _ := p.exportName()
	at := filepath.Join(dir, "Photos", filepath.Join(p.dateFolder(time.UTC)...), name+".jpg")
	if got := tool(t, "ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", at); got != "640,480" {
		t.Errorf("%s: %s", at, got)
	}
	if got, want := tool(t, "exiftool", "-s3", "-DateTimeOriginal", at), p.Taken.Format("2006:01:02 15:04:05"); got != want {
		t.Errorf("%s: taken %s, want %s", at, got, want)
	}
}

// Without heif-convert the originals are taken, and that is said once.
func TestExport_noConverter(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	_, problems := exportTo(t, dir, extracttest.Source(t, phone(t, "18.6")), extract.ExportOptions{Format: "jpeg"})
	if len(problems) != 1 || !errors.Is(problems[0], thumbnail.ErrNotInstalled) {
		t.Errorf("problems %v", problems)
	}
	if _, err := os.Stat(filepath.Join(dir, "Photos/2023/2023-06/IMG_0001.HEIC")); err != nil {
		t.Error(err)
	}
}

// A download has the same files.
func TestExport_zip(t *testing.T) {
	src := extracttest.Source(t, phone(t, "18.6"))
	dir := t.TempDir()
	exportTo(t, dir, src, extract.ExportOptions{})
	var data bytes.Buffer
	out := outtree.NewZip(&data)
	if err := errors.Join(export.Write(t.Context(), New(), src, extract.ExportOptions{}, out, nil), out.Close()); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if want := listing(t, dir); len(z.File) != len(want) {
		t.Errorf("%d files, want %d", len(z.File), len(want))
	}
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Other programs read what was written, and find the dates that the library has.
func TestExport_judges(t *testing.T) {
	dir := t.TempDir()
	src := extracttest.Source(t, phone(t, "26.1"))
	exportTo(t, dir, src, extract.ExportOptions{})
	seen := map[string]int{}
	for _, p := range read(t, src, extract.Query{Table: tablePhotos}) {
		if p.File == "" || p.Hidden || p.Deleted {
			continue
		}
		name, ending := p.exportName()
		at := filepath.Join(dir, "Photos", filepath.Join(p.dateFolder(time.UTC)...), outtree.Escape(name+ending))
		kind := strings.ToLower(ending)
		if seen[kind]++; seen[kind] > 2 || p.Name == "IMG_0004.JPG" {
			continue
		}
		switch kind {
		case ".heic":
			if got := tool(t, "heif-info", at); !strings.Contains(got, "640x480") {
				t.Errorf("%s: %s", at, got)
			}
			fallthrough
		case ".jpg", ".jpeg":
			if got, want := tool(t, "exiftool", "-s3", "-DateTimeOriginal", at), p.Taken.Format("2006:01:02 15:04:05"); got != want {
				t.Errorf("%s: taken %s, want %s", at, got, want)
			}
		case ".mov", ".mp4":
			got := tool(t, "ffprobe", "-v", "error", "-show_entries", "format_tags=com.apple.quicktime.creationdate", "-of", "csv=p=0", at)
			if taken, err := time.Parse("2006-01-02T15:04:05-0700", got); err != nil || !taken.Equal(p.Taken) {
				t.Errorf("%s: created %s, want %s", at, got, p.Taken)
			}
		}
		checkSidecar(t, at+".xmp", p)
	}
	for _, kind := range []string{".heic", ".jpg", ".png", ".mov", ".mp4", ".gif"} {
		if seen[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
}

// checkSidecar asks exiftool and encoding/xml what is in a sidecar.
func checkSidecar(t *testing.T, at string, p *Photo) {
	t.Helper()
	got := strings.Split(tool(t, "exiftool", "-json", "-n", "-struct", "-charset", "filename=utf8", "-Title", "-Description", "-Subject", "-PersonInImage", "-Rating", "-GPSLatitude",
		"-GPSLongitude", "-DateTimeOriginal", at), "\x00")
	var tags []struct {
		Title, Description string
		Subject            list
		PersonInImage      list
		Rating             int
		GPSLatitude        *float64
		GPSLongitude       *float64
		DateTimeOriginal   string
	}
	if err := json.Unmarshal([]byte(got[0]), &tags); err != nil || len(tags) != 1 {
		t.Fatalf("exiftool: %v: %s", err, got[0])
	}
	x := tags[0]
	rating := map[bool]int{true: 5}[p.Favourite]
	if x.Title != p.Title || x.Description != p.Caption || !slices.Equal(x.Subject, p.Keywords) || !slices.Equal(x.PersonInImage, p.People) || x.Rating != rating {
		t.Errorf("%s: %+v, want %+v", at, x, p)
	}
	if want := p.Taken.Format("2006:01:02 15:04:05-07:00"); strings.ReplaceAll(x.DateTimeOriginal, "Z", "+00:00") != want {
		t.Errorf("%s: taken %s, want %s", at, x.DateTimeOriginal, want)
	}
	near := func(a, b float64) bool { return a-b < 1e-5 && b-a < 1e-5 }
	switch {
	case (x.GPSLatitude != nil) != (p.Place != nil):
		t.Errorf("%s: latitude %v, want %v", at, x.GPSLatitude, p.Place)
	case p.Place != nil && (!near(*x.GPSLatitude, p.Place.Latitude) || !near(*x.GPSLongitude, p.Place.Longitude)):
		t.Errorf("%s: %f, %f, want %+v", at, *x.GPSLatitude, *x.GPSLongitude, p.Place)
	}
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Title    string   `xml:"RDF>Description>title>Alt>li"`
		Caption  string   `xml:"RDF>Description>description>Alt>li"`
		Keywords []string `xml:"RDF>Description>subject>Bag>li"`
	}
	if err := xml.Unmarshal(text, &back); err != nil || back.Title != p.Title || back.Caption != p.Caption || !slices.Equal(back.Keywords, p.Keywords) {
		t.Errorf("%s: %+v, %v", at, back, err)
	}
}

// list is a list that exiftool shows as a text where it has one entry.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(l))
	}
	*l = list{""}
	return json.Unmarshal(b, &(*l)[0])
}
