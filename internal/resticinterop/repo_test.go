//go:build linux

package resticinterop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// repo is a repository in a folder.
type repo struct {
	dir   string
	cache string // of restic, see call
	env   []string
}

// kind is a way to make a repository.
type kind struct {
	name string
	by   program
	args []string
	// Made once, since that takes a while on purpose, and copied for each test: two,
	// so that there are such with different keys.
	templates [2]func() (string, error)
}

// kinds are all repositories that there are: ours, and both formats of restic's.
var kinds = []*kind{
	{name: "ours", by: keepsake, args: []string{"init"}},
	{name: "restic's", by: restic, args: []string{"init"}},
	{name: "restic's of format 1", by: restic, args: []string{"init", "--repository-version", "1"}},
}

func init() {
	for i, k := range kinds {
		for j := range k.templates {
			k.templates[j] = sync.OnceValues(func() (string, error) {
				dir := fmt.Sprintf("%s/template%d%d", shared.dir, i, j)
				out, err := call{who: k.by, args: k.args, repo: dir}.command(context.Background()).CombinedOutput()
				if err != nil {
					err = fmt.Errorf("make a repository: %w\n%s", err, out)
				}
				return dir, err
			})
		}
	}
}

// make makes a repository whose password costs nothing.
func (k *kind) make(t testing.TB) repo { return k.makeOf(t, 0) }

// makeAnother is make with another key, ID and chunker.
func (k *kind) makeAnother(t testing.TB) repo { return k.makeOf(t, 1) }

func (k *kind) makeOf(t testing.TB, template int) repo {
	t.Helper()
	dir, err := k.templates[template]()
	if err != nil {
		t.Fatal(err)
	}
	r := repo{dir: filepath.Join(t.TempDir(), "repo")}
	if err := os.CopyFS(r.dir, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	makeCheap(t, r.dir, password)
	return r
}

func (r repo) call(who program, args ...string) call {
	return call{who: who, args: args, repo: r.dir, cache: r.cache, env: r.env}
}

func (r repo) run(t testing.TB, who program, args ...string) string {
	t.Helper()
	return r.call(who, args...).run(t)
}

// backup backs up the folder "tree" in dir and returns the snapshot's ID.
func (r repo) backup(t testing.TB, who program, dir string, args ...string) string {
	t.Helper()
	c := r.call(who, append(map[program][]string{restic: {"backup", "--json"}, keepsake: {"backup-dir", "--json"}}[who], append(args, "tree")...)...)
	c.dir = dir
	return snapshotOf(t, c.run(t))
}

// backupSummary is the last line of a backup.
type backupSummary struct {
	MessageType     string `json:"message_type"`
	SnapshotID      string `json:"snapshot_id"`
	FilesNew        int    `json:"files_new"`
	FilesUnmodified int    `json:"files_unmodified"`
	DataBlobs       int    `json:"data_blobs"`
	TreeBlobs       int    `json:"tree_blobs"`
	Problems        int    `json:"problems"`
}

func summaryOf(t testing.TB, output string) backupSummary {
	t.Helper()
	var s backupSummary
	for line := range strings.Lines(output) {
		if err := json.Unmarshal([]byte(line), &s); err == nil && s.MessageType == "summary" {
			return s
		}
	}
	t.Fatalf("no summary:\n%s", tail(output))
	return s
}

// snapshotOf gives the ID; restic 0.14 prints only its beginning.
func snapshotOf(t testing.TB, output string) string {
	t.Helper()
	id := summaryOf(t, output).SnapshotID
	if len(id) < 8 {
		t.Fatalf("no snapshot:\n%s", tail(output))
	}
	return id[:8]
}

// check lets both programs read every byte of the repository.
func (r repo) check(t testing.TB, when string) {
	t.Helper()
	for _, who := range both {
		if res := r.call(who, "check", "--read-data").try(t); res.code != 0 {
			t.Fatalf("%s: %s check --read-data: exit code %d\n%s%s", when, who, res.code, tail(res.stdout), tail(res.stderr))
		}
	}
}

// restores lets who restore a snapshot and compares it with what it should hold.
func (r repo) restores(t testing.TB, who program, snapshot string, want listing) {
	t.Helper()
	target, err := os.MkdirTemp(t.TempDir(), "target")
	if err != nil {
		t.Fatal(err)
	}
	r.run(t, who, map[program]string{restic: "restore", keepsake: "restore-files"}[who], snapshot, "--target", target)
	sameFolder(t, string(who)+" restores "+snapshot, target, want)
	if err := os.RemoveAll(target); err != nil {
		t.Error(err)
	}
}

// snapshot is what "snapshots --json" tells of one.
type snapshot struct {
	ID       string   `json:"id"`
	Tree     string   `json:"tree"`
	Hostname string   `json:"hostname"`
	Tags     []string `json:"tags"`
	Paths    []string `json:"paths"`
	Parent   string   `json:"parent"`
	Original string   `json:"original"`
}

func (r repo) snapshots(t testing.TB, who program) []snapshot {
	t.Helper()
	var list []snapshot
	out := r.run(t, who, "snapshots", "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%s snapshots: %v\n%s", who, err, out)
	}
	return list
}

// files are the names of the repository's files of a kind.
func (r repo) files(t testing.TB, kind string) []string {
	t.Helper()
	pattern := r.dir + "/" + kind + "/*"
	if kind == "data" {
		pattern += "/*"
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	return names
}
