//go:build unix

package local

import (
	"runtime"
	"syscall"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	hasModes           = true
	hasExclusiveRename = runtime.GOOS == "linux" || runtime.GOOS == "darwin"
)

var hostErrors = []struct{ err, want error }{
	{syscall.ENOSPC, backend.ErrFull},
	{syscall.EDQUOT, backend.ErrFull},
	{syscall.EROFS, backend.ErrReadOnly},
	{syscall.EACCES, backend.ErrDenied},
	{syscall.EPERM, backend.ErrDenied},
}
