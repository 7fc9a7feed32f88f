package receipt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

const udid = "00008101-000A1B2C3D4E001E"

var day = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// version is a snapshot of a phone as a list of snapshots tells it.
func version(id byte, original byte, days int, tags ...string) repository.Snapshot {
	sn := repository.Snapshot{ID: format.ID{id}, Snapshot: format.Snapshot{Time: day.AddDate(0, 0, days), Tree: &format.ID{99}, Tags: append([]string{"keepsake", "udid:" + udid}, tags...)}}
	if original != 0 {
		sn.Original = &format.ID{original}
	}
	return sn
}

func of(id byte) string { return receipt.TagOf + format.ID{id}.String() }

func TestAmong(t *testing.T) {
	passed := func(id byte, days int, about byte) repository.Snapshot {
		return version(id, 0, days, snapshot.TagReceipt, of(about), receipt.TagPassed)
	}
	failed := func(id byte, days int, about byte) repository.Snapshot {
		return version(id, 0, days, snapshot.TagReceipt, of(about), receipt.TagFailed)
	}
	for _, test := range []struct {
		name   string
		list   []repository.Snapshot
		newest byte // 0: none
		count  map[byte]int
	}{
		{"none", []repository.Snapshot{version(1, 0, 0)}, 0, map[byte]int{}},
		{"the older one", []repository.Snapshot{version(1, 0, 0), version(2, 0, 1), passed(10, 2, 1)}, 1, map[byte]int{1: 1}},
		{"both", []repository.Snapshot{version(1, 0, 0), version(2, 0, 1), passed(10, 2, 2), passed(11, 3, 1)}, 2, map[byte]int{1: 1, 2: 1}},
		{"failed", []repository.Snapshot{version(1, 0, 0), version(2, 0, 1), passed(10, 2, 1), failed(11, 3, 2)}, 1, map[byte]int{1: 1, 2: 1}},
		{"failed since", []repository.Snapshot{version(1, 0, 0), passed(10, 2, 1), failed(11, 3, 1)}, 0, map[byte]int{1: 2}},
		{"passed since", []repository.Snapshot{version(1, 0, 0), failed(10, 2, 1), passed(11, 3, 1)}, 1, map[byte]int{1: 2}},
		{"a copy", []repository.Snapshot{version(5, 1, 0), passed(10, 2, 1)}, 5, map[byte]int{5: 1}},
		{"of what is gone", []repository.Snapshot{version(2, 0, 0), passed(10, 2, 1)}, 0, map[byte]int{}},
		{"about nothing", []repository.Snapshot{version(1, 0, 0), version(10, 0, 1, snapshot.TagReceipt, receipt.TagPassed), version(11, 0, 1, snapshot.TagReceipt, "of:x", receipt.TagPassed)}, 0, map[byte]int{}},
		{"both words", []repository.Snapshot{version(1, 0, 0), version(10, 0, 1, snapshot.TagReceipt, of(1), receipt.TagPassed, receipt.TagFailed)}, 0, map[byte]int{1: 1}},
	} {
		count := map[byte]int{}
		for id, list := range receipt.Among(test.list) {
			count[id[0]] = len(list)
		}
		if diff := cmp.Diff(test.count, count); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if id, ok := receipt.NewestAmong(test.list)[udid]; id != (format.ID{test.newest}) || ok != (test.newest != 0) {
			t.Errorf("%s: newest %v %t", test.name, id, ok)
		}
	}
}

// A version that was unsealed names the sealed one as its origin, and so do its
// copies: what was proven of one is not proven of the other.
func TestAmong_unsealed(t *testing.T) {
	at := func(sn repository.Snapshot, tree byte) repository.Snapshot {
		sn.Tree = &format.ID{tree}
		return sn
	}
	tree := func(tree byte) string { return receipt.TagTree + format.ID{tree}.String() }
	sealed, unsealed := at(version(1, 0, 0, snapshot.TagSealed), 51), at(version(2, 1, 0), 52)
	ofSealed := version(10, 0, 1, snapshot.TagReceipt, of(1), tree(51), receipt.TagPassed)
	ofUnsealed := version(11, 0, 2, snapshot.TagReceipt, of(2), tree(52), receipt.TagPassed)
	copied := at(version(5, 1, 0), 52) // of unsealed, elsewhere
	for _, test := range []struct {
		name  string
		list  []repository.Snapshot
		count map[byte]int
	}{
		{"the sealed one", []repository.Snapshot{sealed, unsealed, ofSealed}, map[byte]int{1: 1}},
		{"the sealed one is forgotten", []repository.Snapshot{unsealed, ofSealed}, map[byte]int{}},
		{"both", []repository.Snapshot{sealed, unsealed, ofSealed, ofUnsealed}, map[byte]int{1: 1, 2: 1}},
		{"a copy", []repository.Snapshot{copied, ofUnsealed}, map[byte]int{5: 1}},
		{"a copy, and a receipt of the other", []repository.Snapshot{copied, ofSealed}, map[byte]int{}},
	} {
		count := map[byte]int{}
		for id, list := range receipt.Among(test.list) {
			count[id[0]] = len(list)
		}
		if diff := cmp.Diff(test.count, count); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func sample() *receipt.Receipt {
	return &receipt.Receipt{Layout: receipt.Layout, Snapshot: format.ID{1}, Tree: format.ID{2}, Taken: day, UDID: udid, Name: "Anna's iPhone", IOS: "18.6",
		Program: "keepsake 1", Phone: "virtual phone, iOS 18.6", Began: day, Ended: day.Add(time.Minute), Passed: true, Password: receipt.PasswordProven, Files: 7, Digest: "ab"}
}

func TestSave(t *testing.T) {
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), memory.New(), secret.NewRepositoryPassword("p"), o)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := r.Begin(t.Context(), repository.Shared, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := sample()
	want.Add(receipt.Failure, "HomeDomain/x", "is lost")
	want.Add(receipt.Warning, "", "a word")
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sn, err := receipt.Save(t.Context(), w, want)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	stored, ok := receipt.Describe(sn)
	if !ok || stored.Passed || stored.Of != want.Snapshot || stored.UDID != udid || snapshot.Describe(sn).Kind != snapshot.Receipt || !strings.HasPrefix(stored.Title(), "did not pass its rehearsal on 20") {
		t.Errorf("%+v %t %q", stored, ok, stored.Title())
	}
	got, err := stored.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(got.Failures()) != 1 || len(got.Warnings()) != 1 || got.Failures()[0].String() != "HomeDomain/x: is lost" || got.Warnings()[0].String() != "a word" {
		t.Errorf("%v %v", got.Failures(), got.Warnings())
	}
	stored.Passed = true
	if _, err := stored.Load(t.Context(), s); err == nil {
		t.Error("its tags say something else")
	}
}

// A phone full of damage makes no endless receipt.
func TestReceipt_bounds(t *testing.T) {
	r := sample()
	for i := range 5000 {
		r.Add(receipt.Failure, strings.Repeat("p", 8000), fmt.Sprint(i))
	}
	data, err := r.Encode()
	if err != nil || len(data) > 4<<20 {
		t.Fatal(len(data), err)
	}
	got, err := receipt.Decode(data)
	if err != nil || got.FindingsTotal != 5000 || len(got.Findings) == 0 || got.Passed {
		t.Errorf("%v, %d of %d", err, len(got.Findings), got.FindingsTotal)
	}
}

func FuzzDecode(f *testing.F) {
	good, err := sample().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"layout":2}`))
	f.Add([]byte(`{"layout":1,"udid":"../x"}`))
	f.Add([]byte(`{"layout":1,"udid":"x","passed":true,"findings":[{"level":"failure","text":"x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := receipt.Decode(data)
		if err != nil {
			return
		}
		if strings.Contains(r.UDID, "/") || r.Passed && len(r.Failures()) > 0 {
			t.Errorf("took %+v", r)
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := receipt.Decode(again); err != nil || got.Snapshot != r.Snapshot {
			t.Errorf("not the same again: %v", err)
		}
	})
}
