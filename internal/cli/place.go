package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/roster"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// place is what --repo names: a repository, which has a config, or a location,
// which holds one repository for each phone below their UDIDs. A place where
// nothing is yet is neither, and becomes a location with the first backup.
type place struct {
	at      location.Location
	be      backend.Backend // of the repository; nil if it is none. Whoever takes it closes it
	members []member        // of the location, by UDID
}

// member is the repository of one phone in a location.
type member struct {
	udid device.UDID
	at   location.Location
}

// hint is what to do when there is neither.
const noRepositoryHint = "look at the location, and whether the disk is connected; \"keepsake backup LOCATION\" begins there, \"keepsake init\" makes an empty repository"

// look finds out what is at a place. That costs one question to the store for a
// repository, and a few for a location.
func (a *app) look(ctx context.Context, where string, f *repositoryFlags) (place, error) {
	at, err := f.parse(where)
	if err != nil {
		return place{}, err
	}
	p := place{at: at}
	be, err := a.openBackendAt(ctx, at, f)
	if err != nil {
		return p, err
	}
	_, err = be.Stat(ctx, backend.Handle{Type: backend.ConfigFile})
	if err == nil {
		p.be = be
		return p, nil
	}
	if closed := be.Close(); !errors.Is(err, backend.ErrNotExist) || closed != nil {
		return p, errors.Join(err, closed)
	}
	p.members, err = a.membersAt(ctx, at, f)
	return p, err
}

// membersAt lists the phones of a location. Folders of this computer speak for
// themselves; other stores keep a roster, since they cannot list folders.
func (a *app) membersAt(ctx context.Context, at location.Location, f *repositoryFlags) ([]member, error) {
	var names []string
	var err error
	if at.Kind == location.Local {
		names, err = folderMembers(at.Path)
	} else {
		err = a.withRoster(ctx, at, f, func(be backend.Backend) (err error) {
			names, err = roster.Members(ctx, be)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	var members []member
	for _, name := range names {
		m, err := memberAt(at, name)
		if err != nil {
			continue // not ours: names from outside are no paths before they were looked at
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.udid.String(), b.udid.String()) })
	return members, nil
}

// memberAt is the place of a phone's repository. name has to be a UDID as
// folders are named.
func memberAt(at location.Location, name string) (member, error) {
	udid, err := device.ParseUDID(name)
	if err != nil {
		return member{}, err
	}
	if udid.String() != name {
		return member{}, fmt.Errorf("%q is not how a UDID is written", name)
	}
	below, err := at.Join(name)
	return member{udid, below}, err
}

// folderMembers lists the folders in dir that are repositories.
func folderMembers(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for repositories: %w", err)
	}
	var names []string
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name(), "config"))
		if err == nil && info.Mode().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// withRoster opens the place in a location where its members are listed.
func (a *app) withRoster(ctx context.Context, at location.Location, f *repositoryFlags, fn func(backend.Backend) error) (err error) {
	below, err := at.Join(roster.Folder)
	if err != nil {
		return err
	}
	own := *f
	own.noCache = true // others add to it
	be, err := a.openBackendAt(ctx, below, &own)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, be.Close()) }()
	return fn(be)
}

// enter lets others find the repository of a new phone in the location.
func (a *app) enter(ctx context.Context, at location.Location, f *repositoryFlags, udid device.UDID) error {
	if at.Kind == location.Local {
		return nil
	}
	return a.withRoster(ctx, at, f, func(be backend.Backend) error { return roster.Add(ctx, be, udid.String()) })
}

// matching are the members whose UDID is or begins with text.
func matching(members []member, text string) []member {
	var fits []member
	for _, m := range members {
		if strings.EqualFold(m.udid.String(), text) {
			return []member{m}
		}
		if text != "" && m.udid.HasPrefix(text) {
			fits = append(fits, m)
		}
	}
	return fits
}

// close gives up a place of which nobody took the repository.
func (p *place) close() error {
	if p.be == nil {
		return nil
	}
	be := p.be
	p.be = nil
	return be.Close()
}
