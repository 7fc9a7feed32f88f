package contents

import (
	"context"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/appdata"
)

// createRecords writes contacts, messages, calls and the like.
func createRecords(ctx context.Context, dir string, s state, scale int, only []string) error {
	o := recordOptions(s, scale)
	o.Only = only
	return appdata.Create(ctx, filepath.Join(dir, fsFolder), o)
}

// liveRecords adds the day that ends at day to them.
func liveRecords(ctx context.Context, dir string, s state, scale int, day time.Time) error {
	return appdata.Live(ctx, filepath.Join(dir, fsFolder), recordOptions(s, scale), day)
}

func recordOptions(s state, scale int) appdata.Options {
	return appdata.Options{Seed: s.Seed, IOS: s.IOS, Now: s.Now, Scale: scale}
}
