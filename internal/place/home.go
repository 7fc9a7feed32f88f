package place

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"sync"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// HomeOptions say how the repositories of a place are opened and made.
type HomeOptions struct {
	Access Access
	// Repository is how each of them is opened.
	Repository repository.Options
	// Open opens the repository that is at a place, with a password that somebody
	// may have to be asked for; be is nil, or taken over. Nil opens it with Choose's.
	Open func(ctx context.Context, at location.Location, be backend.Backend) (*repository.Repository, secret.RepositoryPassword, error)
	// Choose gives the password for a place where nothing is yet.
	Choose func(ctx context.Context) (secret.RepositoryPassword, error)
}

// Home is where backups go: a repository for all phones, or a location with one
// for each, which is made when it is missing. It can be used concurrently.
type Home struct {
	opt  HomeOptions
	at   location.Location
	new  bool
	name [2]string // label the keys that are made: user and host

	shared   *repository.Repository    // of all phones; nil in a location
	password secret.RepositoryPassword // of the location

	mu      sync.Mutex
	members []Member // guarded by mu
}

// OpenHome looks at a place and makes sure of its password, before anybody
// waits for a phone: one that is there already is opened, for a new one a
// password is chosen.
func OpenHome(ctx context.Context, at location.Location, opt HomeOptions) (*Home, error) {
	h := &Home{opt: opt, at: at}
	h.name[0], h.name[1] = Label()
	if opt.Open == nil {
		h.opt.Open = h.openChosen
	}
	p, err := Look(ctx, at, opt.Access)
	if err != nil {
		return nil, err
	}
	h.members = p.Members
	switch {
	case p.Backend != nil:
		h.shared, h.password, err = h.opt.Open(ctx, at, p.Backend)
	case len(p.Members) > 0:
		err = h.prove(ctx)
	default:
		h.new = true
		if err = FolderAbove(at, "back up into"); err == nil {
			h.password, err = opt.Choose(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// openChosen opens a repository with the one password that there is.
func (h *Home) openChosen(ctx context.Context, at location.Location, be backend.Backend) (*repository.Repository, secret.RepositoryPassword, error) {
	password, err := h.opt.Choose(ctx)
	if err != nil {
		if be != nil {
			err = errors.Join(err, be.Close())
		}
		return nil, password, err
	}
	if be == nil {
		if be, err = h.opt.Access.Open(ctx, at); err != nil {
			return nil, password, err
		}
	}
	r, err := repository.Open(ctx, be, password, h.opt.Repository)
	if err != nil {
		return nil, password, errors.Join(err, be.Close())
	}
	return r, password, nil
}

// prove makes sure that the password is that of the location, so that a slip of
// the finger does not give a new phone another one.
func (h *Home) prove(ctx context.Context) error {
	r, password, err := h.opt.Open(ctx, h.members[0].At, nil)
	if err != nil {
		return err
	}
	h.password = password
	return r.Close()
}

// At is the address of the place.
func (h *Home) At() location.Location { return h.at }

// New tells whether nothing was there before.
func (h *Home) New() bool { return h.new }

// Shared is the repository of all phones, nil in a location. It is closed by Close.
func (h *Home) Shared() *repository.Repository { return h.shared }

// Members are the repositories of a location, by UDID.
func (h *Home) Members() []Member {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.members)
}

// Find opens the repository of a phone, if there is one: repository.ErrNoRepository
// otherwise. Give it to Release.
func (h *Home) Find(ctx context.Context, udid device.UDID) (*repository.Repository, error) {
	if h.shared != nil {
		return h.shared, nil
	}
	for _, m := range h.Members() {
		if m.UDID == udid {
			return h.open(ctx, m.At)
		}
	}
	return nil, fmt.Errorf("open repository of %v in %v: %w", udid, h.at, repository.ErrNoRepository)
}

// Of opens the repository of a phone, and makes it if it is missing: made. Give it to
// Release.
func (h *Home) Of(ctx context.Context, udid device.UDID, say progress.Reporter) (r *repository.Repository, made bool, err error) {
	r, err = h.Find(ctx, udid)
	if h.shared != nil || !errors.Is(err, repository.ErrNoRepository) {
		return r, false, err
	}
	r, err = h.make(ctx, udid, say)
	return r, err == nil, err
}

// open opens a repository of the location with its password.
func (h *Home) open(ctx context.Context, at location.Location) (*repository.Repository, error) {
	be, err := h.opt.Access.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	r, err := repository.Open(ctx, be, h.password, h.opt.Repository)
	if err != nil {
		return nil, errors.Join(err, be.Close())
	}
	return r, nil
}

// make makes the repository of a phone, and then lets others find it. One that
// is there although nobody knows it was cut off in between.
func (h *Home) make(ctx context.Context, udid device.UDID, say progress.Reporter) (*repository.Repository, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, err := memberAt(h.at, udid.String())
	if err != nil {
		return nil, err
	}
	if err := vacant(h.at, m.At); err != nil {
		return nil, err
	}
	say.Phase("init", "Making the repository")
	be, err := h.opt.Access.Open(ctx, m.At)
	if err != nil {
		return nil, err
	}
	r, err := repository.Init(ctx, be, h.password, repository.InitOptions{Options: h.opt.Repository, Username: h.name[0], Hostname: h.name[1]})
	if errors.Is(err, backend.ErrExist) {
		r, err = repository.Open(ctx, be, h.password, h.opt.Repository)
	}
	if err != nil {
		return nil, errors.Join(err, be.Close())
	}
	if err := Enter(ctx, h.at, h.opt.Access, udid); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	if !slices.ContainsFunc(h.members, func(o Member) bool { return o.UDID == udid }) {
		h.members = append(h.members, m)
	}
	return r, nil
}

// Release closes a repository that Of or Find gave, unless all phones share it.
func (h *Home) Release(r *repository.Repository) error {
	if r == nil || r == h.shared {
		return nil
	}
	return r.Close()
}

// Close gives the place up.
func (h *Home) Close() error {
	if h.shared != nil {
		return h.shared.Close()
	}
	return nil
}

// vacant makes the folder of a new location, and wants the place of a new
// repository in it to be empty: an iTunes folder may be there.
func vacant(at, below location.Location) error {
	if at.Kind != location.Local {
		return nil
	}
	if err := MakeFolder(at.Path); err != nil {
		return err
	}
	entries, err := os.ReadDir(below.Path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("make repository: %w", err)
	}
	// An interrupted beginning leaves folders; files are somebody's.
	for _, e := range entries {
		if !e.IsDir() {
			err := fmt.Errorf("make repository %s: there is something else, such as %s", below.Path, e.Name())
			if IsBackup(below.Path) {
				return &device.HintError{Err: err, Remedy: fmt.Sprintf("it is an iTunes folder: \"keepsake backup --folder %s\" goes on with it; or choose another place and take it over with \"keepsake import\"", at.Path)}
			}
			return &device.HintError{Err: err, Remedy: "choose another place"}
		}
	}
	return nil
}

// Label is who and where, for keys: what restic would write there, too.
func Label() (username, hostname string) {
	if u, err := user.Current(); err == nil {
		username = u.Username
	}
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}
	return username, hostname
}
