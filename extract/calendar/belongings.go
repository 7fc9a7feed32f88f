package calendar

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// maxEach bounds what one event may have of one sort: guests, alarms, exceptions.
const maxEach = 10_000

// part is a table of what belongs to events.
type part struct {
	what    string
	table   string
	owner   string // its column with the ROWID of the event
	join    string
	columns string // a list of results
	// take scans a row, whose first result is the owner, and puts it into the event.
	take func(scan func(...any) error, of func(sqlitefs.Int) *Event) error
}

// belongings reads what belongs to a batch of events into them. What cannot be read is
// reported, the rest is read.
func (s *opened) belongings(ctx context.Context, events []*Event, rep extract.Reporter) {
	byRow := make(map[int64]*Event, len(events))
	rows := make([]string, len(events))
	for i, e := range events {
		byRow[e.row] = e
		rows[i] = strconv.FormatInt(e.row, 10)
	}
	of := func(owner sqlitefs.Int) *Event {
		if e := byRow[owner.Int]; e != nil && owner.Valid {
			return e
		}
		return &Event{} // cannot be: nobody sees it
	}
	for _, p := range s.parts(ctx) {
		if !s.db.Has(p.table, p.owner) {
			continue
		}
		if err := s.each(ctx, p, strings.Join(rows, ","), of); err != nil && ctx.Err() == nil {
			rep.Report(&extract.Problem{Kind: "calendar", What: fmt.Sprintf("%s of %d events", p.what, len(events)), Err: err})
		}
	}
}

func (s *opened) each(ctx context.Context, p part, ids string, of func(sqlitefs.Int) *Event) error {
	query := fmt.Sprintf("SELECT p.%s, %s FROM %s p%s WHERE p.%s IN (%s) ORDER BY p.%s, p.ROWID", p.owner, p.columns, p.table, p.join, p.owner, ids, p.owner)
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	var broken error
	for rows.Next() {
		if err := p.take(rows.Scan, of); err != nil {
			broken = err
		}
	}
	if err := rows.Err(); err != nil {
		broken = err
	}
	return s.db.Err(ctx, broken)
}

func (s *opened) parts(ctx context.Context) []part {
	return []part{s.people(ctx), s.rules(), s.exceptions(), s.alarms(), s.attachments(), s.conferences(), s.categories(), s.detached()}
}

// Participant.entity_type: 7 is a guest, 8 the host.
const hostEntity = 8

func (s *opened) people(ctx context.Context) part {
	p := part{what: "people", table: "Participant", owner: "owner_id",
		columns: s.db.List("Participant", "p", "entity_type", "type", "status", "role", "email", "phone_number", "is_self", "comment")}
	if s.db.Has("Identity") && s.db.Has("Participant", "identity_id") {
		p.join = " LEFT JOIN Identity n ON n.rowid = p.identity_id"
		p.columns += ", " + s.db.List("Identity", "n", "display_name", "address", "first_name", "last_name")
	} else {
		p.columns += ", NULL, NULL, NULL, NULL"
	}
	p.take = func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
		var owner, entity, sort, status, role, self sqlitefs.Int
		var email, phone, comment, name, address, first, last sqlitefs.Text
		if err := scan(&owner, &entity, &sort, &status, &role, &email, &phone, &self, &comment, &name, &address, &first, &last); err != nil {
			return err
		}
		who := Person{Name: firstOf(name.String, strings.TrimSpace(first.String+" "+last.String)), Email: email.String, Phone: phone.String,
			Status: answer(status.Int), Role: named(role.Int, "", "required", "optional", "chair", "none"),
			Type: named(sort.Int, "", "person", "room", "resource", "group"), Me: self.Bool(), Note: comment.String, address: address.String}
		who.reach()
		if who.Name == "" {
			who.Name = s.src.NameOf(ctx, firstOf(who.Email, who.Phone))
		}
		e := of(owner)
		switch {
		case entity.Int == hostEntity && e.Organizer == nil:
			e.Organizer = &who
		case entity.Int != hostEntity && len(e.Attendees) < maxEach:
			e.Attendees = append(e.Attendees, who)
		}
		return nil
	}
	return p
}

// answer is Participant.status (content-schemas.md 8).
func answer(status int64) string {
	switch status {
	case 1:
		return "accepted"
	case 2:
		return "declined"
	case 3:
		return "tentative"
	case 0, 7:
		return "none"
	}
	return fmt.Sprint(status)
}

// reach fills in the address from the e-mail address or number, or those from it.
func (p *Person) reach() {
	scheme, rest, found := strings.Cut(p.address, ":")
	switch {
	case found && strings.EqualFold(scheme, "mailto"):
		p.Email = firstOf(p.Email, rest)
	case found && strings.EqualFold(scheme, "tel"):
		p.Phone = firstOf(p.Phone, rest)
	case !found && strings.Contains(p.address, "@"):
		p.Email = firstOf(p.Email, p.address)
	}
	switch {
	case p.Email != "":
		p.address = "mailto:" + p.Email
	case p.Phone != "":
		p.address = "tel:" + strings.ReplaceAll(p.Phone, " ", "")
	}
}

func (s *opened) rules() part {
	return part{what: "repetitions", table: "Recurrence", owner: "owner_id",
		columns: s.db.List("Recurrence", "p", "frequency", "interval", "count", "week_start", "by_month_months", "end_date", "specifier"),
		take: func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
			var owner, frequency, interval, count, week, months sqlitefs.Int
			var end sqlitefs.Real
			var specifier sqlitefs.Text
			if err := scan(&owner, &frequency, &interval, &count, &week, &months, &end, &specifier); err != nil {
				return err
			}
			e := of(owner)
			if len(e.Rules) >= maxEach {
				return nil
			}
			if end.Float == 0 {
				end.Valid = false // not the first moment of 2001, but for ever
			}
			until := moment(end, e.Start.Zone, e.AllDay)
			until.Floating = e.Start.Floating
			e.Rules = append(e.Rules, Recurrence{Frequency: frequency.Int, Interval: interval.Int,
				Count: count.Int, WeekStart: week.Int, Months: months.Int, Specifier: specifier.String, Until: until}.Rule(e.Start))
			return nil
		}}
}

func (s *opened) exceptions() part {
	return part{what: "exceptions", table: "ExceptionDate", owner: "owner_id", columns: s.db.Column("ExceptionDate", "p", "date"),
		take: func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
			var owner sqlitefs.Int
			var date sqlitefs.Real
			if err := scan(&owner, &date); err != nil {
				return err
			}
			e := of(owner)
			m := moment(date, e.Start.Zone, e.AllDay)
			if m.Floating = e.Start.Floating; !m.IsZero() && len(e.Exceptions) < maxEach {
				e.Exceptions = append(e.Exceptions, m)
			}
			return nil
		}}
}

func (s *opened) alarms() part {
	p := part{what: "alarms", table: "Alarm", owner: "calendaritem_owner_id"}
	if !s.db.Has(p.table, p.owner) {
		p.owner = "owner_id"
	}
	p.columns = s.db.List("Alarm", "p", "trigger_date", "trigger_interval", "type", "proximity", "disabled", "acknowledgedDate", "orig_alarm_id", "email_address", "UUID")
	if s.db.Has("Location") && s.db.Has("Alarm", "location_id") {
		p.join = " LEFT JOIN Location l ON l.ROWID = p.location_id"
		p.columns += ", " + s.db.List("Location", "l", placeColumns...)
	} else {
		p.columns += ", NULL, NULL, NULL, NULL, NULL"
	}
	p.take = func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
		var owner, interval, sort, proximity, off, original sqlitefs.Int
		var at, seen, latitude, longitude, radius sqlitefs.Real
		var email, id, title, address sqlitefs.Text
		if err := scan(&owner, &at, &interval, &sort, &proximity, &off, &seen, &original, &email, &id, &title, &address, &latitude, &longitude, &radius); err != nil {
			return err
		}
		a := Alarm{At: extract.CocoaTime(at.Float), Email: email.String != "" || sort.Int == 3, Off: off.Bool(), Snoozed: original.Int > 0,
			Seen: extract.CocoaTime(seen.Float), Place: place(title.String, address.String, latitude, longitude, radius), id: id.String}
		// More than some years is a number that stands for none.
		if a.At.IsZero() && interval.Int > -1<<31 && interval.Int < 1<<31-1 {
			a.Before = interval.Int
		}
		if proximity.Int > 0 {
			a.Proximity = named(proximity.Int, "", "arrive", "depart")
		}
		if e := of(owner); len(e.Alarms) < maxEach {
			e.Alarms = append(e.Alarms, a)
		}
		return nil
	}
	return p
}

func (s *opened) attachments() part {
	p := part{what: "attachments", table: "Attachment", owner: "owner_id"}
	if s.db.Has("AttachmentFile") && s.db.Has("Attachment", "file_id") {
		p.join = " LEFT JOIN AttachmentFile f ON f.ROWID = p.file_id"
		p.columns = s.db.List("AttachmentFile", "f", "filename", "url", "file_size", "local_path")
	} else {
		p.columns = s.db.List("Attachment", "p", "filename", "url", "file_size") + ", " + s.db.Column("Attachment", "p", "local_path", "local_url")
	}
	p.take = func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
		var owner, size sqlitefs.Int
		var name, url, local sqlitefs.Text
		if err := scan(&owner, &name, &url, &size, &local); err != nil {
			return err
		}
		if e := of(owner); len(e.Attachments) < maxEach {
			e.Attachments = append(e.Attachments, Attachment{Name: name.String, URL: url.String, Size: size.Int, File: s.local(local.String)})
		}
		return nil
	}
	return p
}

// local finds an attachment's file in the backup, by its path on the phone or, before
// there was one, its file URL.
func (s *opened) local(name string) string {
	if u, err := url.Parse(name); err == nil && u.Scheme == "file" {
		name = u.Path
	}
	for _, home := range []string{"/private/var/mobile/", "/var/mobile/"} {
		if rest, ok := strings.CutPrefix(name, home); ok {
			if p := "HomeDomain/" + rest; fs.ValidPath(p) && s.src.Has(p) {
				return p
			}
		}
	}
	return ""
}

func (s *opened) conferences() part {
	return part{what: "conferences", table: "Conference", owner: "owner_id", columns: s.db.Column("Conference", "p", "url"),
		take: func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
			var owner sqlitefs.Int
			var url sqlitefs.Text
			if err := scan(&owner, &url); err != nil {
				return err
			}
			if e := of(owner); e.Conference == "" {
				e.Conference = url.String
			}
			return nil
		}}
}

func (s *opened) categories() part {
	p := part{what: "categories", table: "CategoryLink", owner: "owner_id", columns: "NULL"}
	if s.db.Has("Category") && s.db.Has("CategoryLink", "category_id") {
		p.join = " LEFT JOIN Category c ON c.ROWID = p.category_id"
		p.columns = s.db.Column("Category", "c", "name")
	}
	p.take = func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
		var owner sqlitefs.Int
		var name sqlitefs.Text
		if err := scan(&owner, &name); err != nil {
			return err
		}
		if e := of(owner); name.String != "" && len(e.Categories) < maxEach {
			e.Categories = append(e.Categories, name.String)
		}
		return nil
	}
	return p
}

// detached are the occurrences of a series that have a row of their own.
func (s *opened) detached() part {
	return part{what: "occurrences", table: "CalendarItem", owner: "orig_item_id", columns: s.db.Column("CalendarItem", "p", "orig_date"),
		take: func(scan func(...any) error, of func(sqlitefs.Int) *Event) error {
			var owner sqlitefs.Int
			var date sqlitefs.Real
			if err := scan(&owner, &date); err != nil {
				return err
			}
			if e := of(owner); len(e.detached) < maxEach {
				e.detached = append(e.detached, moment(date, e.Start.Zone, e.AllDay).Time)
			}
			return nil
		}}
}
