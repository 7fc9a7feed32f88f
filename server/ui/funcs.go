package ui

import (
	"errors"
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
)

// funcs are what the templates can call.
func funcs(now func() time.Time, a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":     a.url,
		"icon":      icon,
		"drawing":   drawing,
		"storage":   storage,
		"meter":     meter,
		"bytes":     size,
		"count":     count,
		"stamp":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"plural":    plural,
		"ago":       func(t time.Time) template.HTML { return timeTag(t, now(), ago(t, now())) },
		"when":      func(t time.Time) template.HTML { return timeTag(t, now(), when(t, now())) },
		"day":       func(t time.Time) template.HTML { return timeTag(t, now(), day(t, now())) },
		"clock":     func(t time.Time) string { return t.In(now().Location()).Format("15:04") },
		"hour":      func(c schedule.Clock) string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) },
		"long":      long,
		"percent":   func(f float64) int { return int(math.Round(f * 100)) },
		"query":     url.QueryEscape,
		"seg":       url.PathEscape,
		"dict":      dict,
		"short":     func(id string) string { return id[:min(8, len(id))] },
		"initial":   initial,
		"kind":      kind,
		"state":     state,
		"system":    system,
		"upper":     upper,
		"late":      late,
		"soon":      soon,
		"mood":      func(m service.Mood) string { return moodIcon(m) },
		"jobmood":   jobMood,
		"free":      free,
		"whole":     func(f float64) int64 { return int64(f) },
		"swatch":    swatch,
		"placeicon": placeIcon,
	}
}

// dict makes a map of names and values, for the parts that want more than one.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict: a name without a value")
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

// size is n bytes for people, in thousands as phones count them; "unknown" below 0.
func size(n int64) string {
	if n < 0 {
		return "unknown"
	}
	return humanize.Bytes(uint64(n))
}

// count is a number, an int or int64, for people.
func count(n any) (string, error) {
	switch n := n.(type) {
	case int:
		return humanize.Comma(int64(n)), nil
	case int64:
		return humanize.Comma(n), nil
	}
	return "", fmt.Errorf("count: %T is no number", n)
}

func plural(n any, one, many string) string {
	s := fmt.Sprint(n)
	if s == "1" {
		return "1 " + one
	}
	return s + " " + many
}

func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// upper begins s with a capital: errors of programs begin small, sentences do not.
func upper(s string) string {
	if s == "" {
		return ""
	}
	return initial(s) + s[len(string([]rune(s)[:1])):]
}

// timeTag is text in an element that says the exact time to whoever asks.
func timeTag(t, now time.Time, text string) template.HTML {
	if t.IsZero() {
		return template.HTML(template.HTMLEscapeString(text))
	}
	t = t.In(now.Location())
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339), t.Format("Monday, 2 January 2006, 15:04"), template.HTMLEscapeString(text)))
}

// ago is how long ago t was, as people say it.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < -time.Minute:
		return when(t, now)
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return plural(int(d.Minutes()), "minute ago", "minutes ago")
	case d < 12*time.Hour:
		return plural(int(d.Hours()), "hour ago", "hours ago")
	}
	return when(t, now)
}

// when is a day and an hour: "today 19:40", "Tuesday 02:10", "3 May 2025".
func when(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	t = t.In(now.Location())
	if days := daysApart(t, now); days >= -6 && days <= 6 {
		return day(t, now) + " " + t.Format("15:04")
	}
	if t.Year() == now.Year() {
		return t.Format("2 January 15:04")
	}
	return day(t, now)
}

// day is a day without its hour.
func day(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	t = t.In(now.Location())
	switch days := daysApart(t, now); {
	case days == 0:
		return "today"
	case days == -1:
		return "yesterday"
	case days == 1:
		return "tomorrow"
	case days > -7 && days < 7:
		return t.Format("Monday")
	case t.Year() == now.Year():
		return t.Format("2 January")
	}
	return t.Format("2 January 2006")
}

// daysApart counts midnights from now to t.
func daysApart(t, now time.Time) int {
	midnight := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, time.UTC) }
	return int(math.Round(midnight(t).Sub(midnight(now)).Hours() / 24))
}

// long is how long d is, as people say it.
func long(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(max(int(d.Seconds()), 1), "second", "seconds")
	case d < 90*time.Minute:
		return plural(int(math.Round(d.Minutes())), "minute", "minutes")
	}
	return plural(int(math.Round(d.Hours())), "hour", "hours")
}

var kinds = map[service.JobKind]string{
	service.BackupJob: "Backup", service.MediaJob: "Pictures and music", service.RestoreJob: "Restore", service.PairJob: "Pairing",
	service.EncryptionJob: "Backup password", service.RehearseJob: "Rehearsal", service.CheckJob: "Check", service.ForgetJob: "Removal",
	service.CopyJob: "Copy", service.HandOverJob: "Photos handed over",
}

func kind(k service.JobKind) string {
	if s, ok := kinds[k]; ok {
		return s
	}
	return upper(string(k))
}

var states = map[service.JobState]string{
	service.Queued: "waits", service.Running: "runs", service.Done: "done", service.FailedJob: "failed",
	service.Cancelled: "cancelled", service.Refused: "no passcode",
}

func state(s service.JobState) string {
	if t, ok := states[s]; ok {
		return t
	}
	return string(s)
}

// late tells whether the last verified backup is older than the owner wants.
func late(p service.Phone) bool { return p.DaysVerified > max(p.Policy.RemindAfterDays, 1) }

// soon tells whether it is older than planned, and not late yet.
func soon(p service.Phone) bool { return p.DaysVerified > max(p.Policy.EveryDays, 1) && !late(p) }

// moodIcon is the icon of a mood, all of which have one of their own name.
func moodIcon(m service.Mood) string {
	if _, ok := icons[string(m)]; ok {
		return string(m)
	}
	return "waiting"
}

func jobMood(s service.JobState) service.Mood {
	switch s {
	case service.Done:
		return service.Good
	case service.Running:
		return service.Working
	case service.FailedJob:
		return service.Failed
	case service.Refused:
		return service.Asking
	}
	return service.Waiting
}

// free is what the phone has left, 0 if that is not known.
func free(p service.Phone) int64 {
	left := p.Capacity
	for _, u := range p.Storage {
		left -= u.Bytes
	}
	return max(left, 0)
}

// swatch is a spot in the colour that the kind has in the bar.
func swatch(kind string) template.HTML {
	return template.HTML(`<svg viewBox="0 0 9 9" aria-hidden="true"><circle class="u-` + class(kind) + `" cx="4.500" cy="4.500" r="4.500"/></svg>`)
}

// placeIcon is the icon of a kind of place for copies.
func placeIcon(kind string) string {
	switch kind {
	case "disk":
		return "disk"
	case "S3", "rclone":
		return "cloud"
	}
	return "server"
}

// system is what runs on the phone and its version, "" unknown.
func system(p service.Phone) string {
	switch {
	case p.IOS == "":
		return ""
	case tablet.MatchString(p.ProductType):
		return "iPadOS " + p.IOS
	}
	return "iOS " + p.IOS
}
