package backupagent

import (
	"context"
	"io"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents"
)

// Rules say what a phone backs up, and how.
type Rules struct {
	// Backed tells whether a path belongs in a backup; "" is the root of the
	// domain. A directory may be out while something inside is in.
	Backed func(domain, rel string, encrypted bool) bool
	// HasDigest tells whether rows of the domain carry a digest.
	HasDigest func(domain string) bool
	// ProtectionClass of a file, 1 to 4.
	ProtectionClass func(domain, rel string) uint32
	// SnapshotFile opens a database as one consistent file, its -wal applied.
	SnapshotFile func(ctx context.Context, path string) (io.ReadCloser, int64, error)
	// Apps lists what is installed in a state folder.
	Apps func(dir string) ([]contents.App, error)
}

func phoneRules() Rules {
	return Rules{
		Backed:          contents.Backed,
		HasDigest:       contents.HasDigest,
		ProtectionClass: contents.ProtectionClass,
		SnapshotFile:    contents.SnapshotFile,
		Apps:            contents.Apps,
	}
}
