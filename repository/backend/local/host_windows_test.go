package local

import (
	"golang.org/x/sys/windows"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	hasModes           = false
	hasExclusiveRename = false
)

var hostErrors = []struct{ err, want error }{
	{windows.ERROR_DISK_FULL, backend.ErrFull},
	{windows.ERROR_HANDLE_DISK_FULL, backend.ErrFull},
	{windows.ERROR_DISK_QUOTA_EXCEEDED, backend.ErrFull},
	{windows.ERROR_WRITE_PROTECT, backend.ErrReadOnly},
	{windows.ERROR_ACCESS_DENIED, backend.ErrDenied},
}
