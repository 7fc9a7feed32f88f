package schedule

import (
	"testing"
	"time"
)

func TestDecide_plan(t *testing.T) {
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		return moment(t, zone(t, "Europe/Berlin"), text)
	}
	for _, c := range []struct {
		name      string
		change    func(p *Policy, f *Facts)
		next, why string
	}{
		{"starts", nil, "2026-05-04 19:10", ""},
		{"tomorrow", func(p *Policy, f *Facts) { f.LastGood = f.Now.Add(-time.Minute) }, "2026-05-05 18:00", "when it is unlocked here, between 18:00 and 23:00, or when it is plugged in"},
		{"a day without hours", func(p *Policy, f *Facts) { p.Window, f.LastGood = Window{}, f.Now.Add(-time.Minute) }, "2026-05-05 12:00", "when it is unlocked here"},
		{"no passcode", func(p *Policy, f *Facts) {
			p.Window, f.LastGood, f.Passcode = Window{}, f.Now.Add(-time.Minute), NoPasscode
		}, "2026-05-05 07:09", "when it is here"},
		{"charger", func(p *Policy, f *Facts) { p.OnPower, p.OnConnect = true, false }, "2026-05-04 19:10", "when it is on its charger, between 18:00 and 23:00"},
		{"refused", func(p *Policy, f *Facts) { f.Prompts = []Prompt{{f.Now, No}} }, "2026-05-05 18:00", "when it is unlocked here, between 18:00 and 23:00, or when it is plugged in"},
		{"off", func(p *Policy, f *Facts) { p.Automatic = false }, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := evening(t)
			if c.change != nil {
				c.change(&p, &f)
			}
			got := Decide(p, f)
			if !got.Next.Equal(at(c.next)) || got.NextWhy != c.why {
				t.Errorf("next %v %q, want %s %q", got.Next, got.NextWhy, c.next, c.why)
			}
		})
	}
}

func TestLearn(t *testing.T) {
	now := moment(t, zone(t, "Europe/Berlin"), "2026-05-04 12:00")
	if got := Learn(nil, now); got != prior {
		t.Errorf("nothing learnt gives %v", got)
	}
	var list []Prompt
	for n := range 10 {
		list = append(list, Prompt{now.AddDate(0, 0, -n).Add(-5 * time.Hour).UTC(), Yes}, Prompt{now.AddDate(0, 0, -n).Add(-16 * time.Hour).UTC(), Ignored})
	}
	list = append(list, Prompt{now.Add(time.Hour), No}, Prompt{now.Add(-time.Hour), Open}, Prompt{now.AddDate(-1, 0, 0).Add(time.Hour), No})
	got := Learn(list, now)
	if got[7] < .8 || got[8] <= prior[8] || got[20] > .2 || got[21] >= prior[21] || got[13] != prior[13] || got[11] != prior[11] {
		t.Errorf("learnt %v", got)
	}
	// What was learnt fades.
	if later := Learn(list, now.AddDate(0, 3, 0)); later[7] >= got[7] || later[7] <= prior[7] {
		t.Errorf("three months later %v", later)
	}
	day := Span{now.Add(-12 * time.Hour), now.Add(12 * time.Hour)}
	if first, ok := got.first(day.Start, day, goodShare); !ok || first.Hour() != 7 {
		t.Errorf("the first good hour is %v, %v", first, ok)
	}
}
