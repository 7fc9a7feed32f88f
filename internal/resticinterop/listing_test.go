//go:build linux

package resticinterop

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// file is what a backup keeps of a file, folder, link or device.
type file struct {
	mode     fs.FileMode // with the type
	uid, gid uint32
	size     int64  // of files
	mtime    int64  // nanoseconds since 1970
	sum      string // SHA-256 of a file
	target   string // of a link
	device   uint64 // of a device
	xattrs   string
}

func (f file) String() string {
	return fmt.Sprintf("%v %d:%d size %d mtime %d sum %.8s target %q device %x attributes %s", f.mode, f.uid, f.gid, f.size, f.mtime, f.sum, f.target, f.device, f.xattrs)
}

// listing is what is in a folder, by path with a slash in front. The folder
// itself is not in it.
type listing map[string]file

// list reads a folder to the last byte.
func list(dir string) (listing, error) {
	l := listing{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		l[strings.TrimPrefix(path, dir)], err = describe(path)
		return err
	})
	if err == nil && len(l) == 0 {
		err = fmt.Errorf("%s is empty", dir)
	}
	return l, err
}

func describe(path string) (file, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return file{}, err
	}
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return file{}, fmt.Errorf("lstat %q: %w", path, err)
	}
	f := file{mode: info.Mode(), uid: st.Uid, gid: st.Gid, mtime: info.ModTime().UnixNano()}
	switch f.mode.Type() {
	case 0:
		f.size = st.Size
		f.sum, err = sumFile(path)
	case fs.ModeSymlink:
		f.target, err = os.Readlink(path)
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		f.device = st.Rdev
	}
	if err == nil {
		f.xattrs, err = attributes(path)
	}
	return f, err
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

func sumOf(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

func attributes(path string) (string, error) {
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("list attributes of %q: %w", path, err)
	}
	var text strings.Builder
	for _, name := range slices.Sorted(strings.SplitSeq(string(bytes.Trim(names[:n], "\x00")), "\x00")) {
		if name == "" {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return "", fmt.Errorf("attribute %s of %q: %w", name, path, err)
		}
		fmt.Fprintf(&text, "%s=%x ", name, value[:n])
	}
	return text.String(), nil
}

// paths are in the order of trees: folder by folder, names by their bytes.
func (l listing) paths() []string {
	// A slash sorts before every other byte that a name can have.
	key := func(p string) string { return strings.ReplaceAll(p, "/", "\x00") }
	return slices.SortedFunc(maps.Keys(l), func(a, b string) int { return strings.Compare(key(a), key(b)) })
}

// below is the part of a listing below a folder.
func (l listing) below(dir string) listing {
	part := listing{}
	for path, f := range l {
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok {
			part["/"+rest] = f
		}
	}
	return part
}

// without is a listing with some of each file not looked at.
func (l listing) without(forget func(*file)) listing {
	part := listing{}
	for path, f := range l {
		forget(&f)
		part[path] = f
	}
	return part
}

// same wants two listings to be equal.
func same(t testing.TB, what string, got, want listing) {
	t.Helper()
	n := 0
	tell := func(format string, args ...any) {
		t.Helper()
		if n++; n <= 10 {
			t.Errorf(what+": "+format, args...)
		}
	}
	for _, path := range want.paths() {
		if f, ok := got[path]; !ok {
			tell("%q is missing", path)
		} else if f != want[path] {
			tell("%q is\n\t%v, want\n\t%v", path, f, want[path])
		}
	}
	for _, path := range got.paths() {
		if _, ok := want[path]; !ok {
			tell("%q is too much", path)
		}
	}
	if n > 10 {
		t.Errorf("%s: and %d more differences", what, n-10)
	}
	if len(want) < 2 {
		t.Errorf("%s: nothing to compare with", what)
	}
}

// sameFolder wants a folder to hold what want says.
func sameFolder(t testing.TB, what, dir string, want listing) {
	t.Helper()
	got, err := list(dir)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	same(t, what, got, want)
}
