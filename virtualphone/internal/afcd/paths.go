package afcd

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
)

func (x *session) readDir(a arguments) (afc.Packet, error) {
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	names, err := x.layers.readDir(rel)
	if err != nil {
		return afc.Packet{}, err
	}
	return data(texts(append([]string{".", ".."}, names...)...))
}

// texts joins strings as AFC does, each ended by a NUL.
func texts(s ...string) []byte { return []byte(strings.Join(s, "\x00") + "\x00") }

func (x *session) fileInfo(a arguments) (afc.Packet, error) {
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	p, info, err := x.layers.find(rel)
	if err != nil {
		return afc.Packet{}, err
	}
	kind, links := "S_IFREG", 1
	switch {
	case info.IsDir():
		kind, links = "S_IFDIR", 2
	case info.Mode()&fs.ModeSymlink != 0:
		kind = "S_IFLNK"
	}
	mtime := fmt.Sprint(info.ModTime().UnixNano())
	kv := []string{
		"st_size", fmt.Sprint(info.Size()), "st_blocks", fmt.Sprint((info.Size() + 511) / 512), "st_nlink", fmt.Sprint(links),
		"st_ifmt", kind, "st_mtime", mtime, "st_birthtime", mtime,
	}
	if kind == "S_IFLNK" {
		target, err := p.root.Readlink(rel)
		if err != nil {
			return afc.Packet{}, err
		}
		kv = append(kv, "LinkTarget", target)
	}
	return data(texts(kv...))
}

const (
	totalSpace = 128_000_000_000
	freeSpace  = 64_000_000_000
	blockSize  = 4096
)

func (x *session) deviceInfo(arguments) (afc.Packet, error) {
	free := x.srv.Policy().FreeSpace
	if free == 0 {
		free = freeSpace
	}
	return data(texts(
		"Model", "iPhone13,2", "FSTotalBytes", fmt.Sprint(totalSpace), "FSFreeBytes", fmt.Sprint(free), "FSBlockSize", fmt.Sprint(blockSize),
	))
}

// makeDir makes missing parents too; a folder that is there is fine.
func (x *session) makeDir(a arguments) (afc.Packet, error) {
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	if rel == "." {
		return ok()
	}
	// The layer is that of the nearest ancestor.
	for up := rel; ; up = path.Dir(up) {
		p, err := x.layers.forNew(up)
		if err == nil {
			if err := p.root.MkdirAll(rel, 0o755); err != nil {
				return afc.Packet{}, err
			}
			return ok()
		}
		if path.Dir(up) == "." {
			return afc.Packet{}, err
		}
	}
}

func (x *session) remove(a arguments) (afc.Packet, error) {
	return x.removeWith(a, func(root *os.Root, rel string) error { return root.Remove(rel) })
}

func (x *session) removeAll(a arguments) (afc.Packet, error) {
	return x.removeWith(a, func(root *os.Root, rel string) error { return root.RemoveAll(rel) })
}

func (x *session) removeWith(a arguments, remove func(*os.Root, string) error) (afc.Packet, error) {
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	if rel == "." {
		return afc.Packet{}, afc.StatusPermissionDenied
	}
	if err := x.layers.each(rel, func(root *os.Root) error { return remove(root, rel) }); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

// rename works within a layer, as on one volume.
func (x *session) rename(a arguments) (afc.Packet, error) {
	from, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	to, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	src, _, err := x.layers.find(from)
	if err != nil {
		return afc.Packet{}, err
	}
	if err := src.root.Rename(from, to); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

const symbolicLink = 2

// makeLink makes symbolic links (type 2); hard links are not supported.
func (x *session) makeLink(a arguments) (afc.Packet, error) {
	kind, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	target, rest, ended := bytes.Cut(a.b, []byte{0})
	a.b = rest
	rel, err := a.path()
	switch {
	case err != nil:
		return afc.Packet{}, err
	case kind != symbolicLink:
		return afc.Packet{}, afc.StatusNotSupported
	case !ended || len(target) == 0 || len(target) > maxPath:
		return afc.Packet{}, afc.StatusInvalidArgument
	}
	p, err := x.layers.forNew(rel)
	if err != nil {
		return afc.Packet{}, err
	}
	if err := p.root.Symlink(string(target), rel); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

// setModTime takes nanoseconds since 1970, then the path.
func (x *session) setModTime(a arguments) (afc.Packet, error) {
	ns, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	p, _, err := x.layers.find(rel)
	if err != nil {
		return afc.Packet{}, err
	}
	t := time.Unix(0, int64(ns))
	if err := p.root.Chtimes(rel, t, t); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}

// truncate takes a size, then the path.
func (x *session) truncate(a arguments) (afc.Packet, error) {
	size, err := a.number()
	if err != nil {
		return afc.Packet{}, err
	}
	rel, err := a.path()
	if err != nil {
		return afc.Packet{}, err
	}
	f, err := x.openFile(rel, os.O_WRONLY)
	if err != nil {
		return afc.Packet{}, err
	}
	defer f.Close()
	if err := resize(f, size); err != nil {
		return afc.Packet{}, err
	}
	return ok()
}
