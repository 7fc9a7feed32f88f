//go:build linux || darwin

package archiver

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// maxXattr bounds one attribute and the list of their names, in bytes. Linux
// allows 64 KiB of each, macOS lets resource forks be larger.
const maxXattr = 64 << 20

// xattrs reads the extended attributes of an open file, sorted by name.
func (f *file) xattrs() ([]format.Xattr, error) { return xattrsOf(f.fd, f.path) }

// linkXattrs reads those of what cannot be opened: a link's own, a device's.
func linkXattrs(path string) ([]format.Xattr, error) { return xattrsOf(-1, path) }

// xattrsOf gives what could be read, and an error that names what could not.
func xattrsOf(fd int, path string) ([]format.Xattr, error) {
	var small [512]byte
	names, err := listXattrs(fd, path, small[:])
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var all []format.Xattr
	var errs []error
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if name == "" || !utf8.ValidString(name) {
			errs = append(errs, fmt.Errorf("extended attribute %q: its name cannot be stored", name))
			continue
		}
		value, err := getXattr(fd, path, name)
		switch {
		case errors.Is(err, noXattr): // removed meanwhile
		case err != nil:
			errs = append(errs, &fs.PathError{Op: "read extended attribute " + name, Path: path, Err: err})
		default:
			all = append(all, format.Xattr{Name: name, Value: value})
		}
	}
	slices.SortFunc(all, func(a, b format.Xattr) int { return strings.Compare(a.Name, b.Name) })
	return all, errors.Join(errs...)
}

func listXattrs(fd int, path string, small []byte) ([]byte, error) {
	buf := small
	for {
		n, err := listXattrsOnce(fd, path, buf)
		switch {
		case err == nil:
			return buf[:n], nil
		case errors.Is(err, unix.ERANGE) && len(buf) < maxXattr:
			buf = make([]byte, max(4*len(buf), 64<<10))
		case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return nil, nil
		case fd < 0 && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EINVAL)): // of links and devices, on some file systems
			return nil, nil
		default:
			return nil, &fs.PathError{Op: "list extended attributes", Path: path, Err: err}
		}
	}
}

func listXattrsOnce(fd int, path string, buf []byte) (n int, err error) {
	for {
		if fd >= 0 {
			n, err = unix.Flistxattr(fd, buf)
		} else {
			n, err = unix.Llistxattr(path, buf)
		}
		if err != unix.EINTR {
			return n, err
		}
	}
}

func getXattr(fd int, path, name string) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		var n int
		err := retry(func() (err error) {
			if fd >= 0 {
				n, err = unix.Fgetxattr(fd, name, buf)
			} else {
				n, err = unix.Lgetxattr(path, name, buf)
			}
			return err
		})
		switch {
		case err == nil && n <= len(buf): // of a resource fork, macOS may say more than fits
			return slices.Clone(buf[:n]), nil
		case (err == nil || errors.Is(err, unix.ERANGE)) && len(buf) < maxXattr:
			buf = make([]byte, 4*len(buf))
		case err == nil:
			return nil, fmt.Errorf("larger than %d bytes", maxXattr)
		default:
			return nil, err
		}
	}
}
