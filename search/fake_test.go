package search

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record is a record of a fake kind.
type record extract.Entry

func (r *record) Entry() extract.Entry { return extract.Entry(*r) }
func (r *record) Row() []string        { return []string{r.Title, r.Text} }

// fake reads a kind that a test has made up.
type fake struct {
	kind    string
	needs   string
	records []*record
	each    func(func(*record) error) error // instead of records
	err     error                           // at the end
	broken  int                             // problems
}

func (f *fake) Info() extract.Info {
	return extract.Info{Kind: f.kind, Title: f.kind, Needs: f.needs, Tables: []extract.Table{{Name: f.kind, Columns: []string{"Title", "Text"}}}}
}

func (f *fake) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }

func (f *fake) Read(ctx context.Context, _ *extract.Source, _ extract.Query, out extract.Emitter) error {
	for i := range f.broken {
		out.Report(&extract.Problem{What: fmt.Sprintf("record %d", i), Err: errors.New("broken")})
	}
	each := f.each
	if each == nil {
		each = func(emit func(*record) error) error {
			for _, r := range f.records {
				if err := emit(r); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := each(func(r *record) error { return out.Emit(r) }); err != nil {
		return err
	}
	return f.err
}

func readers(list ...*fake) []extract.Extractor {
	var out []extract.Extractor
	for _, f := range list {
		out = append(out, f)
	}
	return out
}

var errAbsent = fmt.Errorf("no store: %w", extract.ErrAbsent)

var testKey = secret.NewBytes([]byte("0123456789abcdef0123456789abcdef"))

func day(n int) time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func open(t testing.TB, dir string) *Index {
	t.Helper()
	ix, err := Open(t.Context(), dir, testKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	})
	return ix
}

func add(t testing.TB, ix *Index, id string, n int, list ...*fake) {
	t.Helper()
	if err := ix.Add(context.Background(), Version{ID: id, Time: day(n)}, readers(list...), &extract.Source{}, nil); err != nil {
		t.Fatal(err)
	}
}

func find(t testing.TB, ix *Index, q Query) []*Hit {
	t.Helper()
	r, err := ix.Search(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return r.Hits
}
