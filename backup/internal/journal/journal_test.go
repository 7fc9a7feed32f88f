package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/backup/internal/spool"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const udid = "00008110-000A1B2C3D4E5F6A"

var (
	testKey = bytes.Repeat([]byte{5}, KeySize)
	id      = strings.Repeat("ab", 20)
)

// samples are records of every kind and form.
func samples() []Record {
	blobs := []format.ID{format.Hash([]byte("a")), format.Hash([]byte("b"))}
	return []Record{
		{Kind: Boot, Text: "boot 1"},
		{Kind: Put, Path: udid + "/Status.plist", Time: 1700000000, Size: 5, Inline: []byte("hello")},
		{Kind: Put, Path: udid + "/empty", Time: -1, Inline: []byte{}},
		{Kind: Put, Path: udid + "/Snapshot/ab/" + id, Time: 5, Size: 70000, Extents: []spool.Extent{{Segment: 1, Offset: 1 << 33, Length: 65536}, {Segment: 2, Length: 4464}}},
		{Kind: Put, Path: udid + "/ab/" + id, Size: 1 << 40, Content: &Content{Size: 1 << 40, SHA1: [20]byte{1, 2}, Blobs: blobs}},
		{Kind: Put, Path: udid + "/Snapshot/ab/" + strings.ToUpper(id), Inline: []byte{}},
		{Kind: Put, Path: udid + "/cd/" + id, Inline: []byte{}},
		{Kind: Put, Path: udid + "/grüße ✓", Inline: []byte{}},
		{Kind: Void},
		{Kind: Mkdir, Path: udid + "/Snapshot/ab"},
		{Kind: Rename, Path: udid + "/Snapshot/ab/" + id, To: udid + "/ab/" + id},
		{Kind: Remove, Path: udid + "/Snapshot"},
		{Kind: Stored, Object: 3, Content: &Content{Size: 69990, Unsealed: true, KeyCheck: [8]byte{9, 8, 7, 6, 5, 4, 3, 2}, Blobs: blobs[:1]}},
		{Kind: Stored, Object: 4, Content: &Content{Raw: true, Blobs: []format.ID{}}},
		{Kind: Lost, Object: 1 << 20},
		{Kind: Synced},
		{Kind: Finished, Time: 1700000001, Text: `{"files":3}`},
		{Kind: Keys, Text: "secret"},
	}
}

func TestRecords(t *testing.T) {
	kinds := map[Kind]bool{}
	for _, want := range samples() {
		kinds[want.Kind] = true
		b := want.Append(nil, udid)
		got, rest, err := Decode(append(b, "rest"...), udid)
		if err != nil || string(rest) != "rest" || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %q, %v\n%s", want, got, rest, err, cmp.Diff(want, got))
		}
		for i := range b {
			if got, _, err := Decode(b[:i], udid); !errors.Is(err, ErrMalformed) {
				t.Errorf("%d of %d bytes gave %+v, %v", i, len(b), got, err)
			}
		}
	}
	if len(kinds) != int(lastKind) {
		t.Errorf("%d of %d kinds were tried", len(kinds), lastKind)
	}
	short := Record{Kind: Rename, Path: udid + "/Snapshot/ab/" + id, To: udid + "/ab/" + id}
	if n := len(short.Append(nil, udid)); n != 43 {
		t.Errorf("a move takes %d bytes, want 43", n)
	}
}

func file(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func replay(t *testing.T, f *os.File) (list []Record, j *Journal, cut int64) {
	t.Helper()
	j, cut, err := Open(f, testKey, udid, func(r Record) error {
		list = append(list, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, j, cut
}

func TestJournal(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	j, err := Create(file(t, name), []byte("the head"), testKey, udid)
	if err != nil {
		t.Fatal(err)
	}
	want := samples()
	for _, r := range want[:4] {
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Later(want[4:6]...); err != nil {
		t.Fatal(err)
	}
	if got, _, _ := replay(t, file(t, name)); len(got) != 4 {
		t.Errorf("%d records before what waits is written", len(got))
	}
	if err := errors.Join(j.Append(want[6]), j.Sync(), j.Close()); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(want[7]); err == nil {
		t.Error("appended to a closed journal")
	}
	f := file(t, name)
	if head, err := ReadHead(f); err != nil || string(head) != "the head" {
		t.Errorf("head %q, %v", head, err)
	}
	got, j, cut := replay(t, f)
	if cut != 0 || !reflect.DeepEqual(got, want[:7]) {
		t.Errorf("cut %d: %s", cut, cmp.Diff(want[:7], got))
	}
	if err := errors.Join(j.Append(want[7:]...), j.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(whole, []byte("Status.plist")) || bytes.Contains(whole, []byte{0xab, 0xab, 0xab}) {
		t.Error("the journal can be read")
	}

	// Wherever it is cut, or a bit falls over, there is the beginning of what was.
	for i := 20; i < len(whole); i += 5 {
		for _, damaged := range [][]byte{whole[:i], flip(whole, i), append(bytes.Clone(whole[:i]), make([]byte, len(whole)-i)...)} {
			if err := os.WriteFile(name, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, j, _ := replay(t, f)
			if len(got) > 0 && !reflect.DeepEqual(got, want[:len(got)]) {
				t.Fatalf("at %d: %s", i, cmp.Diff(want[:len(got)], got))
			}
			if err := errors.Join(j.Append(Record{Kind: Synced}), j.Close()); err != nil {
				t.Fatal(err)
			}
			f = file(t, name)
			if again, j, cut := replay(t, f); len(again) != len(got)+1 || cut != 0 {
				t.Fatalf("at %d: %d records, then %d, %d cut", i, len(got), len(again), cut)
			} else {
				j.Close()
			}
		}
	}
}

func flip(b []byte, i int) []byte {
	c := bytes.Clone(b)
	c[i] ^= 4
	return c
}

func TestOpenRefuses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "journal")
	for what, data := range map[string]string{"empty": "", "other": "something else that is long enough", "huge head": magic + "\xff\xff\xff\xff", "short head": magic + "\x09\x00\x00\x00head"} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(file(t, name), testKey, udid, nil); !errors.Is(err, ErrNoJournal) {
			t.Errorf("%s: %v", what, err)
		}
	}
	j, err := Create(file(t, name+"2"), nil, testKey, udid)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(Record{Kind: Synced}); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	if _, _, err := Open(file(t, name+"2"), testKey, udid, func(Record) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("a refused record: %v", err)
	}
	other := bytes.Repeat([]byte{6}, KeySize)
	if _, cut, err := Open(file(t, name+"2"), other, udid, func(Record) error { return refused }); err != nil || cut == 0 {
		t.Errorf("with another key: cut %d, %v", cut, err)
	}
	if _, err := Create(file(t, name+"3"), nil, other[:3], udid); err == nil {
		t.Error("a short key was taken")
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range samples() {
		f.Add(r.Append(nil, udid))
	}
	f.Add([]byte{byte(Put), 0, 1, 'x', 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 'e', 0xff, 0xff, 0x03})
	f.Add([]byte{byte(Stored), 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeAll(data, udid)
		if err != nil {
			return
		}
		var b []byte
		for i := range list {
			b = list[i].Append(b, udid)
		}
		again, err := decodeAll(b, udid)
		if err != nil || !reflect.DeepEqual(list, again) {
			t.Errorf("%+v became %+v, %v", list, again, err)
		}
	})
}

// FuzzOpen gives the whole file, head included, to the reader of frames.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	seed, err := os.Create(filepath.Join(dir, "seed"))
	if err != nil {
		f.Fatal(err)
	}
	j, err := Create(seed, []byte("h"), testKey, udid)
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(j.Append(samples()...), j.Close()); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(seed.Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Add([]byte(magic + "\x00\x00\x00\x00\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file := file(t, name)
		j, cut, err := Open(file, testKey, udid, func(Record) error { return nil })
		if err != nil {
			return
		}
		if info, err := file.Stat(); err != nil || info.Size()+cut != int64(len(data)) {
			t.Errorf("cut %d of %d: %v", cut, len(data), err)
		}
		if err := j.Append(Record{Kind: Synced}); err != nil {
			t.Error(err)
		}
	})
}
