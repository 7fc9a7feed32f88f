package format

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// golden reads a file of the repository that restic 0.14 made.
func golden(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "restic-0.14", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func goldenNames(tb testing.TB, pattern string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "restic-0.14", pattern))
	if err != nil || len(paths) == 0 {
		tb.Fatal(pattern, paths, err)
	}
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}

// goldenJSON is what an unpacked file of restic holds.
func goldenJSON(tb testing.TB, name string) []byte {
	tb.Helper()
	json, err := DecodeUnpacked(golden(tb, name), 1<<20)
	if err != nil {
		tb.Fatal(err)
	}
	return json
}

func collectIndex(tb testing.TB, json []byte) []PackBlobs {
	tb.Helper()
	packs, err := scanAll(json)
	if err != nil {
		tb.Fatal(err)
	}
	return packs
}

func scanAll(json []byte) ([]PackBlobs, error) {
	var packs []PackBlobs
	err := ScanIndex(json, func(pack ID, blobs []Blob) error {
		packs = append(packs, PackBlobs{pack, slices.Clone(blobs)})
		return nil
	})
	return packs, err
}

func TestGolden_trees(t *testing.T) {
	for _, name := range goldenNames(t, "tree-*.json") {
		data := golden(t, name)
		tree, err := DecodeTree(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := tree.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := tree.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// The one thing that restic 0.14 lost itself: the bytes of a target.
		want := bytes.ReplaceAll(data, []byte(`bad\ufffdtarget`), []byte("bad\ufffdtarget"))
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestGolden_oddNames(t *testing.T) {
	tree, err := DecodeTree(golden(t, "tree-5.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		" space ", "%percent", ".hidden", "Z", `\x41`, `a"quote`, "amp&<tag>", `back\slash`, "bad\xff\xc3utf8", "e\u0301 decomposed",
		"it's", "line\u2028sep\u2029", "nbsp\u00a0", "new\nline\ttab\rcr\abel\x01\x7f", "repl\ufffdacement", "surrogate\xed\xa0\x80",
		"z", "zw\u200djoiner 👩\u200d👧", "~tilde", "é composed", "\ufeffbom",
	}
	var got []string
	for _, n := range tree.Nodes {
		got = append(got, n.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("names:\n got %q\nwant %q", got, want)
	}
	if n, ok := tree.Find("bad\xff\xc3utf8"); !ok || n.Size != 10 {
		t.Errorf("Find: %v, %v", n, ok)
	}
	if n, ok := tree.Find("bad"); ok {
		t.Errorf("Find of what is not there: %v", n)
	}
}

func TestGolden_specialFiles(t *testing.T) {
	tree, err := DecodeTree(golden(t, "tree-1.json"))
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]NodeType{
		"DCIM": NodeDir, "link": NodeSymlink, "block": NodeDevice, "null": NodeChar, "fifo": NodeFIFO, "empty": NodeFile,
	}
	for name, want := range types {
		if n, ok := tree.Find(name); !ok || n.Type != want {
			t.Errorf("%s: %v, %v", name, n, ok)
		}
	}
	link, _ := tree.Find("link")
	null, _ := tree.Find("null")
	empty, _ := tree.Find("empty")
	plain, _ := tree.Find("plain.txt")
	if link.LinkTarget != "DCIM/IMG_0001.HEIC" || null.Device != 259 || null.Mode.Type().String() != "Dc---------" {
		t.Errorf("link to %q, device %d of mode %v", link.LinkTarget, null.Device, null.Mode)
	}
	if empty.Content == nil || len(empty.Content) != 0 || empty.Mode.String() != "urwxr-xr-x" || !empty.ModTime.Equal(time.Unix(0, 0)) {
		t.Errorf("empty file: %+v", empty)
	}
	if len(plain.Xattrs) != 2 || string(plain.Xattrs[0].Value) != "\x00\xff&" || plain.Xattrs[1].Name != "user.empty" || len(plain.Xattrs[1].Value) != 0 {
		t.Errorf("extended attributes: %+v", plain.Xattrs)
	}
}

func TestGolden_emptyTree(t *testing.T) {
	got, err := new(Tree).Encode()
	if err != nil || !bytes.Equal(got, golden(t, "tree-4.json")) {
		t.Errorf("empty tree: %q, %v", got, err)
	}
	if id := Hash(got); id.Short() != "ac08ce34" {
		t.Errorf("ID of the empty tree: %v", id)
	}
}

func TestGolden_index(t *testing.T) {
	for _, name := range goldenNames(t, "index-*.unpacked") {
		json := goldenJSON(t, name)
		want := bytes.TrimSuffix(json, []byte("\n")) // restic writes one; nobody wants it
		if got := AppendIndex(nil, collectIndex(t, json)); !bytes.Equal(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestGolden_headers(t *testing.T) {
	var indexed []PackBlobs
	for _, name := range goldenNames(t, "index-*.unpacked") {
		indexed = append(indexed, collectIndex(t, goldenJSON(t, name))...)
	}
	for _, name := range goldenNames(t, "pack-*.header") {
		header := golden(t, name)
		blobs, err := ParseHeader(header)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := AppendHeader(nil, blobs); !bytes.Equal(got, header) {
			t.Errorf("%s:\n got %x\nwant %x", name, got, header)
		}
		size, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(name, "pack-"), ".header"), 10, 64)
		if got := PackSize(blobs); got != size {
			t.Errorf("%s: pack of %d bytes, want %d", name, got, size)
		}
		if !slices.ContainsFunc(indexed, func(p PackBlobs) bool {
			slices.SortFunc(p.Blobs, func(a, b Blob) int { return int(a.Offset) - int(b.Offset) })
			return slices.Equal(p.Blobs, blobs)
		}) {
			t.Errorf("%s: no pack of the index has these blobs", name)
		}
	}
}

func TestGolden_snapshots(t *testing.T) {
	for _, name := range goldenNames(t, "snapshot-*.unpacked") {
		json := goldenJSON(t, name)
		s, err := DecodeSnapshot(json)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := s.Encode(); err != nil || !bytes.Equal(got, json) {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, json)
		}
	}
}

func TestGolden_lockConfigKey(t *testing.T) {
	json := goldenJSON(t, "lock.unpacked")
	lock, err := DecodeLock(json)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lock.Encode(); err != nil || !bytes.Equal(got, json) || lock.Exclusive || lock.Hostname != "pc.example" {
		t.Errorf("lock: %v\n got %s\nwant %s", err, got, json)
	}
	json = golden(t, "config.json")
	config, err := DecodeConfig(json)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := config.Encode(); err != nil || !bytes.Equal(got, json) || config.Version != MaxVersion {
		t.Errorf("config: %v\n got %s\nwant %s", err, got, json)
	}
	json = golden(t, "key.json")
	key, err := DecodeKeyFile(json)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Encode(); err != nil || !bytes.Equal(got, json) || key.N != 32768 {
		t.Errorf("key file: %v\n got %s\nwant %s", err, got, json)
	}
}
