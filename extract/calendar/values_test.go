package calendar_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// What follows asks sqlite3 for what TestAgainstSQLite does not, with queries written
// from content-schemas.md 8, and EventKit's names of numbers.

type value = extracttest.Value[*calendar.Event]

func each[T any](list []T, line func(T) string) string {
	lines := make([]string, len(list))
	for i, v := range list {
		lines[i] = line(v)
	}
	return strings.Join(lines, ";")
}

// belonging is the value of rows that belong to an event.
func belonging(name, line, from string, give func(*calendar.Event) string) value {
	return value{Name: name, SQL: "ifnull((SELECT group_concat(x, ';') FROM (SELECT " + line + " AS x FROM " + from + " ORDER BY y.ROWID)), '')", Give: give}
}

// moment is the SQL for a moment of an event: a day, or a time.
func moment(column, allDay string) string {
	return "ifnull(CASE WHEN " + allDay + " THEN date(" + column + " + 978307200, 'unixepoch') ELSE datetime(" + column + " + 978307200, 'unixepoch') END, '')"
}

var values = []value{
	{Name: "end", SQL: "ifnull(CASE WHEN i.all_day THEN date(max(i.start_date, i.end_date - 1) + 978307200, 'unixepoch') ELSE datetime(i.end_date + 978307200, 'unixepoch') END, '')", Give: func(e *calendar.Event) string {
		if e.End.IsZero() {
			return ""
		}
		return e.End.Time.Format(map[bool]string{true: "2006-01-02", false: "2006-01-02 15:04:05"}[e.End.Date])
	}},
	{Name: "floating", SQL: "CASE WHEN i.start_tz = '_float' AND NOT i.all_day THEN 'yes' ELSE '' END", Give: func(e *calendar.Event) string { return extract.YesNo(e.Start.Floating) }},
	{Name: "status", SQL: "CASE i.status WHEN 1 THEN 'confirmed' WHEN 2 THEN 'tentative' WHEN 3 THEN 'cancelled' ELSE '' END", Give: func(e *calendar.Event) string { return e.Status }},
	{Name: "availability", SQL: "CASE i.availability WHEN 0 THEN 'busy' WHEN 1 THEN 'free' WHEN 2 THEN 'tentative' WHEN 3 THEN 'unavailable' ELSE '' END", Give: func(e *calendar.Event) string { return e.Shown }},
	{Name: "privacy", SQL: "ifnull(i.privacy_level, 0)", Give: func(e *calendar.Event) string { return fmt.Sprint(e.Privacy) }},
	{Name: "url", SQL: "i.url", Give: func(e *calendar.Event) string { return e.URL }},
	{Name: "conference", SQL: "coalesce(nullif(i.conference_url, ''), i.conference_url_detected, '')", Give: func(e *calendar.Event) string { return e.Conference }},
	{Name: "birthday", SQL: "CASE WHEN i.calendar_scale = 'gregorian' OR i.birthday_id > 0 THEN 'yes' ELSE '' END", Give: func(e *calendar.Event) string { return extract.YesNo(e.Birthday) }},
	{Name: "hidden", SQL: "CASE WHEN i.hidden THEN 'yes' ELSE '' END", Give: func(e *calendar.Event) string { return extract.YesNo(e.Hidden) }},
	{Name: "travel", SQL: "ifnull(i.travel_time, 0)", Give: func(e *calendar.Event) string { return fmt.Sprint(e.TravelTime) }},
	{Name: "created", SQL: extracttest.Cocoa("i.creation_date"), Give: func(e *calendar.Event) string { return extracttest.Seconds(e.Created) }},
	{Name: "modified", SQL: extracttest.Cocoa("i.last_modified"), Give: func(e *calendar.Event) string { return extracttest.Seconds(e.Modified) }},
	{Name: "place", SQL: "ifnull((SELECT l.address || printf('/%.4f/%.4f/%.0f', l.latitude, l.longitude, ifnull(l.radius, 0)) FROM Location l WHERE l.ROWID = i.location_id), '')", Give: func(e *calendar.Event) string {
		if e.Place == nil {
			return ""
		}
		return fmt.Sprintf("%s/%.4f/%.4f/%.0f", e.Place.Address, e.Place.Latitude, e.Place.Longitude, e.Place.Radius)
	}},
	{Name: "series", SQL: "CASE WHEN i.orig_item_id > 0 THEN (SELECT o.unique_identifier FROM CalendarItem o WHERE o.ROWID = i.orig_item_id) || ' ' || " + moment("i.orig_date", "i.all_day") + " ELSE '' END", Give: func(e *calendar.Event) string {
		if e.Series == "" {
			return ""
		}
		return e.Series + " " + e.Occurrence.Time.Format(map[bool]string{true: "2006-01-02", false: "2006-01-02 15:04:05"}[e.Occurrence.Date])
	}},
	belonging("guests", "ifnull(y.email, '') || '/' || CASE y.status WHEN 1 THEN 'accepted' WHEN 2 THEN 'declined' WHEN 3 THEN 'tentative' WHEN 0 THEN 'none' WHEN 7 THEN 'none' ELSE y.status END || '/' || ifnull(y.is_self, 0) || '/' || ifnull((SELECT n.display_name FROM Identity n WHERE n.rowid = y.identity_id), '')",
		"Participant y WHERE y.owner_id = i.ROWID AND y.entity_type = 7", func(e *calendar.Event) string {
			return each(e.Attendees, func(p calendar.Person) string {
				return p.Email + "/" + p.Status + "/" + map[bool]string{true: "1", false: "0"}[p.Me] + "/" + p.Name
			})
		}),
	belonging("rules", "y.frequency || '/' || max(ifnull(y.interval, 0), 0) || '/' || max(ifnull(y.count, 0), 0) || '/' || "+extracttest.Cocoa("y.end_date"), "Recurrence y WHERE y.owner_id = i.ROWID", rules),
	belonging("exceptions", moment("y.date", "i.all_day"), "ExceptionDate y WHERE y.owner_id = i.ROWID", func(e *calendar.Event) string {
		var list []string
		for _, m := range e.Exceptions {
			list = append(list, m.Time.Format(map[bool]string{true: "2006-01-02", false: "2006-01-02 15:04:05"}[m.Date]))
		}
		return strings.Join(list, ";")
	}),
	belonging("alarms", "CASE WHEN y.trigger_date IS NULL THEN y.trigger_interval ELSE "+extracttest.Cocoa("y.trigger_date")+" END || '/' || ifnull(y.proximity, 0)", "Alarm y WHERE y.calendaritem_owner_id = i.ROWID", func(e *calendar.Event) string {
		return each(e.Alarms, func(a calendar.Alarm) string {
			return cmp.Or(extracttest.Seconds(a.At), fmt.Sprint(a.Before)) + "/" + map[string]string{"": "0", "arrive": "1", "depart": "2"}[a.Proximity]
		})
	}),
	belonging("attachments", "(SELECT f.filename || '/' || f.file_size || '/' || f.url FROM AttachmentFile f WHERE f.ROWID = y.file_id)", "Attachment y WHERE y.owner_id = i.ROWID", func(e *calendar.Event) string {
		return each(e.Attachments, func(a calendar.Attachment) string { return a.Name + "/" + strconv.FormatInt(a.Size, 10) + "/" + a.URL })
	}),
}

// rules are those of an event as the phone has them.
func rules(e *calendar.Event) string {
	var list []string
	for _, r := range e.Rules {
		until := extracttest.Seconds(r.Until.Time)
		list = append(list, fmt.Sprintf("%s/%d/%d/%s", map[string]string{"DAILY": "1", "WEEKLY": "2", "MONTHLY": "3", "YEARLY": "4"}[r.Frequency], r.Interval, r.Count, until))
	}
	return strings.Join(list, ";")
}

// checkValues holds every event against sqlite3, column by column.
func checkValues(t *testing.T, fsys fs.FS, list []*calendar.Event) {
	t.Helper()
	by := map[string]*calendar.Event{}
	for _, e := range list {
		by[fmt.Sprintf("%s %d", e.UID, e.Start.Time.Unix())] = e
	}
	extracttest.Values(t, fsys, database, "i.unique_identifier || ' ' || CAST(i.start_date + 978307200 AS INTEGER)", "FROM CalendarItem i", by, values)
}
