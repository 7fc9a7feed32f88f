package restorer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Of owner, attributes, times and mode the mode comes last: it may take away
// the right to set the others, and a new owner clears bits of it. Whatever
// cannot be set is told, and the rest is set all the same.

// modeBits are those of a mode that are set.
const modeBits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

// setFile gives an open file its metadata. It lies in h under name.
func (r *run) setFile(h *handle, f *os.File, name string, n *format.Node) error {
	var errs []error
	if r.asRoot {
		errs = append(errs, about("owner", f.Chown(int(n.UID), int(n.GID))))
	}
	errs = append(errs, about("extended attributes", setXattrs(f, n.Xattrs)),
		about("times", setTimes(h, name, n)), about("mode", f.Chmod(n.Mode&modeBits)))
	return errors.Join(errs...)
}

func about(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("set %s: %w", what, err)
}

// adjust gives an existing file of the same content its metadata.
func (r *run) adjust(f *folder, n *format.Node) error {
	h, err := r.folders.get(f.local)
	if err != nil {
		return err
	}
	defer r.folders.put(h)
	var errs []error
	if r.asRoot {
		errs = append(errs, about("owner", h.root.Lchown(n.Name, int(n.UID), int(n.GID))))
	}
	errs = append(errs, about("extended attributes", setLinkXattrs(h, n.Name, n.Xattrs)),
		about("times", setTimes(h, n.Name, n)), about("mode", h.root.Chmod(n.Name, n.Mode&modeBits)))
	return errors.Join(errs...)
}

// finished counts an entry of f as finished, or the walk through it. With the
// last one the folder gets its metadata, and is a finished entry of the one above.
func (r *run) finished(f *folder) error {
	for f.up != nil && f.open.Add(-1) == 0 {
		if !f.made {
			return nil
		}
		if err := r.setFolder(f); err != nil {
			if fatal := r.problem(f.path, err); fatal != nil {
				return fatal
			}
		}
		f = f.up
	}
	return nil
}

func (r *run) setFolder(f *folder) error {
	h, err := r.folders.get(f.local)
	if err != nil {
		return err
	}
	defer r.folders.put(h)
	n := f.node
	var errs []error
	if r.asRoot {
		errs = append(errs, about("owner", h.self.Chown(int(n.UID), int(n.GID))))
	}
	errs = append(errs, about("extended attributes", setXattrs(h.self, n.Xattrs)),
		about("times", r.setFolderTimes(h, f)), about("mode", h.self.Chmod(n.Mode&modeBits)))
	return errors.Join(errs...)
}

// special makes a link, a device or a FIFO, in place of what is there.
func (r *run) special(f *folder, n *format.Node, there os.FileInfo) error {
	h, err := r.folders.get(f.local)
	if err != nil {
		return err
	}
	defer r.folders.put(h)
	name := n.Name
	if there != nil {
		name = r.tempName()
	}
	if n.Type == format.NodeSymlink {
		err = h.root.Symlink(filepath.FromSlash(n.LinkTarget), name)
	} else {
		err = makeNode(h, name, n)
	}
	if err != nil {
		return err
	}
	var errs []error
	if r.asRoot {
		errs = append(errs, about("owner", h.root.Lchown(name, int(n.UID), int(n.GID))))
	}
	errs = append(errs, about("extended attributes", setLinkXattrs(h, name, n.Xattrs)), about("times", setTimes(h, name, n)))
	if n.Type != format.NodeSymlink {
		errs = append(errs, about("mode", h.root.Chmod(name, n.Mode&modeBits)))
	}
	if there != nil {
		if err := h.root.Rename(name, n.Name); err != nil {
			errs = append(errs, err, h.root.Remove(name))
		}
	}
	return errors.Join(errs...)
}

// specialBits are the bits of a mode that POSIX numbers otherwise.
var specialBits = []struct {
	goBit fs.FileMode
	bit   int64
}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}}
