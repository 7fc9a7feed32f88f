package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

var coder = func() *Coder { return NewCoder(secret.NewBytes([]byte("a secret"))) }

// build makes a segment in memory.
func build(t testing.TB, list ...extract.Entry) []byte {
	t.Helper()
	c, b := coder(), NewBuilder()
	for i := range list {
		id, data := c.Encode("notes", &list[i])
		b.Add(id, data, "notes", &list[i])
	}
	var out bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func entries(from, to int) []extract.Entry {
	var list []extract.Entry
	for i := from; i < to; i++ {
		e := extract.Entry{Table: "t", Key: fmt.Sprint("k", i), Title: fmt.Sprint("title ", i%7), Text: fmt.Sprint("all w", i%100, " u", i)}
		if i%3 > 0 {
			e.Time = time.Unix(int64(i/2)*1000, 0).UTC()
		}
		list = append(list, e)
	}
	return list
}

func all(t testing.TB, l List, err error) []uint32 {
	t.Helper()
	var list []uint32
	for at := uint32(0); err == nil; {
		var doc uint32
		var ok bool
		if doc, ok, err = l.Next(at); !ok {
			break
		}
		list = append(list, doc)
		at = doc + 1
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCode(t *testing.T) {
	c := coder()
	e := extract.Entry{Table: "t", Key: "k", Title: "T", Detail: "d", Text: "x\x00y", Group: "g", Files: []string{"a", "b"}, Deleted: true, Volatile: true,
		Time: time.Date(2026, 3, 1, 10, 0, 0, 123456789, time.FixedZone("", 3600))}
	id, b := c.Encode("notes", &e)
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Entry.Time.Equal(e.Time) || got.Entry.Time.Format(time.RFC3339) != e.Time.Format(time.RFC3339) {
		t.Errorf("time %v", got.Entry.Time)
	}
	got.Entry.Time = e.Time
	if diff := cmp.Diff(&Doc{id, "notes", e}, got); diff != "" {
		t.Error(diff)
	}
	// What is cut is still told apart.
	long := e
	long.Text = string(bytes.Repeat([]byte("x"), 1<<20))
	one, _ := c.Encode("notes", &long)
	long.Text += "y"
	if two, _ := c.Encode("notes", &long); one == two || [8]byte(one[:8]) != [8]byte(two[:8]) {
		t.Error("IDs of long texts")
	}
	if other, _ := NewCoder(secret.NewBytes([]byte("another"))).Encode("notes", &e); other == id {
		t.Error("IDs do not depend on the secret")
	}
}

// A segment, and one that was merged of parts, have the same documents, words and
// digests in the same order.
func TestMerge(t *testing.T) {
	list := entries(0, 10_000)
	whole, err := Open(bytes.NewReader(build(t, list...)))
	if err != nil {
		t.Fatal(err)
	}
	var parts []*Reader
	for _, r := range [][2]int{{0, 4000}, {3000, 9000}, {9000, 9001}, {9001, 10_000}, {0, 0}} {
		p, err := Open(bytes.NewReader(build(t, list[r[0]:r[1]]...)))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	var out bytes.Buffer
	to, err := Merge(context.Background(), &out, parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), build(t, list...)) {
		t.Error("not the bytes of one that was made at once")
	}
	merged, err := Open(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		docs, mergedDocs := p.NewDocs(), merged.NewDocs()
		for doc := range uint32(p.Docs()) {
			a, err := docs.ID(doc)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := mergedDocs.ID(to[i][doc]); err != nil || a != b {
				t.Fatalf("document %d of part %d: %v", doc, i, err)
			}
		}
	}
	keep := NewBits(whole.Docs())
	for doc := 0; doc < whole.Docs(); doc += 2 {
		keep.Set(uint32(doc))
	}
	out.Reset()
	to, err = Merge(context.Background(), &out, []*Reader{whole}, []*Bits{keep})
	if err != nil {
		t.Fatal(err)
	}
	half, err := Open(bytes.NewReader(out.Bytes()))
	if err != nil || half.Docs() != 5000 || to[0][1] != Dropped || to[0][4] != 2 {
		t.Fatalf("half: %d documents, %v", half.Docs(), err)
	}
	l, err := half.Term("all")
	if got := all(t, l, err); len(got) != 5000 {
		t.Errorf("%d with a word", len(got))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Merge(ctx, &out, []*Reader{whole}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestReader(t *testing.T) {
	list := entries(0, 5000)
	r, err := Open(bytes.NewReader(build(t, list...)))
	if err != nil {
		t.Fatal(err)
	}
	docs := r.NewDocs()
	lookup, err := r.NewLookup()
	if err != nil {
		t.Fatal(err)
	}
	c := coder()
	byWord := map[string][]uint32{}
	before := head{rank: Timeless}
	for doc := range uint32(r.Docs()) {
		d, err := docs.Get(doc)
		if err != nil {
			t.Fatal(err)
		}
		rank, err := docs.Rank(doc)
		h := head{d.ID, rank}
		if err != nil || rank != Rank(d.Entry.Time) || doc > 0 && !before.before(h) {
			t.Fatalf("document %d: rank %d, %v", doc, rank, err)
		}
		before = h
		if found, ok := lookup.Find(d.ID); !ok || found != doc {
			t.Fatalf("document %d is looked up as %d", doc, found)
		}
		key := c.KeyID("notes", d.Entry.Key)
		if forms, err := r.Forms(key); err != nil || !slices.Equal(forms, []uint32{doc}) {
			t.Fatalf("forms of %d: %d, %v", doc, forms, err)
		}
		if next, err := docs.FirstAfter(rank, d.ID); err != nil || next != doc+1 {
			t.Fatalf("after %d: %d, %v", doc, next, err)
		}
		for _, w := range bytes.Fields([]byte(d.Entry.Title + " " + d.Entry.Text)) {
			byWord[string(w)] = append(byWord[string(w)], doc)
		}
	}
	if _, ok := lookup.Find(ID{1}); ok {
		t.Error("found what is not there")
	}
	if forms, err := r.Forms([8]byte{1, 2}); err != nil || len(forms) != 0 {
		t.Errorf("forms of nothing: %v, %v", forms, err)
	}
	for _, w := range []string{"all", "title", "0", "w7", "u4711", "u1"} {
		l, err := r.Term(w)
		if got := all(t, l, err); !slices.Equal(got, byWord[w]) {
			t.Errorf("%s: %d documents, want %d", w, len(got), len(byWord[w]))
		}
	}
	for _, prefix := range []string{"a", "w", "w1", "u", "u49", "nothing", "t"} {
		set := NewBits(r.Docs())
		for w, list := range byWord {
			if len(w) >= len(prefix) && w[:len(prefix)] == prefix {
				for _, d := range list {
					set.Set(d)
				}
			}
		}
		l, err := r.Prefix(prefix)
		if got := all(t, l, err); len(got) != set.Count() || slices.ContainsFunc(got, func(d uint32) bool { return !set.Has(d) }) {
			t.Errorf("%s*: %d documents, want %d", prefix, len(got), set.Count())
		}
	}
}

// Beginnings of words that are read window by window.
func TestReader_longPrefix(t *testing.T) {
	var list []extract.Entry
	for i := range 2*prefixWindow + 100 {
		e := extract.Entry{Key: fmt.Sprint(i), Time: time.Unix(int64(i), 0)}
		switch {
		case i%5 == 0:
			e.Text = "ba"
		case i%5 == 1 && i%3 > 0:
			e.Text = "bb"
		case i%1000 == 2:
			e.Text = fmt.Sprint("bc", i)
		case i%5 == 3 && i > prefixWindow:
			e.Text = "bd ba"
		}
		list = append(list, e)
	}
	r, err := Open(bytes.NewReader(build(t, list...)))
	if err != nil {
		t.Fatal(err)
	}
	var want []uint32
	docs := r.NewDocs()
	for doc := range uint32(r.Docs()) {
		d, err := docs.Get(doc)
		if err != nil {
			t.Fatal(err)
		}
		if d.Entry.Text != "" {
			want = append(want, doc)
		}
	}
	l, err := r.Prefix("b")
	if got := all(t, l, err); !slices.Equal(got, want) {
		t.Errorf("%d documents, want %d", len(got), len(want))
	}
	for _, step := range []uint32{7, 1000, prefixWindow - 1, prefixWindow, prefixWindow + 1} {
		l, err := r.Prefix("b")
		if err != nil {
			t.Fatal(err)
		}
		for at := uint32(0); int(at) < r.Docs(); at += step {
			i, _ := slices.BinarySearch(want, at)
			doc, ok, err := l.Next(at)
			if err != nil || ok != (i < len(want)) || ok && doc != want[i] {
				t.Fatalf("from %d: %d, %v, %v", at, doc, ok, err)
			}
		}
	}
}

func TestBits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := r.IntN(500)
		b := NewBits(n)
		p := r.IntN(4)
		for i := range n {
			if r.IntN(4) <= p {
				b.Set(uint32(i))
			}
		}
		got, rest, err := ParseBits(append(b.Append(nil), 99), n)
		if err != nil || len(rest) != 1 || !slices.Equal(got.w, b.w) {
			t.Fatalf("%d documents: %v", n, err)
		}
	}
	if All(130).Count() != 130 || All(0).Count() != 0 {
		t.Error("All")
	}
}

// use reads all of a segment.
func use(r *Reader) error {
	docs := r.NewDocs()
	var errs []error
	keep := func(err error) { errs = append(errs, err) }
	for doc := range uint32(min(r.Docs(), 100)) {
		_, err := docs.Get(doc)
		keep(err)
		_, err = docs.Rank(doc)
		keep(err)
		_, err = docs.FirstAfter(int64(doc), ID{})
		keep(err)
	}
	for _, w := range []string{"all", "w"} {
		for _, ask := range []func(string) (List, error){r.Term, r.Prefix} {
			l, err := ask(w)
			for at := uint32(0); err == nil && at < 1000; at++ {
				var ok bool
				if at, ok, err = l.Next(at); !ok {
					break
				}
			}
			keep(err)
		}
	}
	_, err := r.NewLookup()
	keep(err)
	_, err = r.Forms([8]byte{128})
	keep(err)
	_, err = Merge(context.Background(), &bytes.Buffer{}, []*Reader{r, r}, nil)
	keep(err)
	return errors.Join(errs...)
}

func TestOpen_damaged(t *testing.T) {
	good := build(t, entries(0, 300)...)
	r, err := Open(bytes.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := use(r); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		b := bytes.Clone(good)
		for range 1 + rnd.IntN(3) {
			at := rnd.IntN(len(b))
			if rnd.IntN(2) == 0 { // the footer is where it matters most
				at = len(b) - 1 - rnd.IntN(200)
			}
			b[at] = byte(rnd.IntN(256))
		}
		r, err := Open(bytes.NewReader(b[:len(b)-rnd.IntN(3)*rnd.IntN(50)]))
		if err == nil {
			err = use(r)
		}
		for _, e := range flatten(err) {
			if e != nil && !errors.Is(e, ErrFormat) {
				t.Fatalf("another error: %v", e)
			}
		}
	}
}

func flatten(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && !errors.Is(err, ErrFormat) {
		var list []error
		for _, e := range j.Unwrap() {
			list = append(list, flatten(e)...)
		}
		return list
	}
	return []error{err}
}

func FuzzOpen(f *testing.F) {
	f.Add(build(f, entries(0, 3)...))
	f.Add(build(f))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := Open(bytes.NewReader(data)); err == nil {
			_ = use(r) // any error, no panic
		}
	})
}

func FuzzDecode(f *testing.F) {
	e := entries(1, 2)[0]
	_, b := coder().Encode("notes", &e)
	f.Add(bytes.Clone(b))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Decode(data)
		if err != nil {
			return
		}
		if _, err := d.Entry.Time.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseBits(f *testing.F) {
	f.Add(All(100).Append(nil), 100)
	f.Add([]byte{0, 5, 3}, 8)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n > 1<<16 {
			n %= 1 << 16
		}
		b, _, err := ParseBits(data, n)
		if err != nil {
			return
		}
		again, _, err := ParseBits(b.Append(nil), n)
		if err != nil || !slices.Equal(again.w, b.w) {
			t.Fatalf("not the same: %v", err)
		}
	})
}
