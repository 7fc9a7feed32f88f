//go:build !windows

package treetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

// Password is that of repositories made by Init.
var Password = secret.NewRepositoryPassword("geheim")

// Init makes a repository whose key costs little.
func Init(t testing.TB, be backend.Backend) *repository.Repository {
	t.Helper()
	r, err := repository.Init(t.Context(), be, Password, repository.InitOptions{Options: repository.Options{KDF: repository.KDF{N: 2, R: 8, P: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Begin starts a session; call end to end it.
func Begin(t testing.TB, r *repository.Repository) (s *repository.Session, end func()) {
	t.Helper()
	s, err := r.Begin(t.Context(), repository.Shared, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := s.Close(); err != nil {
			t.Errorf("close session: %v", err)
		}
	}
}

// Size is how large the tree of Make is.
type Size struct {
	Small int // files of up to 4 KiB
	Big   int // bytes of one file that does not compress; 0: none
}

// Make fills dir with everything that has ever gone wrong in a backup.
func Make(t testing.TB, dir string, size Size) {
	t.Helper()
	m := maker{t, dir, rand.New(rand.NewChaCha8([32]byte{1}))}
	m.names()
	m.kinds()
	m.modes()
	m.contents(size)
	m.times()
}

type maker struct {
	t   testing.TB
	dir string
	r   *rand.Rand
}

func (m maker) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m maker) path(name string) string { return m.dir + "/" + name }

func (m maker) folder(name string) { m.check(os.MkdirAll(m.path(name), 0o755)) }

func (m maker) file(name string, data []byte) { m.check(os.WriteFile(m.path(name), data, 0o644)) }

func (m maker) random(n int) []byte {
	data := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := m.r.Uint64()
		for j := i; j < min(i+8, n); j++ {
			data[j] = byte(v)
			v >>= 8
		}
	}
	return data
}

func (m maker) names() {
	m.folder("names")
	for _, name := range []string{
		"invalid \xff\xfe utf-8", "\xc3\x28", `quote " and ' and \ backslash`, "line\nbreak", "tab\tand\rreturn", "bell\a", "-rf", ".hidden", "...",
		" blanks ", strings.Repeat("x", 255), strings.Repeat("ü", 127), "e\u0301 and \u00e9", "family 👨‍👩‍👧", "zero\u200dwidth", "<html>&amp;", "\u2028",
		"*?[a]", "A", "a", "ß", "%s%d", "C:", "con",
	} {
		m.file("names/"+name, []byte(name))
		m.folder("names/folder " + name[:min(len(name), 200)])
	}
}

func (m maker) kinds() {
	m.folder("kinds/empty")
	m.file("kinds/nothing", nil)
	for name, target := range map[string]string{
		"dangling": "nowhere", "loop1": "loop2", "loop2": "loop1", "self": "self", "up": "..", "absolute": "/etc/passwd",
		"bytes": "\xff\xfe", "long": strings.Repeat("y/", 500) + "z", "file": "nothing", "folder": "empty",
	} {
		m.check(os.Symlink(target, m.path("kinds/"+name)))
	}
	m.check(unix.Mkfifo(m.path("kinds/fifo"), 0o640))
	if os.Geteuid() == 0 {
		m.check(unix.Mknod(m.path("kinds/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		m.check(unix.Mknod(m.path("kinds/loop"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 200))))
		m.check(unix.Mknod(m.path("kinds/socket"), unix.S_IFSOCK|0o600, 0))
		m.check(os.Lchown(m.path("kinds/dangling"), 1234, 5678))
	}
	deep := "deep"
	for range 60 {
		deep += "/" + strings.Repeat("d", 20)
	}
	m.folder(deep)
	m.file(deep+"/bottom", []byte("bottom"))
}

func (m maker) modes() {
	m.folder("modes")
	for _, mode := range []fs.FileMode{0o600, 0o755, 0o444, 0o000, 0o755 | fs.ModeSetuid, 0o2755 | fs.ModeSetgid, 0o777 | fs.ModeSticky} {
		for _, kind := range []string{"file", "folder"} {
			path := m.path(fmt.Sprintf("modes/%s %v", kind, mode))
			if kind == "file" {
				m.check(os.WriteFile(path, []byte("mode"), 0o600))
			} else {
				m.check(os.Mkdir(path, 0o700))
				m.check(os.WriteFile(path+"/inside", []byte("inside"), 0o600))
			}
			if os.Geteuid() == 0 {
				m.check(os.Chown(path, 1000, 4294967294))
			} else if mode&0o700 == 0 {
				mode |= 0o400
			}
			m.check(os.Chmod(path, mode))
		}
	}
	m.file("modes/attributes", []byte("x"))
	for name, value := range map[string]string{"user.empty": "", "user.long": strings.Repeat("v", 2000), "user.bytes": "\x00\xff"} {
		// Not every file system has them; the comparison holds for those too.
		_ = unix.Setxattr(m.path("modes/attributes"), name, []byte(value), 0)
		_ = unix.Setxattr(m.path("modes"), name, []byte(value), 0)
	}
}

func (m maker) contents(size Size) {
	m.folder("contents")
	zeros := make([]byte, 3<<20)
	m.file("contents/zeros", zeros)
	copy(zeros[1<<20:], m.random(100_000))
	m.file("contents/mostly zeros", zeros)
	sparse, err := os.Create(m.path("contents/sparse"))
	m.check(err)
	_, err = sparse.WriteAt([]byte("middle"), 5<<20)
	m.check(err)
	m.check(sparse.Truncate(9<<20 + 17))
	m.check(sparse.Close())
	for _, n := range []int{1, 65535, 65536, 65537, 512 << 10, 1<<20 + 1} {
		m.file(fmt.Sprintf("contents/%d bytes", n), m.random(n))
	}
	m.file("contents/twice", m.random(700_000))
	data, err := os.ReadFile(m.path("contents/twice"))
	m.check(err)
	m.file("contents/twice again", append(slices.Clone(data), data...))
	if size.Big > 0 {
		m.file("contents/big", m.random(size.Big))
	}
	for i := range size.Small {
		if i%100 == 0 {
			m.folder(fmt.Sprintf("small/%03d", i/100))
		}
		m.file(fmt.Sprintf("small/%03d/%04d", i/100, i), m.random(m.r.IntN(4096)))
	}
}

// times gives everything a time of its own, folders last.
func (m maker) times() {
	var paths []string
	m.check(filepath.WalkDir(m.dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	}))
	for i, path := range slices.Backward(paths) {
		at := time.Unix(1_500_000_000+int64(i)*1000, int64(m.r.IntN(1e9)))
		if i%97 == 3 {
			at = time.Unix(-int64(i)*1_000_000, 5)
		}
		ts := unix.NsecToTimespec(at.UnixNano())
		m.check(unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
	}
}

// What of two trees is not compared.
type Ignore struct {
	Sockets bool // they may be missing
	Root    bool // the metadata of the folder itself
	Xattrs  bool
	Special bool // devices and FIFOs may be missing
}

// Compare tells every difference between two folders: names, types, contents,
// modes, owners, times, targets, attributes.
func Compare(t testing.TB, want, got string, ignore Ignore) {
	t.Helper()
	a, b := describe(t, want, ignore), describe(t, got, ignore)
	n := 0
	tell := func(format string, args ...any) {
		if n++; n <= 20 {
			t.Errorf(format, args...)
		}
	}
	for path, description := range a {
		if other, ok := b[path]; !ok {
			tell("%q is missing", path)
		} else if description != other {
			tell("%q is\n\t%s, want\n\t%s", path, other, description)
		}
	}
	for path := range b {
		if _, ok := a[path]; !ok {
			tell("%q is too much", path)
		}
	}
	if n > 20 {
		t.Errorf("and %d more differences", n-20)
	}
	if len(a) < 2 {
		t.Errorf("%s is empty", want)
	}
}

func describe(t testing.TB, dir string, ignore Ignore) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, dir)
		special := d.Type()&(fs.ModeDevice|fs.ModeNamedPipe) != 0
		if name == "" && ignore.Root || d.Type() == fs.ModeSocket && ignore.Sockets || special && ignore.Special {
			return nil
		}
		all[name], err = describeOne(path, ignore)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func describeOne(path string, ignore Ignore) (string, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", fmt.Errorf("lstat %q: %w", path, err)
	}
	s := fmt.Sprintf("mode %o, owner %d:%d, mtime %d.%09d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		s += fmt.Sprintf(", %d bytes %x", st.Size, sha256.Sum256(data))
	case unix.S_IFLNK:
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		s += fmt.Sprintf(" -> %q", target)
	case unix.S_IFBLK, unix.S_IFCHR:
		s += fmt.Sprintf(", device %x", st.Rdev)
	}
	if ignore.Xattrs {
		return s, nil
	}
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return s, nil // this file system has none
	}
	list := slices.Sorted(strings.SplitSeq(string(bytes.Trim(names[:n], "\x00")), "\x00"))
	for _, name := range list {
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if name != "" && err == nil {
			s += fmt.Sprintf(", %s=%x", name, value[:n])
		}
	}
	return s, nil
}
