package calendar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "ics", Title: "iCalendar (.ics), one file for each calendar"}}
}

// Export implements extract.Exporter: Calendar/NAME.ics for each calendar that has
// events. Series that stand only for single occurrences are left out, those are there.
func (*Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	s, err := open(ctx, src)
	if err != nil {
		return err
	}
	sheets, err := s.sheets(ctx)
	if err != nil {
		return err
	}
	for _, sheet := range sheets {
		if o.Query.Group != "" && o.Query.Group != sheet.key {
			continue
		}
		doc := s.document(ctx, sheet, o.Query.Key, rep)
		stamp, err := doc.Stamp()
		if errors.Is(err, errNothing) {
			continue
		}
		if err != nil {
			return fmt.Errorf("export calendar %q: %w", sheet.title, err)
		}
		key := "calendar/" + sheet.key + "/ics"
		if o.Query.Key != "" {
			key += "/" + o.Query.Key
		}
		f := outtree.File{Path: []string{"Calendar", sheet.title + ".ics"}, Key: key, Stamp: stamp, Document: true}
		if _, err := out.Put(ctx, f, doc.Write); err != nil {
			return err
		}
	}
	return nil
}

// Files implements extract.Filer.
func (r *Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	s, err := open(ctx, src)
	if err != nil {
		return err
	}
	sheets, err := s.sheets(ctx)
	if err != nil {
		return err
	}
	for _, sheet := range sheets {
		f := extract.File{Path: []string{sheet.title + ".ics"}, Make: func(ctx context.Context, w io.Writer) error {
			s, err := open(ctx, src)
			if err != nil {
				return err
			}
			return s.document(ctx, sheet, "", nil).Write(w)
		}}
		if err := give(f); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// sheet is what becomes a file.
type sheet struct {
	key, title, color string
	further           string // condition
}

// sheets are the calendars with events, and one of the events that lie in none.
func (s *opened) sheets(ctx context.Context) ([]sheet, error) {
	counts, err := s.counts(ctx)
	if err != nil {
		return nil, err
	}
	var list []sheet
	for _, c := range s.calendars {
		if counts[c.row] > 0 {
			list = append(list, sheet{key: c.key, title: c.title, color: c.color, further: fmt.Sprintf("i.calendar_id = %d", c.row)})
		}
	}
	lost := sheet{key: "no-calendar", title: "Other events"}
	switch {
	case !s.db.Has("CalendarItem", "calendar_id"):
		return append(list, lost), nil
	case !s.db.Has("Calendar"):
		lost.further = "1"
	default:
		lost.further = "(i.calendar_id IS NULL OR i.calendar_id NOT IN (SELECT ROWID FROM Calendar))"
	}
	var n int
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM CalendarItem i WHERE "+s.events()+" AND "+lost.further).Scan(&n); err != nil {
		return nil, s.db.Err(ctx, err)
	}
	if n > 0 {
		list = append(list, lost)
	}
	return list, nil
}

// errNothing says that a document would have no event in it, which iCalendar forbids.
var errNothing = errors.New("no events")

func (s *opened) document(ctx context.Context, sheet sheet, key string, rep extract.Reporter) *ical.Document {
	return &ical.Document{Name: sheet.title, Color: sheet.color, Body: func(w *ical.Writer, zones *ical.Zones) error {
		e := &icsEmitter{w: w, zones: zones, device: s.src.Device.Time}
		if zones != nil {
			e.rep = rep // the first time only
		}
		if err := extract.Done(s.read(ctx, extract.Query{Key: key}, sheet.further, e)); err != nil {
			return err
		}
		if e.n == 0 {
			return errNothing
		}
		return nil
	}}
}

// icsEmitter writes events as they are read.
type icsEmitter struct {
	w      *ical.Writer
	zones  *ical.Zones
	rep    extract.Reporter
	device time.Time
	n      int
}

func (x *icsEmitter) Report(p *extract.Problem) {
	if x.rep != nil {
		x.rep.Report(p)
	}
}

func (x *icsEmitter) problem(e *Event, text string) {
	x.Report(&extract.Problem{Kind: "calendar", What: fmt.Sprintf("event %q", e.Title), Err: errors.New(text)})
}

// Emit implements extract.Emitter.
func (x *icsEmitter) Emit(r extract.Record) error {
	e := r.(*Event)
	if e.phantom {
		return nil
	}
	if e.Start.IsZero() {
		x.problem(e, "it has no start")
		return nil
	}
	x.n++
	x.event(e)
	return nil
}

func (x *icsEmitter) event(e *Event) {
	w := x.w
	w.Begin("VEVENT")
	w.Text("UID", firstOf(e.Series, e.plainID()))
	w.UTC("DTSTAMP", stamped(e.Modified, e.Created, x.device))
	w.Moment("RECURRENCE-ID", e.Occurrence, x.zones)
	w.Moment("DTSTART", e.Start, x.zones)
	end := e.End
	if e.AllDay && !end.IsZero() {
		end.Time = end.Time.AddDate(0, 0, 1) // the first day that is not in it
	}
	if end.Time.After(e.Start.Time) && end.Floating == e.Start.Floating {
		w.Moment("DTEND", end, x.zones)
	}
	x.repeats(e)
	w.Text("SUMMARY", e.Title)
	x.place(e)
	w.Text("DESCRIPTION", e.Notes)
	link(w, "URL", e.URL)
	if e.Conference != e.URL {
		link(w, "CONFERENCE", e.Conference)
	}
	if s := strings.ToUpper(e.Status); s == "CONFIRMED" || s == "TENTATIVE" || s == "CANCELLED" {
		w.Line("STATUS", s)
	}
	if e.Shown == "free" {
		w.Line("TRANSP", "TRANSPARENT")
	}
	if class := map[int64]string{1: "PRIVATE", 2: "CONFIDENTIAL"}[e.Privacy]; class != "" {
		w.Line("CLASS", class)
	}
	for _, c := range e.Categories {
		w.Text("CATEGORIES", c)
	}
	if e.Organizer != nil {
		person(w, "ORGANIZER", *e.Organizer)
	}
	for _, p := range e.Attendees {
		person(w, "ATTENDEE", p)
	}
	for _, a := range e.Attachments {
		if address := ical.Address(a.URL); address != "" {
			w.Line("ATTACH", address, "FILENAME", a.Name)
		}
	}
	if e.TravelTime > 0 && e.TravelTime < 1<<31 {
		w.Line("X-APPLE-TRAVEL-DURATION", ical.Duration(time.Duration(e.TravelTime)*time.Second), "VALUE", "DURATION")
	}
	w.UTC("CREATED", e.Created)
	w.UTC("LAST-MODIFIED", e.Modified)
	if e.sequence > 0 {
		w.Line("SEQUENCE", strconv.FormatInt(e.sequence, 10))
	}
	for _, a := range e.Alarms {
		x.alarm(e, a)
	}
	w.End("VEVENT")
}

// plainID is the UID to write: that of the phone, but the whole ID where several have it.
func (e *Event) plainID() string {
	if e.series > 0 {
		return e.UID
	}
	return e.ID
}

// stamped is the first time that there is; the file must be the same in each run.
func stamped(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Unix(978307200, 0)
}

func (x *icsEmitter) repeats(e *Event) {
	for i, r := range e.Rules {
		if r.Raw != "" {
			x.w.Text("X-KEEPSAKE-RECURRENCE", r.Raw)
			x.problem(e, "it repeats in a way that is not understood: "+r.Raw)
		}
		rule := r.String()
		switch {
		case rule == "":
		case i > 0:
			x.w.Text("X-KEEPSAKE-RECURRENCE", rule)
			x.problem(e, "it has several repetitions, of which the file has the first")
		default:
			x.w.Line("RRULE", rule)
		}
	}
	// An occurrence that differs stands in the file by itself; together with an
	// exception some programs would leave it out.
	var gone []ical.Moment
	for _, m := range e.Exceptions {
		if !slices.ContainsFunc(e.detached, m.Time.Equal) {
			gone = append(gone, m)
		}
	}
	x.w.Moments("EXDATE", gone, x.zones)
}

func (x *icsEmitter) place(e *Event) {
	if e.Place == nil {
		return
	}
	p := e.Place
	x.w.Text("LOCATION", lines([]string{p.Title, p.Address}))
	if p.Known {
		x.w.Line("GEO", coordinate(p.Latitude)+";"+coordinate(p.Longitude))
		structured(x.w, p)
	}
}

// structured writes a place as Apple's calendars read it.
func structured(w *ical.Writer, p *Place) {
	radius := ""
	if p.Radius > 0 {
		radius = strconv.FormatFloat(p.Radius, 'f', -1, 64)
	}
	w.Line("X-APPLE-STRUCTURED-LOCATION", "geo:"+coordinate(p.Latitude)+","+coordinate(p.Longitude),
		"VALUE", "URI", "X-ADDRESS", p.Address, "X-APPLE-RADIUS", radius, "X-TITLE", p.Title)
}

func coordinate(f float64) string { return strconv.FormatFloat(f, 'f', 6, 64) }

// link writes an address; one of a scheme that no page should follow as text.
func link(w *ical.Writer, name, address string) {
	switch {
	case address == "":
	case ical.Address(address) == "":
		w.Text("X-KEEPSAKE-"+name, address)
	case name == "CONFERENCE":
		w.Line(name, ical.Address(address), "VALUE", "URI")
	default:
		w.Line(name, ical.Address(address))
	}
}

func person(w *ical.Writer, property string, p Person) {
	address := firstOf(ical.Address(p.address), "invalid:nomail") // as Apple's calendars have it
	params := []string{"CN", p.Name, "EMAIL", p.Email}
	if property == "ATTENDEE" {
		params = append(params,
			"CUTYPE", map[string]string{"person": "INDIVIDUAL", "room": "ROOM", "resource": "RESOURCE", "group": "GROUP"}[p.Type],
			"ROLE", map[string]string{"required": "REQ-PARTICIPANT", "optional": "OPT-PARTICIPANT", "chair": "CHAIR", "none": "NON-PARTICIPANT"}[p.Role],
			"PARTSTAT", map[string]string{"accepted": "ACCEPTED", "declined": "DECLINED", "tentative": "TENTATIVE", "none": "NEEDS-ACTION"}[p.Status])
	}
	w.Line(property, address, params...)
}

func (x *icsEmitter) alarm(e *Event, a Alarm) {
	if a.Off || a.Snoozed {
		return
	}
	w := x.w
	w.Begin("VALARM")
	w.Text("UID", a.id)
	w.Line("ACTION", "DISPLAY")
	w.Text("DESCRIPTION", firstOf(e.Title, "Event"))
	switch {
	case a.Proximity != "":
		w.Line("TRIGGER", "19760401T005545Z", "VALUE", "DATE-TIME") // Apple's way to say: not at a time
		w.Line("X-APPLE-PROXIMITY", strings.ToUpper(a.Proximity))
		if a.Place != nil && a.Place.Known {
			structured(w, a.Place)
		}
	case !a.At.IsZero():
		w.UTC("TRIGGER", a.At, "VALUE", "DATE-TIME")
	default:
		w.Line("TRIGGER", ical.Duration(time.Duration(a.Before)*time.Second))
	}
	w.UTC("ACKNOWLEDGED", a.Seen)
	w.End("VALARM")
}
