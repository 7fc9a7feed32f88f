package restorer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/repository/format"
)

func setXattrs(f *os.File, xattrs []format.Xattr) error {
	var errs []error
	for _, x := range xattrs {
		if err := unix.Fsetxattr(int(f.Fd()), x.Name, x.Value, 0); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", x.Name, err))
		}
	}
	return errors.Join(errs...)
}

func setLinkXattrs(h *handle, name string, xattrs []format.Xattr) error {
	var errs []error
	for _, x := range xattrs {
		if err := unix.Lsetxattr(filepath.Join(h.root.Name(), name), x.Name, x.Value, 0); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", x.Name, err))
		}
	}
	return errors.Join(errs...)
}
