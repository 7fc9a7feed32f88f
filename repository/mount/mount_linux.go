package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"log"
	"os"
	"os/exec"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// ErrUnsupported: this system has no FUSE that Mount could use.
var ErrUnsupported = errors.New("mounting works on Linux only")

// forever is how long the kernel may remember what it was told: snapshots do
// not change.
var forever = time.Hour

// patience is how long those who still use an unmounted mount may finish.
const patience = 3 * time.Second

// Server is a mount that is up.
type Server struct {
	dir    string
	fuse   *fuse.Server
	down   chan struct{} // closed when it is unmounted
	ended  chan struct{} // closed when ctx needs no watching any more
	cancel context.CancelCauseFunc
	err    error // of unmounting; set before ended is closed
}

var errUnmounted = errors.New("unmounted")

// Mount shows snapshots, sorted by time, in the empty folder dir, until ctx ends
// or somebody unmounts it. Call Wait.
func Mount(ctx context.Context, dir string, s Source, snapshots []repository.Snapshot, o Options) (*Server, error) {
	return serve(ctx, dir, o, func(ctx context.Context) fs.InodeEmbedder { return newRoot(ctx, s, snapshots, o) })
}

// MountFS shows a file system in the empty folder dir, until ctx ends or somebody
// unmounts it. Its files are read where they are asked for if they are io.ReaderAts;
// others cannot be opened. Call Wait.
func MountFS(ctx context.Context, dir string, fsys iofs.FS, o Options) (*Server, error) {
	return serve(ctx, dir, o, func(ctx context.Context) fs.InodeEmbedder {
		return &fileNode{v: &fileView{ctx: ctx, fsys: fsys, o: o}, name: "."}
	})
}

func serve(ctx context.Context, dir string, o Options, root func(context.Context) fs.InodeEmbedder) (*Server, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	options := &fs.Options{
		EntryTimeout: &forever, AttrTimeout: &forever, NegativeTimeout: &forever,
		NullPermissions: true, // a mode of 000 is one
		MountOptions: fuse.MountOptions{
			AllowOther: o.AllowOther, FsName: "keepsake", Name: "keepsake", MaxReadAhead: 1 << 20, MaxWrite: 1 << 20,
			Logger: log.New(io.Discard, "", 0),
		},
	}
	if o.AllowOther {
		options.Options = append(options.Options, "default_permissions")
	}
	if os.Geteuid() == 0 { // needs no fusermount
		options.DirectMount = true
		options.DirectMountFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_RDONLY
	} else {
		options.Options = append(options.Options, "ro")
	}
	server, err := fs.Mount(dir, root(ctx), options)
	if err != nil {
		cancel(err)
		return nil, fmt.Errorf("mount %s: %w", dir, explain(err))
	}
	m := &Server{dir: dir, fuse: server, down: make(chan struct{}), ended: make(chan struct{}), cancel: cancel}
	go func() {
		server.Wait()
		close(m.down)
	}()
	go m.watch(ctx)
	return m, nil
}

// explain says what is missing.
func explain(err error) error {
	if _, statErr := os.Stat("/dev/fuse"); statErr != nil {
		return fmt.Errorf("%w (there is no /dev/fuse: load the kernel module fuse; in a container, pass the device in)", err)
	}
	if _, pathErr := exec.LookPath("fusermount3"); pathErr != nil && os.Geteuid() != 0 {
		return fmt.Errorf("%w (fusermount3 is missing: install the package fuse3)", err)
	}
	return err
}

// watch unmounts at the end of ctx.
func (m *Server) watch(ctx context.Context) {
	defer close(m.ended)
	select {
	case <-m.down:
	case <-ctx.Done():
		if m.err = m.unmount(); m.err != nil {
			return
		}
		select {
		case <-m.down:
		case <-time.After(patience):
			m.err = fmt.Errorf("unmount %s: somebody still has something open in it, and cannot read on", m.dir)
		}
	}
}

// unmount takes the mount away. If somebody still uses it, it vanishes from its
// folder now and for the others when they leave.
func (m *Server) unmount() error {
	err := unix.Unmount(m.dir, 0)
	if err == nil || errors.Is(err, unix.EINVAL) { // not mounted any more
		return nil
	}
	if unix.Unmount(m.dir, unix.MNT_DETACH) == nil {
		return nil
	}
	for _, program := range []string{"fusermount3", "fusermount"} {
		if exec.Command(program, "-u", "-z", m.dir).Run() == nil {
			return nil
		}
	}
	return fmt.Errorf("unmount %s: %w", m.dir, err)
}

// Wait waits until the mount is down.
func (m *Server) Wait() error {
	<-m.ended
	m.cancel(errUnmounted)
	return m.err
}

// newRoot is the root folder of the mount.
func newRoot(ctx context.Context, s Source, snapshots []repository.Snapshot, o Options) fs.InodeEmbedder {
	if o.Cache <= 0 {
		o.Cache = defaultCache
	}
	v := &view{ctx: ctx, s: s, o: o, started: time.Now(),
		trees: newCache[format.ID](keptNodes, func(t *format.Tree) int64 { return int64(len(t.Nodes)) + 10 }),
		blobs: newCache[format.ID](o.Cache, func(b []byte) int64 { return int64(len(b)) + 100 }),
	}
	return &shelfNode{v: v, shelf: layOut(snapshots)}
}
