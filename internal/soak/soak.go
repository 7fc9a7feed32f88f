package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"time"
	_ "time/tzdata" // a zone in which clocks are put forward, wherever this runs

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

// tick is how far the clock leaps when nothing happens.
const tick = 10 * time.Minute

// soak lives through days and tells what was wrong.
func soak(ctx context.Context, dir string, days int, seed uint64, log *slog.Logger, out io.Writer) (err error) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	// The clocks are put forward on the 29th.
	start := time.Date(2026, 3, 26, 19, 0, 0, 0, zone)
	began := time.Now()
	h, err := newHouse(ctx, dir, seed, start, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	if err := h.open(ctx); err != nil {
		return err
	}
	if err := h.furnish(ctx); err != nil {
		return fmt.Errorf("furnish the house: %w", err)
	}
	diaries, stop := context.WithCancel(ctx)
	defer stop()
	for _, p := range h.people {
		go p.keepDiary(diaries, h.clock)
	}
	if err := h.live(ctx, start.AddDate(0, 0, days)); err != nil {
		return errors.Join(append(h.complaints, fmt.Errorf("%s: %w", h.clock.Now().Format("Mon 2 Jan 15:04"), err))...)
	}
	if err := h.finish(ctx); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	h.report(out, days, time.Since(began))
	return errors.Join(h.complaints...)
}

// live goes through the days.
func (h *house) live(ctx context.Context, end time.Time) error {
	start := h.clock.Now()
	in := &incidents{h: h}
	if err := h.look(ctx); err != nil {
		return err
	}
	for h.clock.Now().Before(end) {
		now := h.clock.Now().Add(tick)
		for _, p := range h.people { // while nothing happens: the diary has to be right
			if err := p.deal(now); err != nil {
				return err
			}
		}
		h.clock.leap(now)
		for _, p := range h.people {
			if err := p.live(now, p.travels(int(now.Sub(start)/(24*time.Hour)))); err != nil {
				return err
			}
		}
		if err := in.happen(ctx, now); err != nil {
			return err
		}
		if err := h.wish(ctx, now); err != nil {
			return err
		}
		if err := h.settle(ctx); err != nil {
			return err
		}
		if err := h.look(ctx); err != nil {
			return err
		}
	}
	if err := in.end(ctx); err != nil {
		return err
	}
	return h.look(ctx)
}

// wish lets people ask for a backup, and use their phones.
func (h *house) wish(ctx context.Context, now time.Time) error {
	for _, p := range h.people {
		if p.day != now.YearDay() || now.Hour() < 8 {
			continue
		}
		able := p.home && (p.wifi || p.cable) && now.Hour() < 22
		switch n := h.rnd.IntN(400); {
		case n == 0 && able:
			p.act(h.clock.Now())
			if id, err := h.svc.BackUp(ctx, p.who, p.phone.UDID(), false); err == nil {
				h.asked = append(h.asked, id)
				h.tally["Back Up Now"]++
			}
		case n < 4 && able:
			p.act(h.clock.Now())
			if _, err := h.svc.Signal(ctx, p.who, p.phone.UDID()); err != nil {
				return err
			}
			h.tally["signals"]++
		case n < 16:
			still, err := h.still(ctx)
			if err != nil {
				return err
			}
			if !still {
				continue // a phone that is being backed up lies still
			}
			if _, err := p.phone.Use(ctx, 1); err != nil {
				return err
			}
			h.tally["days of use"]++
		}
	}
	return nil
}

// look takes in what is there after a step and checks what the page says.
func (h *house) look(ctx context.Context) error {
	asked, o, versions, err := h.page(ctx)
	if err != nil {
		return err
	}
	for _, p := range h.people {
		v, ok := shown(o, p)
		if !ok {
			h.complain("the page does not show %s", p.who.Name)
			continue
		}
		if err := h.remember(ctx, p, versions[p]); err != nil {
			return err
		}
		h.truth(ctx, asked, p, v, versions[p])
	}
	h.truthOfHouse(ctx, o)
	h.tally["looks"]++
	return nil
}

// page is what the service shows of phones and their versions at one moment, and when
// that was. A version that comes while both are asked for is no lie: they are asked for
// again, which in the end gives the same twice.
func (h *house) page(ctx context.Context) (asked time.Time, o service.Overview, versions map[*person][]service.Version, err error) {
	for before := map[*person][]service.Version(nil); ; before = versions {
		asked = h.clock.Now()
		if o, err = h.svc.Overview(ctx, service.System); err != nil {
			return asked, o, nil, err
		}
		versions = map[*person][]service.Version{}
		for _, p := range h.people {
			if versions[p], err = h.svc.Versions(ctx, service.System, p.phone.UDID()); err != nil {
				return asked, o, nil, err
			}
		}
		if reflect.DeepEqual(before, versions) {
			return asked, o, versions, nil
		}
	}
}

// remember notes what the phone was like when its newest version was made.
func (h *house) remember(ctx context.Context, p *person, list []service.Version) (err error) {
	i := slices.IndexFunc(list, func(v service.Version) bool { return !v.Media })
	if i < 0 || h.twins[list[i].ID] != "" {
		return nil
	}
	h.twins[list[i].ID], err = digest(ctx, p)
	h.tally["versions"]++
	return err
}

func digest(ctx context.Context, p *person) (string, error) {
	var b bytes.Buffer
	err := p.phone.Digest(ctx, &b)
	return b.String(), err
}

func (h *house) report(out io.Writer, days int, took time.Duration) {
	fmt.Fprintf(out, "%d days of %d phones in %s\n", days, len(h.people), took.Round(time.Second))
	for _, what := range slices.Sorted(maps.Keys(h.tally)) {
		fmt.Fprintf(out, "  %6d %s\n", h.tally[what], what)
	}
	for _, p := range h.people {
		n := map[schedule.Answer]int{}
		for _, e := range p.prompts() {
			n[e.answer]++
		}
		fmt.Fprintf(out, "  %-6s %3d prompts: %d yes, %d no, %d ignored; %d times asked for by people\n",
			p.who.Name, len(p.prompts()), n[schedule.Yes], n[schedule.No], n[schedule.Ignored], len(p.ownActs()))
	}
	fmt.Fprintf(out, "  %6d messages to people\n  %6d things wrong\n", h.mail.about(""), len(h.complaints))
}
