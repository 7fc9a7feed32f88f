package safari_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/safari"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Bookmarks.db", "History.db", "BrowserState.db", "SafariTabs.db", "CloudTabs.db"} {
		if fsys := phone(t, "16.3"); extracttest.Source(t, fsys).Has(folder + "/" + name) {
			extracttest.Missing(t, safari.New(), fsys, folder+"/"+name, "bookmarks", "bookmarks.id", "history_visits", "history_visits.id", "tabs", "cloud_tabs")
		}
	}
}
