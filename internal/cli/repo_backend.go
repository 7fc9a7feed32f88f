package cli

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/appendonly"
	"github.com/keepsake-backup/keepsake/repository/backend/cache"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/backend/rclone"
	"github.com/keepsake-backup/keepsake/repository/backend/retry"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// patientFor is how many attempts fail before people are told of it.
const patientFor = 2

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

func (a *app) openBackendAt(ctx context.Context, l location.Location, f *repositoryFlags) (backend.Backend, error) {
	b, err := location.Open(ctx, l, a.credentials(f))
	if err != nil {
		return nil, err
	}
	if f.appendOnly {
		b = appendonly.New(b)
	}
	if f.noCache || !b.Properties().Remote {
		return b, nil
	}
	return a.cached(b, l, f), nil
}

// credentials are what the environment says of stores, under the names that
// their own tools and restic read.
func (a *app) credentials(f *repositoryFlags) location.Options {
	region := a.Getenv("AWS_DEFAULT_REGION")
	if region == "" {
		region = a.Getenv("AWS_REGION")
	}
	return location.Options{
		AccessKeyID:     a.Getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: secret.NewText(a.Getenv("AWS_SECRET_ACCESS_KEY")),
		SessionToken:    secret.NewText(a.Getenv("AWS_SESSION_TOKEN")),
		Region:          region,
		Username:        a.Getenv("RESTIC_REST_USERNAME"),
		Password:        secret.NewText(a.Getenv("RESTIC_REST_PASSWORD")),
		CAFile:          f.caFile,
		Proxy:           http.ProxyFromEnvironment,
		Retry:           retry.Options{Report: a.reportRetry},
	}
}

func (a *app) reportRetry(e retry.Event) {
	kind := progress.Detail
	if e.Attempt > patientFor {
		kind = progress.Warn
	}
	a.mention(kind, fmt.Sprintf("%v; trying again in %s", e.Err, progress.Took(e.Wait)))
}

// cached puts a cache in front of b. Without one everything works, only slower.
func (a *app) cached(b backend.Backend, l location.Location, f *repositoryFlags) backend.Backend {
	dir := f.cacheDir
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			a.mention(progress.Detail, fmt.Sprintf("no cache: %v", err))
			return b
		}
		dir = filepath.Join(base, "keepsake")
	}
	// Names of files are digests of what is in them, so that it does not matter
	// when another repository takes the place of one.
	dir = filepath.Join(dir, format.Hash([]byte(l.String())).String()[:16])
	c, err := cache.New(b, dir, cache.Options{Trouble: func(err error) { a.mention(progress.Notice, err.Error()) }})
	if err != nil {
		a.mention(progress.Notice, fmt.Sprintf("no cache: %v", err))
		return b
	}
	return c
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
