package reminders

import (
	"context"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// old is the calendar's database, in which iOS up to 12 kept reminders.
type old struct {
	src *extract.Source
	db  *sqlitefs.DB
}

// openOld gives nil when there are none in it.
func openOld(ctx context.Context, src *extract.Source) (store, error) {
	db, err := src.Database(ctx, oldDatabase)
	if err != nil {
		return nil, err
	}
	s := &old{src: src, db: db}
	if !db.Has("CalendarItem", "entity_type") {
		return nil, nil
	}
	var n sqlitefs.Int
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM CalendarItem i WHERE "+tasks+")").Scan(&n); err != nil {
		return nil, db.Err(ctx, err)
	}
	if !n.Bool() {
		return nil, nil
	}
	return s, nil
}

// tasks is the condition that an item is a reminder; an event's entity_type is 2.
const tasks = "i.entity_type = 3"

func (s *old) name() string { return oldDatabase }

func (s *old) lists(ctx context.Context) ([]list, error) {
	if !s.db.Has("Calendar") {
		return nil, nil
	}
	join, name := "", "NULL"
	if s.db.Has("Store") && s.db.Has("Calendar", "store_id") {
		join, name = " LEFT JOIN Store t ON t.ROWID = c.store_id", s.db.Column("Store", "t", "name")
	}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT c.ROWID, %s, %s FROM Calendar c%s WHERE c.ROWID IN (SELECT i.calendar_id FROM CalendarItem i WHERE %s) ORDER BY c.ROWID LIMIT %d",
		s.db.List("Calendar", "c", "UUID", "title"), name, join, tasks, maxLists))
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	var found []list
	for rows.Next() {
		var row sqlitefs.Int
		var key, title, account sqlitefs.Text
		if err := rows.Scan(&row, &key, &title, &account); err != nil {
			return nil, s.db.Err(ctx, err)
		}
		found = append(found, list{row: row.Int, key: key.String, title: first(title.String, "List"), account: account.String})
	}
	return found, s.db.Err(ctx, rows.Err())
}

func (s *old) index(ctx context.Context) ([]line, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+s.db.List("CalendarItem", "i", "ROWID", "UUID", "unique_identifier", "calendar_id", "display_order",
		"due_date", "due_tz", "due_all_day", "start_date", "creation_date")+" FROM CalendarItem i WHERE "+tasks+" ORDER BY i.ROWID")
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	var lines []line
	for rows.Next() {
		var row, list, order, allDay sqlitefs.Int
		var id, uid, zone sqlitefs.Text
		var due, start, created sqlitefs.Real
		if err := rows.Scan(&row, &id, &uid, &list, &order, &due, &zone, &allDay, &start, &created); err != nil {
			return lines, s.db.Err(ctx, err)
		}
		n := line{row: row.Int, key: first(uid.String, id.String), list: list.Int, order: order.Int}
		for _, seconds := range []sqlitefs.Real{due, start} {
			if n.when.IsZero() {
				n.when = s.moment(seconds, zone.String, allDay.Bool()).In(s.src.Local())
			}
		}
		if n.when.IsZero() {
			n.when = extract.CocoaTime(created.Float)
		}
		lines = append(lines, n)
	}
	return lines, s.db.Err(ctx, rows.Err())
}

func (s *old) load(ctx context.Context, numbers []int64, rep extract.Reporter) (map[int64]*Reminder, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT "+s.db.List("CalendarItem", "i", "ROWID", "summary", "description", "priority", "completion_date", "due_date", "due_tz",
		"due_all_day", "start_date", "start_tz", "creation_date", "last_modified", "url", "unique_identifier")+" FROM CalendarItem i WHERE "+tasks+" AND i.ROWID IN ("+listed(numbers)+")")
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	found := map[int64]*Reminder{}
	for rows.Next() {
		var row, priority, allDay sqlitefs.Int
		var title, notes, zone, startZone, link, uid sqlitefs.Text
		var done, due, start, created, modified sqlitefs.Real
		if err := rows.Scan(&row, &title, &notes, &priority, &done, &due, &zone, &allDay, &start, &startZone, &created, &modified, &link, &uid); err != nil {
			rep.Report(&extract.Problem{Kind: "reminders", What: "a reminder in " + oldDatabase, Err: s.db.Err(ctx, err)})
			continue
		}
		r := &Reminder{Title: title.String, Notes: notes.String, Priority: priority.Int, CompletedAt: extract.CocoaTime(done.Float),
			Due: s.moment(due, zone.String, allDay.Bool()), Start: s.moment(start, first(startZone.String, zone.String), allDay.Bool()),
			Created: extract.CocoaTime(created.Float), Modified: extract.CocoaTime(modified.Float), uid: uid.String}
		r.Completed = !r.CompletedAt.IsZero()
		if link.String != "" {
			r.Links = []string{link.String}
		}
		found[row.Int] = r
	}
	if err := rows.Err(); err != nil {
		return found, s.db.Err(ctx, err)
	}
	rows.Close()
	for _, more := range []func(context.Context, []int64, map[int64]*Reminder) error{s.rules, s.alarms} {
		if err := more(ctx, numbers, found); err != nil && ctx.Err() == nil {
			rep.Report(&extract.Problem{Kind: "reminders", What: "what belongs to reminders in " + oldDatabase, Err: err})
		}
	}
	return found, ctx.Err()
}

// moment is that of other stores, and of a wall clock without a zone.
func (s *old) moment(seconds sqlitefs.Real, zone string, allDay bool) ical.Moment {
	if zone != "_float" {
		return moment(seconds, zone, allDay, s.src.Local())
	}
	m := moment(seconds, "", allDay, time.UTC)
	m.Floating = !m.IsZero() && !allDay
	return m
}

func (s *old) rules(ctx context.Context, numbers []int64, found map[int64]*Reminder) error {
	if !s.db.Has("Recurrence", "owner_id") {
		return nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT p.owner_id, "+s.db.List("Recurrence", "p", "frequency", "interval", "count", "week_start", "by_month_months", "end_date",
		"specifier")+" FROM Recurrence p WHERE p.owner_id IN ("+listed(numbers)+") ORDER BY p.ROWID")
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var owner, frequency, interval, count, week, months sqlitefs.Int
		var end sqlitefs.Real
		var specifier sqlitefs.Text
		if err := rows.Scan(&owner, &frequency, &interval, &count, &week, &months, &end, &specifier); err != nil {
			return s.db.Err(ctx, err)
		}
		if r := found[owner.Int]; r != nil && len(r.Rules) < maxEach {
			r.Rules = append(r.Rules, calendar.Recurrence{Frequency: frequency.Int, Interval: interval.Int, Count: count.Int, WeekStart: week.Int,
				Months: months.Int, Specifier: specifier.String, Until: s.moment(end, r.Due.Zone, r.Due.Date)}.Rule(r.Due))
		}
	}
	return s.db.Err(ctx, rows.Err())
}

func (s *old) alarms(ctx context.Context, numbers []int64, found map[int64]*Reminder) error {
	owner := "calendaritem_owner_id"
	if !s.db.Has("Alarm", owner) {
		owner = "owner_id"
	}
	if !s.db.Has("Alarm", owner) {
		return nil
	}
	join, place := "", "NULL, NULL, NULL, NULL, NULL"
	if s.db.Has("Location") && s.db.Has("Alarm", "location_id") {
		join, place = " LEFT JOIN Location l ON l.ROWID = p.location_id", s.db.List("Location", "l", "title", "address", "latitude", "longitude", "radius")
	}
	rows, err := s.db.QueryContext(ctx, "SELECT p."+owner+", "+s.db.List("Alarm", "p", "trigger_date", "trigger_interval", "proximity")+", "+place+" FROM Alarm p"+join+" WHERE p."+owner+
		" IN ("+listed(numbers)+") ORDER BY p.ROWID")
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, seconds sqlitefs.Int
		var at sqlitefs.Real
		var o object
		if err := rows.Scan(&row, &at, &seconds, &o.proximity, &o.toTitle, &o.toAddress, &o.latitude, &o.longitude, &o.radius); err != nil {
			return s.db.Err(ctx, err)
		}
		r := found[row.Int]
		if r == nil || len(r.Alarms) >= maxEach {
			continue
		}
		a := o.alarm(r.Due.Zone)
		if a.Proximity == "" && a.Place == "" {
			if a.At = s.moment(at, r.Due.Zone, false); a.At.IsZero() && seconds.Int > -1<<31 && seconds.Int < 1<<31-1 {
				a.Before = seconds.Int
			}
		}
		r.Alarms = append(r.Alarms, a)
	}
	return s.db.Err(ctx, rows.Err())
}
