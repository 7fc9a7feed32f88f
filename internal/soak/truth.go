package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

// truth checks what the page, asked at a moment, says of a phone against what is so.
func (h *house) truth(ctx context.Context, asked time.Time, p *person, v service.Phone, list []service.Version) {
	now := h.clock.Now()
	name := p.who.Name
	wrong := func(format string, args ...any) {
		h.complain(name+": the page says %q (%s, do %q, why %q); "+format+"; %s", append(append([]any{v.State.Text, v.State.Mood, v.State.Do, v.State.Why}, args...), h.lastJob(ctx, v.UDID))...)
	}
	cable, wifi := p.reachable()
	if v.Cable != cable || v.WiFi != wifi {
		wrong("cable %t, Wi-Fi %t; it is cable %t, Wi-Fi %t", v.Cable, v.WiFi, cable, wifi)
	}
	if v.State.Text == "" {
		wrong("that is nothing")
	}
	var newest, verified time.Time
	for _, x := range list {
		if x.Media {
			continue
		}
		if x.Time.After(newest) {
			newest = x.Time
		}
		if !x.Verified.IsZero() && x.Time.After(verified) {
			verified = x.Time
		}
	}
	same := func(a, b time.Time) bool { return a.Truncate(time.Millisecond).Equal(b.Truncate(time.Millisecond)) } // as the catalog has it
	if !same(v.LastBackup, newest) || !same(v.LastVerified, verified) || v.Versions != len(list) {
		wrong("backup %v verified %v of %d; it is %v, %v, %d", v.LastBackup, v.LastVerified, v.Versions, newest, verified, len(list))
	}
	if newest.After(now.Add(time.Minute)) {
		wrong("the newest version is of %v", newest)
	}
	// Time goes on while the page is made: a day may end meanwhile.
	days := func(at time.Time) int { return int(at.Sub(verified) / (24 * time.Hour)) }
	if n := v.DaysVerified; n < days(asked) || n > days(now) {
		wrong("%d days; it is %d", n, days(now))
	}
	if late := v.DaysVerified >= p.policy.RemindAfterDays; late != (v.State.Mood == service.Late) && v.Job == nil && v.State.Mood != service.Failed {
		wrong("it is %d days", v.DaysVerified)
	}
	if v.State.Mood == service.Working && v.Job == nil {
		wrong("no job runs")
	}
	if !v.Next.IsZero() && v.Next.Before(now.Add(-time.Minute)) && v.State.Mood != service.Late && v.Job == nil {
		wrong("the next one was to start %v ago", now.Sub(v.Next))
	}
	h.reminders(p, v, wrong)
	h.words(p, v, wrong)
}

// aDayOfLooks is how many looks are certainly more than a day.
const aDayOfLooks = 160

// reminders checks that people are told of a phone that is late.
func (h *house) reminders(p *person, v service.Phone, wrong func(string, ...any)) {
	about := h.mail.about(p.who.Name + "'s iPhone has had no verified backup for")
	if v.DaysVerified < p.policy.RemindAfterDays {
		p.lateLooks, p.told = 0, about
		return
	}
	if p.lateLooks++; p.lateLooks == aDayOfLooks && about == p.told {
		wrong("nobody was told that it is late")
	}
}

// words checks sentences against facts.
func (h *house) words(p *person, v service.Phone, wrong func(string, ...any)) {
	text := v.State.Text + " " + v.State.Why
	has := func(part string) bool { return strings.Contains(text, part) }
	cable, wifi := p.reachable()
	if has("was refused on") || has("Nobody entered") {
		time.Sleep(20 * time.Millisecond) // the diary is written a moment after the phone has answered
	}
	prompts := p.prompts()
	last := entry{}
	if len(prompts) > 0 {
		last = prompts[len(prompts)-1]
	}
	for _, c := range []struct {
		said  string
		so    bool
		truth string
	}{
		{"is not on this network", !cable && !wifi, "it is here"},
		{"does not answer", !cable && !wifi, "it is here"},
		{"was never paired", false, "it was"},
		{"not trust this computer", false, "it does"},
		{"shows its set-up", false, "it does not"},
		{"The place of the backups cannot be used", h.disk.away(h.clock.Now()), "it can"},
		{"The backup was refused on", last.answer == schedule.No, "the last prompt got " + string(last.answer)},
		{"Nobody entered the passcode", last.answer == schedule.Ignored || last.answer == schedule.No, "the last prompt got " + string(last.answer)},
		{"and verified", !v.LastVerified.IsZero(), "it never was"},
		{"is not backed up automatically", false, "it is"},
	} {
		if has(c.said) && !c.so {
			wrong("%s", c.truth)
		}
	}
	if v.State.Mood == service.Good {
		age := h.clock.Now().Sub(v.LastVerified)
		if limit := time.Duration(p.policy.EveryDays+1) * 24 * time.Hour; age > limit+time.Hour {
			wrong("the last verified backup is %v old", age)
		}
	}
}

// truthOfHouse checks what the page says of the rest.
func (h *house) truthOfHouse(ctx context.Context, o service.Overview) {
	for _, j := range o.Running {
		if now, err := h.svc.Job(ctx, service.System, j.ID); err != nil || now.State != service.Running && now.Ended.IsZero() {
			h.complain("the page says that job %d runs; it is %s, %v", j.ID, now.State, err)
		}
	}
	for _, v := range o.Fresh {
		h.complain("the page shows %s (of %q) as fresh: %+v", v.Name, v.OwnerName, v.State)
	}
}

// lastJob tells of the newest job of a phone, for those who look for the cause.
func (h *house) lastJob(ctx context.Context, udid string) string {
	list, err := h.svc.Jobs(ctx, service.System, udid, 0, 1)
	if err != nil || len(list) == 0 {
		return "there is no job"
	}
	j, err := h.svc.Job(ctx, service.System, list[0].ID)
	if err != nil {
		return err.Error()
	}
	text := fmt.Sprintf("the last job is %d, %s, %s, %q %q", j.ID, j.Kind, j.State, j.Text, j.Error)
	for _, l := range j.Log {
		text += fmt.Sprintf("\n\t%s %s: %s", l.Time.Format("15:04:05"), l.Kind, l.Text)
	}
	return text
}
