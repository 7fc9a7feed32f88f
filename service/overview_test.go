package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// crowd fills the catalog with phones that are not there, each with versions.
func crowd(t testing.TB, h *house, phones, versions int) {
	t.Helper()
	at := time.Now().Add(-time.Hour)
	for i := range phones {
		udid := fmt.Sprintf("%08X-%016X", 0x8100+i, i+1)
		if err := h.db.UpdatePhone(t.Context(), udid, func(p *catalog.Phone) error {
			p.Name, p.Owner, p.Paired, p.LastContact, p.IOS, p.ProductType = fmt.Sprintf("iPhone %d", i), int64(i%2+1), true, at, "18.6", "iPhone16,1"
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var list []catalog.Version
		for v := range versions {
			list = append(list, catalog.Version{UDID: udid, ID: fmt.Sprintf("%032x%032x", i, v), Time: at.Add(-time.Duration(v) * 24 * time.Hour), Files: 1000, Size: 1 << 30, Added: 1 << 20, Verified: at})
		}
		if err := h.db.ReplaceVersions(t.Context(), udid, list); err != nil {
			t.Fatal(err)
		}
		for day := range 90 {
			if _, err := h.db.AddPrompt(t.Context(), catalog.Prompt{UDID: udid, At: at.Add(-time.Duration(day) * 24 * time.Hour), Answer: "yes"}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOverview_many: the first page is quick with many phones and versions.
func TestOverview_many(t *testing.T) {
	h := newHouse(t, virtualphone.Config{}, func(o *service.Options) { o.Pace = service.Pace{Look: time.Hour} })
	crowd(t, h, 50, 100)
	h.again()
	var best time.Duration
	for i := range 20 {
		began := time.Now()
		o, err := h.Overview(t.Context(), anna)
		if took := time.Since(began); i == 0 || took < best {
			best = took
		}
		if err != nil || len(o.Phones) != 50 || o.Phones[0].Versions != 100 {
			t.Fatalf("%d phones, %v", len(o.Phones), err)
		}
	}
	t.Logf("%v", best)
	if best > 100*time.Millisecond { // 20 ms on a machine that is not busy
		t.Errorf("it took %v", best)
	}
}
