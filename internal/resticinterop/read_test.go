//go:build linux

package resticinterop

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Whoever made a repository, both programs read all that is in it.
func TestRead(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := k.make(t)
			first := r.backup(t, k.by, before(t).dir, "--host", "h", "--tag", "one")
			second := r.backup(t, k.by, after(t).dir, "--host", "h", "--tag", "two,three")
			for _, who := range both {
				t.Run(string(who), func(t *testing.T) { readAll(t, r, who, first, second) })
			}
			sameOutput(t, r)
		})
	}
}

// readAll looks at two snapshots, of before and after, in every way that a
// program has.
func readAll(t *testing.T, r repo, who program, first, second string) {
	a, b := before(t).files, after(t).files
	r.run(t, who, "check", "--read-data")
	t.Run("ls", func(t *testing.T) { readLs(t, r, who, first, a) })
	t.Run("find", func(t *testing.T) { readFind(t, r, who, first, a) })
	t.Run("diff", func(t *testing.T) { readDiff(t, r, who, first, second, a, b) })
	t.Run("dump", func(t *testing.T) { readDump(t, r, who, first, a) })
	t.Run("restore", func(t *testing.T) {
		r.restores(t, who, first, a)
		r.restores(t, who, second, b)
	})
	t.Run("mount", func(t *testing.T) { readMount(t, r, who, map[string]listing{first: a, second: b}) })
	t.Run("stats", func(t *testing.T) { readStats(t, r, who, first, a) })
}

// node is an entry in the JSON of ls and find.
type node struct {
	StructType  string      `json:"struct_type"`
	Path        string      `json:"path"`
	Type        string      `json:"type"`
	UID         uint32      `json:"uid"`
	GID         uint32      `json:"gid"`
	Size        int64       `json:"size"`
	Mode        fs.FileMode `json:"mode"`
	Permissions string      `json:"permissions"` // of find
	ModTime     time.Time   `json:"mtime"`
}

// inJSON is a string as it comes out of JSON: bytes that are no UTF-8 are lost.
func inJSON(s string) string {
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		panic(err) // strings have a form in JSON
	}
	return s
}

func typeName(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "dir"
	case fs.ModeSymlink:
		return "symlink"
	case fs.ModeNamedPipe:
		return "fifo"
	case fs.ModeDevice:
		return "dev"
	case fs.ModeDevice | fs.ModeCharDevice:
		return "chardev"
	}
	return m.String()
}

func readLs(t *testing.T, r repo, who program, snapshot string, want listing) {
	var got []string
	for line := range strings.Lines(r.run(t, who, "ls", snapshot, "--json")) {
		var n node
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if n.StructType == "node" {
			got = append(got, fmt.Sprintf("%s %v %d:%d %d %s %s", n.Type, n.Mode, n.UID, n.GID, n.Size, n.ModTime.UTC().Format(time.RFC3339Nano), n.Path))
		}
	}
	var lines, long []string
	for _, path := range want.paths() {
		f := want[path]
		at := time.Unix(0, f.mtime).UTC()
		lines = append(lines, fmt.Sprintf("%s %v %d:%d %d %s %s", typeName(f.mode), f.mode, f.uid, f.gid, f.size, at.Format(time.RFC3339Nano), inJSON(path)))
		if target := f.target; f.mode.Type() == fs.ModeSymlink {
			path += " -> " + target
		}
		long = append(long, fmt.Sprintf("%s %5d %5d %6d %s %s", f.mode, f.uid, f.gid, f.size, at.Format(time.DateTime), path))
	}
	sameLines(t, "ls --json", got, lines)
	out := r.run(t, who, "ls", snapshot, "--long", "--quiet")
	if who == restic {
		if want := strings.Join(long, "\n") + "\n"; out != want {
			sameLines(t, "ls --long", strings.Split(out, "\n"), strings.Split(want, "\n"))
		}
		return
	}
	// keepsake's is for people: a head, quoted names, columns that may change.
	if n := strings.Count(out, "\n") - 1; n != len(want) {
		t.Fatalf("ls --long: %d lines, want one for each of %d", n, len(want))
	}
	shown := strings.Split(out, "\n")[1:]
	for i, path := range want.paths() {
		mode := want[path].mode
		if target := want[path].target; mode.Type() == fs.ModeSymlink {
			path += " -> " + target
		}
		if isPrintable(path) && (!strings.HasPrefix(shown[i], mode.String()+" ") || !strings.HasSuffix(shown[i], " "+path)) {
			t.Errorf("ls --long: line %d is %q, want %v … %s", i, shown[i], mode, path)
		}
	}
}

// isPrintable tells whether there is nothing to quote in a name.
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
}

// sameLines tells the first lines that differ.
func sameLines(t testing.TB, what string, got, want []string) {
	t.Helper()
	n := 0
	for i := range max(len(got), len(want)) {
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			if n++; n <= 5 {
				t.Errorf("%s: line %d is\n\t%q, want\n\t%q", what, i, g, w)
			}
		}
	}
	if n > 5 {
		t.Errorf("%s: and %d more lines", what, n-5)
	}
}

func readFind(t *testing.T, r repo, who program, snapshot string, in listing) {
	for _, patterns := range [][]string{{"*.db", "nothing", "folder*", "zero\u200dwidth", "0[01]?7"}, {"/tree/modes/*"}} {
		var found []struct {
			Matches  []node `json:"matches"`
			Hits     int    `json:"hits"`
			Snapshot string `json:"snapshot"`
		}
		out := r.run(t, who, append([]string{"find", "--json", "--snapshot", snapshot}, patterns...)...)
		if err := json.Unmarshal([]byte(out), &found); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var got, want []string
		for _, f := range found {
			if !strings.HasPrefix(f.Snapshot, snapshot) || f.Hits != len(f.Matches) {
				t.Errorf("find %q: %d hits in %s, want %d in %s", patterns, f.Hits, f.Snapshot, len(f.Matches), snapshot)
			}
			for _, n := range f.Matches {
				got = append(got, n.Path)
			}
		}
		for _, path := range in.paths() {
			if slices.ContainsFunc(patterns, func(pattern string) bool { return matches(t, pattern, path) }) {
				want = append(want, inJSON(path))
			}
		}
		if len(want) < 7 {
			t.Errorf("find %q: there is too little to find", patterns)
		}
		sameLines(t, fmt.Sprintf("find %q", patterns), got, want)
	}
}

// matches tells whether a pattern is about a path: one of its names, or with a
// slash the path, or that of a folder above.
func matches(t *testing.T, pattern, path string) bool {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if strings.HasPrefix(pattern, "/") {
		n := strings.Count(pattern, "/")
		parts = []string{"/" + strings.Join(parts[:min(n, len(parts))], "/")}
	}
	return slices.ContainsFunc(parts, func(part string) bool {
		ok, err := filepath.Match(pattern, part)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	})
}

func readDiff(t *testing.T, r repo, who program, first, second string, a, b listing) {
	for _, metadata := range []bool{false, true} {
		args := []string{"diff", "--json", first, second}
		if metadata {
			args = append(args, "--metadata")
		}
		var got, want []string
		for line := range strings.Lines(r.run(t, who, args...)) {
			var m struct {
				MessageType  string `json:"message_type"`
				Path         string `json:"path"`
				Modifier     string `json:"modifier"`
				ChangedFiles int    `json:"changed_files"`
			}
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if m.MessageType == "change" {
				got = append(got, m.Modifier+" "+m.Path)
			}
		}
		for path := range a {
			if _, ok := b[path]; !ok && (who == keepsake || !insideChangedType(b, a, path)) {
				want = append(want, "- "+inJSON(path)+slash(a[path]))
			}
		}
		for path, now := range b {
			if mark := changed(who, a, path, now, metadata); mark != "" && (who == keepsake || !insideChangedType(a, b, path)) {
				want = append(want, mark+" "+inJSON(path)+slash(now))
			}
		}
		if who == restic && metadata {
			// To restic access times and inodes are metadata, too.
			got = slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, "U ") && !slices.Contains(want, line) })
		}
		slices.Sort(got)
		slices.Sort(want)
		sameLines(t, strings.Join(args, " "), got, want)
	}
}

func slash(f file) string {
	if f.mode.IsDir() {
		return "/"
	}
	return ""
}

// insideChangedType tells whether path is in a folder of one listing that is
// something else in the other one: restic does not look into such folders.
func insideChangedType(other, in listing, path string) bool {
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		if f, ok := other[dir]; ok && in[dir].mode.IsDir() && !f.mode.IsDir() {
			return true
		}
	}
	return false
}

// changed is how diff marks a file that is there now. keepsake also says that a
// link leads elsewhere, and of what has another content whether the rest is the
// same.
func changed(who program, a listing, path string, now file, metadata bool) string {
	old, ok := a[path]
	mark := ""
	switch {
	case !ok:
		return "+"
	case old.mode.Type() != now.mode.Type():
		mark = "T"
	case old.sum != now.sum, who == keepsake && old.target != now.target:
		mark = "M"
	}
	if who == keepsake {
		old.sum, old.size, old.target = now.sum, now.size, now.target
	}
	if metadata && old != now && (who == keepsake || mark != "M") {
		mark += "U"
	}
	return mark
}

func readDump(t *testing.T, r repo, who program, snapshot string, in listing) {
	for _, path := range []string{"/tree/contents/big.bin", "/tree/contents/log.txt", "/tree/kinds/nothing", "/tree/names/folder \xff/inside"} {
		want, ok := in[path]
		if got := sumOf([]byte(r.run(t, who, "dump", snapshot, path))); !ok || got != want.sum {
			t.Errorf("dump %q: sum %s, want %s", path, got, want.sum)
		}
	}
	for _, folder := range []string{"/tree", "/tree/modes"} {
		out := r.run(t, who, "dump", "--archive", "tar", snapshot, folder)
		got, err := listTar(strings.NewReader(out))
		if err != nil {
			t.Fatalf("dump %s: %v", folder, err)
		}
		want := in.below(folder)
		if who == restic { // its names begin at the root, its times are rounded, devices are left out
			got = got.below(folder)
			want = want.without(func(f *file) { f.mtime = time.Unix(0, f.mtime).Round(time.Second).UnixNano() })
			maps.DeleteFunc(want, func(_ string, f file) bool { return f.mode.Type()&(fs.ModeDevice|fs.ModeNamedPipe) != 0 })
		}
		same(t, "dump "+folder, got, want)
	}
}

// listTar describes what is in an archive.
func listTar(r io.Reader) (listing, error) {
	l := listing{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return nil, err
		}
		f := file{mode: h.FileInfo().Mode(), uid: uint32(h.Uid), gid: uint32(h.Gid), size: h.Size, mtime: h.ModTime.UnixNano(), target: h.Linkname}
		if h.Typeflag == tar.TypeReg {
			data, err := io.ReadAll(archive)
			if err != nil {
				return nil, err
			}
			f.sum = sumOf(data)
		}
		if f.mode.Type()&fs.ModeDevice != 0 {
			f.device = unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))
		}
		for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
				f.xattrs += fmt.Sprintf("%s=%x ", name, h.PAXRecords[key])
			}
		}
		l["/"+strings.Trim(h.Name, "/")] = f
	}
}

func readMount(t *testing.T, r repo, who program, snapshots map[string]listing) {
	dir := t.TempDir()
	p := r.call(who, "mount", dir).start(t)
	mounted := func() bool {
		_, err := os.Stat(dir + "/snapshots")
		return err == nil
	}
	p.until("shows the snapshots", mounted)
	defer func() {
		if p.running() && mounted() {
			_ = exec.Command("umount", "-l", dir).Run() // so that the folder can be removed
		}
	}()
	for id, want := range snapshots {
		if who == restic {
			want = asMounted(want)
		}
		got, err := list(dir + "/ids/" + id)
		if err != nil {
			t.Fatal(err)
		}
		if who == restic {
			got = asMounted(got)
		}
		same(t, "mount", got, want)
	}
	p.signal(os.Interrupt)
	if who == restic {
		p.ends(0, 130) // as it happens
	} else {
		p.ends(0)
	}
	if mounted() {
		t.Error("it is still mounted")
	}
}

// asMounted leaves out what restic's mount does not show: sticky bits, numbers
// of devices, and times before 1970, whose nanoseconds it gets wrong.
func asMounted(l listing) listing {
	return l.without(func(f *file) {
		f.mode &^= fs.ModeSticky
		f.device = 0
		if f.mtime < 0 {
			f.mtime = -1
		}
	})
}

func readStats(t *testing.T, r repo, who program, snapshot string, in listing) {
	var got struct {
		TotalSize      int64 `json:"total_size"`
		TotalFileCount int   `json:"total_file_count"`
	}
	out := r.run(t, who, "stats", "--json", snapshot)
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var size int64
	for _, f := range in {
		size += f.size
	}
	if got.TotalSize != size || got.TotalFileCount != len(in) {
		t.Errorf("stats: %+v, want %d bytes in %d", got, size, len(in))
	}
}
