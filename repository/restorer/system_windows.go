package restorer

import (
	"fmt"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// setTimes sets the times of an entry; those of a link stay.
func setTimes(h *handle, name string, n *format.Node) error {
	if n.Type == format.NodeSymlink {
		return nil
	}
	return h.root.Chtimes(name, n.AccessTime, n.ModTime)
}

func (r *run) setFolderTimes(_ *handle, f *folder) error {
	up, err := r.folders.get(f.up.local)
	if err != nil {
		return err
	}
	defer r.folders.put(up)
	return up.root.Chtimes(filepath.Base(f.local), f.node.AccessTime, f.node.ModTime)
}

func makeNode(_ *handle, _ string, n *format.Node) error {
	return fmt.Errorf("entries of type %q cannot be made on Windows", n.Type)
}
