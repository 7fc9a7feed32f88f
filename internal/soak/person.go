package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/schedule"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// person is somebody of the household with a phone.
type person struct {
	who    service.Who
	policy schedule.Policy
	// passcode: the phone has one. wifi: it may be backed up without a cable.
	passcode, wifi, encrypted bool
	// refuses and ignores are how many of ten prompts are dealt with so.
	refuses, ignores int
	// cables is how many of a hundred moments awake at home bring the phone to the
	// computer.
	cables int
	// travels: away on these days.
	travels func(day int) bool

	phone *virtualphone.Phone
	rnd   *rand.Rand

	// What today is like, in minutes since midnight.
	day                          int
	wakes, leaves, returns, sets int // sets: goes to bed
	home, cable, unlocked        bool

	// lateLooks counts in how many looks in a row the phone was late, told
	// how many messages about overdue backups there were before.
	lateLooks, told int

	mu    sync.Mutex
	diary []entry         // prompts, as the phone shows them
	acts  []time.Time     // Back Up Now and signals
	now   schedule.Answer // what the next prompt gets
}

// entry is a prompt.
type entry struct {
	at     time.Time
	answer schedule.Answer
}

// answers are the phone's settings for how its owner deals with prompts.
var answers = map[string]schedule.Answer{"after=20ms": schedule.Yes, "refuse=20ms": schedule.No, "after=1h0m0s": schedule.Ignored}

// ends are what the phone tells of how a prompt ended.
var ends = map[string]schedule.Answer{"passcode-entered": schedule.Yes, "passcode-refused": schedule.No, "passcode-ignored": schedule.Ignored, "passcode-gone": schedule.Open}

// keepDiary writes down every prompt that the phone shows, and how it ended, until ctx
// ends. The phone itself tells: what its owner was going to do may have changed since.
func (p *person) keepDiary(ctx context.Context, c *clock) {
	before := p.ended()
	for n := p.phone.Count("passcode-prompt") + 1; ; n++ {
		if p.phone.Await(ctx, "passcode-prompt", n) != nil {
			return
		}
		e := entry{at: c.Now()}
		for now := p.ended(); ; now = p.ended() {
			if changed := newly(before, now); changed != "" {
				before[changed]++
				e.answer = ends[changed]
				break
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
				return
			}
		}
		p.mu.Lock()
		p.diary = append(p.diary, e)
		p.mu.Unlock()
	}
}

// ended counts how prompts have ended.
func (p *person) ended() map[string]int {
	counts := map[string]int{}
	for event := range ends {
		counts[event] = p.phone.Count(event)
	}
	return counts
}

// newly is the event of which there are more now, or "".
func newly(before, now map[string]int) string {
	for event, n := range now {
		if n > before[event] {
			return event
		}
	}
	return ""
}

func (p *person) prompts() []entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]entry(nil), p.diary...)
}

func (p *person) ownActs() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.acts...)
}

// act notes that the person asks for a backup. It is noted before it is done.
func (p *person) act(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acts = append(p.acts, at)
}

// plan decides what the day will be like.
func (p *person) plan(now time.Time) {
	if p.day == now.YearDay() {
		return
	}
	p.day = now.YearDay()
	p.wakes = 6*60 + p.rnd.IntN(120)
	p.leaves = 8*60 + p.rnd.IntN(90)
	p.returns = 16*60 + p.rnd.IntN(180)
	p.sets = 22*60 + p.rnd.IntN(90)
	if weekday := now.Weekday(); weekday == time.Saturday || weekday == time.Sunday || p.rnd.IntN(6) == 0 {
		p.leaves, p.returns = 24*60, 0 // stays at home
	}
}

// live does what the person does at that time. away is whether they travel.
func (p *person) live(now time.Time, away bool) error {
	p.plan(now)
	minute := now.Hour()*60 + now.Minute()
	home := !away && (minute < p.leaves || minute >= p.returns)
	awake := minute >= p.wakes && minute < p.sets
	cable := p.cable && home
	if home && awake {
		switch {
		case p.cable && p.rnd.IntN(4) == 0:
			cable = false
		case !p.cable && p.rnd.IntN(100) < p.cables:
			cable = true
		}
	}
	unlocked := awake && p.rnd.IntN(4) == 0 || !p.passcode
	return p.place(home, cable, unlocked)
}

// deal decides what becomes of the next prompt.
func (p *person) deal(now time.Time) error {
	minute := now.Hour()*60 + now.Minute()
	able := p.home && minute >= p.wakes && minute < p.sets
	answer := schedule.Yes
	switch n := p.rnd.IntN(10); {
	case !p.passcode:
		return nil
	case !able || n < p.ignores:
		answer = schedule.Ignored
	case n < p.ignores+p.refuses:
		answer = schedule.No
	}
	p.mu.Lock()
	same := answer == p.now
	p.now = answer
	p.mu.Unlock()
	if same {
		return nil
	}
	for setting, means := range answers {
		if means == answer {
			return p.set("passcode=" + setting)
		}
	}
	return fmt.Errorf("%s: no setting of the phone answers %q", p.who.Name, answer)
}

// place puts the phone where the person has it.
func (p *person) place(home, cable, unlocked bool) error {
	if p.passcode && unlocked != p.unlocked {
		lock := "locked"
		if unlocked {
			lock = "unlocked"
		}
		if err := p.set("lock=" + lock); err != nil {
			return err
		}
	}
	if p.wifi && home != p.home {
		if err := p.set(fmt.Sprintf("wifi=%t", home)); err != nil {
			return err
		}
	}
	switch {
	case cable && !p.cable:
		p.phone.Plug()
	case !cable && p.cable:
		p.phone.Unplug()
	}
	p.home, p.cable, p.unlocked = home, cable, unlocked
	return nil
}

func (p *person) set(what string) error {
	if err := p.phone.Set(what); err != nil {
		return fmt.Errorf("%s: %w", p.who.Name, err)
	}
	return nil
}

// reachable tells how the phone can be reached, by what it says itself.
func (p *person) reachable() (cable, wifi bool) {
	s := p.phone.Status()
	return s.Attached, s.Network
}
