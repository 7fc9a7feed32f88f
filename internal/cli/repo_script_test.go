package cli

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// scriptPassword is that of the repositories which scripts make.
const scriptPassword = "correct-horse"

// repositoryCommands are the commands of scripts for repositories:
//
//	newrepo DIR                                  make a repository whose key costs nothing
//	snapshot DIR HOST TIME TAGS PATH NAME=TEXT…  store files as a snapshot; sets SNAPSHOT
//	hold DIR shared|exclusive                    hold a lock until the script ends
//	release                                      or until now
func repositoryCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"newrepo": newRepositoryOf, "snapshot": storeSnapshot, "hold": holdLock, "release": releaseLock,
	}
}

func newRepositoryOf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newrepo DIR")
	}
	be, err := local.Open(ts.MkAbs(args[0]), local.Options{})
	ts.Check(err)
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	o.Username, o.Hostname = "ada", "station"
	r, err := repository.Init(context.Background(), be, secret.NewRepositoryPassword(scriptPassword), o)
	ts.Check(err)
	ts.Check(r.Close())
}

func openRepositoryOf(ts *testscript.TestScript, dir string) *repository.Repository {
	be, err := local.Open(ts.MkAbs(dir), local.Options{})
	ts.Check(err)
	r, err := repository.Open(context.Background(), be, secret.NewRepositoryPassword(scriptPassword), repository.Options{})
	ts.Check(err)
	return r
}

func storeSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 6 {
		ts.Fatalf("usage: snapshot DIR HOST TIME TAGS PATH NAME=TEXT...")
	}
	at, err := time.Parse(time.RFC3339, args[2])
	ts.Check(err)
	sn := format.Snapshot{Time: at, Hostname: args[1], Paths: []string{args[4]}}
	if args[3] != "-" {
		sn.Tags = strings.Split(args[3], ",")
	}
	r := openRepositoryOf(ts, args[0])
	id, err := storeFiles(context.Background(), r, sn, args[5:])
	ts.Check(err)
	ts.Check(r.Close())
	ts.Setenv("SNAPSHOT", id.Short())
}

// storeFiles stores files, each NAME=TEXT, as the folder "phone" of a snapshot.
func storeFiles(ctx context.Context, r *repository.Repository, sn format.Snapshot, files []string) (id format.ID, err error) {
	s, err := r.Begin(ctx, repository.Shared, 0)
	if err != nil {
		return id, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	w, err := s.Writer(ctx)
	if err != nil {
		return id, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	node := format.Node{ModTime: sn.Time, AccessTime: sn.Time, ChangeTime: sn.Time}
	var folder format.Tree
	slices.Sort(files)
	for _, file := range files {
		name, text, _ := strings.Cut(file, "=")
		c, err := w.SaveFile(ctx, strings.NewReader(text), name, int64(len(text)))
		if err != nil {
			return id, err
		}
		n := node
		n.Name, n.Type, n.Mode, n.Size = name, format.NodeFile, 0o600, uint64(len(text))
		if n.Content, err = c.IDs(ctx); err != nil {
			return id, err
		}
		folder.Nodes = append(folder.Nodes, n)
	}
	subtree, err := w.SaveTree(ctx, &folder)
	if err != nil {
		return id, err
	}
	node.Name, node.Type, node.Mode, node.Subtree = "phone", format.NodeDir, fs.ModeDir|0o700, &subtree
	root, err := w.SaveTree(ctx, &format.Tree{Nodes: []format.Node{node}})
	if err != nil {
		return id, err
	}
	sn.Tree = &root
	return w.Commit(ctx, &sn)
}

// held is the key under which hold keeps what ends it.
type held struct{}

func holdLock(ts *testscript.TestScript, neg bool, args []string) {
	modes := map[string]repository.Mode{"shared": repository.Shared, "exclusive": repository.Exclusive}
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hold DIR shared|exclusive")
	}
	r := openRepositoryOf(ts, args[0])
	s, err := r.Begin(context.Background(), modes[args[1]], 0)
	ts.Check(err)
	ended := false
	end := func() {
		if ended {
			return
		}
		ended = true
		ts.Check(s.Close())
		ts.Check(r.Close())
	}
	ts.Defer(end)
	ts.Value(held{}).(*lockEnd).end = end
}

// lockEnd ends the lock of the last hold of a script.
type lockEnd struct{ end func() }

func releaseLock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: release")
	}
	ts.Value(held{}).(*lockEnd).end()
}
