package calendar_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

func TestDump(t *testing.T) {
	src := extracttest.Source(t, extracttest.Phone(t, "17.3"))
	out, _ := outtree.Open("/dev/shm/caldump")
	defer out.Close()
	if err := calendar.New().Export(t.Context(), src, extract.ExportOptions{}, out, &extracttest.Collector{}); err != nil {
		t.Fatal(err)
	}
}
