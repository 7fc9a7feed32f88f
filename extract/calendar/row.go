package calendar

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// itemColumns are those of CalendarItem that are read, in the order of scan.
var itemColumns = []string{"ROWID", "summary", "description", "start_date", "start_tz", "end_date", "end_tz", "all_day", "calendar_id", "orig_item_id",
	"orig_date", "status", "availability", "privacy_level", "url", "last_modified", "creation_date", "birthday_id", "hidden", "unique_identifier", "UUID",
	"travel_time", "calendar_scale", "conference_url", "conference_url_detected", "conference", "phantom_master", "sequence_num"}

var placeColumns = []string{"title", "address", "latitude", "longitude", "radius"}

func (s *opened) list() string {
	list := s.db.List("CalendarItem", "i", itemColumns...)
	list += s.joined("Location", "l", s.hasPlaces(), placeColumns...)
	return list + s.joined("CalendarItem", "o", s.hasSeries(), "ROWID", "start_tz", "all_day", "unique_identifier", "UUID")
}

func (s *opened) joined(table, alias string, there bool, columns ...string) string {
	if there {
		return ", " + s.db.List(table, alias, columns...)
	}
	list := ""
	for range columns {
		list += ", NULL"
	}
	return list
}

func (s *opened) hasPlaces() bool {
	return s.db.Has("Location") && s.db.Has("CalendarItem", "location_id")
}
func (s *opened) hasSeries() bool { return s.db.Has("CalendarItem", "orig_item_id") }

// joins are those of places and of the series that an occurrence is of.
func (s *opened) joins() string {
	joins := ""
	if s.hasPlaces() {
		joins += " LEFT JOIN Location l ON l.ROWID = i.location_id"
	}
	if s.hasSeries() {
		joins += " LEFT JOIN CalendarItem o ON o.ROWID = i.orig_item_id AND i.orig_item_id > 0"
	}
	return joins
}

// scan makes an event of a row.
func (s *opened) scan(rows *sql.Rows) (*Event, error) {
	var row, allDay, calendar, series, status, availability, privacy, birthday, hidden, travel, phantom, sequence sqlitefs.Int
	var title, notes, startZone, endZone, url, uid, uuid, scale, conference, detected, older sqlitefs.Text
	var start, end, occurrence, modified, created, latitude, longitude, radius sqlitefs.Real
	var placeTitle, address, masterZone, masterUID, masterUUID sqlitefs.Text
	var master, masterAllDay sqlitefs.Int
	if err := rows.Scan(&row, &title, &notes, &start, &startZone, &end, &endZone, &allDay, &calendar, &series, &occurrence, &status, &availability,
		&privacy, &url, &modified, &created, &birthday, &hidden, &uid, &uuid, &travel, &scale, &conference, &detected, &older, &phantom, &sequence,
		&placeTitle, &address, &latitude, &longitude, &radius, &master, &masterZone, &masterAllDay, &masterUID, &masterUUID); err != nil {
		return nil, err
	}
	e := &Event{row: row.Int, Title: title.String, Notes: notes.String, AllDay: allDay.Bool(), URL: url.String, Privacy: privacy.Int,
		Hidden: hidden.Bool() || phantom.Bool(), phantom: phantom.Bool(), TravelTime: travel.Int, sequence: max(sequence.Int, 0),
		Birthday: birthday.Int > 0 || scale.String == "gregorian",
		Created:  extract.CocoaTime(created.Float), Modified: extract.CocoaTime(modified.Float)}
	e.Start = moment(start, startZone.String, e.AllDay)
	if e.End = moment(end, firstOf(endZone.String, startZone.String), e.AllDay); e.AllDay {
		e.End = lastDay(e.Start, e.End, end)
	}
	e.Conference = firstOf(conference.String, detected.String, older.String)
	e.Status = named(status.Int, "", "confirmed", "tentative", "cancelled")
	if availability.Valid && availability.Int >= 0 { // −1 is "not supported"
		e.Shown = named(availability.Int, "busy", "free", "tentative", "unavailable")
	}
	if c := s.byRow[calendar.Int]; c != nil && calendar.Valid {
		e.Calendar, e.CalendarID, e.Account = c.title, c.key, c.account
		e.Birthday = e.Birthday || c.birthdays
	}
	e.Place = place(placeTitle.String, address.String, latitude, longitude, radius)
	e.UID = firstOf(uid.String, uuid.String, fmt.Sprintf("row-%d", e.row))
	var detached sqlitefs.Real
	if series.Int > 0 {
		e.series, detached = series.Int, occurrence
		zone, day := startZone.String, e.AllDay
		if master.Valid {
			zone, day = masterZone.String, masterAllDay.Bool()
			uid := firstOf(masterUID.String, masterUUID.String, fmt.Sprintf("row-%d", e.series))
			e.Series = s.key(uid, sqlitefs.Real{}, masterUUID.String, e.series)
		}
		e.Occurrence = moment(occurrence, zone, day)
	}
	e.ID = s.key(e.UID, detached, uuid.String, e.row)
	if e.when = e.Start.In(s.src.Local()); e.when.Year() < 1904 {
		e.when = time.Time{}
	}
	return e, nil
}

const floating = "_float"

// moment makes a Moment of a date column (content-schemas.md 0 and 8). 0 is the first
// moment of 2001 here: an event has a start.
func moment(seconds sqlitefs.Real, zone string, day bool) ical.Moment {
	const (
		year1601      = -12622780800
		distantFuture = 63113904000
	)
	if !seconds.Valid || seconds.Float <= year1601 || seconds.Float >= distantFuture {
		return ical.Moment{}
	}
	m := ical.Moment{Time: time.Unix(int64(math.Floor(seconds.Float))+978307200, 0).UTC(), Date: day, Floating: !day && zone == floating}
	switch {
	case day:
		// Days are at midnight as if in UTC; some servers' are at midnight in a zone.
		t := m.Time
		if l := ical.LoadZone(zone); l != nil && !t.Equal(t.Truncate(24*time.Hour)) {
			if local := t.In(l); local.Hour() == 0 && local.Minute() == 0 {
				t = local
			}
		}
		m.Time = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	case !m.Floating:
		m.Zone = zone
	}
	return m
}

// lastDay is the last day of an event of whole days. Phones write its last second; an
// end at midnight is that of the day before, unless that is when the event starts.
func lastDay(start, end ical.Moment, seconds sqlitefs.Real) ical.Moment {
	if end.IsZero() || start.IsZero() || end.Time.Before(start.Time) {
		return start
	}
	if end.Time.After(start.Time) && math.Mod(seconds.Float, 86400) == 0 {
		end.Time = end.Time.AddDate(0, 0, -1)
	}
	return end
}

// named is names[n], and the number itself beyond them.
func named(n int64, names ...string) string {
	if n >= 0 && n < int64(len(names)) {
		return names[n]
	}
	return fmt.Sprint(n)
}

// place makes a Place; nil when nothing is known of it.
func place(title, address string, latitude, longitude, radius sqlitefs.Real) *Place {
	p := &Place{Title: title, Address: address}
	if latitude.Valid && longitude.Valid && math.Abs(latitude.Float) <= 90 && math.Abs(longitude.Float) <= 180 && (latitude.Float != 0 || longitude.Float != 0) {
		p.Latitude, p.Longitude, p.Known = latitude.Float, longitude.Float, true
		if radius.Float > 0 && radius.Float < 1e7 {
			p.Radius = radius.Float
		}
	}
	if *p == (Place{}) {
		return nil
	}
	return p
}

// key is what an event is known by: its UID, for a detached occurrence with the time it
// was to be; where several rows have that, all but the first with the row's UUID, or its
// number.
func (s *opened) key(uid string, occurrence sqlitefs.Real, uuid string, row int64) string {
	key := plainKey(uid, occurrence)
	if first, several := s.twice[key]; !several || first == row {
		return key
	}
	if _, several := s.twice["@"+uuid]; uuid != "" && !several {
		return key + "@" + uuid
	}
	return fmt.Sprintf("%s#%d", key, row)
}

func plainKey(uid string, occurrence sqlitefs.Real) string {
	if !occurrence.Valid {
		return uid
	}
	if m := moment(occurrence, "", false); !m.IsZero() {
		return uid + "/" + m.Time.Format("20060102T150405Z")
	}
	return uid + "/"
}

// identity is the expressions of what a key is made of: the UID, the occurrence, the UUID.
func (s *opened) identity() string {
	occurrence := "NULL"
	if s.db.Has("CalendarItem", "orig_item_id", "orig_date") {
		occurrence = "CASE WHEN i.orig_item_id > 0 THEN i.orig_date END"
	}
	return fmt.Sprintf("coalesce(nullif(%s, ''), nullif(%s, ''), 'row-' || i.ROWID), %s, %s",
		s.db.Column("CalendarItem", "i", "unique_identifier"), s.db.Column("CalendarItem", "i", "UUID"), occurrence, s.db.Column("CalendarItem", "i", "UUID"))
}

// eachIdentity calls f for the identity of every event.
func (s *opened) eachIdentity(ctx context.Context, f func(row int64, uid string, occurrence sqlitefs.Real, uuid string) bool) error {
	rows, err := s.db.QueryContext(ctx, "SELECT i.ROWID, "+s.identity()+" FROM CalendarItem i WHERE "+s.events()+" ORDER BY i.ROWID")
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row sqlitefs.Int
		var uid, uuid sqlitefs.Text
		var occurrence sqlitefs.Real
		if err := rows.Scan(&row, &uid, &occurrence, &uuid); err != nil {
			return s.db.Err(ctx, err)
		}
		if !f(row.Int, uid.String, occurrence, uuid.String) {
			return nil
		}
	}
	return s.db.Err(ctx, rows.Err())
}

// loadTwice finds the keys that several rows would have, and the first of those.
func (s *opened) loadTwice(ctx context.Context) error {
	if s.twice != nil {
		return nil
	}
	first := map[string]int64{}
	s.twice = map[string]int64{}
	note := func(key string, row int64) {
		if before, several := first[key]; !several {
			first[key] = row
		} else {
			s.twice[key] = before
		}
	}
	return s.eachIdentity(ctx, func(row int64, uid string, occurrence sqlitefs.Real, uuid string) bool {
		note(plainKey(uid, occurrence), row)
		note("@"+uuid, row)
		return true
	})
}

// find gives the row with a key.
func (s *opened) find(ctx context.Context, key string) (row int64, found bool, err error) {
	err = s.eachIdentity(ctx, func(r int64, uid string, occurrence sqlitefs.Real, uuid string) bool {
		if s.key(uid, occurrence, uuid, r) == key {
			row, found = r, true
		}
		return !found
	})
	return row, found, err
}
