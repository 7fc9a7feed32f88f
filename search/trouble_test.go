package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/lockfile"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// people makes contacts whose names can be told apart.
func people(from, to int) *fake {
	f := &fake{kind: "contacts"}
	for i := from; i < to; i++ {
		f.records = append(f.records, &record{Table: "contacts", Key: fmt.Sprint("key", i), Title: fmt.Sprint("Person", i), Text: "Quincunx everywhere", Files: []string{"Secretfolder/picture"}})
	}
	return f
}

func versionIDs(t testing.TB, ix *Index) string {
	t.Helper()
	list, err := ix.Versions()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, v := range list {
		ids = append(ids, v.ID)
	}
	return strings.Join(ids, " ")
}

// filesOf are the files of an index by what they begin with.
func filesOf(t testing.TB, dir, prefix string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, prefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAdd_crash(t *testing.T) {
	lost := errors.New("the power is gone")
	for _, at := range []string{"new documents are written", "files are written", "manifest is written", "manifest is there"} {
		dir := t.TempDir()
		ix := open(t, dir)
		add(t, ix, "v1", 1, people(0, 20))
		ix.runSize = 500
		ix.crash = func(step string) error {
			if step == at {
				return lost
			}
			return nil
		}
		err := ix.Add(t.Context(), Version{ID: "v2", Time: day(2)}, readers(people(10, 30)), &extract.Source{}, nil)
		if !errors.Is(err, lost) {
			t.Fatalf("%s: %v", at, err)
		}
		again := open(t, dir) // as another process finds it
		want, found := "v1", 20
		if at == "manifest is there" {
			want, found = "v1 v2", 30
		}
		if got := versionIDs(t, again); got != want || again.Trouble() != nil {
			t.Errorf("%s: versions %s, %v", at, got, again.Trouble())
		}
		if hits := find(t, again, Query{Text: "quincunx", Limit: 100}); len(hits) != found {
			t.Errorf("%s: %d hits", at, len(hits))
		}
		add(t, again, "v2", 2, people(10, 30))
		if hits := find(t, again, Query{Text: "quincunx", Limit: 100}); len(hits) != 30 {
			t.Errorf("%s: %d hits after it was done again", at, len(hits))
		}
		if n := len(filesOf(t, dir, "ver-")); n != 2 {
			t.Errorf("%s: %d lists of documents are left", at, n)
		}
		if n := len(filesOf(t, dir, "")); n > 2+2+2 {
			t.Errorf("%s: left are %q", at, filesOf(t, dir, ""))
		}
	}
}

func TestAdd_cancelled(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir)
	ix.runSize = 1
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{kind: "contacts", each: func(emit func(*record) error) error {
		for i := 0; ; i++ {
			if i == 10_000 {
				cancel()
			}
			if err := emit(&record{Key: fmt.Sprint(i % 50), Title: "x"}); err != nil {
				return err
			}
		}
	}}
	if err := ix.Add(ctx, Version{ID: "v"}, readers(f), &extract.Source{}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := filesOf(t, dir, "seg-"); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
}

func TestOpen_wrongKey(t *testing.T) {
	dir := t.TempDir()
	add(t, open(t, dir), "v1", 1, people(0, 3))
	other, err := Open(t.Context(), dir, secret.NewBytes(bytes.Repeat([]byte{7}, KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if trouble := other.Trouble(); len(trouble) != 1 || !errors.Is(trouble[0], ErrKey) {
		t.Errorf("trouble %v", trouble)
	}
	if got := versionIDs(t, other); got != "" {
		t.Errorf("versions %s", got)
	}
	add(t, other, "v1", 1, people(0, 3))
	if len(find(t, other, Query{})) != 3 || other.Trouble() != nil {
		t.Errorf("it was not made again: %v", other.Trouble())
	}
	if _, err := Open(t.Context(), dir, secret.NewBytes([]byte("short"))); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a short key: %v", err)
	}
}

// Whatever happens to a file, nothing false is found, it is said, and adding the
// versions again repairs it.
func TestOpen_tampered(t *testing.T) {
	damages := map[string]func(t *testing.T, name string, data []byte) []byte{
		"bit in the header": func(_ *testing.T, _ string, b []byte) []byte { b[20] ^= 1; return b },
		"bit in the end":    func(_ *testing.T, _ string, b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"bit in the middle": func(_ *testing.T, _ string, b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":               func(_ *testing.T, _ string, b []byte) []byte { return b[:len(b)-20] },
		"longer":            func(_ *testing.T, _ string, b []byte) []byte { return append(b, make([]byte, 100)...) },
		"empty":             func(*testing.T, string, []byte) []byte { return nil },
		"other magic":       func(_ *testing.T, _ string, b []byte) []byte { b[0] = 'X'; return b },
		"removed":           func(t *testing.T, name string, _ []byte) []byte { return nil },
	}
	for what, damage := range damages {
		for _, prefix := range []string{manifestName, segmentPrefix, versionPrefix} {
			dir := t.TempDir()
			ix := open(t, dir)
			add(t, ix, "v1", 1, people(0, 10))
			add(t, ix, "v2", 2, people(5, 15))
			for _, name := range filesOf(t, dir, prefix) {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(name); err != nil {
					t.Fatal(err)
				}
				if what == "removed" {
					continue
				}
				if err := os.WriteFile(name, damage(t, name, data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			again := open(t, dir)
			// A manifest that is not there is an index that was never made.
			if again.Trouble() == nil && !(what == "removed" && prefix == manifestName) {
				if err := again.Check(t.Context()); !errors.Is(err, ErrDamaged) {
					t.Errorf("%s in %s: no trouble, %v", what, prefix, err)
				}
			}
			if got := versionIDs(t, again); got != "" {
				t.Errorf("%s in %s: versions %s", what, prefix, got)
			}
			add(t, again, "v1", 1, people(0, 10))
			add(t, again, "v2", 2, people(5, 15))
			if n := len(find(t, again, Query{Text: "quincunx"})); n != 15 || again.Trouble() != nil || versionIDs(t, again) != "v1 v2" {
				t.Errorf("%s in %s: %d hits after repair, %v", what, prefix, n, again.Trouble())
			}
			if err := again.Check(t.Context()); err != nil {
				t.Errorf("%s in %s: after repair %v", what, prefix, err)
			}
		}
	}
}

// A file of the index in the place of another, or an older one of the same name, does
// not open.
func TestOpen_swapped(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir)
	add(t, ix, "v1", 1, people(0, 10))
	add(t, ix, "v2", 2, people(5, 15))
	for _, prefix := range []string{segmentPrefix, versionPrefix} {
		names := filesOf(t, dir, prefix)
		if len(names) != 2 {
			t.Fatalf("%q", names)
		}
		for _, step := range [][2]string{{names[0], dir + "/x"}, {names[1], names[0]}, {dir + "/x", names[1]}} {
			if err := os.Rename(step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
		again := open(t, dir)
		if again.Trouble() == nil || versionIDs(t, again) != "" {
			t.Errorf("%s: versions %s, trouble %v", prefix, versionIDs(t, again), again.Trouble())
		}
		add(t, again, "v1", 1, people(0, 10))
		add(t, again, "v2", 2, people(5, 15))
	}
}

// Damage that only a search meets.
func TestSearch_damaged(t *testing.T) {
	dir := t.TempDir()
	big := &fake{kind: "messages"}
	for i := range 3000 {
		big.records = append(big.records, &record{Key: fmt.Sprint(i), Title: fmt.Sprint("word", i), Text: strings.Repeat(fmt.Sprint("w", i*7919, " "), 20), Time: day(i)})
	}
	add(t, open(t, dir), "v1", 1, big)
	name := filesOf(t, dir, segmentPrefix)[0]
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 64), 100); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	ix := open(t, dir)
	if got := versionIDs(t, ix); got != "v1" {
		t.Fatalf("versions %s", got)
	}
	if _, err := ix.Search(t.Context(), Query{Text: "word2999"}); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if got := versionIDs(t, ix); got != "" || ix.Trouble() == nil {
		t.Errorf("versions %s, trouble %v", got, ix.Trouble())
	}
	add(t, ix, "v1", 1, big)
	if n := len(find(t, ix, Query{Text: "word2999"})); n != 1 || ix.Trouble() != nil {
		t.Errorf("%d hits after repair, %v", n, ix.Trouble())
	}
}

func TestIndex_nothingInClear(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir)
	ix.runSize = 1000
	seen := 0
	look := func() {
		for _, name := range filesOf(t, dir, "") {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			seen++
			for _, word := range []string{"Quincunx", "quincunx", "Person", "person", "contacts", "Secretfolder", "key1", "very-private-version"} {
				if bytes.Contains(data, []byte(word)) || strings.Contains(filepath.Base(name), word) {
					t.Errorf("%q is in %s", word, filepath.Base(name))
				}
			}
		}
	}
	ix.crash = func(string) error { look(); return nil }
	add(t, ix, "very-private-version", 1, people(0, 100))
	add(t, ix, "very-private-version-2", 2, people(50, 150))
	if err := ix.Forget(t.Context(), "very-private-version"); err != nil {
		t.Fatal(err)
	}
	look()
	if seen < 10 {
		t.Errorf("%d files were looked at", seen)
	}
	for _, name := range filesOf(t, dir, "") {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestIndex_oneWriter(t *testing.T) {
	dir := t.TempDir()
	ix, other := open(t, dir), open(t, dir)
	add(t, ix, "v1", 1, people(0, 3))
	var held *lockfile.HeldError
	f := people(0, 3)
	f.each = func(func(*record) error) error {
		if err := other.Forget(context.Background(), "v1"); !errors.As(err, &held) {
			t.Errorf("the second writer: %v", err)
		}
		return nil
	}
	add(t, ix, "v2", 2, f)
	if got := versionIDs(t, other); got != "v1 v2" {
		t.Errorf("the other sees %s", got)
	}
}

// Readers see one state of the index after the other while somebody writes and merges.
func TestIndex_concurrent(t *testing.T) {
	dir := t.TempDir()
	ix, other := open(t, dir), open(t, dir)
	ix.runSize = 2000
	add(t, ix, "v00", 0, people(0, 50))
	ctx, stop := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	for _, x := range []*Index{ix, ix, other} {
		wait.Go(func() {
			for ctx.Err() == nil {
				r, err := x.Search(context.Background(), Query{Text: "everywhere quinc", Limit: 1000})
				if err != nil {
					t.Error(err)
					return
				}
				// Each version has ten more than the one before.
				if n := len(r.Hits); n < 50 || n%10 != 0 {
					t.Errorf("%d hits, trouble %v", n, x.Trouble())
					return
				}
			}
		})
	}
	for v := range 15 {
		add(t, ix, fmt.Sprintf("v%02d", v+1), v+1, people(0, 60+10*v))
	}
	if err := ix.Compact(context.Background()); err != nil {
		t.Error(err)
	}
	stop()
	wait.Wait()
	if n := len(find(t, other, Query{Limit: 1000})); n != 200 {
		t.Errorf("%d hits", n)
	}
}

func TestForget_leavesTheDisk(t *testing.T) {
	dir := t.TempDir()
	ix := open(t, dir)
	add(t, ix, "v1", 1, people(0, 100))
	add(t, ix, "v2", 2, people(50, 100))
	if err := ix.Forget(t.Context(), "v1"); err != nil {
		t.Fatal(err)
	}
	s, err := ix.Stats()
	if err != nil || s.Documents != 50 || s.Unused != 0 || s.Versions != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if len(find(t, ix, Query{Text: "person10 "})) != 0 || len(find(t, ix, Query{Text: "person60 "})) != 1 {
		t.Error("what is found is not what is left")
	}
	if err := ix.Forget(t.Context(), "v2"); err != nil {
		t.Fatal(err)
	}
	if left := filesOf(t, dir, segmentPrefix); len(left) != 0 {
		t.Errorf("left are %q", left)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Remove(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
	if err := Remove(dir); err != nil {
		t.Error(err)
	}
}

func TestAdd_hostile(t *testing.T) {
	ix := open(t, t.TempDir())
	long := strings.Repeat("ж", 1<<20)
	f := &fake{kind: "notes", records: []*record{
		{Key: long, Title: long, Detail: "\xff\xfe", Text: strings.Repeat("word\x00 ", 200_000), Files: slices.Repeat([]string{"a"}, 1000)},
		{Key: "", Title: "\u202e\x1b[2J", Text: "tail", Time: day(-1_000_000)},
		{Key: "far", Title: "far tail", Time: day(100_000_000)},
	}}
	add(t, ix, "v1", 1, f)
	add(t, ix, "v2", 2, f)
	hits := find(t, ix, Query{})
	if len(hits) != 3 || len(hits[0].InVersions) != 2 {
		t.Fatalf("%d hits", len(hits))
	}
	for _, h := range hits {
		if len(h.Title) > 8<<10 || len(h.Text) > 256<<10 || len(h.Files) > 64 {
			t.Errorf("%d bytes of title, %d of text, %d files", len(h.Title), len(h.Text), len(h.Files))
		}
	}
	if n := len(find(t, ix, Query{Text: "word жжжж"})); n != 1 {
		t.Errorf("%d hits", n)
	}
	for _, q := range []Query{{Text: strings.Repeat("x ", 100)}, {Text: strings.Repeat("x", 5000)}, {After: "?"}} {
		if _, err := ix.Search(t.Context(), q); !errors.Is(err, ErrQuery) {
			t.Errorf("%v", err)
		}
	}
	for _, id := range []string{"", strings.Repeat("x", 300), "\xff"} {
		if err := ix.Add(t.Context(), Version{ID: id}, nil, &extract.Source{}, nil); err == nil {
			t.Errorf("a version %q", id)
		}
	}
}
