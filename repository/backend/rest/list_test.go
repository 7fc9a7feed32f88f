package rest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// names are n different ones.
func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%064x", i))
	}
	return all
}

func collect(ctx context.Context, b *Backend) (map[string]int64, error) {
	got := map[string]int64{}
	err := b.List(ctx, backend.IndexFile, func(f backend.FileInfo) error {
		got[f.Name] += f.Size
		return nil
	})
	return got, err
}

// TestList_v1: an old server tells names only; one file is gone by the time its
// size is asked for.
func TestList_v1(t *testing.T) {
	all := names(40)
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			if strings.HasSuffix(r.URL.Path, all[7]) {
				w.WriteHeader(404)
				return
			}
			w.Header().Set("Content-Length", fmt.Sprint(1000+len(r.URL.Path)))
			return
		}
		if r.Header.Get("Accept") != acceptV2 {
			t.Error("the second form is not asked for")
		}
		fmt.Fprintf(w, `["%s", "not-a-name"]`, strings.Join(all, `","`))
	})
	got, err := collect(t.Context(), b)
	want := map[string]int64{}
	for i, n := range all {
		if i != 7 {
			want[n] = 1000 + int64(len("/p/index/")+64)
		}
	}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %d files, %v; want %d", len(got), err, len(want))
	}
	enough, calls := errors.New("enough"), 0
	err = b.List(t.Context(), backend.IndexFile, func(backend.FileInfo) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 3 {
		t.Errorf("a fn that ends the list: %d calls, %v", calls, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = b.List(ctx, backend.IndexFile, func(backend.FileInfo) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ends: %v", err)
	}
}

func TestList_v1_sizeFails(t *testing.T) {
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(500)
			return
		}
		fmt.Fprintf(w, `["%s"]`, names(1)[0])
	})
	if _, err := collect(t.Context(), b); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("got %v", err)
	}
}

func TestList_answers(t *testing.T) {
	n := names(2)
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   int // -1: an error
	}{
		{"none", 404, "", 0},
		{"empty", 200, "[]", 0},
		{"null", 200, "null", 0},
		{"two", 200, ` [ {"name":"` + n[0] + `","size":1} , {"size":0,"name":"` + n[1] + `","more":[1]}]` + "\n", 2},
		{"foreign", 200, `[{"name":"README","size":1},{"name":"` + strings.ToUpper("a"+n[1][1:]) + `","size":1}]`, 0},
		{"no size", 200, `[{"name":"` + n[0] + `"}]`, -1},
		{"negative", 200, `[{"name":"` + n[0] + `","size":-1}]`, -1},
		{"cut", 200, `[{"name":"` + n[0] + `","size":1}`, -1},
		{"nothing", 200, ``, -1},
		{"object", 200, `{"name":"x"}`, -1},
		{"numbers", 200, `[1]`, -1},
		{"more behind it", 200, `[] []`, -1},
		{"a page", 200, `<html>`, -1},
		{"long name", 200, `["` + strings.Repeat("x", 2*maxListEntry) + `"]`, -1},
		{"long space", 200, `[` + strings.Repeat(" ", 2*maxListEntry) + `]`, -1},
		{"deep", 200, strings.Repeat("[", 1000), -1},
		{"forbidden", 403, ``, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			got, err := collect(t.Context(), b)
			if (err != nil) != (c.want < 0) || err == nil && len(got) != c.want {
				t.Errorf("got %v, %v; want %d files", got, err, c.want)
			}
		})
	}
}

// TestList_long: no limit on the number of files, in any splitting of the
// answer.
func TestList_long(t *testing.T) {
	const n = 20_000
	b := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for i, name := range names(n) {
			fmt.Fprintf(w, `%c{"name":"%s","size":%d}`, "[,"[min(i, 1)], name, i)
		}
		io.WriteString(w, "]")
	})
	if got, err := collect(t.Context(), b); err != nil || len(got) != n {
		t.Errorf("got %d, %v", len(got), err)
	}
}

func FuzzDecodeList(f *testing.F) {
	n := names(1)[0]
	for _, s := range []string{`[]`, `null`, `["` + n + `"]`, `[{"name":"` + n + `","size":12}]`, `[{"size":1e3}]`, `[[[`, `{"`, `[1,]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		err := decodeList(strings.NewReader(string(data)), func(e listEntry) error {
			total += len(e.name)
			if e.size < 0 {
				t.Errorf("negative size of %q", e.name)
			}
			return nil
		})
		if err == nil && total > len(data)*3 {
			t.Errorf("%d bytes of names from %d", total, len(data))
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-9/10", "bytes 5-4/5", "bytes 9-4/5", "bytes 0-0/*", "bytes */10", "items 0-1/2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		first, last, total, ok := parseContentRange(s)
		if ok && (first < 0 || last < -1 || total < -1 || total >= 0 && last >= total) {
			t.Errorf("%q gives %d-%d/%d", s, first, last, total)
		}
	})
}
