// Package extracttest is for the tests of readers: sources to read, an independent
// judge (Debian's sqlite3), and [Conform], which every reader passes.
package extracttest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// Collector keeps what a reader gives.
type Collector struct {
	Records  []extract.Record
	Problems []*extract.Problem
}

// Emit implements extract.Emitter.
func (c *Collector) Emit(r extract.Record) error {
	c.Records = append(c.Records, r)
	return nil
}

// Report implements extract.Emitter.
func (c *Collector) Report(p *extract.Problem) { c.Problems = append(c.Problems, p) }

// Read reads all that q chooses, and fails the test on an error.
func Read(t testing.TB, x extract.Extractor, src *extract.Source, q extract.Query) *Collector {
	t.Helper()
	c := &Collector{}
	if err := x.Read(t.Context(), src, q, c); err != nil {
		t.Fatalf("read %s: %v", x.Info().Kind, err)
	}
	return c
}

// Source makes a source of a file system, closed at the end of the test.
func Source(t testing.TB, fsys fs.FS) *extract.Source {
	t.Helper()
	src := &extract.Source{FS: fsys, Device: extract.Device{UDID: "00008101-000A1B2C3D4E001E", Name: "Test iPhone", Product: "iPhone13,2", IOS: "17.3"}}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Errorf("close source: %v", err)
		}
	})
	return src
}

// Public gives the folder of databases of a public research phone ("ios17-notes"),
// with its files at the folder where of the source. They are not part of the project:
// they lie beside its checkout, in ../shared/testdata, or where KEEPSAKE_TESTDATA says.
// Where neither is, as on the computer of somebody who has just cloned the project,
// the tests that want them are left out, and "make test" says so.
func Public(t testing.TB, folder, where string) fs.FS {
	t.Helper()
	root, err := filepath.Abs(".")
	for err == nil && filepath.Dir(root) != root {
		if _, gone := os.Stat(filepath.Join(root, "go.mod")); gone == nil {
			all := os.Getenv("KEEPSAKE_TESTDATA")
			if all == "" {
				all = filepath.Join(root, "..", "shared", "testdata")
				if _, err := os.Stat(all); errors.Is(err, fs.ErrNotExist) {
					t.Skip("the databases of public research phones are not beside this checkout: set KEEPSAKE_TESTDATA")
				}
			}
			dir := filepath.Join(all, folder)
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatalf("public test data: %v", err)
			}
			fsys := fstest.MapFS{}
			for _, e := range entries {
				data, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				fsys[path.Join(where, e.Name())] = &fstest.MapFile{Data: data, Mode: 0o600}
			}
			return fsys
		}
		root = filepath.Dir(root)
	}
	t.Fatal("public test data: no go.mod above this folder")
	return nil
}

// Generations are versions of iOS of which each has a schema of its own in
// content-schemas.md.
var Generations = []string{"13.7", "14.8", "15.3", "16.3", "17.3", "17.6", "18.6", "26.1"}

// Phone gives the files of a virtual phone of a version of iOS, profile "tiny"; with
// only, none but those of the kinds that it names (see virtualphone.Files), which takes
// a fraction of the time.
func Phone(t testing.TB, ios string, only ...string) fs.FS {
	t.Helper()
	dir := t.TempDir()
	if err := virtualphone.Files(t.Context(), virtualphone.Config{Dir: dir, IOS: ios, Profile: "tiny", Seed: 7, DeviceName: "Test iPhone"}, only...); err != nil {
		t.Fatalf("make a virtual phone with iOS %s: %v", ios, err)
	}
	return os.DirFS(filepath.Join(dir, "fs"))
}

// SQL asks Debian's sqlite3 about a database of a source, log included, and gives its
// rows. It works on a copy; NULL is "".
func SQL(t testing.TB, fsys fs.FS, name, query string) [][]string {
	t.Helper()
	dir := t.TempDir()
	for _, suffix := range []string{"", "-wal"} {
		data, err := fs.ReadFile(fsys, name+suffix)
		if errors.Is(err, fs.ErrNotExist) && suffix != "" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "db"+suffix), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sqlite3", "-json", filepath.Join(dir, "db"), query)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sqlite3: %v: %s", err, stderr.Bytes())
	}
	return rows(t, out)
}

// rows turns what sqlite3 -json prints into texts, columns in their order.
func rows(t testing.TB, out []byte) [][]string {
	t.Helper()
	var list [][]string
	if len(bytes.TrimSpace(out)) == 0 {
		return nil
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(out, &objects); err != nil {
		t.Fatalf("sqlite3 -json: %v", err)
	}
	for _, o := range objects {
		dec := json.NewDecoder(bytes.NewReader(o))
		dec.UseNumber()
		var row []string
		for i := 0; ; i++ {
			token, err := dec.Token()
			if err != nil {
				break
			}
			if _, brace := token.(json.Delim); brace || i%2 == 1 {
				continue // braces, and the keys: tokens 1, 3, …
			}
			if token == nil {
				row = append(row, "")
				continue
			}
			row = append(row, fmt.Sprint(token))
		}
		list = append(list, row)
	}
	return list
}

// Conform holds a reader to what extract promises, on a source that has its kind.
func Conform(t *testing.T, x extract.Extractor, src *extract.Source) {
	t.Helper()
	info := x.Info()
	if info.Kind == "" || info.Title == "" || len(info.Tables) == 0 || len(info.Paths) == 0 {
		t.Fatalf("Info lacks something: %+v", info)
	}
	tables := map[string]extract.Table{}
	for _, table := range info.Tables {
		tables[table.Name] = table
	}
	all := Read(t, x, src, extract.Query{})
	if len(all.Records) == 0 {
		t.Fatal("no records at all")
	}
	keys, groups := map[string]bool{}, map[string]int{}
	counts := map[string]int{}
	for _, r := range all.Records {
		e := r.Entry()
		table, ok := tables[e.Table]
		if !ok {
			t.Errorf("%s: its table %q is not in Info", e.Key, e.Table)
		}
		if e.Key == "" || keys[e.Key] {
			t.Errorf("key %q is empty or not unique", e.Key)
		}
		keys[e.Key] = true
		groups[e.Group]++
		counts[e.Table]++
		if n := len(r.Row()); n != len(table.Columns) {
			t.Errorf("%s: %d values for %d columns", e.Key, n, len(table.Columns))
		}
		for _, f := range e.Files {
			if !src.Has(f) {
				t.Errorf("%s: file %s is not in the source", e.Key, f)
			}
		}
		if data, err := json.Marshal(r); err != nil || string(data) == "{}" {
			t.Errorf("%s: JSON is %s, %v", e.Key, data, err)
		}
	}
	t.Run("again", func(t *testing.T) { same(t, all.Records, Read(t, x, src, extract.Query{}).Records) })
	for _, newest := range []bool{false, true} {
		t.Run(fmt.Sprintf("pages newest=%t", newest), func(t *testing.T) { pages(t, x, src, newest, len(all.Records)) })
	}
	t.Run("tables", func(t *testing.T) {
		for name := range tables {
			if n := len(Read(t, x, src, extract.Query{Table: name}).Records); n != counts[name] {
				t.Errorf("table %s has %d records, all of them have %d", name, n, counts[name])
			}
		}
	})
	t.Run("one", func(t *testing.T) {
		for _, i := range []int{0, len(all.Records) / 2, len(all.Records) - 1} {
			same(t, all.Records[i:i+1], Read(t, x, src, extract.Query{Key: all.Records[i].Entry().Key}).Records)
		}
		if c := Read(t, x, src, extract.Query{Key: "no such key"}); len(c.Records) != 0 {
			t.Errorf("%d records of a key that is none", len(c.Records))
		}
	})
	t.Run("groups", func(t *testing.T) { conformGroups(t, x, src, groups) })
	t.Run("stops", func(t *testing.T) {
		stop := &stopper{}
		if err := x.Read(t.Context(), src, extract.Query{}, stop); err != nil || stop.n != 1 {
			t.Errorf("ErrStop after %d records gave %v", stop.n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		fresh := &extract.Source{FS: src.FS, Device: src.Device}
		defer fresh.Close()
		if err := x.Read(ctx, fresh, extract.Query{}, &Collector{}); !errors.Is(err, context.Canceled) {
			t.Errorf("read with a cancelled context: %v", err)
		}
	})
	t.Run("absent", func(t *testing.T) {
		empty := &extract.Source{FS: fstest.MapFS{}}
		if err := x.Read(t.Context(), empty, extract.Query{}, &Collector{}); !errors.Is(err, extract.ErrAbsent) {
			t.Errorf("read an empty source: %v, want ErrAbsent", err)
		}
		if _, err := x.Groups(t.Context(), empty); info.Groups != "" && !errors.Is(err, extract.ErrAbsent) {
			t.Errorf("groups of an empty source: %v, want ErrAbsent", err)
		}
	})
}

type stopper struct {
	Collector
	n int
}

func (s *stopper) Emit(extract.Record) error {
	s.n++
	return extract.ErrStop
}

func same(t *testing.T, a, b []extract.Record) {
	t.Helper()
	ja, jb := lines(t, a), lines(t, b)
	if !slices.Equal(ja, jb) {
		t.Errorf("two readings differ: %d and %d records", len(ja), len(jb))
		for i := range min(len(ja), len(jb)) {
			if ja[i] != jb[i] {
				t.Errorf("first difference at %d:\n%s\n%s", i, ja[i], jb[i])
				break
			}
		}
	}
}

func lines(t *testing.T, records []extract.Record) []string {
	t.Helper()
	list := make([]string, len(records))
	for i, r := range records {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = string(data)
	}
	return list
}

func pages(t *testing.T, x extract.Extractor, src *extract.Source, newest bool, count int) {
	t.Helper()
	whole := Read(t, x, src, extract.Query{Newest: newest}).Records
	if len(whole) != count {
		t.Fatalf("%d records, in the other order %d", len(whole), count)
	}
	step := max(count/5, 1)
	var parts []extract.Record
	for skip := 0; skip < count; skip += step {
		parts = append(parts, Read(t, x, src, extract.Query{Newest: newest, Skip: skip, Limit: step}).Records...)
	}
	same(t, whole, parts)
	if !newest {
		return
	}
	for i := 1; i < len(whole); i++ {
		if a, b := whole[i-1].Entry(), whole[i].Entry(); a.Table == b.Table && !b.Time.IsZero() && a.Time.Before(b.Time) {
			t.Errorf("newest first, but %s of %v comes before %s of %v", a.Key, a.Time, b.Key, b.Time)
			return
		}
	}
}

func conformGroups(t *testing.T, x extract.Extractor, src *extract.Source, used map[string]int) {
	t.Helper()
	groups, err := x.Groups(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"": true}
	for _, g := range groups {
		if g.Key == "" || g.Title == "" || known[g.Key] {
			t.Errorf("group %+v lacks a key or a title, or is there twice", g)
		}
		known[g.Key] = true
	}
	for _, g := range groups {
		if !known[g.Parent] {
			t.Errorf("group %s lies in %s, which is none", g.Key, g.Parent)
		}
		n := len(Read(t, x, src, extract.Query{Group: g.Key}).Records)
		if g.Count >= 0 && n != g.Count {
			t.Errorf("group %s (%s): %d records, says %d", g.Key, g.Title, n, g.Count)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(used)) {
		if !known[key] {
			t.Errorf("%d records lie in group %s, which is none", used[key], key)
		}
	}
}

// Damage reads a source whose file name is broken in several ways, and makes sure
// that the reader neither panics nor takes damage for absence.
func Damage(t *testing.T, x extract.Extractor, fsys fs.FS, name string) {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	noise := bytes.Repeat([]byte("no database "), 1000)
	garbled := bytes.Clone(data)
	for i := 4096; i < len(garbled); i += 1021 {
		garbled[i] ^= 0xa5
	}
	for what, broken := range map[string][]byte{"empty": {}, "noise": noise, "half": data[:len(data)/2], "garbled": garbled, "head": data[:min(100, len(data))]} {
		t.Run(what, func(t *testing.T) {
			src := &extract.Source{FS: replaced{fsys, name, broken}}
			defer src.Close()
			c := &Collector{}
			err := x.Read(t.Context(), src, extract.Query{}, c)
			if errors.Is(err, extract.ErrAbsent) {
				t.Errorf("damage was taken for absence: %v", err)
			}
			if err == nil && len(c.Problems) == 0 && what != "garbled" {
				t.Errorf("nothing was said, %d records were given", len(c.Records))
			}
			if err != nil && strings.Contains(err.Error(), "panic") {
				t.Error(err)
			}
		})
	}
}

// replaced has another content for one file, and no log beside it.
type replaced struct {
	fs.FS
	name string
	data []byte
}

func (r replaced) Open(name string) (fs.File, error) {
	switch name {
	case r.name:
		return fstest.MapFS{"f": {Data: r.data, Mode: 0o600}}.Open("f")
	case r.name + "-wal", r.name + "-journal":
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.FS.Open(name)
}
