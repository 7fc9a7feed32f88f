package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/repository"
)

const (
	placeKey       = "place"      // setting
	usedKey        = "place-used" // setting: the place, when something was kept there
	passwordSecret = "repository" // secret
)

// home is the place of the backups.
type home struct {
	where    string
	used     bool  // something was kept there
	place    Place // nil as long as it could not be reached
	password secret.RepositoryPassword
}

// readPlace reads where the backups are.
func (s *Service) readPlace(ctx context.Context) error {
	var where string
	if err := s.get(ctx, placeKey, &where); err != nil || where == "" {
		return err
	}
	b, err := s.unsealed(ctx, passwordSecret)
	if err != nil {
		return err
	}
	var used string
	if err := s.get(ctx, usedKey, &used); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.home = home{where: where, used: used == where, password: secret.NewRepositoryPassword(string(b))}
	return nil
}

// ready tells whether the set-up is done.
func (s *Service) ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.home.where == "" {
		return errNotReady
	}
	return nil
}

// placeTrouble is why the place could not be reached when it was last looked at.
func (s *Service) placeTrouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.placeErr
}

// lookForPlace looks whether the place can be reached, beside everything else: now
// and then, and soon again while it cannot.
func (s *Service) lookForPlace(ctx context.Context) {
	now := s.o.Now()
	s.mu.Lock()
	due := s.home.where != "" && !s.looked.placing && now.Sub(s.looked.place) >= s.o.Pace.Look
	if due {
		s.looked.place, s.looked.placing = now, true
	}
	s.mu.Unlock()
	if !due {
		return
	}
	if !s.spawn(func(ctx context.Context) {
		_, err := s.reach(ctx)
		s.mu.Lock()
		s.looked.placing = false
		changed, back := (err == nil) != (s.placeErr == nil), s.placeErr != nil && err == nil
		s.placeErr = err
		s.mu.Unlock()
		if err != nil { // what is open there is worth nothing when it comes back
			s.views.tidy(func(viewKey, time.Time) bool { return true })
			s.vault.tidy(true)
		}
		switch {
		case back:
			s.takeStock(ctx)
		case err != nil && !changed && ctx.Err() == nil: // not only for a moment
			s.say(ctx, "place", tellAgain, notify.Message{Title: "Backups have no place", Text: sentence(err.Error()) + " Nothing is backed up until it can." + remedy(err), Urgent: true})
		}
		if changed {
			s.hub.tell(Event{Kind: "setting"})
			s.nudge()
		}
	}) {
		return
	}
}

// reach looks at the place anew.
func (s *Service) reach(ctx context.Context) (home, error) {
	s.mu.Lock()
	h := s.home
	s.mu.Unlock()
	if h.where == "" {
		return h, errNotReady
	}
	p, err := s.o.Places.Look(ctx, h.where)
	if err != nil {
		return h, fmt.Errorf("%w: %w", errPlaceAway, err)
	}
	if h.used && p.Empty() {
		// An empty folder where a disk used to be is no place to begin anew.
		return h, hinted("plug the disk in, or set up another place", "%w: nothing is left at %s", errPlaceAway, h.where)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.home.where == h.where {
		s.home.place, s.shared, s.free = p, p.Shared(), p.Free()
	}
	h.place = p
	return h, nil
}

// openRepository opens the repository of a phone, or with make makes it: what the
// vault does when nobody has it open.
func (s *Service) openRepository(ctx context.Context, key string, make bool) (*repository.Repository, error) {
	h, err := s.reach(ctx)
	if err != nil {
		return nil, err
	}
	var udid device.UDID
	if key != "" {
		if udid, err = device.ParseUDID(key); err != nil {
			return nil, err
		}
	}
	var r *repository.Repository
	if make {
		r, _, err = h.place.OpenOrMake(ctx, udid, h.password)
	} else {
		r, err = h.place.Open(ctx, udid, h.password)
	}
	if err != nil || h.used {
		return r, err
	}
	if err := s.db.Set(ctx, usedKey, h.where); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.home.where == h.where {
		s.home.used = true
	}
	return r, nil
}

// SetUp makes or opens the place of the backups.
func (s *Service) SetUp(ctx context.Context, who Who, where string, password secret.RepositoryPassword) (made bool, err error) {
	if err := s.mayHere(who, toManage); err != nil {
		return false, err
	}
	where = strings.TrimSpace(where)
	if where == "" || password.IsZero() {
		return false, hinted("give both", "set up: the place or its password is missing")
	}
	p, err := s.o.Places.Look(ctx, where)
	if err != nil {
		return false, err
	}
	if made = p.Empty(); !made {
		if err := p.Prove(ctx, password); err != nil {
			return false, err
		}
	}
	if err := s.sealSecret(ctx, passwordSecret, []byte(password.Reveal())); err != nil {
		return false, err
	}
	if err := s.db.Set(ctx, placeKey, where); err != nil {
		return false, err
	}
	s.audit(ctx, who, "set-up", "", p.String())
	s.views.tidy(func(viewKey, time.Time) bool { return true })
	s.vault.tidy(true)
	s.mu.Lock()
	s.home, s.shared, s.placeErr, s.free = home{where: where, place: p, password: password}, p.Shared(), nil, p.Free()
	s.mu.Unlock()
	s.spawn(s.takeStock)
	s.hub.tell(Event{Kind: "setting"})
	s.nudge()
	return made, nil
}

// takeStock reads anew what the place holds: versions of phones that are known, and
// of such as another computer has backed up there.
func (s *Service) takeStock(ctx context.Context) {
	err := s.stock(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("what the place holds was not read", "err", err)
	}
	s.nudge()
}

func (s *Service) stock(ctx context.Context) error {
	h, err := s.reach(ctx)
	if err != nil {
		return err
	}
	var keys []string
	for _, m := range h.place.Members() {
		keys = append(keys, m.String())
	}
	if h.place.Shared() {
		keys = []string{""}
	}
	var errs []error
	for _, key := range keys {
		errs = append(errs, s.stockOf(ctx, key))
	}
	return errors.Join(errs...)
}

// stockOf reads one repository: the versions of its phones, and what phones had
// finished sending when the service ended.
func (s *Service) stockOf(ctx context.Context, key string) error {
	r, release, err := s.vault.take(ctx, key, false)
	if err != nil {
		return err
	}
	defer release()
	err = s.finishPending(ctx, r, key)
	list, _, listErr := versionsIn(ctx, r, "")
	if listErr != nil {
		return errors.Join(err, listErr)
	}
	seen := map[string]bool{}
	for _, v := range list {
		if seen[v.UDID] || v.UDID == "" {
			continue
		}
		seen[v.UDID] = true
		err = errors.Join(err, s.update(ctx, v.UDID, func(p *catalog.Phone) error {
			if p.Name == "" {
				p.Name, p.IOS = v.Name, v.IOS
			}
			return nil
		}), s.refresh(ctx, r, v.UDID))
	}
	return err
}

// showPlace fills in what the first page says of the place.
func (s *Service) showPlace(o *Overview, who Who) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.home.place != nil {
		o.Place = s.home.place.String()
	}
	if s.placeErr != nil {
		o.PlaceErr = s.placeErr.Error()
	}
	o.Free = s.free
	if !who.Admin {
		o.Place = ""
	}
}
