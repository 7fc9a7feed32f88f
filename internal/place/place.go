package place

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/roster"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

// Place is what is at an address.
type Place struct {
	At location.Location
	// Backend is of the repository, nil if At is none itself. Whoever takes it sets it
	// to nil and closes it.
	Backend backend.Backend
	// Members are the repositories of a location, by UDID.
	Members []Member
}

// Member is the repository of one phone in a location.
type Member struct {
	UDID device.UDID
	At   location.Location
}

// Look finds out what is at a place. That costs one question to the store for a
// repository, and a few for a location.
func Look(ctx context.Context, at location.Location, x Access) (Place, error) {
	p := Place{At: at}
	be, err := x.Open(ctx, at)
	if err != nil {
		return p, err
	}
	_, err = be.Stat(ctx, backend.Handle{Type: backend.ConfigFile})
	if err == nil {
		p.Backend = be
		return p, nil
	}
	if closed := be.Close(); !errors.Is(err, backend.ErrNotExist) || closed != nil {
		return p, errors.Join(err, closed)
	}
	p.Members, err = membersAt(ctx, at, x)
	return p, err
}

// Close gives up a place of which nobody took the repository.
func (p *Place) Close() error {
	if p.Backend == nil {
		return nil
	}
	be := p.Backend
	p.Backend = nil
	return be.Close()
}

// membersAt lists the phones of a location. Folders of this computer speak for
// themselves; other stores keep a roster, since they cannot list folders.
func membersAt(ctx context.Context, at location.Location, x Access) ([]Member, error) {
	var names []string
	var err error
	if at.Kind == location.Local {
		names, err = folderMembers(at.Path)
	} else {
		err = withRoster(ctx, at, x, func(be backend.Backend) (err error) {
			names, err = roster.Members(ctx, be)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	var members []Member
	for _, name := range names {
		m, err := memberAt(at, name)
		if err != nil {
			continue // not ours: names from outside are no paths before they were looked at
		}
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.UDID.String(), b.UDID.String()) })
	return members, nil
}

// memberAt is the place of a phone's repository. name has to be a UDID as
// folders are named.
func memberAt(at location.Location, name string) (Member, error) {
	udid, err := device.ParseUDID(name)
	if err != nil {
		return Member{}, err
	}
	if udid.String() != name {
		return Member{}, fmt.Errorf("%q is not how a UDID is written", name)
	}
	below, err := at.Join(name)
	return Member{udid, below}, err
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
func withRoster(ctx context.Context, at location.Location, x Access, fn func(backend.Backend) error) (err error) {
	below, err := at.Join(roster.Folder)
	if err != nil {
		return err
	}
	x.NoCache = true // others add to it
	be, err := x.Open(ctx, below)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, be.Close()) }()
	return fn(be)
}

// Enter lets others find the repository of a new phone in the location.
func Enter(ctx context.Context, at location.Location, x Access, udid device.UDID) error {
	if at.Kind == location.Local {
		return nil
	}
	return withRoster(ctx, at, x, func(be backend.Backend) error { return roster.Add(ctx, be, udid.String()) })
}
