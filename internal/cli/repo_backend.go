package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/backend/rclone"
)

// openBackend reaches the place where a repository is or will be. Places that
// are not this computer get a cache.
func (a *app) openBackend(ctx context.Context, where string, f *repositoryFlags) (backend.Backend, error) {
	l, err := f.parse(where)
	if err != nil {
		return nil, err
	}
	return a.openBackendAt(ctx, l, f)
}

// parse reads an address that people wrote.
func (f *repositoryFlags) parse(where string) (location.Location, error) {
	l, err := location.Parse(where)
	if err != nil {
		return l, &usageError{err, "a folder, or s3:https://host/bucket/prefix, sftp:user@host:path, rest:https://host/path/, rclone:remote:path"}
	}
	if f.location != "" && (!l.Password.IsZero() || l.Kind == location.Rclone && rclone.WithoutSecrets(l.Remote) != l.Remote) {
		return l, &usageError{fmt.Errorf("--%srepo %v: there is a secret in it, which every user of this computer can read", f.prefix, l),
			fmt.Sprintf("put it into %s, or leave it out and set RESTIC_REST_PASSWORD", f.env)}
	}
	if l.Kind == location.Local { // what is said of it holds in every folder
		if l.Path, err = filepath.Abs(l.Path); err != nil {
			return l, fmt.Errorf("--%srepo: %w", f.prefix, err)
		}
	}
	return l, nil
}

// access is how the flags and the environment say that places are reached.
func (a *app) access(f *repositoryFlags) place.Access {
	return place.Access{Getenv: a.Getenv, CAFile: f.caFile, AppendOnly: f.appendOnly, NoCache: f.noCache, CacheDir: f.cacheDir, Mention: a.mention}
}

func (a *app) openBackendAt(ctx context.Context, l location.Location, f *repositoryFlags) (backend.Backend, error) {
	return a.access(f).Open(ctx, l)
}

// mention passes a sentence on to the display of progress, if there is one.
func (a *app) mention(kind progress.Kind, text string) {
	a.mu.Lock()
	r := a.reporter
	a.mu.Unlock()
	if r == nil {
		// Between pieces of work only what somebody has to know.
		r = progress.NewQuiet(a.Stderr)
	}
	r.Say(kind, capital(text))
}

// using makes r the display that mention uses, until the function that it
// returns is called.
func (a *app) using(r progress.Reporter) (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.reporter
	a.reporter = r
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.reporter = before
	}
}
