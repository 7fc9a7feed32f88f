//go:build !linux && !darwin

package restorer

import (
	"errors"
	"os"

	"github.com/keepsake-backup/keepsake/repository/format"
)

var errXattrs = errors.New("extended attributes are restored on Linux and macOS only")

func setXattrs(_ *os.File, xattrs []format.Xattr) error {
	if len(xattrs) > 0 {
		return errXattrs
	}
	return nil
}

func setLinkXattrs(_ *handle, _ string, xattrs []format.Xattr) error { return setXattrs(nil, xattrs) }
