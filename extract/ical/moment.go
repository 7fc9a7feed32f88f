package ical

import (
	"encoding/json"
	"time"
)

// Moment is a day, a wall clock or an instant. The zero Moment is none.
type Moment struct {
	// Time is the instant, in UTC; of a day its midnight, and of a wall clock what it
	// shows, as if they were in UTC.
	Time time.Time
	// Zone is that in which an instant is meant ("Europe/Berlin"), as the phone has it;
	// "" is UTC.
	Zone string
	// Date is a day without a time. Floating is a wall clock that is the same in every
	// zone.
	Date, Floating bool
}

// IsZero tells whether there is none.
func (m Moment) IsZero() bool { return m.Time.IsZero() }

// In gives the instant: of a day and a wall clock where local is.
func (m Moment) In(local *time.Location) time.Time {
	if m.IsZero() || !m.Date && !m.Floating {
		return m.Time
	}
	t := m.Time
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), local)
}

// String is the moment for people and machines: RFC 3339 in its zone, without the zone
// of a wall clock, a day alone; "--05-12" for a day of the year 1604, by which Apple
// says that there is no year.
func (m Moment) String() string {
	switch {
	case m.IsZero():
		return ""
	case m.Date && m.Time.Year() == noYear:
		return m.Time.Format("--01-02")
	case m.Date:
		return m.Time.Format(time.DateOnly)
	case m.Floating:
		return m.Time.Format("2006-01-02T15:04:05")
	}
	if zone := LoadZone(m.Zone); zone != nil {
		return m.Time.In(zone).Format(time.RFC3339)
	}
	return m.Time.Format(time.RFC3339)
}

// noYear stands for an unknown year (content-schemas.md 0).
const noYear = 1604

// MarshalJSON gives {"time": String, "zone": …, "all_day": …, "floating": …}.
func (m Moment) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Time     string `json:"time,omitempty"`
		Zone     string `json:"zone,omitempty"`
		AllDay   bool   `json:"all_day,omitempty"`
		Floating bool   `json:"floating,omitempty"`
	}{m.String(), m.Zone, m.Date, m.Floating})
}

// Moment writes a property of date or time, unless it is none, and notes its zone in
// zones.
func (w *Writer) Moment(name string, m Moment, zones *Zones, params ...string) {
	if m.IsZero() {
		return
	}
	kind, value := m.value()
	w.Line(name, value, append(kind, params...)...)
	if len(kind) == 2 && kind[0] == "TZID" {
		zones.add(m)
	}
}

// Moments writes one property with several values, which are of one sort.
func (w *Writer) Moments(name string, list []Moment, zones *Zones) {
	for _, m := range list {
		w.Moment(name, m, zones)
	}
}

// value gives the parameters and the value of a moment.
func (m Moment) value() (params []string, value string) {
	const clock = "20060102T150405"
	switch {
	case m.Date:
		return []string{"VALUE", "DATE"}, m.Time.Format("20060102")
	case m.Floating:
		return nil, m.Time.Format(clock)
	}
	if zone := LoadZone(m.Zone); zone != nil && zone != time.UTC {
		return []string{"TZID", m.Zone}, m.Time.In(zone).Format(clock)
	}
	return nil, m.Time.UTC().Format(clock + "Z")
}

// UTC writes an instant in UTC, unless it is none.
func (w *Writer) UTC(name string, t time.Time, params ...string) {
	if !t.IsZero() {
		w.Line(name, t.UTC().Format("20060102T150405Z"), params...)
	}
}
