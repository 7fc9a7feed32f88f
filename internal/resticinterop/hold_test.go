//go:build linux

package resticinterop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// roleHold is a process of the engine's that does for as long as the test wants
// what commands do in a moment: it works under a lock until its standard input
// ends.
//
//	shared      hold a lock
//	exclusive   hold a lock alone
//	backup      store standard input as /file of a snapshot
//
// It prints "held" when it has the lock, and at the end "done", behind backup
// with the ID of the snapshot.
const roleHold = "hold"

// holding runs a process of roleHold on a repository.
func (r repo) holding(what string) call {
	return call{who: roleHold, args: []string{what}, repo: r.dir}
}

func holdMain() int {
	result, err := hold(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("done", result)
	return 0
}

func hold(ctx context.Context, what string) (result string, err error) {
	be, err := local.Open(os.Getenv("KEEPSAKE_REPOSITORY"), local.Options{})
	if err != nil {
		return "", err
	}
	r, err := repository.Open(ctx, be, secret.NewRepositoryPassword(password), repository.Options{})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	mode := repository.Shared
	if what == "exclusive" {
		mode = repository.Exclusive
	}
	s, err := r.Begin(ctx, mode, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Println("held")
	if what == "backup" {
		id, err := storeInput(s.Context(), s)
		return id.String(), err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return "", err
}

func storeInput(ctx context.Context, s *repository.Session) (id format.ID, err error) {
	w, err := s.Writer(ctx)
	if err != nil {
		return id, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	c, err := w.SaveFile(ctx, os.Stdin, "file", -1)
	if err != nil {
		return id, err
	}
	ids, err := c.IDs(ctx)
	if err != nil {
		return id, err
	}
	now := time.Now()
	tree, err := w.SaveTree(ctx, &format.Tree{Nodes: []format.Node{{Name: "file", Type: format.NodeFile, Mode: 0o600, ModTime: now, AccessTime: now, ChangeTime: now,
		Size: uint64(c.Size()), Content: ids}}})
	if err != nil {
		return id, err
	}
	return w.Commit(ctx, &format.Snapshot{Time: now, Tree: &tree, Paths: []string{"/file"}, Hostname: "pipe"})
}
