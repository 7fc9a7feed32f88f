package archiver

import (
	"io/fs"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// meta is what the system says of an entry.
type meta struct {
	mode         fs.FileMode
	size         int64
	mtime, ctime time.Time // ctime is zero where the system has none
	uid, gid     uint32
	device       uint64 // that holds the entry
	rdev         uint64 // that a device node stands for
}

// storedMode are the bits of fs.FileMode that the format keeps.
const storedMode = fs.ModePerm | fs.ModeType | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky

var nodeTypes = map[fs.FileMode]format.NodeType{
	0:                                 format.NodeFile,
	fs.ModeDir:                        format.NodeDir,
	fs.ModeSymlink:                    format.NodeSymlink,
	fs.ModeNamedPipe:                  format.NodeFIFO,
	fs.ModeSocket:                     format.NodeSocket,
	fs.ModeDevice:                     format.NodeDevice,
	fs.ModeDevice | fs.ModeCharDevice: format.NodeChar,
	fs.ModeSymlink | fs.ModeIrregular: format.NodeSymlink, // Windows
	fs.ModeDir | fs.ModeIrregular:     format.NodeDir,
}

// node fills in what all types have in common. ok is false for types that the
// format does not know.
func (r *run) node(name string, m *meta) (n format.Node, ok bool) {
	t, ok := nodeTypes[m.mode&fs.ModeType]
	n = format.Node{Name: name, Type: t, Mode: m.mode & storedMode, ModTime: storable(m.mtime), ChangeTime: storable(m.ctime), UID: m.uid, GID: m.gid}
	n.AccessTime = n.ModTime
	if m.ctime.IsZero() {
		n.ChangeTime = n.ModTime
	}
	n.User, n.Group = r.owners.names(m.uid, m.gid)
	if t == format.NodeFile {
		n.Size = uint64(m.size)
	}
	if t == format.NodeDevice || t == format.NodeChar {
		n.Device = m.rdev
	}
	return n, ok
}

var (
	earliest = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
)

// storable is t, or the nearest time that the format can hold.
func storable(t time.Time) time.Time {
	switch t = t.UTC(); {
	case t.Before(earliest):
		return earliest
	case t.After(latest):
		return latest
	}
	return t
}

// unchanged tells whether old can stand for a regular file as it is now, as far
// as times and size can tell.
func (m *meta) unchanged(old *format.Node) bool {
	ctime := m.ctime
	if ctime.IsZero() {
		ctime = m.mtime
	}
	return old.Type == format.NodeFile && m.mode.IsRegular() && old.Size == uint64(m.size) &&
		old.ModTime.Equal(storable(m.mtime)) && old.ChangeTime.Equal(storable(ctime))
}
