//go:build linux

package resticinterop

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Roles of this binary for testdata/make.sh.
const (
	roleTree = "tree" // make the folder "tree" in the folder of the argument
	roleList = "list" // print what is in the folder of the argument
)

func goldenMain(role string) int {
	err := fmt.Errorf("usage: %s DIR", role)
	if len(os.Args) == 2 && role == roleTree {
		err = makeTree(os.Args[1]+"/tree", treeSize{small: 20, scale: 500, anybody: true})
	} else if len(os.Args) == 2 {
		var l listing
		if l, err = list(os.Args[1]); err == nil {
			w := bufio.NewWriter(os.Stdout)
			for _, line := range l.lines() {
				fmt.Fprintln(w, line)
			}
			err = w.Flush()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// lines are a listing as it lies in testdata.
func (l listing) lines() []string {
	var lines []string
	for _, path := range l.paths() {
		f := l[path]
		lines = append(lines, fmt.Sprintf("%q %v %d:%d %d %d %q %s %s", path, f.mode, f.uid, f.gid, f.size, f.mtime, f.target, f.sum, f.xattrs))
	}
	return lines
}

var owner = regexp.MustCompile(` \d+:\d+ `)

// goldenLines reads a listing of testdata.
func goldenLines(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return comparable(strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"))
}

// comparable leaves out owners where only root could restore them.
func comparable(lines []string) []string {
	if os.Geteuid() != 0 {
		for i := range lines {
			lines[i] = owner.ReplaceAllString(lines[i], " ")
		}
	}
	return lines
}

// Repositories that were made once are read for ever, by both programs, and
// can be worked in. testdata/make.sh tells where they come from.
func TestGolden(t *testing.T) {
	for _, name := range []string{"restic", "restic-format1", "keepsake"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := golden(t, name)
			r.run(t, restic, "snapshots")
			list := r.snapshots(t, keepsake)
			if len(list) != 2 || !slices.Equal(list[0].Paths, []string{"/tmp/golden/tree"}) || list[0].Hostname != "golden" {
				t.Fatalf("snapshots: %+v", list)
			}
			makeCheap(t, r.dir, "golden") // its own key has done its part
			versions := [][]string{goldenLines(t, "first.txt"), goldenLines(t, "second.txt")}
			r.check(t, "as it is")
			for i, want := range versions {
				for _, who := range both {
					r.goldenRestores(t, who, list[i].ID, want)
				}
			}
			// And now worked in: what is kept of the old packs goes into new ones.
			dir := t.TempDir()
			r.run(t, keepsake, "restore-files", "latest", "--target", dir)
			write(t, dir+"/tree/new", "new")
			r.backup(t, keepsake, dir)
			r.run(t, keepsake, "forget", list[0].ID, "--prune", "--max-unused", "0")
			r.check(t, "worked in")
			r.goldenRestores(t, restic, list[1].ID, versions[1])
		})
	}
}

// golden copies a repository of testdata, with the folders that git does not keep.
func golden(t *testing.T, name string) repo {
	t.Helper()
	r := repo{dir: t.TempDir() + "/repo", env: []string{"RESTIC_PASSWORD=golden", "KEEPSAKE_PASSWORD=golden"}}
	if err := os.CopyFS(r.dir, os.DirFS("testdata/"+name)); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.dir+"/locks", 0o700); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r repo) goldenRestores(t *testing.T, who program, snapshot string, want []string) {
	t.Helper()
	target := t.TempDir()
	r.run(t, who, map[program]string{restic: "restore", keepsake: "restore-files"}[who], snapshot, "--target", target)
	got, err := list(target + "/tree")
	if err != nil {
		t.Fatal(err)
	}
	sameLines(t, string(who)+" restores "+snapshot, comparable(got.lines()), want)
}
