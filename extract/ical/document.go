package ical

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Document is one VCALENDAR. Its Body is asked more than once and must write the same
// each time: a stamp is needed before the file is written, and zones stand in it before
// what needs them.
type Document struct {
	Name  string // X-WR-CALNAME, as Apple's and Google's calendars call it
	Color string // "#1BADF8"; "" has none
	// Body writes events or tasks, and notes their zones, which may be nil.
	Body func(w *Writer, zones *Zones) error

	zones *Zones // known after the first time
}

// Stamp is a digest of what the document says.
func (d *Document) Stamp() (string, error) {
	sum, zones := sha256.New(), &Zones{}
	w := NewWriter(sum)
	d.head(w)
	if err := d.Body(w, zones); err != nil {
		return "", err
	}
	zones.Write(w)
	if err := w.Flush(); err != nil {
		return "", err
	}
	d.zones = zones
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// Write writes the document.
func (d *Document) Write(dst io.Writer) error {
	if d.zones == nil {
		if _, err := d.Stamp(); err != nil {
			return err
		}
	}
	w := NewWriter(dst)
	w.Begin("VCALENDAR")
	d.head(w)
	d.zones.Write(w)
	if err := d.Body(w, nil); err != nil {
		return err
	}
	w.End("VCALENDAR")
	return w.Flush()
}

func (d *Document) head(w *Writer) {
	w.Line("VERSION", "2.0")
	w.Line("PRODID", Product)
	w.Line("CALSCALE", "GREGORIAN")
	w.Text("X-WR-CALNAME", d.Name)
	w.Text("X-APPLE-CALENDAR-COLOR", d.Color)
}
