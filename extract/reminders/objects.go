package reminders

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// maxEach bounds what one reminder may have of one sort.
const maxEach = 10_000

// object is a row of ZREMCDOBJECT that belongs to a reminder, with the row it refers to:
// an alarm's trigger, an assignment's person.
type object struct {
	entity                                              string
	name, label, uti, file, url, hostURL                sqlitefs.Text
	size, frequency, interval, count, week              sqlitefs.Int
	end                                                 sqlitefs.Real
	days, monthDays, months, yearDays, weeks, positions sqlitefs.Blob
	toTitle, toAddress, first, last, display            sqlitefs.Text
	toEntity                                            string
	seconds, latitude, longitude, radius                sqlitefs.Real
	proximity                                           sqlitefs.Int
	date                                                sqlitefs.Blob
}

// belongings reads what belongs to reminders.
func (s *coreData) belongings(ctx context.Context, numbers []int64, found map[int64]*Reminder) error {
	if !s.db.Has(objects) {
		return nil
	}
	owner := s.any(objects, "o", "ZREMINDER")
	if owner == "NULL" {
		return nil
	}
	join, label := "", "NULL"
	if s.db.Has("ZREMCDHASHTAGLABEL") {
		join, label = " LEFT JOIN ZREMCDHASHTAGLABEL h ON h.Z_PK = "+s.any(objects, "o", "ZHASHTAGLABEL"), s.any("ZREMCDHASHTAGLABEL", "h", "ZNAME")
	}
	query := fmt.Sprintf(`SELECT %s, o.Z_ENT, %s, %s, t.Z_ENT, %s FROM %s o%s
		LEFT JOIN %s t ON t.Z_PK = coalesce(%s, %s) WHERE %s IN (%s) AND %s ORDER BY o.Z_PK`, owner, label,
		s.all(objects, "o", "ZNAME", "ZUTI", "ZFILENAME", "ZURL", "ZHOSTURL", "ZFILESIZE", "ZFREQUENCY", "ZINTERVAL", "ZOCCURRENCECOUNT", "ZFIRSTDAYOFTHEWEEK",
			"ZENDDATE", "ZDAYSOFTHEWEEK", "ZDAYSOFTHEMONTH", "ZMONTHSOFTHEYEAR", "ZDAYSOFTHEYEAR", "ZWEEKSOFTHEYEAR", "ZSETPOSITIONS"),
		s.all(objects, "t", "ZTITLE", "ZADDRESS", "ZFIRSTNAME", "ZLASTNAME", "ZDISPLAYNAME", "ZTIMEINTERVAL", "ZLATITUDE", "ZLONGITUDE", "ZRADIUS",
			"ZPROXIMITY", "ZDATECOMPONENTSDATA"), objects, join,
		objects, s.any(objects, "o", "ZTRIGGER"), s.any(objects, "o", "ZASSIGNEE"), owner, listed(numbers), s.kept("o"))
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	folders := s.files()
	for rows.Next() {
		var row, entity, toEntity sqlitefs.Int
		var o object
		if err := rows.Scan(&row, &entity, &o.label, &o.name, &o.uti, &o.file, &o.url, &o.hostURL, &o.size, &o.frequency, &o.interval, &o.count, &o.week,
			&o.end, &o.days, &o.monthDays, &o.months, &o.yearDays, &o.weeks, &o.positions,
			&toEntity, &o.toTitle, &o.toAddress, &o.first, &o.last, &o.display, &o.seconds, &o.latitude, &o.longitude, &o.radius, &o.proximity, &o.date); err != nil {
			return s.db.Err(ctx, err)
		}
		o.entity, o.toEntity = s.names[entity.Int], s.names[toEntity.Int]
		if r := found[row.Int]; r != nil {
			s.give(o, r, folders)
		}
	}
	return s.db.Err(ctx, rows.Err())
}

// kept is the condition that a row was not deleted.
func (s *coreData) kept(alias string) string {
	if !s.db.Has(objects, "ZMARKEDFORDELETION") {
		return "1"
	}
	return "coalesce(" + alias + ".ZMARKEDFORDELETION, 0) = 0"
}

// give puts an object into its reminder. Subclasses (REMCDImageAttachment) are known by
// what their names end with.
func (s *coreData) give(o object, r *Reminder, folders []string) {
	is := func(what string) bool { return strings.HasSuffix(o.entity, what) }
	switch {
	case is("RecurrenceRule") && len(r.Rules) < maxEach:
		r.Rules = append(r.Rules, o.rule(r))
	case is("Alarm") && len(r.Alarms) < maxEach:
		r.Alarms = append(r.Alarms, o.alarm(r.Due.Zone))
	case is("Hashtag") && len(r.Tags) < maxEach:
		if tag := strings.TrimPrefix(joined("", first(o.label.String, o.name.String)), "#"); tag != "" {
			r.Tags = append(r.Tags, tag)
		}
	case is("Assignment"):
		r.Assignee = first(o.display.String, joined(" ", o.first.String, o.last.String), strings.TrimPrefix(o.toAddress.String, "mailto:"))
	case is("Attachment") && len(r.Attachments) < maxEach:
		if link := first(o.url.String, o.hostURL.String); link != "" && o.file.String == "" {
			r.Links = append(r.Links, link)
			return
		}
		a := Attachment{Name: o.file.String, Type: o.uti.String, Size: o.size.Int}
		if name := a.Name; name == path.Base(name) && fs.ValidPath(name) {
			for _, dir := range folders {
				if p := dir + "/" + name; s.src.Has(p) {
					a.File = p
					break
				}
			}
		}
		r.Attachments = append(r.Attachments, a)
	}
}

func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// frequencies by ZFREQUENCY, as EventKit numbers them.
var frequencies = map[int64]string{0: ical.Daily, 1: ical.Weekly, 2: ical.Monthly, 3: ical.Yearly}

func (o object) rule(r *Reminder) ical.Rule {
	rule := ical.Rule{Frequency: frequencies[o.frequency.Int]}
	var raw []string
	if rule.Frequency == "" || !o.frequency.Valid {
		rule.Frequency = ""
		raw = append(raw, fmt.Sprintf("frequency=%d", o.frequency.Int))
	}
	if n := o.interval.Int; n > 0 && n < 1<<16 {
		rule.Interval = int(n)
	}
	if n := o.count.Int; n > 0 && n < 1<<31 {
		rule.Count = int(n)
	}
	if until := extract.CocoaTime(o.end.Float); !until.IsZero() {
		rule.Until = ical.Moment{Time: until, Zone: r.Due.Zone}
		if r.Due.Date {
			rule.Until = moment(o.end, r.Due.Zone, true, until.Location())
		}
	}
	if n := o.week.Int; rule.Frequency == ical.Weekly && rule.Interval > 1 && n >= 1 && n <= 7 {
		rule.WeekStart = ical.Weekdays[n-1]
	}
	var ok bool
	if rule.ByDay, ok = weekdays(o.days); !ok {
		raw = append(raw, "days of the week")
	}
	for _, by := range []struct {
		name  string
		data  []byte
		limit int
		into  *[]int
	}{{"days of the month", o.monthDays, 31, &rule.ByMonthDay}, {"months", o.months, 12, &rule.ByMonth}, {"days of the year", o.yearDays, 366, &rule.ByYearDay},
		{"weeks", o.weeks, 53, &rule.ByWeekNo}, {"positions", o.positions, 366, &rule.BySetPos}} {
		if *by.into, ok = integers(by.data, by.limit); !ok {
			raw = append(raw, by.name)
		}
	}
	raw = append(raw, rule.Fit()...)
	rule.Raw = strings.Join(raw, "; ")
	return rule
}

func (o object) alarm(zone string) Alarm {
	a := Alarm{}
	if title := joined("", o.toTitle.String); title != "" || o.proximity.Int > 0 || o.latitude.Valid && o.longitude.Valid {
		a.Place, a.Address = title, o.toAddress.String
		if math.Abs(o.latitude.Float) <= 90 && math.Abs(o.longitude.Float) <= 180 {
			a.Latitude, a.Longitude = o.latitude.Float, o.longitude.Float
		}
		if o.radius.Float > 0 && o.radius.Float < 1e7 {
			a.Radius = o.radius.Float
		}
		a.Proximity = map[int64]string{1: "arrive", 2: "depart"}[o.proximity.Int]
		if a.Proximity == "" {
			a.Proximity = fmt.Sprint(o.proximity.Int)
		}
		return a
	}
	if len(o.date) > 0 {
		a.At = components(o.date, zone)
		return a
	}
	if math.Abs(o.seconds.Float) < 1<<31 {
		a.Before = int64(o.seconds.Float)
	}
	return a
}
