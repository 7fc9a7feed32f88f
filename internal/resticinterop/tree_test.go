//go:build linux

package resticinterop

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite"
)

// source is a folder that is backed up: the folder "tree" in dir.
type source struct {
	dir   string
	files listing // what is in it, with "/tree" in front
}

// before and after are two states of one folder, in two places so that tests
// can back up either at any time. They are made once and never changed.
func before(t testing.TB) source { return sources(t)[0] }
func after(t testing.TB) source  { return sources(t)[1] }

var makeSources = sync.OnceValues(func() ([2]source, error) {
	var both [2]source
	for i, name := range []string{"before", "after"} {
		both[i].dir = filepath.Join(shared.dir, name)
		if err := os.Mkdir(both[i].dir, 0o700); err != nil {
			return both, err
		}
	}
	if err := makeTree(both[0].dir+"/tree", treeSize{small: 220, scale: 1}); err != nil {
		return both, err
	}
	if out, err := exec.Command("cp", "-a", both[0].dir+"/tree", both[1].dir).CombinedOutput(); err != nil {
		return both, fmt.Errorf("cp: %w: %s", err, out)
	}
	if err := changeTree(both[1].dir + "/tree"); err != nil {
		return both, err
	}
	for i := range both {
		var err error
		if both[i].files, err = list(both[i].dir); err != nil {
			return both, err
		}
	}
	return both, nil
})

func sources(t testing.TB) [2]source {
	t.Helper()
	both, err := makeSources()
	if err != nil {
		t.Fatal(err)
	}
	return both
}

// treeSize is how large a tree is.
type treeSize struct {
	small int // files of up to 4 KiB
	scale int // 1: large files have megabytes; 100: a hundredth of that
	// anybody can restore it: there is nothing that takes root.
	anybody bool
}

// makeTree fills dir, which must not be there, with what is hard to back up.
// Left out is what restic 0.14 cannot keep: link targets that are no UTF-8.
func makeTree(dir string, size treeSize) error {
	m := &maker{dir: dir, r: rand.New(rand.NewChaCha8([32]byte{7})), size: size}
	m.folder("")
	m.names()
	m.kinds()
	m.modes()
	m.contents()
	m.database("contents/notes.db")
	m.times()
	return m.err
}

// maker makes files until one cannot be made.
type maker struct {
	dir  string
	r    *rand.Rand
	size treeSize
	err  error // the first
}

func (m *maker) keep(err error) {
	if m.err == nil {
		m.err = err
	}
}

func (m *maker) asRoot() bool { return os.Geteuid() == 0 && !m.size.anybody }

func (m *maker) path(name string) string { return m.dir + "/" + name }
func (m *maker) folder(name string)      { m.keep(os.MkdirAll(m.path(name), 0o755)) }
func (m *maker) file(name string, data []byte) {
	m.keep(os.WriteFile(m.path(name), data, 0o644))
}

func (m *maker) random(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(m.r.Uint32())
	}
	return data
}

// text compresses well and does not repeat.
func (m *maker) text(n int) []byte {
	var b bytes.Buffer
	for b.Len() < n {
		fmt.Fprintf(&b, "message %d from %d: %x\n", m.r.IntN(1000), m.r.IntN(50), m.r.IntN(1<<20))
	}
	return b.Bytes()[:n]
}

func (m *maker) names() {
	m.folder("names")
	for _, name := range []string{
		"invalid \xff\xfe utf-8", "\xc3\x28", `quote " and ' and \ backslash`, "line\nbreak", "tab\tand\rreturn", "bell\a", "-rf", ".hidden", "...",
		" blanks ", strings.Repeat("x", 255), strings.Repeat("ü", 127), "e\u0301 and \u00e9", "family 👨‍👩‍👧", "zero\u200dwidth", "<html>&amp;", "line\u2028separator",
		"star * and ? and [a]", "A", "a", "ß", "%s%d", "C:", "con", `\xff`, `"`, `\`,
	} {
		m.file("names/"+name, []byte("content of "+name))
	}
	for _, name := range []string{"folder \xff", "folder \"", "folder\n", "folder\u200d", strings.Repeat("f", 255)} {
		m.folder("names/" + name)
		m.file("names/"+name+"/inside", []byte(name))
	}
}

func (m *maker) kinds() {
	m.folder("kinds/empty")
	m.file("kinds/nothing", nil)
	for name, target := range map[string]string{
		"dangling": "nowhere", "loop1": "loop2", "loop2": "loop1", "up": "..", "absolute": "/etc/passwd", "quoted": "a\"b\\c\u200d",
		"long": strings.Repeat("y/", 500) + "z", "file": "nothing", "folder": "empty",
	} {
		m.keep(os.Symlink(target, m.path("kinds/"+name)))
	}
	m.keep(os.Link(m.path("kinds/nothing"), m.path("kinds/second name")))
	m.keep(unix.Mkfifo(m.path("kinds/fifo"), 0o640))
	if m.asRoot() {
		m.keep(unix.Mknod(m.path("kinds/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
		m.keep(unix.Mknod(m.path("kinds/loop"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 200))))
		m.keep(os.Lchown(m.path("kinds/dangling"), 1234, 5678))
	}
	deep := "deep"
	for range 40 {
		deep += "/" + strings.Repeat("d", 20)
	}
	m.folder(deep)
	m.file(deep+"/bottom", []byte("bottom"))
}

func (m *maker) modes() {
	m.folder("modes")
	for _, mode := range []fs.FileMode{0o600, 0o755, 0o444, 0o000, 0o755 | fs.ModeSetuid, 0o755 | fs.ModeSetgid, 0o777 | fs.ModeSticky} {
		for _, kind := range []string{"file", "folder"} {
			if !m.asRoot() && (mode&0o400 == 0 || kind == "folder" && mode&0o700 != 0o700) {
				continue // its owner could not read it, or not remove it afterwards
			}
			path := m.path(fmt.Sprintf("modes/%s %v", kind, mode))
			if kind == "file" {
				m.keep(os.WriteFile(path, []byte("mode"), 0o600))
			} else {
				m.keep(os.Mkdir(path, 0o700))
				m.keep(os.WriteFile(path+"/inside", []byte("inside"), 0o600))
			}
			if m.asRoot() {
				m.keep(os.Chown(path, 1000, 4294967294))
			}
			m.keep(os.Chmod(path, mode))
		}
	}
	m.file("modes/attributes", []byte("x"))
	for name, value := range map[string]string{"user.empty": "", "user.long": strings.Repeat("v", 1000), "user.bytes": "\x00\xff"} {
		// Not every file system has them; the comparisons hold for those too.
		_ = unix.Setxattr(m.path("modes/attributes"), name, []byte(value), 0)
		_ = unix.Setxattr(m.path("modes"), name, []byte(value), 0)
	}
}

func (m *maker) contents() {
	m.folder("contents")
	mega := (1 << 20) / m.size.scale
	zeros := make([]byte, mega+mega/2)
	m.file("contents/zeros", zeros)
	copy(zeros[mega/2:], m.random(mega/10))
	m.file("contents/mostly zeros", zeros)
	for _, n := range []int{1, mega / 16, mega/16 + 1, mega / 2, mega + 1} {
		m.file(fmt.Sprintf("contents/%d bytes", n), m.random(n))
	}
	m.file("contents/big.bin", m.random(3*mega))
	m.file("contents/log.txt", m.text(2*mega))
	m.file("contents/photo.jpg", append([]byte("\xff\xd8\xff\xe0"), m.random(8*mega+mega/4)...))
	twice := m.random(2 * mega / 3)
	m.file("contents/twice", twice)
	m.file("contents/twice again", append(slices.Clone(twice), twice...))
	sparse, err := os.Create(m.path("contents/sparse"))
	m.keep(err)
	if err == nil {
		_, err = sparse.WriteAt([]byte("middle"), int64(mega))
		m.keep(err)
		m.keep(sparse.Truncate(int64(mega + mega/2 + 17)))
		m.keep(sparse.Close())
	}
	for i := range m.size.small {
		if i%100 == 0 {
			m.folder(fmt.Sprintf("small/%03d", i/100))
		}
		m.file(fmt.Sprintf("small/%03d/%04d", i/100, i), m.text(m.r.IntN(4096)))
	}
}

// database makes a SQLite database.
func (m *maker) database(name string) {
	db, err := sql.Open("sqlite", m.path(name))
	m.keep(err)
	if err != nil {
		return
	}
	rows := 4000 / m.size.scale
	statement := "INSERT INTO note(text) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?) SELECT printf('%d %0200d', i, i*i) FROM n"
	_, err = db.Exec("CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT)")
	m.keep(err)
	_, err = db.Exec(statement, rows)
	m.keep(err)
	m.keep(db.Close())
}

// times gives everything a time of its own, folders last. Some are before 1970.
func (m *maker) times() {
	var paths []string
	m.keep(filepath.WalkDir(m.dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	}))
	for i, path := range slices.Backward(paths) {
		at := time.Unix(1_500_000_000+int64(i)*1000, int64(m.r.IntN(1e9)))
		if i%97 == 3 {
			at = time.Unix(-int64(i)*1_000_000, 5)
		}
		m.keep(setTime(path, at))
	}
}

// setTime sets the modification time, of links too.
func setTime(path string, at time.Time) error {
	ts := unix.NsecToTimespec(at.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// changeTree does to a tree what happens to folders from one day to the next.
func changeTree(dir string) error {
	m := &maker{dir: dir, r: rand.New(rand.NewChaCha8([32]byte{8})), size: treeSize{scale: 1}}
	m.file("names/new \xfe", []byte("new"))
	m.folder("added/below")
	m.file("added/below/file", m.text(70_000))
	m.keep(os.Remove(m.path("names/a")))
	m.keep(os.RemoveAll(m.path("small/001")))
	m.keep(os.Rename(m.path("contents/twice"), m.path("contents/renamed")))
	m.file("contents/1 bytes", []byte("?"))
	m.file("kinds/nothing", nil) // only its time
	m.keep(os.Chmod(m.path("names/A"), 0o640))
	m.keep(os.Chmod(m.path("kinds/empty"), 0o1711))
	m.keep(os.Remove(m.path("kinds/up")))
	m.keep(os.Symlink("../..", m.path("kinds/up")))
	m.keep(os.Truncate(m.path("contents/mostly zeros"), 1_200_000))
	// Of other kinds than before.
	m.keep(os.Remove(m.path("names/con")))
	m.folder("names/con")
	m.file("names/con/inside", []byte("a file became a folder"))
	m.keep(os.Remove(m.path("kinds/file")))
	m.file("kinds/file", []byte("a link became a file"))
	m.keep(os.RemoveAll(m.path("deep")))
	m.file("deep", []byte("a folder became a file"))
	// In the middle of a large file, and before all of another.
	if f, err := os.OpenFile(m.path("contents/big.bin"), os.O_WRONLY, 0); err != nil {
		m.keep(err)
	} else {
		_, err = f.WriteAt(m.random(1000), 2<<20)
		m.keep(err)
		m.keep(f.Close())
	}
	log, err := os.ReadFile(m.path("contents/log.txt"))
	m.keep(err)
	m.file("contents/log.txt", append([]byte("the first line is new\n"), log...))
	db, err := sql.Open("sqlite", m.path("contents/notes.db"))
	m.keep(err)
	if err == nil {
		_, err = db.Exec("UPDATE note SET text = 'changed' WHERE id % 500 = 1")
		m.keep(err)
		m.keep(db.Close())
	}
	return m.err
}
