package main

import (
	"sync"
	"time"
)

// speed is how much faster than the real clock this one runs.
const speed = 100

// clock is the household's. It runs all the time and can leap.
type clock struct {
	mu     sync.Mutex
	base   time.Time // shown at mark
	mark   time.Time // of the real clock
	alarms map[*alarm]struct{}
}

type alarm struct {
	at    time.Time
	timer *time.Timer
	out   chan time.Time
}

func newClock(at time.Time) *clock {
	return &clock{base: at, mark: time.Now(), alarms: map[*alarm]struct{}{}}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *clock) now() time.Time { return c.base.Add(time.Since(c.mark) * speed) }

// After is an alarm, as time.After.
func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{at: c.now().Add(d), out: make(chan time.Time, 1)}
	c.alarms[a] = struct{}{}
	a.timer = time.AfterFunc(max(d/speed, 0), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ring(a)
	})
	return a.out
}

// ring lets an alarm go off, once.
func (c *clock) ring(a *alarm) {
	if _, ok := c.alarms[a]; ok {
		delete(c.alarms, a)
		a.timer.Stop()
		a.out <- c.now()
	}
}

// leap moves the clock to a time; alarms that were set for before go off.
func (c *clock) leap(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to.After(c.now()) {
		c.base, c.mark = to, time.Now()
	}
	for a := range c.alarms {
		if !a.at.After(to) {
			c.ring(a)
			continue
		}
		a.timer.Reset(a.at.Sub(to) / speed)
	}
}
