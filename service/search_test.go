package service_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/changes"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// TestSearchContent: what was written is found in one version and in all, by those who
// may look inside; and two versions are compared.
func TestSearchContent(t *testing.T) {
	t.Parallel()
	h := newHouse(t, virtualphone.Config{}, nil)
	h.setUp()
	h.pair(anna, 0)
	udid := h.udid(0)
	first := h.done(h.BackUp(t.Context(), anna, udid, false)).Version
	if _, err := h.server.Phones()[0].Use(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	second := h.done(h.BackUp(t.Context(), anna, udid, false)).Version

	page, err := h.Records(t.Context(), anna, udid, first, "contacts", extract.Query{Limit: 1})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("contacts: %+v, %v", page, err)
	}
	name := page.Records[0].Entry().Title
	look := func(q service.ContentQuery) (found service.Found) {
		t.Helper()
		h.await("what is asked for has been read", func() bool {
			var err error
			if found, err = h.SearchContent(t.Context(), anna, udid, q); err != nil {
				t.Fatal(err)
			}
			return found.Index.Complete()
		})
		return found
	}
	// The version that is asked for is read first.
	found := look(service.ContentQuery{Text: `"` + name + `"`, Kind: "contacts", Version: first})
	if len(found.Hits) != 1 || found.Hits[0].Title != name || found.Index.Of != 1 || found.Index.Ready != 1 {
		t.Errorf("in one version: %+v, %+v", found.Hits, found.Index)
	}
	found = look(service.ContentQuery{Text: `"` + name + `"`, Kind: "contacts"})
	if len(found.Hits) != 1 || found.Hits[0].FirstVersion != first || found.Index.Of != 2 || found.Index.Making || found.Index.Err != "" {
		t.Errorf("in all versions: %+v, %+v", found.Hits, found.Index)
	}
	if found := look(service.ContentQuery{Text: "xyzzy-nowhere"}); len(found.Hits) != 0 {
		t.Errorf("found: %+v", found.Hits)
	}
	found = look(service.ContentQuery{Text: "the", Limit: 1})
	if more := look(service.ContentQuery{Text: "the", Limit: 1, After: found.Next}); found.Next == "" || len(more.Hits) != 1 || more.Hits[0].Key == found.Hits[0].Key {
		t.Errorf("what follows: %+v, %+v", found.Hits, more.Hits)
	}

	c, err := h.CompareVersions(t.Context(), anna, udid, "", second)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup // all get the same: it is compared once
	for _, older := range []string{"", first, first} {
		wg.Go(func() {
			if again, err := h.CompareVersions(t.Context(), anna, udid, older, second); again != c {
				t.Errorf("compared anew: %v", err)
			}
		})
	}
	wg.Wait()
	i := slices.IndexFunc(c.Kinds, func(k changes.Kind) bool { return k.Kind == "messages" })
	if i < 0 || c.Kinds[i].Added.Count == 0 || !c.Old.Time.Before(c.New.Time) {
		t.Errorf("changes: %+v", c)
	}

	for _, tt := range []struct {
		what string
		do   func() error
		want error
	}{
		{"a stranger searches", func() error {
			_, err := h.SearchContent(t.Context(), ben, udid, service.ContentQuery{Text: name})
			return err
		}, service.ErrForbidden},
		{"a stranger compares", func() error { _, err := h.CompareVersions(t.Context(), ben, udid, "", second); return err }, service.ErrForbidden},
		{"too many words", func() error {
			_, err := h.SearchContent(t.Context(), anna, udid, service.ContentQuery{Text: strings.Repeat("a ", 100)})
			return err
		}, search.ErrQuery},
		{"no such version", func() error {
			_, err := h.SearchContent(t.Context(), anna, udid, service.ContentQuery{Text: name, Version: strings.Repeat("0", 64)})
			return err
		}, fs.ErrNotExist},
		{"before no such version", func() error {
			_, err := h.CompareVersions(t.Context(), anna, udid, "", strings.Repeat("0", 64))
			return err
		}, fs.ErrNotExist},
	} {
		if err := tt.do(); !errors.Is(err, tt.want) && !(errors.Is(tt.want, service.ErrForbidden) && errors.Is(err, fs.ErrNotExist)) {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
	}
	if _, err := h.CompareVersions(t.Context(), anna, udid, "", first); err == nil {
		t.Error("the first version was compared with none")
	}
}
