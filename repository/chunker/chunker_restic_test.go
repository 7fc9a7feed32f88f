package chunker

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestRabin_cutsAsResticCuts asks restic itself: it makes a repository, and so a
// polynomial, backs up a file with every sort of content, and has to come to the
// same blobs.
func TestRabin_cutsAsResticCuts(t *testing.T) {
	file := mixed()
	repo := filepath.Join(t.TempDir(), "repository")
	restic := func(args ...string) []byte {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "restic", append([]string{"--no-cache", "-q", "-r", repo}, args...)...)
		cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=chunker")
		cmd.Stdin = bytes.NewReader(file)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("restic %v: %v\n%s", args, err, &stderr)
		}
		return out
	}
	restic("init")
	restic("backup", "--stdin", "--stdin-filename", "mixed", "--compression", "off")

	var config struct {
		Polynomial string `json:"chunker_polynomial"`
	}
	parse(t, restic("cat", "config"), &config)
	polynomial, err := strconv.ParseUint(config.Polynomial, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	snapshots, err := os.ReadDir(filepath.Join(repo, "snapshots"))
	if err != nil || len(snapshots) != 1 {
		t.Fatalf("%d snapshots: %v", len(snapshots), err)
	}
	var snapshot struct{ Tree string }
	parse(t, restic("cat", "snapshot", snapshots[0].Name()), &snapshot)
	var tree struct {
		Nodes []struct{ Content []string }
	}
	parse(t, restic("cat", "blob", snapshot.Tree), &tree)
	if len(tree.Nodes) != 1 {
		t.Fatalf("%d nodes in restic's tree", len(tree.Nodes))
	}
	want := tree.Nodes[0].Content

	c, err := New(Media, polynomial, Settings{Rabin: true}) // whatever the kind
	if err != nil {
		t.Fatal(err)
	}
	lengths, all, err := split(t, bytes.NewReader(file), c, int64(len(file)), &lender{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range lengths {
		sum := sha256.Sum256(all[:n])
		got = append(got, hex.EncodeToString(sum[:]))
		all = all[n:]
	}
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("polynomial %x: chunk %d of %d (restic: %d), of %d bytes: not the same", polynomial, i, len(got), len(want), lengths[i])
			}
		}
		t.Fatalf("polynomial %x: %d chunks, restic has %d", polynomial, len(got), len(want))
	}
	t.Logf("polynomial %x: the same %d chunks of %d bytes", polynomial, len(got), len(file))
}

func parse(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%v in %.200q", err, data)
	}
}

// mixed is 90 MB of noise, text, zeros, pages with gaps and short periods.
func mixed() []byte {
	data := random(5, 20<<20)
	data = append(data, make([]byte, 11<<20)...)
	data = append(data, random(6, 700<<10)...)
	for i := 0; len(data) < 50<<20; i++ {
		data = fmt.Appendf(data, "%d bottles of beer on the wall, %x\n", i, i*i)
	}
	for i := 0; len(data) < 70<<20; i++ { // pages, as a database has them
		page := make([]byte, 4096)
		copy(page[i%1000:], random(uint64(i%64), 3000))
		data = append(data, page...)
	}
	data = append(data, bytes.Repeat([]byte("0123456789abcdefg"), 600_000)...) // no cut before 8 MiB
	return append(data, random(7, 10<<20+12345)...)
}
