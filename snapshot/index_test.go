package snapshot

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

func TestRecord_golden(t *testing.T) {
	e := Entry{ID: itunesbackup.MakeFileID("HomeDomain", "Library/SMS/sms.db"), Stored: 0x0102030405, ModTime: 1_776_000_000, seal: sealOf([]byte("key"), []byte("digest"))}
	const want = "3d0d7e5fb2ce288813306e4d4636395e047a3d28" + "000102030405" + "000069db9c00" + "c9e041d37c7fc4a4"
	got := hex.EncodeToString(appendRecord(nil, e))
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, e := range []Entry{e, {}, {Stored: maxStored, ModTime: maxModTime}, {ModTime: minModTime}, {ModTime: -1}} {
		if back := decodeRecord(appendRecord(nil, e)); back != e {
			t.Errorf("%+v became %+v", e, back)
		}
	}
	if sealOf(nil, nil) != (seal{}) || sealOf([]byte("ab"), nil) == sealOf(nil, []byte("ab")) || sealOf([]byte("a"), []byte("b")) == sealOf([]byte("ab"), nil) {
		t.Error("seals do not tell keys from digests")
	}
}

func someRecords(n int) (records []byte) {
	for i := range n {
		records = appendRecord(records, Entry{ID: itunesbackup.MakeFileID("d", fmt.Sprint(i)), Stored: int64(i), ModTime: int64(-i)})
	}
	return records
}

func TestIndex(t *testing.T) {
	x, err := newIndex(someRecords(3000))
	if err != nil {
		t.Fatal(err)
	}
	if x.Len() != 3000 {
		t.Error(x.Len())
	}
	for i := range 3000 {
		id := itunesbackup.MakeFileID("d", fmt.Sprint(i))
		if e, ok := x.Get(id); !ok || e.Stored != int64(i) || e.ModTime != int64(-i) || e.ID != id {
			t.Fatalf("%d: %+v, %t", i, e, ok)
		}
	}
	for _, id := range []itunesbackup.FileID{{}, itunesbackup.MakeFileID("other", ""), itunesbackup.FileID(bytes.Repeat([]byte{0xFF}, 20))} {
		if _, ok := x.Get(id); ok {
			t.Errorf("%s is there", id)
		}
	}
	var all, byShard []itunesbackup.FileID
	for e := range x.All() {
		all = append(all, e.ID)
	}
	for first := range 256 {
		for e := range x.Shard(byte(first)) {
			if int(e.ID[0]) != first {
				t.Fatalf("%s in %02x", e.ID, first)
			}
			byShard = append(byShard, e.ID)
		}
	}
	if !slices.IsSortedFunc(all, func(a, b itunesbackup.FileID) int { return bytes.Compare(a[:], b[:]) }) || !slices.Equal(all, byShard) || len(all) != 3000 {
		t.Errorf("%d files, %d in shards, or not sorted", len(all), len(byShard))
	}
	if _, err := newIndex(append(someRecords(3), someRecords(1)...)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
	if _, err := newIndex(make([]byte, 41)); err == nil {
		t.Error("half a record")
	}
}

// A file more moves the cuts of its own piece only.
func TestCutIndex(t *testing.T) {
	cut := func(records []byte) (pieces []string) {
		if err := cutIndex(records, func(p []byte) error { pieces = append(pieces, string(p)); return nil }); err != nil {
			t.Fatal(err)
		}
		return pieces
	}
	records := someRecords(20_000)
	before := cut(records)
	at := 10_000 * recordSize
	after := cut(slices.Concat(records[:at], appendRecord(nil, Entry{ID: itunesbackup.FileID{1}}), records[at:]))
	if strings.Join(before, "") != string(records) {
		t.Error("pieces are not the whole")
	}
	old := map[string]bool{}
	for _, p := range before {
		if len(p) > maxPiece || len(p)%recordSize != 0 {
			t.Errorf("a piece of %d bytes", len(p))
		}
		old[p] = true
	}
	changed := 0
	for _, p := range after {
		if !old[p] {
			changed++
		}
	}
	if changed > 2 || len(before) < 20 || len(before) > 80 {
		t.Errorf("%d of %d pieces changed", changed, len(before))
	}
	if len(cut(nil)) != 0 {
		t.Error("a piece of nothing")
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(someRecords(3))
	f.Add(append(someRecords(300), someRecords(1)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := newIndex(data)
		if err != nil {
			return
		}
		n := 0
		for e := range x.All() {
			if got, ok := x.Get(e.ID); !ok || got != e {
				t.Fatalf("%+v, %+v", got, e)
			}
			n++
		}
		if n != x.Len() || n*recordSize != len(data) {
			t.Errorf("%d of %d", n, x.Len())
		}
	})
}

// The order of rows is that of their addresses joined by NUL.
func TestRows_order(t *testing.T) {
	paths := []string{"D", "D/a", "D/a/b", "D/a/b/c", "D/a/c", "D/a.b", "D/a.b/c", "D/a0", "D/ab", "D/ab/c", "D/é", "D-", "D-/x", "E", "E/a/b/c/d/e"}
	r := newRows(0)
	for _, p := range paths {
		domain, path, _ := strings.Cut(p, "/")
		x := row{id: itunesbackup.MakeFileID(domain, path)}
		r.locate(&x, domain, path)
		r.list = append(r.list, x)
		if got := r.path(&x); got != p {
			t.Errorf("%q became %q", p, got)
		}
	}
	key := func(p string) string { return strings.ReplaceAll(p, "/", "\x00") }
	for i := range r.list {
		for j := range r.list {
			if got, want := r.compare(&r.list[i], &r.list[j]), strings.Compare(key(paths[i]), key(paths[j])); got != want {
				t.Errorf("%q and %q: %d, want %d", paths[i], paths[j], got, want)
			}
		}
	}
}
