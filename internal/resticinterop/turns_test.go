//go:build linux

package resticinterop

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// Both programs work in one repository in turns, each on what the other left
// behind, with restic's cache of what was there before. After every turn who
// did not work checks, and restores the newest version.
func TestTurns(t *testing.T) {
	for _, k := range kinds[:2] {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			g := newTurns(t, k)
			for i, turn := range []struct {
				who program
				do  func(program)
			}{
				{keepsake, g.backup},
				{restic, g.backup},
				{keepsake, g.backup},
				{restic, g.forgetOldest},
				{keepsake, g.prune},
				{restic, g.backup},
				{restic, g.backup},
				{keepsake, g.forgetOldest},
				{restic, g.prune},
				{keepsake, g.backup},
				{restic, g.tagNewest},
				{keepsake, g.keepTwo},
				{restic, g.index},
				{keepsake, g.backup},
				{restic, g.keepTwo},
				{keepsake, g.index},
				{restic, g.backup},
			} {
				turn.do(turn.who)
				g.judge(fmt.Sprintf("turn %d by %s", i+1, turn.who), turn.who.other())
			}
			g.check(t, "all turns")
			for id, want := range g.versions {
				for _, who := range both {
					g.restores(t, who, id, want)
				}
			}
		})
	}
}

// turns is a folder that changes, and a repository with versions of it.
type turns struct {
	*testing.T
	repo
	dir      string             // with the folder "tree"
	day      int                // how often it changed
	order    []string           // IDs of snapshots, oldest first
	versions map[string]listing // by them
}

func newTurns(t *testing.T, k *kind) *turns {
	t.Helper()
	g := &turns{T: t, repo: k.make(t), dir: t.TempDir(), versions: map[string]listing{}}
	g.cache = t.TempDir()
	if err := makeTree(g.dir+"/tree", treeSize{small: 60, scale: 4}); err != nil {
		t.Fatal(err)
	}
	return g
}

// backup stores the folder as it is after a day.
func (g *turns) backup(who program) {
	g.Helper()
	g.day++
	for _, change := range []struct{ path, text string }{
		{"today", fmt.Sprint("day ", g.day)},
		{fmt.Sprintf("kept/%d", g.day), strings.Repeat(fmt.Sprintln("of day", g.day), 1000*g.day)},
		{"names/line\nbreak", fmt.Sprint("changed on day ", g.day)},
		{"contents/log.txt", strings.Repeat(fmt.Sprintln("line of day", g.day), 30_000)},
	} {
		if err := os.MkdirAll(g.dir+"/tree/kept", 0o755); err != nil {
			g.Fatal(err)
		}
		write(g.T, g.dir+"/tree/"+change.path, change.text)
	}
	if err := os.RemoveAll(fmt.Sprintf("%s/tree/kept/%d", g.dir, g.day-3)); err != nil {
		g.Fatal(err)
	}
	now, err := list(g.dir)
	if err != nil {
		g.Fatal(err)
	}
	// We store no inodes (restic-format.md 15.11). Told so, restic takes over what we
	// stored of files that have not changed.
	args := map[program][]string{restic: {"backup", "--json", "--ignore-inode", "tree"}, keepsake: {"backup-dir", "--json", "tree"}}[who]
	c := g.call(who, args...)
	c.dir = g.dir
	out := summaryOf(g.T, c.run(g.T))
	id := out.SnapshotID[:8]
	if len(g.order) > 0 && (out.FilesNew > 2 || out.FilesUnmodified < 50) {
		g.Errorf("%s after the other: %+v; want nearly all unmodified", who, out)
	}
	if list := g.snapshots(g.T, who.other()); len(g.order) > 0 && !strings.HasPrefix(list[len(list)-1].Parent, g.order[len(g.order)-1]) {
		g.Errorf("the parent of %s by %s is %q, want %s", id, who, list[len(list)-1].Parent, g.order[len(g.order)-1])
	}
	g.order = append(g.order, id)
	g.versions[id] = now
}

func (g *turns) gone(ids ...string) {
	for _, id := range ids {
		delete(g.versions, id)
		g.order = slices.DeleteFunc(g.order, func(other string) bool { return other == id })
	}
}

func (g *turns) forgetOldest(who program) {
	g.run(g.T, who, "forget", g.order[0])
	g.gone(g.order[0])
}

func (g *turns) keepTwo(who program) {
	g.run(g.T, who, "forget", "--keep-last", "2", "--prune", "--max-unused", "0")
	g.gone(slices.Clone(g.order[:len(g.order)-2])...)
}

func (g *turns) prune(who program) { g.run(g.T, who, "prune", "--max-unused", "0") }

func (g *turns) index(who program) {
	g.run(g.T, who, map[program][]string{restic: {"rebuild-index", "--read-all-packs"}, keepsake: {"repair", "index", "--read-all-packs"}}[who]...)
}

// tagNewest gives the newest snapshot another ID.
func (g *turns) tagNewest(who program) {
	old := g.order[len(g.order)-1]
	g.run(g.T, who, "tag", "--add", "good", old)
	for _, s := range g.snapshots(g.T, who) {
		if strings.HasPrefix(s.Original, old) {
			g.order[len(g.order)-1] = s.ID[:8]
			g.versions[s.ID[:8]] = g.versions[old]
			delete(g.versions, old)
			return
		}
	}
	g.Fatalf("no snapshot comes from %s", old)
}

// judge lets who look at what the other left behind.
func (g *turns) judge(when string, who program) {
	g.Helper()
	var got []string
	for _, s := range g.snapshots(g.T, who) {
		got = append(got, s.ID[:8])
	}
	sameLines(g.T, when+": snapshots", got, g.order)
	g.run(g.T, who, "check", "--read-data")
	newest := g.order[len(g.order)-1]
	g.restores(g.T, who, newest, g.versions[newest])
	if g.Failed() {
		g.Fatal(when)
	}
}
