package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/schedule"
)

const (
	settingsKey = "settings"
	// names of secrets
	notifySecret = "notify"
	pingSecret   = "ping"
)

// stored is what of the settings is kept in the clear.
type stored struct {
	Name            string `json:"name"`
	HandOver        string `json:"hand_over,omitempty"`
	Parallel        int    `json:"parallel"`
	CheckWeekly     int    `json:"check_weekly"`
	RehearseMonthly bool   `json:"rehearse_monthly"`
}

// settings are those of the service, without secrets.
func (s *Service) settings(ctx context.Context) (Settings, error) {
	v := stored{Name: "Home", Parallel: defaultParallel, CheckWeekly: 5, RehearseMonthly: true}
	if err := s.get(ctx, settingsKey, &v); err != nil {
		return Settings{}, fmt.Errorf("read settings: %w", err)
	}
	return Settings{Name: v.Name, HandOver: v.HandOver, Parallel: v.Parallel, CheckWeekly: v.CheckWeekly, RehearseMonthly: v.RehearseMonthly, AfterBackup: s.o.AfterBackup}, nil
}

// parallel is how many phones are worked on at a time.
func (s *Service) parallel(ctx context.Context) int {
	s.mu.Lock()
	n := s.atOnce
	s.mu.Unlock()
	if n == 0 {
		set, err := s.settings(ctx)
		if err != nil {
			return defaultParallel
		}
		n = set.Parallel
		s.mu.Lock()
		s.atOnce = n
		s.mu.Unlock()
	}
	return min(max(n, 1), 16)
}

// Settings are of the whole service. Secrets read as Kept.
func (s *Service) Settings(ctx context.Context, who Who) (Settings, error) {
	if err := s.mayHere(who, toManage); err != nil && !(who.Admin && who.ReadOnly && who.Phones == nil) {
		return Settings{}, err
	}
	set, err := s.settings(ctx)
	if err != nil {
		return Settings{}, err
	}
	urls, err := s.notifyURLs(ctx)
	if err != nil {
		return Settings{}, err
	}
	for range urls {
		set.Notify = append(set.Notify, Kept)
	}
	ping, err := s.pingURL(ctx)
	if err == nil && !ping.IsZero() {
		set.Ping = Kept
	}
	return set, err
}

// SetSettings changes them. Kept among the places for messages stays what stands
// at the same place of the list; AfterBackup is not looked at.
func (s *Service) SetSettings(ctx context.Context, who Who, set Settings) error {
	if err := s.mayHere(who, toManage); err != nil {
		return err
	}
	if err := checkSettings(&set); err != nil {
		return err
	}
	urls, err := s.newURLs(ctx, set.Notify)
	if err != nil {
		return err
	}
	if err := s.setPing(ctx, set.Ping); err != nil {
		return err
	}
	if err := s.sealJSON(ctx, notifySecret, urls); err != nil {
		return err
	}
	err = s.db.Set(ctx, settingsKey, stored{set.Name, set.HandOver, set.Parallel, set.CheckWeekly, set.RehearseMonthly})
	if err != nil {
		return fmt.Errorf("keep settings: %w", err)
	}
	s.mu.Lock()
	s.atOnce = set.Parallel
	s.mu.Unlock()
	s.audit(ctx, who, "settings", "", "")
	s.hub.tell(Event{Kind: "setting"})
	s.nudge()
	return nil
}

func checkSettings(set *Settings) error {
	set.Name, set.HandOver = strings.TrimSpace(set.Name), strings.TrimSpace(set.HandOver)
	switch {
	case set.Name == "" || len(set.Name) > 100:
		return hinted("give one of at most 100 letters", "keep settings: the name of this service is missing or too long")
	case set.Parallel < 1 || set.Parallel > 16:
		return hinted("choose 1 to 16", "keep settings: %d phones at once", set.Parallel)
	case set.CheckWeekly < 0 || set.CheckWeekly > 100:
		return hinted("choose 0 to 100 percent", "keep settings: %d percent are checked every week", set.CheckWeekly)
	case set.HandOver != "" && !filepath.IsAbs(set.HandOver):
		return hinted("write it from the top", "keep settings: the folder for photos is no full path")
	case len(set.Notify) > 50:
		return hinted("50 are enough", "keep settings: too many places for messages")
	}
	return nil
}

// newURLs takes the places for messages, each new, or Kept.
func (s *Service) newURLs(ctx context.Context, list []string) ([]string, error) {
	old, err := s.notifyURLs(ctx)
	if err != nil {
		return nil, err
	}
	var urls []string
	for i, text := range list {
		text = strings.TrimSpace(text)
		switch {
		case text == "":
			continue
		case text == Kept && i < len(old):
			urls = append(urls, old[i].Reveal())
			continue
		case text == Kept:
			return nil, hinted("type its URL", "keep settings: place %d for messages is new", i+1)
		}
		if err := notify.Validate(secret.NewText(text)); err != nil {
			return nil, hinted("see docs/notifications.md for how they are written", "keep settings: place %d for messages: %w", i+1, err)
		}
		urls = append(urls, text)
	}
	return urls, nil
}

func (s *Service) setPing(ctx context.Context, text string) error {
	text = strings.TrimSpace(text)
	switch text {
	case Kept:
		return nil
	case "":
		return s.forgetSecret(ctx, pingSecret)
	}
	if err := (notify.Ping{URL: secret.NewText(text)}).Validate(); err != nil {
		return hinted("it is an address such as https://hc-ping.com/…", "keep settings: %w", err)
	}
	return s.sealSecret(ctx, pingSecret, []byte(text))
}

// notifyURLs are the places for messages.
func (s *Service) notifyURLs(ctx context.Context) ([]secret.Text, error) {
	b, err := s.unsealed(ctx, notifySecret)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	var list []string
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, errors.New("read places for messages: they are damaged") // the cause would quote them
	}
	var urls []secret.Text
	for _, u := range list {
		urls = append(urls, secret.NewText(u))
	}
	return urls, nil
}

func (s *Service) pingURL(ctx context.Context) (secret.Text, error) {
	b, err := s.unsealed(ctx, pingSecret)
	if err != nil || len(b) == 0 {
		return secret.Text{}, err
	}
	return secret.NewText(string(b)), nil
}

// SetPolicy changes when a phone is backed up.
func (s *Service) SetPolicy(ctx context.Context, who Who, udid string, p schedule.Policy) error {
	if err := p.Validate(); err != nil {
		return &HintError{err, "choose other values"}
	}
	return s.change(ctx, who, toSteer, udid, "policy", func(c *catalog.Phone) error { c.Policy = p; return nil })
}

// SetRetention changes how many versions of a phone are kept.
func (s *Service) SetRetention(ctx context.Context, who Who, udid string, r Retention) error {
	if err := r.check(); err != nil {
		return err
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return s.change(ctx, who, toSteer, udid, "retention", func(c *catalog.Phone) error { c.Retention = b; return nil })
}

// SetOwner gives a phone to an account; 0 is nobody.
func (s *Service) SetOwner(ctx context.Context, who Who, udid string, account int64) error {
	if account != 0 {
		if _, err := s.db.Account(ctx, account); err != nil {
			return fmt.Errorf("set owner: %w", err)
		}
	}
	return s.change(ctx, who, toOwn, udid, "owner", func(c *catalog.Phone) error {
		if c.Owner != account {
			c.Owner, c.Granted = account, false // what one owner allowed is not the other's word
		}
		return nil
	})
}

// SetGrant lets admins look inside a phone's backups, or no longer.
func (s *Service) SetGrant(ctx context.Context, who Who, udid string, on bool) error {
	return s.change(ctx, who, toGrant, udid, "grant", func(c *catalog.Phone) error { c.Granted = on; return nil })
}

// SetAddress says where to look for a phone besides; "" nowhere.
func (s *Service) SetAddress(ctx context.Context, who Who, udid, address string) error {
	address = strings.TrimSpace(address)
	if len(address) > 255 || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\@?#`, r) }) {
		return hinted("it is a name or an IP address, and perhaps a port", "set address: that is none")
	}
	err := s.change(ctx, who, toSteer, udid, "address", func(c *catalog.Phone) error { c.Address = address; return nil })
	if err == nil {
		s.o.Phones.Refresh()
	}
	return err
}

// change lets fn change what is kept of a phone.
func (s *Service) change(ctx context.Context, who Who, d deed, udid, what string, fn func(*catalog.Phone) error) error {
	if _, err := s.may(ctx, who, d, udid); err != nil {
		return err
	}
	if err := s.update(ctx, udid, fn); err != nil {
		return err
	}
	s.audit(ctx, who, what, udid, "")
	s.tellPhone(udid)
	s.nudge()
	return nil
}

// Pin keeps a version whatever the retention says, or no longer.
func (s *Service) Pin(ctx context.Context, who Who, udid, version string, on bool) error {
	if _, err := s.may(ctx, who, toKeep, udid); err != nil {
		return err
	}
	if _, err := s.version(ctx, udid, version); err != nil {
		return err
	}
	s.noteUpkeep(ctx, udid, func(u *upkeep) {
		pinned := slices.DeleteFunc(slices.Clone(u.Pinned), func(id string) bool { return id == version })
		if on {
			pinned = append(pinned, version)
		}
		u.Pinned = pinned
	})
	s.tellPhone(udid)
	return nil
}
