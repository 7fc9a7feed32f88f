package restorer

import (
	"errors"
	"fmt"
	"os"

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

// setLinkXattrs sets those of an entry that is not opened. There is no call for
// "this name in that folder", so the folder is named by its descriptor.
func setLinkXattrs(h *handle, name string, xattrs []format.Xattr) error {
	var errs []error
	for _, x := range xattrs {
		path := fmt.Sprintf("/proc/self/fd/%d/%s", h.self.Fd(), name)
		if err := unix.Lsetxattr(path, x.Name, x.Value, 0); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", x.Name, err))
		}
	}
	return errors.Join(errs...)
}
