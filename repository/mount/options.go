package mount

import (
	"context"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Source reads the repository: *repository.Session.
type Source interface {
	Tree(ctx context.Context, id format.ID) (*format.Tree, error)
	Blob(ctx context.Context, h format.BlobHandle, buf []byte) ([]byte, error)
	BlobSize(ctx context.Context, h format.BlobHandle) (uint32, error)
}

// Options say how to mount. The zero value is good.
type Options struct {
	// AllowOther lets other users of this computer look into the mount. The
	// permissions in the snapshots hold for them. Who is not root needs
	// user_allow_other in /etc/fuse.conf.
	AllowOther bool
	// OwnerRoot shows everything as root's.
	OwnerRoot bool
	// Cache is how many bytes of blobs are kept in memory; 0 is 64 MiB.
	Cache int64
	// Problem is told what could not be read; nil tells nobody. It is called from
	// several goroutines.
	Problem func(path string, err error)
}

const (
	defaultCache = 64 << 20
	keptNodes    = 100_000 // entries of folders in memory
)
