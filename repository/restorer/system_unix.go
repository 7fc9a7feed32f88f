//go:build !windows

package restorer

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// setTimes sets the times of an entry, of a link itself.
func setTimes(h *handle, name string, n *format.Node) error {
	times, err := timesOf(n)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(h.self.Fd()), name, times, unix.AT_SYMLINK_NOFOLLOW)
}

func (r *run) setFolderTimes(h *handle, f *folder) error { return setTimes(h, ".", f.node) }

func timesOf(n *format.Node) ([]unix.Timespec, error) {
	atime := n.AccessTime
	if atime.IsZero() {
		atime = n.ModTime
	}
	a, err := unix.TimeToTimespec(atime)
	if err != nil {
		return nil, err
	}
	m, err := unix.TimeToTimespec(n.ModTime)
	return []unix.Timespec{a, m}, err
}

// makeNode makes a device or a FIFO.
func makeNode(h *handle, name string, n *format.Node) error {
	kind := map[format.NodeType]uint32{format.NodeDevice: unix.S_IFBLK, format.NodeChar: unix.S_IFCHR, format.NodeFIFO: unix.S_IFIFO}[n.Type]
	if kind == 0 {
		return fmt.Errorf("entries of type %q cannot be restored", n.Type)
	}
	if err := mknodat(int(h.self.Fd()), name, kind|0o600, n.Device); err != nil {
		return &os.PathError{Op: "mknod", Path: n.Name, Err: err}
	}
	return nil
}
