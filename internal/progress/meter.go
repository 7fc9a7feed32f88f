package progress

import "time"

// window is the time over which a rate is taken: long enough to be calm,
// short enough to notice that a cable is slow.
const window = 10 * time.Second

// meter turns counters into a rate and a guess of the time left.
type meter struct {
	started time.Time
	samples []sample // oldest first, within window, at most 4 a second
	last    Counters
}

type sample struct {
	at    time.Time
	bytes int64
}

func (m *meter) reset(now time.Time) {
	*m = meter{started: now, samples: m.samples[:0]}
}

func (m *meter) update(c Counters, now time.Time) {
	m.last = c
	if n := len(m.samples); n > 0 && now.Sub(m.samples[n-1].at) < window/40 {
		return
	}
	m.samples = append(m.samples, sample{now, c.Bytes})
	for len(m.samples) > 2 && now.Sub(m.samples[0].at) > window {
		m.samples = m.samples[1:]
	}
}

// rate is in bytes a second; 0 is unknown.
func (m *meter) rate(now time.Time) float64 {
	if len(m.samples) == 0 {
		return 0
	}
	first := m.samples[0]
	d := now.Sub(first.at)
	if d < time.Second || m.last.Bytes <= first.bytes {
		return 0
	}
	return float64(m.last.Bytes-first.bytes) / d.Seconds()
}

// left is a guess of the time that remains; 0 is no guess.
func (m *meter) left(now time.Time) time.Duration {
	done, known := m.last.fraction()
	elapsed := now.Sub(m.started)
	if !known || done < 0.01 || done >= 1 || elapsed < 3*time.Second {
		return 0
	}
	if r := m.rate(now); r > 0 && m.last.Fraction == 0 && m.last.BytesTotal > m.last.Bytes {
		return time.Duration(float64(m.last.BytesTotal-m.last.Bytes) / r * float64(time.Second))
	}
	return time.Duration(float64(elapsed) * (1 - done) / done)
}
