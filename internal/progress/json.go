package progress

import (
	"math"
	"sync"
	"time"
)

// Status is the line of JSON that a phase or a sentence makes.
type Status struct {
	MessageType string    `json:"message_type"` // "status"
	Time        time.Time `json:"time"`
	UDID        string    `json:"udid,omitempty"` // of a Tag
	Phase       string    `json:"phase,omitempty"`
	Kind        Kind      `json:"kind,omitempty"` // of a sentence; absent when a phase begins
	Text        string    `json:"text"`
}

// Progress is the line of JSON that counters make. Sizes are in bytes.
type Progress struct {
	MessageType    string    `json:"message_type"` // "progress"
	Time           time.Time `json:"time"`
	UDID           string    `json:"udid,omitempty"` // of a Tag
	Phase          string    `json:"phase"`
	Percent        *float64  `json:"percent,omitempty"` // 0 to 100; absent when unknown
	Files          int64     `json:"files"`
	FilesTotal     int64     `json:"files_total,omitempty"`
	Bytes          int64     `json:"bytes"`
	BytesTotal     int64     `json:"bytes_total,omitempty"`
	BytesPerSecond int64     `json:"bytes_per_second,omitempty"`
	SecondsLeft    int64     `json:"seconds_left,omitempty"`
	Current        string    `json:"current,omitempty"`
}

// JSON makes Status and Progress values.
type JSON struct {
	emit  func(any)
	every time.Duration
	id    string

	mu      sync.Mutex // guards what is below
	phase   string
	meter   meter
	printed time.Time
}

// NewJSON hands every value to emit, counters at most once in every. emit is
// called by as many goroutines at once as there are Tags.
func NewJSON(emit func(any), every time.Duration) *JSON {
	return &JSON{emit: emit, every: every}
}

// Tag returns a Reporter whose values carry udid.
func (j *JSON) Tag(udid string) Reporter {
	return &JSON{emit: j.emit, every: j.every, id: udid}
}

// Phase emits a Status.
func (j *JSON) Phase(name, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.phase, j.printed = name, time.Time{}
	j.meter.reset(now)
	if text != "" {
		j.emit(Status{MessageType: "status", Time: now.UTC(), UDID: j.id, Phase: name, Text: text})
	}
}

// Update emits a Progress now and then.
func (j *JSON) Update(c Counters) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	j.meter.update(c, now)
	if now.Sub(j.printed) < j.every {
		return
	}
	j.printed = now
	p := Progress{MessageType: "progress", Time: now.UTC(), UDID: j.id, Phase: j.phase, Files: c.Files, FilesTotal: c.FilesTotal, Bytes: c.Bytes, BytesTotal: c.BytesTotal,
		BytesPerSecond: int64(j.meter.rate(now)), SecondsLeft: int64(j.meter.left(now).Seconds()), Current: c.Current}
	if done, known := c.fraction(); known {
		percent := math.Round(done*1000) / 10
		p.Percent = &percent
	}
	j.emit(p)
}

// Say emits a Status.
func (j *JSON) Say(kind Kind, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.emit(Status{MessageType: "status", Time: time.Now().UTC(), UDID: j.id, Phase: j.phase, Kind: kind, Text: text})
}

// Close does nothing.
func (j *JSON) Close() {}
