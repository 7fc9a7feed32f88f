package server

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/service"
)

// each applies f to all of in; never nil, so that JSON has [] and not null.
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

func wireOverview(o service.Overview) api.Overview {
	return api.Overview{Ready: o.Ready, Phones: each(o.Phones, wirePhone), Fresh: each(o.Fresh, wirePhone), Targets: each(o.Targets, wireTarget),
		Running: each(o.Running, wireJob), Place: o.Place, PlaceError: o.PlaceErr, Free: o.Free}
}

func wirePhone(p service.Phone) api.Phone {
	w := api.Phone{
		UDID: p.UDID, Name: p.Name, Model: p.Model, ProductType: p.ProductType, IOS: p.IOS, Color: p.Color, Owner: p.Owner, OwnerName: p.OwnerName,
		Mine: p.Mine, MayOpen: p.MayOpen, Granted: p.Granted, State: api.State{Mood: string(p.State.Mood), Text: p.State.Text, Do: p.State.Do, Why: p.State.Why},
		Cable: p.Cable, WiFi: p.WiFi, Paired: p.Paired, WiFiOn: p.WiFiOn, InSetup: p.InSetup, LastSeen: p.LastSeen.UTC(), KnowsPassword: p.KnowsPassword,
		Battery: p.BatteryPercent, Charging: p.Charging, Storage: each(p.Storage, func(u service.Usage) api.Usage { return api.Usage(u) }), Capacity: p.Capacity,
		Policy: wirePolicy(p.Policy), Retention: api.Retention(p.Retention), LastBackup: p.LastBackup.UTC(), LastVerified: p.LastVerified.UTC(),
		LastRehearsal: p.LastRehearsal.UTC(), RehearsalOK: p.RehearsalOK, DaysVerified: p.DaysVerified, Next: p.Next.UTC(), NextWhy: p.NextWhy,
		Versions: p.Versions, Stored: p.Stored,
	}
	if p.EncryptedKnown {
		w.Encrypted = &p.Encrypted
	}
	if p.Job != nil {
		j := wireJob(*p.Job)
		w.Job = &j
	}
	return w
}

func wirePolicy(p schedule.Policy) api.Policy {
	return api.Policy{Automatic: p.Automatic, EveryDays: p.EveryDays, From: wireClock(p.Window.From), To: wireClock(p.Window.To), OnConnect: p.OnConnect,
		OnPower: p.OnPower, MinBattery: p.MinBattery, OnUnlock: p.OnUnlock, Media: p.Media, RemindAfterDays: p.RemindAfterDays}
}

func wireClock(c schedule.Clock) string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

func policyOf(w api.Policy) (schedule.Policy, error) {
	from, err := clockOf(w.From)
	if err != nil {
		return schedule.Policy{}, err
	}
	to, err := clockOf(w.To)
	if err != nil {
		return schedule.Policy{}, err
	}
	return schedule.Policy{Automatic: w.Automatic, EveryDays: w.EveryDays, Window: schedule.Window{From: from, To: to}, OnConnect: w.OnConnect,
		OnPower: w.OnPower, MinBattery: w.MinBattery, OnUnlock: w.OnUnlock, Media: w.Media, RemindAfterDays: w.RemindAfterDays}, nil
}

func clockOf(s string) (schedule.Clock, error) {
	hour, minute, ok := strings.Cut(s, ":")
	h, err := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err != nil || err2 != nil || h > 23 || m > 59 {
		return 0, &inputError{"that is no time of day", "Write it as 22:30."}
	}
	return schedule.Clock(h*60 + m), nil
}

func wireVersion(v service.Version) api.Version {
	return api.Version{ID: v.ID, UDID: v.UDID, Media: v.Media, Time: v.Time.UTC(), Name: v.Name, IOS: v.IOS, Files: v.Files, Size: v.Size, Added: v.Added,
		Encrypted: v.Encrypted, Sealed: v.Sealed, Verified: v.Verified.UTC(), Rehearsed: v.Rehearsed.UTC(), RehearsalOK: v.RehearsalOK, Pinned: v.Pinned, Copies: v.Copies}
}

func wireListing(l service.Listing) api.Listing {
	return api.Listing{Version: wireVersion(l.Version), Path: l.Path, Next: l.Next, Entries: each(l.Entries, func(e service.Entry) api.Entry {
		return api.Entry{Path: e.Path, Name: e.Name, App: e.App, Dir: e.Dir, Size: e.Size, Modified: e.ModTime.UTC()}
	})}
}

func wireTarget(t service.Target) api.Target {
	return api.Target{Name: t.Name, Location: t.Location, Kind: t.Kind, Here: t.Here, Error: t.Err, LastCopied: t.LastCopied.UTC(), Behind: t.Behind, Free: t.Free, Automatic: t.Automatic}
}

func wireJob(j service.Job) api.Job {
	w := api.Job{ID: j.ID, Kind: string(j.Kind), UDID: j.UDID, Name: j.Name, Target: j.Target, Trigger: j.Trigger, State: string(j.State), Text: j.Text, Do: j.Do,
		Fraction: j.Fraction, Files: j.Files, FilesTotal: j.FilesTotal, Bytes: j.Bytes, BytesTotal: j.BytesTotal, Rate: j.Rate, Seconds: j.Left.Seconds(),
		Error: j.Error, Hint: j.Hint, Version: j.Version, Queued: j.Queued.UTC(), Started: j.Started.UTC(), Ended: j.Ended.UTC()}
	for _, l := range j.Log {
		w.Log = append(w.Log, api.LogLine{Time: l.Time.UTC(), Kind: l.Kind, Text: l.Text})
	}
	return w
}

func wireEvent(e service.Event) api.Event {
	w := api.Event{Kind: e.Kind, UDID: e.UDID}
	if e.Job != nil {
		j := wireJob(*e.Job)
		j.Log = nil
		w.Job = &j
	}
	return w
}

func restoreOf(w api.Restore) service.RestoreRequest {
	return service.RestoreRequest{UDID: w.UDID, Source: w.Source, Version: w.Version, Settings: w.Settings, System: w.System, RemoveOthers: w.RemoveOthers, Domains: w.Domains}
}

func wirePreflight(p service.Preflight) api.Preflight {
	return api.Preflight{Ready: p.Ready, Findings: each(p.Findings, func(f service.Finding) api.Finding { return api.Finding(f) }), Files: p.Files, Bytes: p.Bytes,
		AppsBack: p.AppsBack, AppsByHand: p.AppsByHand, NeedsPassword: p.NeedsPassword}
}

func wireSettings(s service.Settings) api.Settings {
	return api.Settings{Name: s.Name, Notify: append([]string{}, s.Notify...), Ping: s.Ping, AfterBackup: s.AfterBackup, HandOver: s.HandOver, Parallel: s.Parallel,
		CheckWeekly: s.CheckWeekly, RehearseMonthly: s.RehearseMonthly}
}

func settingsOf(w api.Settings) service.Settings {
	return service.Settings{Name: w.Name, Notify: w.Notify, Ping: w.Ping, AfterBackup: w.AfterBackup, HandOver: w.HandOver, Parallel: w.Parallel,
		CheckWeekly: w.CheckWeekly, RehearseMonthly: w.RehearseMonthly}
}
