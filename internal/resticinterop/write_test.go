//go:build linux

package resticinterop

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// Whoever made a repository, both programs write in it, and after each step
// both find everything right. In these subtests writer does all that changes
// something; what it found there was written by the maker.
func TestWrite(t *testing.T) {
	for _, k := range kinds {
		for _, who := range both {
			if who == restic && k == kinds[1] {
				continue // restic alone is to be seen in format 1
			}
			t.Run(k.name+" written by "+string(who), func(t *testing.T) {
				t.Parallel()
				w := &writing{T: t, repo: k.make(t), kind: k, who: who}
				w.backup()
				w.index()
				if k != kinds[2] { // keys are the same in both formats
					w.keys()
				}
				w.tag()
				w.copies()
				w.forget()
				w.recover()
				w.migrate()
			})
		}
	}
}

// writing is a repository in which who works.
type writing struct {
	*testing.T
	repo
	kind          *kind
	who           program
	first, second string // snapshots of before, by the maker, and of after, by who
}

func (w *writing) do(args ...string) string {
	w.Helper()
	return w.repo.run(w.T, w.who, args...)
}

// whole wants both programs to find no damage, and who did not write to restore
// both snapshots.
func (w *writing) whole(when string) {
	w.Helper()
	w.check(w.T, when)
	w.restores(w.T, w.who.other(), w.first, before(w.T).files)
	w.restores(w.T, w.who.other(), w.second, after(w.T).files)
}

// backup: beside what the maker stored.
func (w *writing) backup() {
	// Not compressed, for a later step.
	w.first = w.repo.backup(w.T, w.kind.by, before(w.T).dir, "--compression", "off", "--host", "h")
	w.second = w.repo.backup(w.T, w.who, after(w.T).dir, "--host", "h")
	w.check(w.T, "backup")
	if w.kind != kinds[2] {
		w.repo.run(w.T, restic, "prune", "--repack-uncompressed") // looked at in the next step
	}
}

// index: made anew where it is missing, and from all packs.
func (w *writing) index() {
	w.repo.run(w.T, w.who.other(), "check", "--read-data")
	rebuild := map[program][]string{restic: {"rebuild-index"}, keepsake: {"repair", "index"}}[w.who]
	files := w.files(w.T, "index")
	if err := os.Remove(w.dir + "/index/" + files[0]); err != nil {
		w.Fatal(err)
	}
	for _, who := range both {
		if res := w.call(who, "check").try(w.T); res.code == 0 {
			w.Errorf("%s check finds nothing wrong without an index", who)
		}
	}
	w.do(rebuild...)
	w.check(w.T, "index made anew")
	w.do(append(rebuild, "--read-all-packs")...)
	w.whole("index made from all packs") // and after all that came before
}

// keys: added, changed, removed; each opens the repository for both programs or
// for none.
func (w *writing) keys() {
	dir := w.TempDir()
	second, third := write(w.T, dir+"/second", "zweites Passwort é\n"), write(w.T, dir+"/third", "third\n")
	opens := func(file string, want bool) {
		w.Helper()
		for _, who := range both {
			c := w.call(who, "snapshots", "--json", "--password-file", file)
			if want {
				c.run(w.T)
			} else {
				c.refused(w.T, map[program]int{restic: 1, keepsake: 12}[who], "password")
			}
		}
	}
	w.do("key", "add", "--new-password-file", second)
	w.repo.run(w.T, w.who.other(), "snapshots", "--password-file", second)
	w.do("key", "passwd", "--password-file", second, "--new-password-file", third)
	opens(second, false)
	opens(third, true)
	var keys []struct {
		Current bool   `json:"current"`
		ID      string `json:"id"`
	}
	if err := json.Unmarshal([]byte(w.do("key", "list", "--json")), &keys); err != nil || len(keys) != 2 {
		w.Fatalf("keys %+v: %v", keys, err)
	}
	for _, key := range keys {
		if key.Current {
			if res := w.call(w.who, "key", "remove", key.ID).try(w.T); res.code == 0 {
				w.Errorf("%s removes the key in use", w.who)
			}
		} else {
			w.do("key", "remove", key.ID)
		}
	}
	opens(third, false)
}

// tag is a command of restic's: our snapshot gets another ID.
func (w *writing) tag() {
	w.repo.run(w.T, restic, "tag", "--add", "kept", w.second)
	list := w.snapshots(w.T, keepsake)
	i := slices.IndexFunc(list, func(s snapshot) bool { return slices.Equal(s.Tags, []string{"kept"}) })
	if i < 0 || list[i].Original[:8] != w.second || len(list) != 2 {
		w.Fatalf("after tag: %+v", list)
	}
	w.second = list[i].ID[:8]
}

// copies: into a repository of the other program's making, and back into a
// third one; each copy is known for one, by both programs.
func (w *writing) copies() {
	chain := []repo{w.repo}
	for _, by := range []program{w.kind.by.other(), w.kind.by} {
		from, to := chain[len(chain)-1], kinds[slices.IndexFunc(kinds, func(k *kind) bool { return k.by == by })].makeAnother(w.T)
		chain = append(chain, to)
		copy := []string{"copy", "--from-repo", from.dir, "--from-password-file", write(w.T, w.TempDir()+"/pw", password)}
		to.run(w.T, w.who, copy...)
		to.check(w.T, "copy")
		want := to.files(w.T, "snapshots")
		if len(want) != 2 {
			w.Fatalf("copy: %d snapshots", len(want))
		}
		for _, who := range both {
			to.run(w.T, who, copy...)
			sameLines(w.T, string(who)+" copies once more", to.files(w.T, "snapshots"), want)
		}
	}
	w.readCopy(chain[2])
}

// readCopy lets the other program read, in every way that it has, a repository
// that was copied twice and then worked in: what was added went away again.
func (w *writing) readCopy(r repo) {
	var first, second string
	for _, s := range r.snapshots(w.T, w.who) {
		if slices.Equal(s.Tags, []string{"kept"}) {
			second = s.ID[:8]
		} else {
			first = s.ID[:8]
		}
	}
	odd := w.TempDir()
	if err := makeTree(odd+"/tree", treeSize{small: 50, scale: 3}); err != nil {
		w.Fatal(err)
	}
	extra := r.backup(w.T, w.who, odd)
	r.run(w.T, w.who, "forget", extra)
	r.run(w.T, w.who, "prune", "--max-unused", "0")
	if w.kind.by == w.who {
		w.Run("copy of a copy", func(t *testing.T) { readAll(t, r, w.who.other(), first, second) })
		return
	}
	r.restores(w.T, w.who.other(), first, before(w.T).files)
	r.restores(w.T, w.who.other(), second, after(w.T).files)
}

// forget, and prune to the last byte: what the other snapshot needs stays.
func (w *writing) forget() {
	w.do("forget", w.first)
	w.repo.run(w.T, w.who.other(), "check")
	w.do("prune", "--max-unused", "0")
	w.check(w.T, "prune")
	w.restores(w.T, w.who.other(), w.second, after(w.T).files)
	var stats struct {
		UnusedBlobs int `json:"unused_blobs"`
		UsedBlobs   int `json:"used_blobs"`
		OrphanPacks int `json:"orphan_packs"`
	}
	out := w.repo.run(w.T, keepsake, "prune", "--dry-run", "--json")
	for line := range strings.Lines(out) {
		if err := json.Unmarshal([]byte(line), &stats); err != nil {
			w.Fatalf("%v: %s", err, line)
		}
	}
	if stats.UnusedBlobs != 0 || stats.OrphanPacks != 0 || stats.UsedBlobs == 0 {
		w.Errorf("after prune there are still %+v", stats)
	}
}

// recover is a command of restic's, too: it finds the trees of snapshots that
// were forgotten. Then a policy removes one of two, and frees the room.
func (w *writing) recover() {
	w.do("forget", w.second)
	w.repo.run(w.T, restic, "recover")
	list := w.snapshots(w.T, w.who)
	if len(list) != 1 {
		w.Fatalf("after recover: %+v", list)
	}
	want := listing{}
	target := w.TempDir()
	w.repo.run(w.T, keepsake, "restore-files", list[0].ID, "--target", target)
	entries, err := os.ReadDir(target)
	if err != nil || len(entries) != 1 {
		w.Fatalf("recovered: %v, %v", entries, err)
	}
	for path, f := range after(w.T).files {
		want[path] = f
	}
	sameFolder(w.T, "what was recovered", target+"/"+entries[0].Name(), want)

	third := w.repo.backup(w.T, w.who, before(w.T).dir, "--host", "h")
	w.do("forget", "--group-by", "", "--keep-last", "1", "--prune", "--max-unused", "0")
	w.check(w.T, "forget --prune")
	if left := w.snapshots(w.T, w.who.other()); len(left) != 1 || left[0].ID[:8] != third {
		w.Errorf("after forget --keep-last 1: %+v, want %s", left, third)
	}
	w.restores(w.T, w.who.other(), third, before(w.T).files)
}

// migrate is a command of restic's: format 1 becomes format 2, and is worked in.
func (w *writing) migrate() {
	if w.kind != kinds[2] {
		return
	}
	w.repo.run(w.T, restic, "migrate", "upgrade_repo_v2")
	id := w.repo.backup(w.T, w.who, after(w.T).dir, "--host", "h", "--compression", "max")
	w.check(w.T, "format 2")
	w.restores(w.T, w.who.other(), id, after(w.T).files)
	var config struct{ Version int }
	if err := json.Unmarshal([]byte(w.repo.run(w.T, keepsake, "cat", "config")), &config); err != nil || config.Version != 2 {
		w.Errorf("after migrate: version %d, %v", config.Version, err)
	}
}

// A repository that is made to cut like another cuts like it, whoever made either.
func TestInit_copyChunkerParams(t *testing.T) {
	for _, who := range both {
		t.Run(string(who), func(t *testing.T) {
			t.Parallel()
			from, dir := kinds[0].make(t), t.TempDir()
			if who == keepsake {
				from = kinds[1].make(t)
			}
			to := repo{dir: dir + "/repo"}
			to.run(t, who, "init", "--copy-chunker-params", "--from-repo", from.dir, "--from-password-file", write(t, dir+"/pw", password))
			var configs [2]struct {
				Version           int    `json:"version"`
				ID                string `json:"id"`
				ChunkerPolynomial string `json:"chunker_polynomial"`
			}
			for i, r := range []repo{from, to} {
				out := r.run(t, who.other(), "cat", "config")
				if err := json.Unmarshal([]byte(out), &configs[i]); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			if a, b := configs[0], configs[1]; a.ChunkerPolynomial != b.ChunkerPolynomial || len(a.ChunkerPolynomial) != 14 || a.ID == b.ID || a.Version != b.Version {
				t.Errorf("a copy of %+v is %+v", a, b)
			}
		})
	}
}
