package place

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
	"github.com/keepsake-backup/keepsake/repository/backend/retry"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// patientFor is how many attempts fail before people are told of it.
const patientFor = 2

// Access is how stores are reached.
type Access struct {
	// Getenv gives the credentials, under the names that the stores' own tools and
	// restic read; nil has none.
	Getenv func(name string) string
	CAFile string // of the certificates of a server; "" is the system's
	// AppendOnly removes nothing but locks, whatever is asked.
	AppendOnly bool
	// NoCache keeps no copies of indexes and folders of stores elsewhere.
	NoCache bool
	// CacheDir is where else they lie; "" is the user's own place for such.
	CacheDir string
	// Mention is told what people may want to know, such as a store that does not
	// answer; nil tells nobody.
	Mention func(kind progress.Kind, text string)
}

// Open reaches a place. Stores that are not this computer get a cache.
func (x Access) Open(ctx context.Context, at location.Location) (backend.Backend, error) {
	b, err := location.Open(ctx, at, x.credentials())
	if err != nil {
		return nil, err
	}
	if x.AppendOnly {
		b = appendonly.New(b)
	}
	if x.NoCache || !b.Properties().Remote {
		return b, nil
	}
	return x.cached(b, at), nil
}

func (x Access) mention(kind progress.Kind, text string) {
	if x.Mention != nil {
		x.Mention(kind, text)
	}
}

func (x Access) credentials() location.Options {
	get := x.Getenv
	if get == nil {
		get = func(string) string { return "" }
	}
	region := get("AWS_DEFAULT_REGION")
	if region == "" {
		region = get("AWS_REGION")
	}
	return location.Options{
		AccessKeyID:     get("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: secret.NewText(get("AWS_SECRET_ACCESS_KEY")),
		SessionToken:    secret.NewText(get("AWS_SESSION_TOKEN")),
		Region:          region,
		Username:        get("RESTIC_REST_USERNAME"),
		Password:        secret.NewText(get("RESTIC_REST_PASSWORD")),
		CAFile:          x.CAFile,
		Proxy:           http.ProxyFromEnvironment,
		Retry:           retry.Options{Report: x.reportRetry},
	}
}

func (x Access) reportRetry(e retry.Event) {
	kind := progress.Detail
	if e.Attempt > patientFor {
		kind = progress.Warn
	}
	x.mention(kind, fmt.Sprintf("%v; trying again in %s", e.Err, progress.Took(e.Wait)))
}

// cached puts a cache in front of b. Without one everything works, only slower.
func (x Access) cached(b backend.Backend, at location.Location) backend.Backend {
	dir := x.CacheDir
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			x.mention(progress.Detail, fmt.Sprintf("no cache: %v", err))
			return b
		}
		dir = filepath.Join(base, "keepsake")
	}
	// Names of files are digests of what is in them, so that it does not matter
	// when another repository takes the place of one.
	dir = filepath.Join(dir, format.Hash([]byte(at.String())).String()[:16])
	c, err := cache.New(b, dir, cache.Options{Trouble: func(err error) { x.mention(progress.Notice, err.Error()) }})
	if err != nil {
		x.mention(progress.Notice, fmt.Sprintf("no cache: %v", err))
		return b
	}
	return c
}
