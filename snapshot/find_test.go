package snapshot

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
)

func TestDescribe(t *testing.T) {
	for _, test := range []struct {
		tags []string
		want Info
	}{
		{nil, Info{}},
		{[]string{"keepsake"}, Info{}},
		{[]string{"keepsake", "udid:ABC", "name:Anna's, iPhone", "ios:26.1"}, Info{UDID: "ABC", Name: "Anna's, iPhone", IOS: "26.1", Kind: Backup}},
		{[]string{"keepsake", "udid:ABC", "sealed"}, Info{UDID: "ABC", Sealed: true, Kind: Backup}},
		{[]string{"udid:ABC", "mine"}, Info{UDID: "ABC"}},
		{[]string{"keepsake", "keepsake-media", "udid:ABC"}, Info{UDID: "ABC", Kind: Media}},
		{[]string{"keepsake-receipt", "udid:ABC", "keepsake"}, Info{UDID: "ABC", Kind: Receipt}},
	} {
		var sn repository.Snapshot
		sn.Tags = test.tags
		got := Describe(sn)
		if got.UDID != test.want.UDID || got.Name != test.want.Name || got.IOS != test.want.IOS || got.Sealed != test.want.Sealed || got.Kind != test.want.Kind {
			t.Errorf("%v: %+v", test.tags, got)
		}
	}
}

func TestTags(t *testing.T) {
	m := Meta{UDID: "A", Name: "n", ProductVersion: "26.1", Sealed: true}
	got := tags(&m, []string{"more", TagKeepsake})
	if want := []string{"keepsake", "udid:A", "name:n", "ios:26.1", "sealed", "more"}; !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestFind(t *testing.T) {
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), memory.New(), secret.NewRepositoryPassword("a"), o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Find(t.Context(), s, "latest"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	w, err := s.Writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tree, err := w.SaveTree(t.Context(), &format.Tree{})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]format.ID{}
	for i, sn := range []struct {
		name string
		tags []string
	}{
		{"a1", []string{"keepsake", "udid:00008030-AAAA", "name:Anna"}},
		{"b1", []string{"keepsake", "udid:00008030-BBBB", "name:Bert"}},
		{"c1", []string{"keepsake", "udid:c0ffee", "name:anna"}},
		{"am", []string{"keepsake", "keepsake-media", "udid:00008030-AAAA", "name:Anna"}},
		{"x", []string{"documents"}},
		{"mo", []string{"keepsake-media", "udid:d00d", "name:Only media"}},
	} {
		id, err := w.Commit(t.Context(), &format.Snapshot{Time: time.Unix(int64(1000+i), 0), Tree: &tree, Tags: sn.tags})
		if err != nil {
			t.Fatal(err)
		}
		ids[sn.name] = id
	}
	s2, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close()
	for _, test := range []struct{ text, want string }{
		{"latest", "c1"},
		{"latest:Anna", "a1"},
		{"latest:anna", "c1"},
		{"latest:ANNA", "2 phones"},
		{"latest:00008030", "2 phones"},
		{"latest:00008030-b", "b1"},
		{"latest:00008030-AAAA", "a1"},
		{"latest:C0FFEE", "c1"},
		{"latest:Only media", "mo"},
		{"latest:only", "mo"},
		{"latest:Only med", "no such snapshot"},
		{"latest:nobody", "no such snapshot"},
		{"latest:", "which phone"},
		{ids["x"].String()[:10], "x"},
		{"zz", "no snapshot"},
	} {
		info, err := Find(t.Context(), s2, test.text)
		if want, ok := ids[test.want]; ok {
			if err != nil || info.ID != want {
				t.Errorf("%q: %s, %v", test.text, info.ID.Short(), err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	for _, name := range []string{"x", "am", "a1"} {
		info, err := Find(t.Context(), s2, ids[name].String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), s2, info.Snapshot); !errors.Is(err, ErrNotPhone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
