package service

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/schedule"
)

// Overview is what the first page shows. It is answered from the catalog and from
// memory alone: no phone and no repository is asked.
func (s *Service) Overview(ctx context.Context, who Who) (Overview, error) {
	if err := s.mayHere(who, toLook); err != nil {
		return Overview{}, err
	}
	phones, err := s.db.Phones(ctx)
	if err != nil {
		return Overview{}, fmt.Errorf("read phones: %w", err)
	}
	o := Overview{Ready: s.ready() == nil, Free: -1}
	for _, p := range phones {
		s.remember(p)
		if allowed(who, toSee, rightsOf(p)) != nil {
			continue
		}
		shown := s.phone(ctx, who, p)
		switch {
		case p.Owner != 0:
			o.Phones = append(o.Phones, shown)
			if shown.Cable && (shown.InSetup || !shown.Paired) {
				o.Fresh = append(o.Fresh, shown) // it was reset, or forgot this computer: it can be restored
			}
		case shown.Cable || shown.WiFi || shown.Versions > 0:
			o.Fresh = append(o.Fresh, shown)
		}
	}
	byName := func(a, b Phone) int {
		return strings.Compare(strings.ToLower(a.Name)+a.UDID, strings.ToLower(b.Name)+b.UDID)
	}
	slices.SortFunc(o.Phones, byName)
	slices.SortFunc(o.Fresh, byName)
	s.showPlace(&o, who)
	o.Targets = s.targetsFor(who)
	o.Running = s.runningFor(who)
	return o, nil
}

// runningFor are the jobs that run and that who may see.
func (s *Service) runningFor(who Who) []Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Job
	for _, r := range s.running {
		if r.id <= 0 {
			continue
		}
		if r.udid == "" && (!who.Admin || who.Phones != nil) || r.udid != "" && !s.sees(who, r.udid) {
			continue
		}
		out = append(out, r.live.snapshot())
	}
	slices.SortFunc(out, func(a, b Job) int { return int(a.ID - b.ID) })
	return out
}

// Phone is all that is known of a phone.
func (s *Service) Phone(ctx context.Context, who Who, udid string) (Phone, error) {
	p, err := s.may(ctx, who, toSee, udid)
	if err != nil {
		return Phone{}, err
	}
	return s.phone(ctx, who, p), nil
}

func (s *Service) phone(ctx context.Context, who Who, p catalog.Phone) Phone {
	k := s.known(ctx, p)
	u := upkeepIn(p)
	d := schedule.Decide(p.Policy, k.facts())
	out := Phone{
		UDID: p.UDID, Name: nameOr(p), Model: device.ModelName(p.ProductType), ProductType: p.ProductType, IOS: p.IOS, Color: p.Color,
		Owner: p.Owner, OwnerName: k.owner, Mine: p.Owner != 0 && p.Owner == who.Account, MayOpen: allowed(who, toOpen, rightsOf(p)) == nil, Granted: p.Granted,
		Cable: k.near.sighting.Has(discovery.Cable), WiFi: k.near.sighting.Has(discovery.WiFi), Paired: p.Paired, WiFiOn: p.WiFiOn,
		InSetup: p.InSetup, LastSeen: p.LastSeen, EncryptedKnown: p.Encrypted != nil, Encrypted: p.Encrypted != nil && *p.Encrypted,
		BatteryPercent: -1, Capacity: p.Capacity, Policy: p.Policy, Retention: retentionOf(p),
		LastBackup: k.sum.last, LastVerified: k.sum.verified, LastRehearsal: k.sum.rehearsal, RehearsalOK: k.sum.rehearsalOK, DaysVerified: -1,
		Next: d.Next, NextWhy: d.NextWhy, Versions: k.sum.count, Stored: k.sum.stored, Job: k.job,
	}
	if out.Job == nil {
		out.Job = k.beside
	}
	if k.near.sighting.Reachable() {
		out.LastSeen = k.now
	}
	if !k.near.contact.at.IsZero() {
		out.BatteryPercent, out.Charging = k.near.contact.battery.Percent, k.near.contact.battery.Charging || k.near.contact.battery.External
	}
	if !k.sum.verified.IsZero() {
		out.DaysVerified = max(days(k.sum.verified, k.now), 0)
	}
	out.KnowsPassword = out.EncryptedKnown && !out.Encrypted || u.KnowsPassword && !k.sum.newestSealed
	out.Storage = storageOf(p)
	out.State = stateOf(k, d, u, out.KnowsPassword)
	if p.Owner == 0 {
		out.Next, out.NextWhy = time.Time{}, ""
	}
	return out
}

func storageOf(p catalog.Phone) []Usage {
	var list []Usage
	for _, kind := range kinds {
		if n := p.Usage[kind]; n > 0 {
			list = append(list, Usage{kind, n})
		}
	}
	return list
}

func retentionOf(p catalog.Phone) (r Retention) {
	if len(p.Retention) > 0 && json.Unmarshal(p.Retention, &r) != nil {
		return Retention{} // keeps everything
	}
	return r
}

// nameOf is what a phone is called, "" of none.
func (s *Service) nameOf(ctx context.Context, udid string) string {
	if udid == "" {
		return ""
	}
	p, err := s.db.Phone(ctx, udid)
	if err != nil {
		return "iPhone"
	}
	return nameOr(p)
}

// ownerName is what an account is called.
func (s *Service) ownerName(ctx context.Context, account int64) string {
	if account == 0 {
		return ""
	}
	a, err := s.db.Account(ctx, account)
	if err != nil {
		return ""
	}
	return a.Name
}

// Versions are those of a phone, newest first.
func (s *Service) Versions(ctx context.Context, who Who, udid string) ([]Version, error) {
	if _, err := s.may(ctx, who, toSee, udid); err != nil {
		return nil, err
	}
	return s.versions(ctx, udid)
}
