package fake

import (
	"context"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/service"
)

// Overview implements server.Looker.
func (h *Household) Overview(_ context.Context, who service.Who) (service.Overview, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance()
	o := service.Overview{Ready: h.ready, Place: h.place, PlaceErr: h.o.PlaceErr, Free: 1_412 * gib}
	for _, udid := range h.order {
		p := h.phones[udid]
		switch {
		case !sees(who, p):
		case p.fresh:
			o.Fresh = append(o.Fresh, h.show(who, p))
		default:
			o.Phones = append(o.Phones, h.show(who, p))
		}
	}
	for _, j := range h.jobs {
		if j.running() && h.seesJob(who, j) {
			v := j.Job
			v.Log = nil
			o.Running = append(o.Running, v)
		}
	}
	o.Targets = slices.Clone(h.targets)
	return o, nil
}

// Phone implements server.Looker.
func (h *Household) Phone(_ context.Context, who service.Who, udid string) (service.Phone, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance()
	p, err := h.find(who, udid)
	if err != nil {
		return service.Phone{}, err
	}
	return h.show(who, p), nil
}

// show is p as who sees it now.
func (h *Household) show(who service.Who, p *phone) service.Phone {
	v := p.Phone
	v.Mine = v.Owner != 0 && v.Owner == who.Account
	v.MayOpen = mayOpen(who, p)
	v.DaysVerified = -1
	if !v.LastVerified.IsZero() {
		v.DaysVerified = int(h.o.Now().Sub(v.LastVerified) / (24 * time.Hour))
	}
	for _, j := range h.jobs {
		if j.running() && j.UDID == p.UDID {
			c := j.Job
			c.Log = nil
			v.Job = &c
			v.State = service.State{Mood: service.Working, Text: c.Text, Do: c.Do}
			if c.Do != "" {
				v.State.Mood = service.Asking
			}
		}
	}
	return v
}

// Versions implements server.Looker.
func (h *Household) Versions(_ context.Context, who service.Who, udid string) ([]service.Version, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.advance()
	p, err := h.find(who, udid)
	if err != nil {
		return nil, err
	}
	return slices.Clone(p.versions), nil
}

func someTargets(now time.Time) []service.Target {
	return []service.Target{
		{Name: "blue-disk", Location: "/media/blue/keepsake", Kind: "disk", Here: true, LastCopied: now.Add(-7 * time.Hour), Behind: 0, Free: 812 * gib, Automatic: true},
		{Name: "key-in-the-drawer", Location: "/media/key/keepsake", Kind: "disk", Err: "It is not plugged in.", LastCopied: now.Add(-41 * 24 * time.Hour), Behind: 23, Free: -1, Automatic: true},
		{Name: "garage", Location: "rest:https://garage.lan:8000/keepsake", Kind: "server", Here: true, LastCopied: now.Add(-31 * time.Hour), Behind: 2, Free: 96 * gib, Automatic: true},
	}
}
