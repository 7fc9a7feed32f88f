//go:build !linux

package mount

import (
	"context"
	"errors"
	"io/fs"

	"github.com/keepsake-backup/keepsake/repository"
)

// ErrUnsupported: this system has no FUSE that Mount could use.
var ErrUnsupported = errors.New("mounting works on Linux only")

// Server is a mount that is up.
type Server struct{}

// Mount fails with ErrUnsupported here.
func Mount(context.Context, string, Source, []repository.Snapshot, Options) (*Server, error) {
	return nil, ErrUnsupported
}

// MountFS fails with ErrUnsupported here.
func MountFS(context.Context, string, fs.FS, Options) (*Server, error) {
	return nil, ErrUnsupported
}

// Wait returns at once.
func (*Server) Wait() error { return ErrUnsupported }
