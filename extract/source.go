package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Device is what a Source is of.
type Device struct {
	UDID    string
	Name    string    // "Emma's iPhone"
	Product string    // "iPhone14,2"
	IOS     string    // "18.6"
	Time    time.Time // of the backup
	Apps    []App     // that the lists of the backup name; nil where there are none
}

// App is an installed app, as the lists of a backup name it (package apps makes them
// of Info.plist and Manifest.plist).
type App struct {
	ID        string // bundle ID: "net.whatsapp.WhatsApp"
	Name      string // as under its icon; "" = not known
	Version   string
	Seller    string
	Genre     string    // of the store: "Utilities"
	Purchased time.Time // zero = not known
	Icon      []byte    // PNG; nil = none
}

// Names knows people by their addresses.
type Names interface {
	// Name gives the name of the person with a phone number or e-mail address, as
	// apps write them; "" when nobody is known by it.
	Name(address string) string
}

// Source is one phone at one moment. Its methods may be called concurrently.
type Source struct {
	FS     fs.FS // folders of domains: HomeDomain/Library/SMS/sms.db
	Device Device
	// Zone is the time zone for people; nil is UTC. Times in records are in UTC unless
	// the phone keeps a zone with them.
	Zone *time.Location
	// NotePasswords are tried on locked notes, in order.
	NotePasswords []secret.Text
	// ReadNames reads the phone's own contacts; nil knows nobody.
	ReadNames func(context.Context, *Source) (Names, error)

	mu        sync.Mutex
	databases map[string]*opening
	names     func() (Names, error)
	memos     map[string]*memo
}

type opening struct {
	once sync.Once
	db   *sqlitefs.DB
	err  error
}

// Local is the Source's time zone.
func (s *Source) Local() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// Database opens the database at one of paths, the first that is there, and keeps it
// open until Close. None of them being there is [ErrAbsent].
func (s *Source) Database(ctx context.Context, paths ...string) (*sqlitefs.DB, error) {
	for _, p := range paths {
		db, err := s.database(ctx, p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return db, err
	}
	return nil, fmt.Errorf("%s: %w", strings.Join(paths, ", "), ErrAbsent)
}

func (s *Source) database(ctx context.Context, p string) (*sqlitefs.DB, error) {
	s.mu.Lock()
	if s.databases == nil {
		s.databases = map[string]*opening{}
	}
	o := s.databases[p]
	if o == nil {
		o = &opening{}
		s.databases[p] = o
	}
	s.mu.Unlock()
	o.once.Do(func() { o.db, o.err = sqlitefs.Open(ctx, s.FS, p) })
	if o.err != nil && ctx.Err() != nil {
		s.mu.Lock() // whoever comes next has more time
		if s.databases[p] == o {
			delete(s.databases, p)
		}
		s.mu.Unlock()
	}
	return o.db, o.err
}

// NameOf is who has an address, by the phone's contacts; "" when nobody is known,
// or the contacts cannot be read (which reading the contacts will tell).
func (s *Source) NameOf(ctx context.Context, address string) string {
	if s.ReadNames == nil || address == "" {
		return ""
	}
	s.mu.Lock()
	if s.names == nil {
		s.names = sync.OnceValues(func() (Names, error) { return s.ReadNames(context.WithoutCancel(ctx), s) })
	}
	names := s.names
	s.mu.Unlock()
	known, err := names()
	if err != nil || known == nil {
		return ""
	}
	return known.Name(address)
}

// Has tells whether a path is there.
func (s *Source) Has(name string) bool {
	if !fs.ValidPath(name) {
		return false
	}
	_, err := fs.Stat(s.FS, name)
	return err == nil
}

// ReadFile reads a small file whole. Missing is [fs.ErrNotExist]; more than limit
// bytes is an error.
func (s *Source) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: larger than %d bytes", name, limit)
	}
	return data, nil
}

// Find lists the paths that match a pattern of [path.Match], component by component,
// sorted; what cannot be listed is not there.
func (s *Source) Find(pattern string) []string {
	found := []string{"."}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			if !strings.ContainsAny(part, `*?[\`) {
				if p := path.Join(dir, part); s.Has(p) {
					next = append(next, p)
				}
				continue
			}
			entries, err := fs.ReadDir(s.FS, dir)
			if err != nil {
				continue
			}
			for _, e := range entries {
				if ok, err := path.Match(part, e.Name()); ok && err == nil {
					next = append(next, path.Join(dir, e.Name()))
				}
			}
		}
		found = next
	}
	slices.Sort(found)
	return found
}

// Close closes the databases. The Source may be used again.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, o := range s.databases {
		o.once.Do(func() {})
		if o.db != nil {
			errs = append(errs, o.db.Close())
		}
	}
	s.databases, s.memos = nil, nil
	return errors.Join(errs...)
}
