package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/service"
)

// settle waits until nothing happens any more: no job is open that could run, and
// the service has noticed where the phones are.
func (h *house) settle(ctx context.Context) error {
	quiet := 0
	return h.until(ctx, "quiet", func() (bool, error) {
		still, err := h.still(ctx)
		if err != nil {
			return false, err
		}
		if quiet++; !still {
			quiet = 0
		}
		return quiet >= 3, nil
	})
}

// still tells whether nothing seems to happen at this moment.
func (h *house) still(ctx context.Context) (bool, error) {
	o, err := h.svc.Overview(ctx, service.System)
	if err != nil {
		return false, err
	}
	if len(o.Running) > 0 {
		return false, nil
	}
	open, err := h.openJobs(ctx)
	if err != nil || open > 0 {
		return false, err
	}
	for _, p := range h.people {
		v, ok := shown(o, p)
		if !ok {
			continue
		}
		cable, wifi := p.reachable()
		if v.Job != nil || v.Cable != cable || v.WiFi != wifi || (cable || wifi) && h.meets(v) {
			return false, nil
		}
	}
	return true, nil
}

// meets tells whether the service talks to a phone that has just come: that takes
// some time of the real clock.
func (h *house) meets(v service.Phone) bool {
	text := v.State.Text + v.State.Why
	return strings.Contains(text, "is being asked how it is") || strings.Contains(text, "does not answer")
}

// openJobs counts the jobs that wait or run.
func (h *house) openJobs(ctx context.Context) (n int, err error) {
	jobs, err := h.svc.Jobs(ctx, service.System, "", 0, 50)
	if err != nil {
		return 0, err
	}
	for _, j := range jobs {
		if j.Ended.IsZero() {
			n++
		}
	}
	return n, nil
}

// shown is what the first page shows of a person's phone.
func shown(o service.Overview, p *person) (service.Phone, bool) {
	for _, v := range o.Phones {
		if v.UDID == p.phone.UDID() {
			return v, true
		}
	}
	return service.Phone{}, false
}

// complain notes that something is wrong; the third time that the same is wrong,
// it is known.
func (h *house) complain(format string, args ...any) {
	const enough = 3
	if h.wrong[format]++; h.wrong[format] <= enough {
		h.complaints = append(h.complaints, fmt.Errorf("%s: %w", h.clock.Now().Format("Mon 2 Jan 15:04:05"), fmt.Errorf(format, args...)))
	}
}
