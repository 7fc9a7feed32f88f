package server

import (
	"context"
	"io"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/changes"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

// Service is what the page and the API show and steer: *service.Service. Who may
// do what is decided there, for both alike. Errors for people have Hint() string;
// fs.ErrNotExist is "there is no such thing, or not for you", service.ErrForbidden
// "it is there and not for you".
type Service interface {
	Looker
	Doer
	Browser
	Reader
	Housekeeper
}

// Looker tells how things are.
type Looker interface {
	Overview(ctx context.Context, who service.Who) (service.Overview, error)
	Phone(ctx context.Context, who service.Who, udid string) (service.Phone, error)
	Versions(ctx context.Context, who service.Who, udid string) ([]service.Version, error) // newest first
	// Jobs are the newest before the job with ID before (0: of all), of a phone or "" of all.
	Jobs(ctx context.Context, who service.Who, udid string, before int64, limit int) ([]service.Job, error)
	Job(ctx context.Context, who service.Who, id int64) (service.Job, error) // with its log
	// Watch gives what changes until ctx ends; slow watchers lose events, never the last.
	Watch(ctx context.Context, who service.Who) <-chan service.Event
}

// Doer starts work and answers with the job's ID. A job of the same kind for
// the same phone that waits or runs already is the answer, and no second one.
type Doer interface {
	BackUp(ctx context.Context, who service.Who, udid string, full bool) (int64, error)
	CopyMedia(ctx context.Context, who service.Who, udid string) (int64, error)
	Pair(ctx context.Context, who service.Who, udid string) (int64, error) // and makes who its owner if it has none
	SetEncryption(ctx context.Context, who service.Who, udid string, old, new secret.BackupPassword) (int64, error)
	Rehearse(ctx context.Context, who service.Who, udid, version string) (int64, error)
	Preflight(ctx context.Context, who service.Who, r service.RestoreRequest) (service.Preflight, error)
	Restore(ctx context.Context, who service.Who, r service.RestoreRequest, password secret.BackupPassword) (int64, error)
	Check(ctx context.Context, who service.Who, udid string) (int64, error)
	Copy(ctx context.Context, who service.Who, target string) (int64, error)
	Cancel(ctx context.Context, who service.Who, job int64) error
	// Signal says that the owner has the phone in hand, as an iOS Shortcut does:
	// a backup starts if one is due. It answers what happens now, in words.
	Signal(ctx context.Context, who service.Who, udid string) (string, error)
}

// Browser looks into versions.
type Browser interface {
	// List lists a folder, "" is the top with one entry for each app and domain.
	List(ctx context.Context, who service.Who, udid, version, path, after string, limit int) (service.Listing, error)
	// Search finds names that contain text, in any case.
	Search(ctx context.Context, who service.Who, udid, version, text, after string, limit int) (service.Listing, error)
	// Open opens one file; it can be sought.
	Open(ctx context.Context, who service.Who, udid, version, path string) (File, error)
}

// Reader reads what versions hold. A kind that is unknown is fs.ErrNotExist, one that
// a version does not have extract.ErrAbsent.
type Reader interface {
	Kinds(ctx context.Context, who service.Who, udid, version string) ([]service.ContentKind, error)
	Groups(ctx context.Context, who service.Who, udid, version, kind string) ([]extract.Group, error)
	Records(ctx context.Context, who service.Who, udid, version, kind string, q extract.Query) (service.RecordPage, error)
	// Preview gives a small picture of a record, extract.ErrNoPreview where none can be had.
	Preview(ctx context.Context, who service.Who, udid, version, kind, key string, size int) (extract.Preview, error)
	// SearchContent finds what was written, in one version or in all of them. What cannot
	// be searched for is search.ErrQuery.
	SearchContent(ctx context.Context, who service.Who, udid string, q service.ContentQuery) (service.Found, error)
	// CompareVersions tells what has changed between two versions; older "" is the
	// backup before newer.
	CompareVersions(ctx context.Context, who service.Who, udid, older, newer string) (*changes.Changes, error)
	// Extract writes a kind as a ZIP to what started gives; problems are what could not be read.
	Extract(ctx context.Context, who service.Who, udid, version, kind string, o extract.ExportOptions, started func(service.Version, extract.Info) io.Writer) (problems int, err error)
}

// File is a file of a version.
type File = service.File

// Housekeeper changes settings.
type Housekeeper interface {
	SetPolicy(ctx context.Context, who service.Who, udid string, p schedule.Policy) error
	SetRetention(ctx context.Context, who service.Who, udid string, r service.Retention) error
	SetOwner(ctx context.Context, who service.Who, udid string, account int64) error
	SetGrant(ctx context.Context, who service.Who, udid string, on bool) error // lets admins look inside
	SetWiFi(ctx context.Context, who service.Who, udid string, on bool) error
	SetAddress(ctx context.Context, who service.Who, udid, address string) error // where to look for it besides
	RememberPassword(ctx context.Context, who service.Who, udid string, p secret.BackupPassword) error
	Pin(ctx context.Context, who service.Who, udid, version string, on bool) error
	Forget(ctx context.Context, who service.Who, udid, version string) (int64, error)

	// SetUp makes or opens the place of the backups. It is the first thing that
	// happens to a new service; made tells whether the place was new.
	SetUp(ctx context.Context, who service.Who, place string, password secret.RepositoryPassword) (made bool, err error)
	// RecoverySheet is an HTML page with all that is needed to open the backups
	// without this computer; with the password if it says so.
	RecoverySheet(ctx context.Context, who service.Who, withPassword bool) ([]byte, error)
	// AddTarget adds a place for copies; disks are found again by what is on them.
	AddTarget(ctx context.Context, who service.Who, name, location string, credentials map[string]string, password secret.RepositoryPassword) (int64, error)
	RemoveTarget(ctx context.Context, who service.Who, name string) error
	Settings(ctx context.Context, who service.Who) (service.Settings, error)
	SetSettings(ctx context.Context, who service.Who, s service.Settings) error
	// TestNotification sends one to every place of settings; an error names those that failed.
	TestNotification(ctx context.Context, who service.Who) error
}
