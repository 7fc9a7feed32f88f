package changes

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/extract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type record struct {
	extract.Entry
	row []string
}

// asRecord is a record as readers give it.
type asRecord struct{ r *record }

func (r asRecord) Entry() extract.Entry { return r.r.Entry }
func (r asRecord) Row() []string        { return r.r.row }

func rec(key, title, phone string, day int) *record {
	e := extract.Entry{Table: "things", Key: key, Title: title}
	if day != 0 {
		e.Time = at(day)
	}
	return &record{e, []string{title, phone}}
}

func at(day int) time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, day) }

// version is what a fake kind has in one version.
type version struct {
	records []*record
	groups  []extract.Group
	err     error
	broken  int
	reads   int // records that were given
}

// fake is a kind whose versions are found by the name of the device.
type fake struct {
	kind, title, groups, needs string
	versions                   map[string]*version
}

func (f *fake) Info() extract.Info {
	return extract.Info{Kind: f.kind, Title: f.title, Groups: f.groups, Needs: f.needs, Tables: []extract.Table{{Name: "things", Columns: []string{"Name", "Phone"}}}}
}

func (f *fake) of(src *extract.Source) (*version, error) {
	v := f.versions[src.Device.Name]
	if v == nil {
		return nil, fmt.Errorf("no store: %w", extract.ErrAbsent)
	}
	return v, nil
}

func (f *fake) Groups(_ context.Context, src *extract.Source) ([]extract.Group, error) {
	v, err := f.of(src)
	if err != nil {
		return nil, err
	}
	return v.groups, v.err
}

func (f *fake) Read(_ context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	v, err := f.of(src)
	if err != nil {
		return err
	}
	for i := range v.broken {
		out.Report(&extract.Problem{What: fmt.Sprint(i), Err: fmt.Errorf("broken")})
	}
	list := v.records
	if q.Newest {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b *record) int { return b.Time.Compare(a.Time) })
	} else {
		list = slices.Clone(list)
		slices.SortStableFunc(list, func(a, b *record) int { return cmp.Compare(a.Key, b.Key) })
	}
	page := extract.Page{Query: q}
	for _, r := range list {
		if q.Key != "" && r.Key != q.Key {
			continue
		}
		v.reads++
		if err := page.Emit(out, asRecord{r}); err != nil {
			return extract.Done(err)
		}
	}
	return v.err
}

func compare(t testing.TB, fakes ...*fake) *Changes {
	t.Helper()
	var readers []extract.Extractor
	for _, f := range fakes {
		readers = append(readers, f)
	}
	src := func(name string, day int) *extract.Source {
		return &extract.Source{Device: extract.Device{Name: name, IOS: "18.6", Time: at(day)}}
	}
	c, err := Compare(t.Context(), src("old", 0), src("new", 7), readers, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
