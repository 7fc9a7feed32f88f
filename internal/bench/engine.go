//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"strconv"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/restorer"
)

// engineRole does what the program does with a repository in a folder, with what
// the program does not offer:
//
//	engine [-skip-verify] [-compression LEVEL] [-profile FILE] init|backup|restore|check|check-data|prune REPOSITORY [FOLDER]
func engineRole(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("engine", flag.ContinueOnError)
	var o repository.Options
	flags.BoolVar(&o.SkipVerify, "skip-verify", false, "do not decode what was encoded")
	level := flags.String("compression", "auto", "auto, off, fastest or max")
	profile := flags.String("profile", "", "write a CPU profile")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.Compression, err = repository.ParseCompression(*level); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		return errors.New("engine: say what to do, and where")
	}
	collectAsTheProgram()
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return engine(ctx, o, flags.Arg(0), flags.Arg(1), flags.Arg(2))
}

// collectAsTheProgram makes the memory of a role comparable with that of the
// program, which trades a little time for it (internal/cli).
func collectAsTheProgram() { debug.SetGCPercent(30) }

// engine does one job with the repository in a folder.
func engine(ctx context.Context, o repository.Options, what, where, folder string) error {
	be, err := local.Open(where, local.Options{})
	if err != nil {
		return err
	}
	return engineOn(ctx, be, o, what, folder)
}

// engineOn does one job and closes the backend.
func engineOn(ctx context.Context, be backend.Backend, o repository.Options, what, folder string) (err error) {
	word := secret.NewRepositoryPassword(password)
	if what == "init" {
		r, err := repository.Init(ctx, be, word, repository.InitOptions{Options: o})
		if err != nil {
			return errors.Join(err, be.Close())
		}
		return r.Close()
	}
	r, err := repository.Open(ctx, be, word, o)
	if err != nil {
		return errors.Join(err, be.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if what == "prune" {
		_, err := r.Prune(ctx, repository.PruneOptions{MaxUnused: 0.05})
		return err
	}
	s, err := r.Begin(ctx, repository.Shared, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx = s.Context()
	switch what {
	case "backup":
		return engineBackup(ctx, s, folder)
	case "restore":
		sn, err := s.FindSnapshot(ctx, "latest")
		if err != nil {
			return err
		}
		sum, err := restorer.Restore(ctx, s, *sn.Tree, restorer.Options{Target: folder}, nil)
		if err == nil && sum.Problems > 0 {
			err = fmt.Errorf("restore: %d problems", sum.Problems)
		}
		return err
	case "check", "check-data":
		stats, err := s.Check(ctx, repository.CheckOptions{ReadData: what == "check-data"}, func(repository.Problem) {})
		if err == nil && stats.Damage > 0 {
			err = fmt.Errorf("check: %d damages", stats.Damage)
		}
		return err
	}
	return fmt.Errorf("engine: what is %q?", what)
}

func engineBackup(ctx context.Context, s *repository.Session, folder string) error {
	w, err := s.Writer(ctx)
	if err != nil {
		return err
	}
	parent, err := engineParent(ctx, s)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	sum, err := archiver.Backup(ctx, w, parent, archiver.Options{Paths: []string{folder}, Host: "bench"}, nil)
	if err == nil && sum.Problems > 0 {
		err = fmt.Errorf("backup: %d problems", sum.Problems)
	}
	return errors.Join(err, w.Close())
}

// engineParent is the newest snapshot: there is one folder only.
func engineParent(ctx context.Context, s *repository.Session) (*archiver.Parent, error) {
	all, err := s.Snapshots(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	last := all[len(all)-1]
	return &archiver.Parent{Source: s, ID: last.ID, Tree: *last.Tree}, nil
}

// profile does every job once more, in our engine, and keeps profiles.
func (r *repositoryRun) profile(ctx context.Context) error {
	if err := os.MkdirAll(r.b.profiles, 0o755); err != nil {
		return err
	}
	folder, err := filepath.Abs(r.b.profiles)
	if err != nil {
		return err
	}
	repo, target := filepath.Join(r.home, "repo"), filepath.Join(r.home, "restored")
	defer os.RemoveAll(repo)
	defer os.RemoveAll(target)
	do := func(name string, args ...string) error {
		args = append([]string{r.b.self, "engine", "-profile", filepath.Join(folder, r.c.name+"-"+name+".pprof")}, args...)
		m, err := measureIn(ctx, r.home, r.log, nil, args...)
		if err == nil {
			r.b.phase("%s: profile of %s: %.2f s, CPU %.2f s", r.c.name, name, m.wall.Seconds(), m.cpu.Seconds())
		}
		return err
	}
	version := func(v int) string { return filepath.Join(r.home, "corpus", strconv.Itoa(v)) }
	if err := errors.Join(do("init", "init", repo), do("backup", "backup", repo, version(1)), do("restore", "restore", repo, target), do("check", "check-data", repo)); err != nil {
		return err
	}
	for v := 2; v <= versions; v++ {
		if err := do("later", "backup", repo, version(v)); err != nil {
			return err
		}
	}
	keepsake := r.b.ours("", r.home)
	if _, err := measureIn(ctx, r.home, r.log, keepsake.env, r.b.keepsake, "-q", "forget", "-r", repo, "--keep-last", "2", "--group-by", ""); err != nil {
		return err
	}
	return do("prune", "prune", repo)
}
