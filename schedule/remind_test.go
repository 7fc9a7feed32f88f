package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRemind(t *testing.T) {
	loc := zone(t, "Europe/Berlin")
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		return moment(t, loc, text)
	}
	for _, c := range []struct {
		name                       string
		days                       int
		verified, sent, known, now string
		owner, admin               bool
		text, next                 string
	}{
		{"in time", 7, "2026-05-01 20:00", "", "", "2026-05-05 12:00", false, false, "", "2026-05-08 20:00"},
		{"never remind", 0, "2026-01-01 20:00", "", "", "2026-05-05 12:00", false, false, "", ""},
		{"nothing known", 7, "", "", "", "2026-05-05 12:00", false, false, "", ""},
		{"at night", 7, "2026-05-01 20:00", "", "", "2026-05-08 22:00", false, false, "", "2026-05-09 09:00"},
		{"first", 7, "2026-05-01 10:00", "", "", "2026-05-08 12:00", true, false, "Anna's iPhone has had no verified backup for 7 days. Anna: plug the phone in and enter its passcode.", ""},
		{"pause", 7, "2026-05-01 10:00", "2026-05-08 12:00", "", "2026-05-10 12:00", false, false, "", "2026-05-11 12:00"},
		{"again", 7, "2026-05-01 10:00", "2026-05-08 12:00", "", "2026-05-11 12:00", true, false, "Anna's iPhone has had no verified backup for 10 days. Anna: plug the phone in and enter its passcode.", ""},
		{"the admin too", 7, "2026-05-01 10:00", "2026-05-14 12:00", "", "2026-05-17 12:00", true, true, "Anna's iPhone has had no verified backup for 16 days. Anna: plug the phone in and enter its passcode.", ""},
		{"good since", 7, "2026-05-10 10:00", "2026-05-08 12:00", "", "2026-05-11 12:00", false, false, "", "2026-05-17 10:00"},
		{"every day", 1, "2026-05-01 10:00", "2026-05-02 12:00", "", "2026-05-03 12:00", true, true, "Anna's iPhone has had no verified backup for 2 days. Anna: plug the phone in and enter its passcode.", ""},
		{"monthly", 60, "2026-01-01 10:00", "2026-03-05 12:00", "", "2026-03-12 12:00", true, false, "Anna's iPhone has had no verified backup for 70 days. Anna: plug the phone in and enter its passcode.", ""},
		{"never backed up", 7, "", "", "2026-05-01 10:00", "2026-05-09 12:00", true, false, "Anna's iPhone has not been backed up since it was added 8 days ago. Anna: plug the phone in and enter its passcode.", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Default()
			p.RemindAfterDays = c.days
			r := Remind(p, Overdue{Now: at(c.now), Phone: "Anna's iPhone", Owner: "Anna", LastVerified: at(c.verified), Known: at(c.known), LastSent: at(c.sent)})
			if r.Owner != c.owner || r.Admin != c.admin || r.Text != c.text || !r.Next.Equal(at(c.next)) || (r.Title == "") != (r.Text == "") {
				t.Errorf("got %+v", r)
			}
		})
	}
}

// TestRemind_months: in months without a backup nobody is told at night, nor too
// often, and somebody in the end.
func TestRemind_months(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		p.RemindAfterDays = rapid.IntRange(1, 30).Draw(t, "after")
		o := Overdue{Now: drawTime(t)}
		o.LastVerified = o.Now
		end, sent, admin := o.Now.AddDate(0, 4, 0), 0, false
		for o.Now.Before(end) {
			r := Remind(p, o)
			if !r.Owner {
				if !r.Next.After(o.Now) {
					t.Fatalf("%+v at %v", r, o.Now)
				}
				o.Now = r.Next
				continue
			}
			if h := o.Now.Hour(); h < 9 || h > 20 {
				t.Fatalf("told at %v", o.Now)
			}
			if o.Now.Sub(o.LastSent) < 23*time.Hour || o.Now.Sub(o.LastVerified) < time.Duration(p.RemindAfterDays)*day {
				t.Fatalf("told at %v after %v, verified %v", o.Now, o.LastSent, o.LastVerified)
			}
			if admin && !r.Admin {
				t.Fatal("the admin is no longer told")
			}
			sent, admin, o.LastSent = sent+1, r.Admin, o.Now
		}
		if sent < 90/(p.RemindAfterDays+7) || !admin {
			t.Fatalf("told %d times, admin %v", sent, admin)
		}
	})
}

func TestUpkeep(t *testing.T) {
	loc := zone(t, "Europe/Berlin")
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		return moment(t, loc, text)
	}
	for _, c := range []struct {
		name                string
		first, newest, last string
		ok                  bool
		check, rehearse     string
	}{
		{"nothing yet", "", "", "", false, "", ""},
		{"after the first", "2026-01-31 20:00", "2026-01-31 20:00", "", false, "2026-02-07 20:00", "2026-01-31 20:00"},
		{"good", "2026-01-01 20:00", "2026-02-01 20:00", "2026-01-31 20:00", true, "2026-02-07 20:00", "2026-02-28 20:00"},
		{"over a change of clocks", "2026-01-01 20:00", "2026-03-21 20:00", "2026-03-20 20:00", true, "2026-03-27 20:00", "2026-04-20 20:00"},
		{"bad, and a newer one", "2026-01-01 20:00", "2026-02-01 21:00", "2026-01-31 20:00", false, "2026-02-01 20:00", "2026-02-01 21:00"},
		{"bad", "2026-01-01 20:00", "2026-01-30 21:00", "2026-01-31 20:00", false, "2026-02-01 20:00", "2026-02-07 20:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := Upkeep{Now: at("2026-06-01 00:00"), First: at(c.first), Newest: at(c.newest), Last: at(c.last), OK: c.ok}
			if got := CheckDue(u); !got.Equal(at(c.check)) {
				t.Errorf("check is due %v, want %s", got, c.check)
			}
			if got := RehearseDue(u); !got.Equal(at(c.rehearse)) {
				t.Errorf("rehearsal is due %v, want %s", got, c.rehearse)
			}
		})
	}
}
