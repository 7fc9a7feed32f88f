//go:build linux

package resticinterop

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repo is a repository in a folder.
type repo struct {
	dir   string
	cache string // of restic, see call
}

// maker is a way to make a repository.
type kind struct {
	name string
	by   program
	args []string
}

// kinds are all repositories that there are: ours, and both formats of restic's.
var kinds = []kind{
	{"ours", keepsake, []string{"init"}},
	{"restic's", restic, []string{"init"}},
	{"restic's of format 1", restic, []string{"init", "--repository-version", "1"}},
}

// make makes a repository whose password costs nothing.
func (k kind) make(t testing.TB) repo {
	t.Helper()
	r := repo{dir: filepath.Join(t.TempDir(), "repo")}
	r.run(t, k.by, k.args...)
	makeCheap(t, r.dir)
	return r
}

func (r repo) call(who program, args ...string) call {
	return call{who: who, args: args, repo: r.dir, cache: r.cache}
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
	MessageType string `json:"message_type"`
	SnapshotID  string `json:"snapshot_id"`
	FilesNew    int    `json:"files_new"`
	DataBlobs   int    `json:"data_blobs"`
	TreeBlobs   int    `json:"tree_blobs"`
	Problems    int    `json:"problems"`
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
