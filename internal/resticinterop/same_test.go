//go:build linux

package resticinterop

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sameOutput wants both programs to say the same of a repository, and that to
// be true.
func sameOutput(t *testing.T, r repo) {
	for _, args := range [][]string{
		{"snapshots", "--json"}, {"snapshots", "--json", "--tag", "two", "--host", "h"}, {"key", "list", "--json"},
		{"stats", "--json"}, {"stats", "--json", "--mode", "files-by-contents"},
	} {
		sameJSON(t, r, args...)
	}
	theirs, ours := rawStats(t, r, restic), rawStats(t, r, keepsake)
	if theirs != ours {
		t.Errorf("stats of raw data: restic counts %+v, we count %+v", theirs, ours)
	}
	sameObjects(t, r)
}

// raw is what both versions of "stats --mode raw-data" count.
type raw struct {
	TotalSize      int64 `json:"total_size"`
	TotalBlobCount int   `json:"total_blob_count"`
}

func rawStats(t *testing.T, r repo, who program) (counted raw) {
	t.Helper()
	out := r.run(t, who, "stats", "--json", "--mode", "raw-data")
	if err := json.Unmarshal([]byte(out), &counted); err != nil || counted.TotalBlobCount == 0 {
		t.Errorf("%v: %s", err, out)
	}
	return counted
}

// indexFile is the part of an index that says what there is.
type indexFile struct {
	Packs []struct {
		ID    string `json:"id"`
		Blobs []struct {
			ID     string `json:"id"`
			Type   string `json:"type"`
			Length int    `json:"length"`
		} `json:"blobs"`
	} `json:"packs"`
}

// sameObjects takes the repository apart with both programs: every index, every
// snapshot, and of packs and blobs the first few.
func sameObjects(t *testing.T, r repo) {
	sameJSON(t, r, "cat", "config")
	for kind, dir := range map[string]string{"snapshot": "snapshots", "key": "keys", "index": "index"} {
		for _, name := range r.files(t, dir) {
			sameJSON(t, r, "cat", kind, name)
		}
	}
	var blobs, packs []string
	var shown []string // as restic lists blobs
	for _, name := range r.files(t, "index") {
		var index indexFile
		if err := json.Unmarshal([]byte(r.run(t, keepsake, "cat", "index", name)), &index); err != nil {
			t.Fatal(err)
		}
		for _, p := range index.Packs {
			packs = append(packs, p.ID)
			for _, b := range p.Blobs {
				blobs = append(blobs, b.ID)
				shown = append(shown, b.Type+" "+b.ID)
			}
		}
	}
	for dir, kind := range map[string]string{"data": "packs", "index": "index", "snapshots": "snapshots", "keys": "keys"} {
		got := strings.Fields(r.run(t, restic, "list", kind, "--quiet"))
		want := r.files(t, dir)
		if kind == "packs" {
			slices.Sort(packs)
			sameLines(t, "packs in indexes", packs, want)
		}
		slices.Sort(got)
		sameLines(t, "list "+kind, got, want)
	}
	got := strings.Split(strings.TrimSpace(r.run(t, restic, "list", "blobs", "--quiet")), "\n")
	slices.Sort(got)
	slices.Sort(shown)
	sameLines(t, "list blobs", got, shown)
	for _, id := range []string{blobs[0], blobs[len(blobs)-1]} {
		for _, who := range both {
			if out := r.run(t, who, "cat", "blob", id); sumOf([]byte(out)) != id {
				t.Errorf("%s cat blob %s: %d bytes with another sum", who, id, len(out))
			}
		}
	}
	for _, who := range both {
		if out := r.run(t, who, "cat", "pack", packs[0]); sumOf([]byte(out)) != packs[0] {
			t.Errorf("%s cat pack %s: %d bytes with another sum", who, packs[0], len(out))
		}
	}
}

// sameJSON wants both programs to print the same document.
func sameJSON(t *testing.T, r repo, args ...string) {
	t.Helper()
	var said [2]any
	for i, who := range both {
		out := r.run(t, who, args...)
		if err := json.Unmarshal([]byte(out), &said[i]); err != nil || len(out) < 10 {
			t.Errorf("%s %q: %v\n%s", who, args, err, tail(out))
		}
		forgetNews(said[i])
	}
	if !reflect.DeepEqual(said[0], said[1]) {
		t.Errorf("%q: restic prints\n%swe print\n%s", args, tail(fmt.Sprint(said[0])), tail(fmt.Sprint(said[1])))
	}
}

// forgetNews leaves out what restic 0.14 does not know of snapshots.
func forgetNews(value any) {
	switch value := value.(type) {
	case []any:
		for _, v := range value {
			forgetNews(v)
		}
	case map[string]any:
		delete(value, "program_version")
		delete(value, "summary")
	}
}

// write makes a file, for secrets.
func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
