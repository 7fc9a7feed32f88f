package appdata

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const calendarDB = "Library/Calendar/Calendar.sqlitedb"

// Constants of Calendar.sqlitedb (content-schemas.md 8).
const (
	eventEntity   = 2
	inviteeEntity = 7
	hostEntity    = 8
	floatingZone  = "_float"
)

// Frequencies of Recurrence.
const (
	everyDay = iota + 1
	everyWeek
	everyMonth
	everyYear
)

// eventZones are time zones of events.
var eventZones = []string{"America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Tokyo"}

// event is a row of CalendarItem; zero values are usual.
type event struct {
	summary  string
	start    time.Time
	length   time.Duration
	zone     string // empty: the first of eventZones
	allDay   bool
	notes    string
	url      string
	place    string
	calendar int
	original int       // the series this occurrence was taken out of
	origDate time.Time // which occurrence it was
	repeats  bool
	guests   bool
	scale    string
	birthday int
	uid      string
}

// calendarBook writes events.
type calendarBook struct {
	w    *world
	d    *db
	r    *rng
	last int
}

func createCalendar(ctx context.Context, w *world) error {
	r := w.rng("calendar")
	f := dbFile{path: w.path(homeDomain, calendarDB), mtime: w.now.Add(-7 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("calendar.sql")
		b := &calendarBook{w: w, d: d, r: r}
		b.calendars()
		b.oddEvents()
		for _, at := range r.moments(max(0, w.n.events-b.last), span{w.begin(), w.now.AddDate(0, 2, 0)}) {
			b.add(b.ordinary(at))
		}
		d.insert("_SqliteDatabaseProperties", "key", "_UniqueIdentifier", "value", r.guid())
		d.insert("_SqliteDatabaseProperties", "key", "_ClientVersion", "value", "18006")
	})
}

// Calendars, by ROWID.
const (
	calHome = iota + 1
	calWork
	calShared
	calBirthdays
	calLocal
)

func (b *calendarBook) calendars() {
	d, r := b.d, b.r
	for i, s := range []struct {
		name string
		kind int
	}{{"Default", 0}, {"iCloud", 2}, {"Birthdays", 5}} {
		d.insert("Store", "ROWID", i+1, "name", s.name, "type", s.kind, "persistent_id", r.guid(), "disabled", 0, "flags", 0)
	}
	for i, c := range []struct {
		title, colour string
		store, share  int
	}{{"Home", "#1BADF8FF", 2, 0}, {"Work", "#63DA38FF", 2, 0}, {"Choir", "#CC73E1FF", 2, 2}, {"Birthdays", "#8E8E93FF", 3, 0}, {"On My iPhone", "#FF2968FF", 1, 0}} {
		d.insert("Calendar", "ROWID", i+1, "store_id", c.store, "title", c.title, "color", c.colour, "sharing_status", c.share, "UUID", r.guid(),
			"display_order", i, "flags", 0, "external_id", fmt.Sprintf("https://caldav.example.com/calendars/%d/", i+1), "supported_entity_types", 1)
	}
}

// ordinary is an hour or two of someone's day.
func (b *calendarBook) ordinary(at time.Time) event {
	e := event{summary: "At the " + pick(b.r, places), start: at.Truncate(15 * time.Minute), length: time.Duration(b.r.between(1, 8)) * 15 * time.Minute,
		zone: pick(b.r, eventZones), calendar: b.r.between(calHome, calShared)}
	switch b.r.IntN(6) {
	case 0:
		e.summary, e.guests = "Meeting about the "+pick(b.r, things), true
	case 1:
		e.notes = paragraph(b.r, 2)
	case 2:
		e.place = "The " + pick(b.r, places)
	}
	return e
}

// oddEvents are those that readers stumble over: all-day, floating, repeating
// with an exception, an occurrence moved away, birthdays, invitations.
func (b *calendarBook) oddEvents() {
	base := midnight(b.w.now.AddDate(0, -1, 0))
	b.add(event{summary: "Harvest fair", start: base, length: 48*time.Hour - time.Second, allDay: true, zone: floatingZone, calendar: calHome})
	b.add(event{summary: "Water the plants, wherever I am", start: base.Add(8 * time.Hour), length: time.Hour, zone: floatingZone, calendar: calLocal})
	b.series(base)
	daily := b.add(event{summary: "Stretch", start: base.Add(7 * time.Hour), length: 10 * time.Minute, calendar: calLocal, repeats: true})
	b.recur(daily, everyDay, 2, 30, time.Time{}, "", 0)
	monthly := b.add(event{summary: "Rent", start: base, length: 24*time.Hour - time.Second, allDay: true, zone: floatingZone, calendar: calHome, repeats: true})
	b.recur(monthly, everyMonth, 1, 0, time.Time{}, "", 0)
	b.add(event{summary: "Call with the studio", start: base.Add(15 * time.Hour), length: 45 * time.Minute, zone: "Europe/Berlin", calendar: calWork,
		guests: true, url: "https://meet.example.com/abc-def", place: "Room 2", notes: "Bring the drawings.\nمرحبا 👋"})
	attached := b.add(event{summary: "Concert", start: base.Add(19 * time.Hour), length: 2 * time.Hour, calendar: calShared, place: "Town hall"})
	b.d.insert("AttachmentFile", "ROWID", 1, "url", "https://caldav.example.com/attachments/1", "UUID", b.r.guid(), "filename", "Programme.pdf", "file_size", 48123, "store_id", 2)
	b.d.insert("Attachment", "ROWID", 1, "owner_id", attached, "file_id", 1)
	b.d.exec("UPDATE CalendarItem SET has_attachment=1 WHERE ROWID=?", attached)
	for i, p := range b.w.people {
		if i < 4 && !p.birthday.IsZero() {
			id := b.add(event{summary: p.name() + "’s Birthday", start: midnight(p.birthday), length: 24*time.Hour - time.Second, allDay: true, zone: floatingZone,
				calendar: calBirthdays, scale: "gregorian", birthday: p.index + 1, repeats: true})
			b.recur(id, everyYear, 1, 0, time.Time{}, "", 0)
		}
	}
}

// series is an event on Mondays and Wednesdays: one occurrence deleted, one moved by an
// hour.
func (b *calendarBook) series(base time.Time) {
	start := base.Add(18 * time.Hour)
	for start.Weekday() != time.Monday {
		start = start.AddDate(0, 0, 1)
	}
	uid := b.r.guid()
	id := b.add(event{summary: "Choir practice", start: start, length: 90 * time.Minute, calendar: calShared, repeats: true, place: "Chapel Hill 3", uid: uid})
	until := start.AddDate(1, 0, 0)
	b.recur(id, everyWeek, 1, 0, until, "D=0MO,0WE;", 0)
	days := b.weekly(start, until, eventZones[0], time.Monday, time.Wednesday)
	gone, moved := days[2], days[5] // the second Monday, the third Wednesday
	b.d.insert("ExceptionDate", "owner_id", id, "date", cocoa(gone), "sync_order", 0)
	b.d.insert("ExceptionDate", "owner_id", id, "date", cocoa(moved), "sync_order", 1)
	for _, at := range days {
		if !at.Equal(gone) && !at.Equal(moved) {
			b.d.insert("OccurrenceCache", "day", cocoa(midnight(at)), "event_id", id, "calendar_id", calShared, "store_id", 2, "occurrence_date", cocoa(at),
				"occurrence_start_date", cocoa(at), "occurrence_end_date", cocoa(at.Add(90*time.Minute)))
		}
	}
	b.add(event{summary: "Choir practice (moved)", start: moved.Add(time.Hour), length: 90 * time.Minute, calendar: calShared, original: id, origDate: moved, uid: uid})
}

// weekly lists the times from start to until on some days of the week, when the clock in
// a zone shows what it does at start.
func (b *calendarBook) weekly(start, until time.Time, zone string, on ...time.Weekday) []time.Time {
	in, err := time.LoadLocation(zone)
	b.d.fail(err)
	if err != nil {
		return make([]time.Time, 6)
	}
	var days []time.Time
	for at := start.In(in); !at.After(until); at = at.AddDate(0, 0, 1) {
		if slices.Contains(on, at.Weekday()) {
			days = append(days, at.UTC())
		}
	}
	return days
}

// recur writes a rule; count 0 and a zero until mean for ever.
func (b *calendarBook) recur(owner, frequency, interval, count int, until time.Time, specifier string, months int) {
	var end any
	if !until.IsZero() {
		end = cocoa(until)
	}
	b.d.insert("Recurrence", "frequency", frequency, "interval", interval, "week_start", 0, "count", count, "end_date", end,
		"specifier", orNull(specifier), "by_month_months", months, "owner_id", owner, "UUID", b.r.guid())
}

// add writes an event with its place, guests and alarm, and gives its ROWID.
func (b *calendarBook) add(e event) int {
	b.last++
	id, r := b.last, b.r
	if e.zone == "" {
		e.zone = eventZones[0]
	}
	if e.uid == "" {
		e.uid = r.guid()
	}
	made := e.start.AddDate(0, 0, -3)
	if made.After(b.w.now) || e.birthday > 0 {
		made = b.w.begin()
	}
	var origDate, birthday any
	if !e.origDate.IsZero() {
		origDate = cocoa(e.origDate)
	}
	if e.birthday > 0 {
		birthday = e.birthday
	}
	b.d.insert("CalendarItem", "ROWID", id, "summary", e.summary, "location_id", 0, "description", orNull(e.notes), "start_date", cocoa(e.start), "start_tz", e.zone,
		"end_date", cocoa(e.start.Add(e.length)), "end_tz", e.zone, "all_day", flag(e.allDay), "calendar_id", e.calendar, "orig_item_id", e.original,
		"orig_date", origDate, "organizer_id", 0, "self_attendee_id", 0, "status", 1, "invitation_status", 0, "availability", flag(e.allDay), "privacy_level", 0,
		"url", orNull(e.url), "last_modified", cocoa(made), "sequence_num", 0, "birthday_id", birthday, "unique_identifier", e.uid, "hidden", 0,
		"has_recurrences", flag(e.repeats), "has_attachment", 0, "has_attendees", flag(e.guests), "UUID", r.guid(), "entity_type", eventEntity, "priority", 0,
		"creation_date", cocoa(made), "travel_time", 0, "calendar_scale", orNull(e.scale), "conference_url_detected", orNull(e.url))
	if e.place != "" {
		b.d.insert("Location", "ROWID", id, "title", e.place, "address", pick(r, streets)+", "+pick(r, cities).name, "latitude", 40.5+r.Float64(),
			"longitude", -74.5+r.Float64(), "radius", 50, "item_owner_id", id)
		b.d.exec("UPDATE CalendarItem SET location_id=? WHERE ROWID=?", id, id)
	}
	if e.guests {
		b.guests(id)
	}
	if id%3 == 0 {
		b.d.insert("Alarm", "trigger_interval", -900, "type", 0, "calendaritem_owner_id", id, "UUID", r.guid(), "proximity", 0, "disabled", 0)
	}
	return id
}

// guests invites two people; the first of the address book is the host.
func (b *calendarBook) guests(event int) {
	for i, p := range b.w.people[:3] {
		b.d.exec("INSERT OR IGNORE INTO Identity (display_name, address, first_name, last_name) VALUES (?,?,?,?)", p.name(), "mailto:"+p.mail(), p.first, p.last)
		identity := b.d.number("SELECT rowid FROM Identity WHERE address=?", "mailto:"+p.mail())
		kind := inviteeEntity
		if i == 0 {
			kind = hostEntity
		}
		b.d.insert("Participant", "entity_type", kind, "type", 1, "status", i, "pending_status", 0, "role", 1, "identity_id", identity, "owner_id", event,
			"UUID", b.r.guid(), "email", p.mail(), "is_self", 0)
		if i == 0 {
			b.d.exec("UPDATE CalendarItem SET organizer_id=last_insert_rowid() WHERE ROWID=?", event)
		}
	}
	b.d.insert("Participant", "entity_type", inviteeEntity, "type", 1, "status", 1, "pending_status", 0, "role", 1, "identity_id", 0, "owner_id", event,
		"UUID", b.r.guid(), "email", b.w.me.mail(), "is_self", 1)
	b.d.exec("UPDATE CalendarItem SET self_attendee_id=last_insert_rowid() WHERE ROWID=?", event)
}

// liveCalendar plans something for the coming week.
func liveCalendar(ctx context.Context, w *world, sp span) error {
	r := w.rng("calendar live " + sp.label())
	return liveUpdate(ctx, w, homeDomain, calendarDB, sp, r, func(d *db) {
		b := &calendarBook{w: w, d: d, last: int(d.number("SELECT max(seq) FROM sqlite_sequence WHERE name='CalendarItem'"))}
		b.r = w.rng(fmt.Sprintf("calendar live %s after %d", sp.label(), b.last))
		if d.number("SELECT count(*) FROM Calendar") == 0 {
			return
		}
		e := b.ordinary(b.r.moment(span{sp.to, sp.to.AddDate(0, 0, 7)}))
		e.notes = "Planned on " + sp.to.Format("2 January") + "."
		b.add(e)
		at := cocoa(b.r.moment(sp))
		d.exec("UPDATE CalendarItem SET creation_date=?, last_modified=? WHERE ROWID=?", at, at, b.last)
	})
}
