package archiver_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/mount"
)

// rotten is a repository some of whose blobs cannot be read: mounted, a disk
// with bad sectors.
type rotten struct {
	mount.Source
	bad map[format.ID]bool
}

func (r rotten) Blob(ctx context.Context, h format.BlobHandle, buf []byte) ([]byte, error) {
	if r.bad[h.ID] {
		return nil, errors.New("bad sector")
	}
	return r.Source.Blob(ctx, h, buf)
}

func (r rotten) Tree(ctx context.Context, id format.ID) (*format.Tree, error) {
	if r.bad[id] {
		return nil, errors.New("bad sector")
	}
	return r.Source.Tree(ctx, id)
}

// mounted shows r's snapshots until the test ends.
func (r *rig) mounted(bad ...format.ID) string {
	r.t.Helper()
	s, err := r.r.Begin(r.t.Context(), 0, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	all, err := s.Snapshots(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	source := rotten{s, map[format.ID]bool{}}
	for _, id := range bad {
		source.bad[id] = true
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	dir := r.t.TempDir()
	server, err := mount.Mount(ctx, dir, source, all, mount.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		cancel()
		if err := errors.Join(server.Wait(), s.Close()); err != nil {
			r.t.Error(err)
		}
	})
	return dir
}

// What cannot be read is told and left out; the rest is there.
func TestBackup_unreadable(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "a", "bad", "dir/x", "dir/y", "large", "z")
	if err := os.WriteFile(dir+"/large", make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	whole := r.backUp(nil, archiver.Options{Paths: []string{dir}}, nil)
	large := r.node(whole, dir+"/large").Content
	disk := filepath.Join(r.mounted(r.node(whole, dir+"/bad").Content[0], *r.node(whole, dir+"/dir").Subtree, large[len(large)-1]), "snapshots/latest", dir)
	sum := r.backUp(nil, archiver.Options{Paths: []string{disk}}, map[string]string{
		disk + "/bad": "input/output error", disk + "/dir": "input/output error", disk + "/large": "input/output error"})
	if got := r.paths(sum, disk); got != "a dir z" {
		t.Errorf("tree: %q", got)
	}
}

func TestBackup_oneFileSystem(t *testing.T) {
	r, dir := newRig(t), t.TempDir()
	fill(t, dir, "a", "sub/b")
	r.backUp(nil, archiver.Options{Paths: []string{dir}}, nil)
	other := r.mounted()
	sum := r.backUp(nil, archiver.Options{Paths: []string{filepath.Dir(other), dir}, OneFileSystem: true}, nil)
	if got := r.paths(sum, dir); got != "a sub sub/b" {
		t.Errorf("tree: %q", got)
	}
	if got := r.paths(sum, other); got != "" {
		t.Errorf("mounted: %q", got)
	}
	if n := r.node(sum, other); n.Type != format.NodeDir {
		t.Errorf("mount point: %+v", n)
	}
}
