package service

import (
	"context"
	"io/fs"
	"slices"

	"github.com/keepsake-backup/keepsake/catalog"
)

// deed is a kind of thing that somebody wants to do. Who may do it is decided by
// Service.may and nowhere else.
type deed int

const (
	// toSee a phone: how it is, its versions by date and size, its jobs.
	toSee deed = iota
	// toOpen its versions: names and contents of files, or a restore from one.
	toOpen
	// toStart work for it that changes none of its history: backup, media copy,
	// check, rehearsal, signal; or cancel that.
	toStart
	// toPair with it, which makes who its owner if it has none.
	toPair
	// toSteer when and how it is backed up: policy, Wi-Fi, address.
	toSteer
	// toWrite onto it: a restore.
	toWrite
	// toKeep or remove versions, change its backup password, and have it remembered.
	toKeep
	// toGrant admins a look inside.
	toGrant
	// toOwn: give it to somebody.
	toOwn

	// Of the service, no phone:

	// toLook at the first page.
	toLook
	// toManage settings, targets and the place.
	toManage
)

// changes tells whether a deed is more than looking.
func (d deed) changes() bool {
	return d != toSee && d != toOpen && d != toLook
}

// rights are what counts of a phone.
type rights struct {
	udid    string
	owner   int64
	granted bool
}

func rightsOf(p catalog.Phone) rights { return rights{p.UDID, p.Owner, p.Granted} }

// may tells whether who may do d with a phone, and gives the phone. The error is
// fs.ErrNotExist when there is none, or who may not even know of it, and
// ErrForbidden when it is there and not for who.
func (s *Service) may(ctx context.Context, who Who, d deed, udid string) (catalog.Phone, error) {
	p, err := s.db.Phone(ctx, udid)
	if err != nil {
		return catalog.Phone{}, err
	}
	return p, allowed(who, d, rightsOf(p))
}

// mayHere is may for deeds of the service itself.
func (s *Service) mayHere(who Who, d deed) error { return allowedHere(who, d) }

func allowedHere(who Who, d deed) error {
	switch {
	case who.ReadOnly && d.changes():
		return ErrForbidden
	case d == toLook:
		return nil
	case who.Admin && who.Phones == nil:
		return nil
	}
	return ErrForbidden
}

func allowed(who Who, d deed, p rights) error {
	mine := p.owner != 0 && p.owner == who.Account
	nobodys := p.owner == 0
	system := who.Account == 0 && who.Admin
	switch {
	case who.Phones != nil && !slices.Contains(who.Phones, p.udid):
		return fs.ErrNotExist
	case !mine && !nobodys && !who.Admin:
		return fs.ErrNotExist
	case who.Account == 0 && !who.Admin: // nobody that we know
		return fs.ErrNotExist
	case who.ReadOnly && d.changes():
		return ErrForbidden
	case system || mine:
		return nil
	}
	// What is left is a phone of nobody, or an admin in front of somebody's.
	inside := who.Admin && p.granted
	yes := false
	switch d {
	case toSee:
		yes = true
	case toStart, toSteer:
		yes = who.Admin
	case toPair:
		yes = true
	case toWrite: // whoever holds a phone of nobody in hand may restore onto it
		yes = nobodys || inside
	case toOpen, toKeep:
		yes = inside
	case toOwn:
		yes = who.Admin && (nobodys || p.granted)
	case toGrant:
		yes = false
	}
	if !yes {
		return ErrForbidden
	}
	return nil
}
