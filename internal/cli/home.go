package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// home is where backups go: a repository for all phones, or a location with one
// for each, which is made when it is missing.
type home struct {
	a *app
	f *repositoryFlags
	o repository.Options
	p place

	shared   *repository.Repository    // of all phones; nil in a location
	password secret.RepositoryPassword // of the location
	username string                    // label the keys that are made
	hostname string
}

// openHome looks at a place and makes sure of its password, before anybody
// waits for a phone: one that is there already is opened, for a new one a
// password is chosen.
func (a *app) openHome(ctx context.Context, where string, f *repositoryFlags) (*home, error) {
	h := &home{a: a, f: f}
	h.username, h.hostname = label()
	var err error
	if h.o, err = f.options(); err != nil {
		return nil, err
	}
	if h.p, err = a.look(ctx, where, f); err != nil {
		return nil, err
	}
	switch {
	case h.p.be != nil:
		h.shared, err = a.openRepository(ctx, &h.p, f, h.o)
	case len(h.p.members) > 0:
		err = h.prove(ctx)
	default:
		if err = folderAbove(h.p.at, "back up into"); err == nil {
			err = h.choosePassword(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(err, h.p.close())
	}
	return h, nil
}

// prove makes sure that the password is that of the location, so that a slip of
// the finger does not give a new phone another one.
func (h *home) prove(ctx context.Context) error {
	r, err := h.a.openRepository(ctx, &place{at: h.p.members[0].at}, h.f, h.o)
	if err != nil {
		return err
	}
	if h.password, _, err = h.f.password.get(ctx, h.a); err != nil {
		return errors.Join(err, r.Close())
	}
	return r.Close()
}

// passwordAdvice is said before somebody makes up the password of a repository.
const passwordAdvice = `Nothing is there yet: this becomes the place of your backups, encrypted.
Choose its password: four or five words that have nothing to do with each other
are good. It is neither the iPhone's passcode nor its backup password. Without
it nobody reads these backups, you neither: write it down, on paper.
`

func (h *home) choosePassword(ctx context.Context) error {
	if _, given, err := h.f.password.given(ctx, h.a); err == nil && !given {
		if _, isTerminal := terminal(h.a.Stdin); isTerminal {
			fmt.Fprint(h.a.Stderr, passwordAdvice)
		}
	}
	password, err := h.f.password.choose(ctx, h.a)
	h.password = password
	return err
}

// of opens the repository of a phone, and makes it if it is missing.
func (h *home) of(ctx context.Context, udid device.UDID, say progress.Reporter) (r *repository.Repository, made bool, err error) {
	if h.shared != nil {
		return h.shared, false, nil
	}
	if i := slices.IndexFunc(h.p.members, func(m member) bool { return m.udid == udid }); i >= 0 {
		r, err := h.open(ctx, h.p.members[i].at)
		return r, false, err
	}
	r, err = h.make(ctx, udid, say)
	return r, err == nil, err
}

// open opens a repository of the location with its password.
func (h *home) open(ctx context.Context, at location.Location) (*repository.Repository, error) {
	be, err := h.a.openBackendAt(ctx, at, h.f)
	if err != nil {
		return nil, err
	}
	r, err := repository.Open(ctx, be, h.password, h.o)
	if err != nil {
		return nil, errors.Join(err, be.Close())
	}
	return r, nil
}

// make makes the repository of a phone, and then lets others find it. One that
// is there although nobody knows it was cut off in between.
func (h *home) make(ctx context.Context, udid device.UDID, say progress.Reporter) (*repository.Repository, error) {
	m, err := memberAt(h.p.at, udid.String())
	if err != nil {
		return nil, err
	}
	if err := vacant(h.p.at, m.at); err != nil {
		return nil, err
	}
	say.Phase("init", "Making the repository")
	be, err := h.a.openBackendAt(ctx, m.at, h.f)
	if err != nil {
		return nil, err
	}
	r, err := repository.Init(ctx, be, h.password, repository.InitOptions{Options: h.o, Username: h.username, Hostname: h.hostname})
	if errors.Is(err, backend.ErrExist) {
		r, err = repository.Open(ctx, be, h.password, h.o)
	}
	if err != nil {
		return nil, errors.Join(err, be.Close())
	}
	if err := h.a.enter(ctx, h.p.at, h.f, udid); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	h.p.members = append(h.p.members, m)
	return r, nil
}

// vacant makes the folder of a new location, and wants the place of a new
// repository in it to be empty: an iTunes folder may be there.
func vacant(at, below location.Location) error {
	if at.Kind != location.Local {
		return nil
	}
	if err := makeFolder(at.Path); err != nil {
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
			if isBackup(below.Path) {
				return &hintError{err: err, hint: fmt.Sprintf("it is an iTunes folder: \"keepsake backup --folder %s\" goes on with it; or choose another place and take it over with \"keepsake import\"", at.Path)}
			}
			return &hintError{err: err, hint: "choose another place"}
		}
	}
	return nil
}

// release closes a repository that of gave, unless all phones share it.
func (h *home) release(r *repository.Repository) error {
	if r == nil || r == h.shared {
		return nil
	}
	return r.Close()
}

func (h *home) close() error {
	err := h.p.close()
	if h.shared != nil {
		err = errors.Join(err, h.shared.Close())
	}
	return err
}
