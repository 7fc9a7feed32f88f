package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
)

// passwordTries is how often somebody at a terminal may mistype a password.
const passwordTries = 3

// repositoryMark marks the flags that all commands on repositories share, so
// that help lists them apart.
const repositoryMark = "keepsake_repository"

// repositoryFlags say which repository a command works in, and how.
type repositoryFlags struct {
	prefix, env string // of the flag and the variable with the location: "", or "from-" for a second repository
	location    string
	all         bool // the repositories of a location, one after the other
	password    *repositoryPassword
	keyHint     string
	noLock      bool
	retryLock   time.Duration
	appendOnly  bool
	noCache     bool
	cacheDir    string
	caFile      string // of the certificates of a server
	compression string
	packSize    int // MiB
}

// addFlags gives cmd the flags of every command on a repository. They are
// written into f.
func (f *repositoryFlags) addFlags(cmd *cobra.Command) {
	f.env = "KEEPSAKE_REPOSITORY"
	if f.password == nil { // one for all commands, of which one runs
		f.password = mainPassword()
	}
	set := pflag.NewFlagSet("repository", pflag.ContinueOnError)
	set.SortFlags = false
	set.StringVarP(&f.location, "repo", "r", "", "the repository, or a place with one for each phone: a `LOCATION` (else: KEEPSAKE_REPOSITORY)")
	f.password.addFlags(set)
	if cmd.Flags().Lookup("all") == nil { // of its own meaning
		set.BoolVar(&f.all, "all", false, "in a location with several phones: all of them, one after the other")
	}
	set.StringVar(&f.keyHint, "key-hint", "", "try the key whose `ID` begins so first")
	set.BoolVar(&f.noLock, "no-lock", false, "lock nothing: to read where nothing can be written")
	set.DurationVar(&f.retryLock, "retry-lock", 0, "wait for up to `DURATION` until others are done")
	set.BoolVar(&f.appendOnly, "append-only", false, "remove nothing but locks, whatever is asked")
	set.BoolVar(&f.noCache, "no-cache", false, "keep no copies of indexes and folders on this computer")
	set.StringVar(&f.cacheDir, "cache-dir", "", "keep them in `DIR`")
	set.StringVar(&f.caFile, "cacert", "", "trust the certificates in `FILE` (PEM) to vouch for a server")
	set.StringVar(&f.compression, "compression", "auto", "`MODE`: auto, off, fastest or max")
	set.IntVar(&f.packSize, "pack-size", 0, "size of packs in `MiB`, 4 to 128 (16 unless given)")
	set.VisitAll(func(flag *pflag.Flag) {
		flag.Annotations = map[string][]string{repositoryMark: nil}
		cmd.Flags().AddFlag(flag)
	})
}

// repositoryCommand makes cmd one that works in a repository.
func (a *app) repositoryCommand(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().SortFlags = false
	a.repo.addFlags(cmd)
	return cmd
}

// addFromFlags gives cmd the flags that name a second repository.
func (f *repositoryFlags) addFromFlags(cmd *cobra.Command, what string) {
	f.prefix, f.env, f.password = "from-", "KEEPSAKE_FROM_REPOSITORY", fromPassword()
	flags := cmd.Flags()
	flags.StringVar(&f.location, "from-repo", "", "the repository "+what+": a `LOCATION` (else: KEEPSAKE_FROM_REPOSITORY)")
	f.password.addFlags(flags)
	flags.StringVar(&f.caFile, "from-cacert", "", "trust the certificates in `FILE` (PEM) to vouch for its server")
	flags.BoolVar(&f.noLock, "from-no-lock", false, "do not lock it: where nothing can be written")
	flags.StringVar(&f.keyHint, "from-key-hint", "", "try its key whose `ID` begins so first")
}

// where is the location that was given, by a flag or else by the environment.
func (f *repositoryFlags) where(a *app) string {
	if f.location != "" {
		return f.location
	}
	return a.Getenv(f.env)
}

// needLocation is where, or how to say it.
func (f *repositoryFlags) needLocation(cmd *cobra.Command, a *app) (string, error) {
	if where := f.where(a); where != "" {
		return where, nil
	}
	if f.prefix != "" {
		return "", &usageError{fmt.Errorf("%s: no other repository given", name(cmd)), fmt.Sprintf("say where it is: --%srepo LOCATION, or %s", f.prefix, f.env)}
	}
	return "", &usageError{fmt.Errorf("%s: no repository given", name(cmd)), fmt.Sprintf("say where it is: --repo LOCATION, or %s; \"keepsake init\" makes one", f.env)}
}

// options are the flags in the words of the engine.
func (f *repositoryFlags) options(a *app) (repository.Options, error) {
	o := repository.Options{KDF: a.KDF, KeyHint: f.keyHint, PackSize: f.packSize << 20}
	if f.compression != "" {
		var err error
		if o.Compression, err = repository.ParseCompression(f.compression); err != nil {
			return o, &usageError{fmt.Errorf("--%w", err), ""}
		}
	}
	if f.packSize != 0 && (f.packSize < 4 || f.packSize > 128) {
		return o, &usageError{fmt.Errorf("--pack-size %d: want 4 to 128 MiB", f.packSize), ""}
	}
	if f.retryLock < 0 {
		return o, &usageError{fmt.Errorf("--retry-lock %v: a negative time", f.retryLock), ""}
	}
	return o, nil
}

// withRepository opens the repository that the flags name, for the time of fn.
func (a *app) withRepository(cmd *cobra.Command, fn func(ctx context.Context, r *repository.Repository) error) error {
	return a.withRepositoryOf(cmd, &a.repo, fn)
}

// withSession opens the repository and takes a lock, for the time of fn. The
// context that fn gets ends when the lock is lost. --no-lock takes none, where
// nothing is written; others refuse it.
func (a *app) withSession(cmd *cobra.Command, mode repository.Mode, fn func(ctx context.Context, s *repository.Session) error) error {
	return a.withSessions(cmd, wish{all: a.repo.all}, mode, fn)
}

// withSessions is withSession for a command that has a wish where the place is
// a location.
func (a *app) withSessions(cmd *cobra.Command, w wish, mode repository.Mode, fn func(ctx context.Context, s *repository.Session) error) error {
	return a.withRepositories(cmd, &a.repo, w, func(ctx context.Context, r *repository.Repository) error {
		return a.inSession(ctx, r, a.repo.mode(mode), fn)
	})
}

// mode is how to share a repository: as the work wants it, unless nothing is to
// be locked.
func (f *repositoryFlags) mode(wanted repository.Mode) repository.Mode {
	if f.noLock {
		return repository.Unlocked
	}
	return wanted
}

func (a *app) inSession(ctx context.Context, r *repository.Repository, mode repository.Mode, fn func(ctx context.Context, s *repository.Session) error) (err error) {
	s, err := r.Begin(ctx, mode, a.repo.retryLock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s.Context(), s)
}

// refuseNoLock is for commands that write.
func (a *app) refuseNoLock(cmd *cobra.Command) error {
	if a.repo.noLock {
		return usageOf(cmd, fmt.Errorf("%s: --no-lock is only for reading", name(cmd)))
	}
	return nil
}

// stopwatch begins to measure; what it returns gives the seconds since.
func stopwatch() func() float64 {
	began := time.Now()
	return func() float64 { return seconds(time.Since(began)) }
}

// repositoryExits are the exit codes of commands that read a repository.
const repositoryExits = "0 done; 1 error; 2 usage; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"

// value shows the progress of work whose result is one JSON value, as restic
// prints it: with --json no other lines stand beside it.
func (a *app) value(fn func(progress.Reporter) error) error {
	if !a.json {
		return a.work(fn)
	}
	r := progress.NewQuiet(a.Stderr)
	defer r.Close()
	defer a.using(r)()
	return fn(r)
}
