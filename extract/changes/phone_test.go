package changes

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/kinds"
)

type problems struct{ t *testing.T }

func (p problems) Report(x *extract.Problem) { p.t.Logf("%s: %v", x.Kind, x) }

// A phone compared with itself has not changed; compared with another one nothing is
// unknown, and what is named has a name.
func TestCompare_phone(t *testing.T) {
	one, other := extracttest.Phone(t, "17.6"), extracttest.Phone(t, "18.6")
	c, err := Compare(t.Context(), extracttest.Source(t, one), extracttest.Source(t, one), kinds.All(), problems{t})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.Kinds {
		if !k.Same() {
			t.Errorf("%s changed by itself: %+v", k.Title, k)
		}
	}
	if len(c.Kinds) < 8 || len(c.Warnings) > 0 {
		t.Errorf("%d kinds, warnings %v", len(c.Kinds), c.Warnings)
	}
	c, err = Compare(t.Context(), extracttest.Source(t, one), extracttest.Source(t, other), kinds.All(), problems{t})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.Kinds {
		if k.Old.State == Failed || k.New.State == Failed {
			t.Errorf("%s: %s", k.Title, k.Unknown)
		}
		if k.Old.Lasting+k.Added.Count+k.Recovered.Count < k.New.Lasting-k.Removed.Count-k.Deleted.Count {
			t.Errorf("%s: the numbers do not add up: %+v", k.Title, k)
		}
	}
	t.Log(written(t, c))
}
