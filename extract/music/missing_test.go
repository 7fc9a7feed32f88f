package music_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/music"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	extracttest.Missing(t, music.New(), media(t, "26.1"), libraryDB, "item", "item.item_pid")
}
