package reminders_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/extract/reminders"
)

// What follows asks sqlite3 for what againstSQLite does not, with queries written from
// content-schemas.md 9 and EventKit's numbers of frequencies.

type value = extracttest.Value[*reminders.Reminder]

func date(column string, give func(*reminders.Reminder) ical.Moment) value {
	return value{Name: column, SQL: "ifnull(CASE WHEN r.ZALLDAY THEN date(r." + column + " + 978307200, 'unixepoch') ELSE datetime(r." + column + " + 978307200, 'unixepoch') || ' ' || r.ZTIMEZONE END, '')", Give: func(r *reminders.Reminder) string {
		m := give(r)
		switch {
		case m.IsZero():
			return ""
		case m.Date:
			return m.Time.Format("2006-01-02")
		}
		return m.Time.Format("2006-01-02 15:04:05 ") + m.Zone
	}}
}

// entity is the condition that an object is of an entity.
func entity(name string) string {
	return "o.Z_ENT = (SELECT Z_ENT FROM Z_PRIMARYKEY WHERE Z_NAME = '" + name + "')"
}

func belonging(name, line, from string, give func(*reminders.Reminder) string) value {
	return value{Name: name, SQL: "ifnull((SELECT group_concat(x, ';') FROM (SELECT " + line + " AS x FROM " + from + " ORDER BY o.Z_PK)), '')", Give: give}
}

var values = []value{
	date("ZDUEDATE", func(r *reminders.Reminder) ical.Moment { return r.Due }),
	date("ZSTARTDATE", func(r *reminders.Reminder) ical.Moment { return r.Start }),
	{Name: "done", SQL: extracttest.Cocoa("r.ZCOMPLETIONDATE"), Give: func(r *reminders.Reminder) string { return extracttest.Seconds(r.CompletedAt) }},
	{Name: "created", SQL: extracttest.Cocoa("r.ZCREATIONDATE"), Give: func(r *reminders.Reminder) string { return extracttest.Seconds(r.Created) }},
	{Name: "modified", SQL: extracttest.Cocoa("r.ZLASTMODIFIEDDATE"), Give: func(r *reminders.Reminder) string { return extracttest.Seconds(r.Modified) }},
	{Name: "list", SQL: "(SELECT hex(l.ZIDENTIFIER) FROM ZREMCDBASELIST l WHERE l.Z_PK = r.ZLIST)", Give: func(r *reminders.Reminder) string { return strings.ReplaceAll(r.ListID, "-", "") }},
	{Name: "urgent", Needs: "ZREMCDREMINDER.ZISURGENTSTATEENABLEDFORCURRENTUSER", SQL: "CASE WHEN r.ZISURGENTSTATEENABLEDFORCURRENTUSER THEN 'yes' ELSE '' END", Give: func(r *reminders.Reminder) string { return extract.YesNo(r.Urgent) }},
	belonging("rules", "CASE o.ZFREQUENCY WHEN 0 THEN 'DAILY' WHEN 1 THEN 'WEEKLY' WHEN 2 THEN 'MONTHLY' WHEN 3 THEN 'YEARLY' END || '/' || o.ZINTERVAL || '/' || o.ZOCCURRENCECOUNT || '/' || "+extracttest.Cocoa("o.ZENDDATE"),
		"ZREMCDOBJECT o WHERE o.ZREMINDER4 = r.Z_PK AND "+entity("REMCDRecurrenceRule"), func(r *reminders.Reminder) string {
			var list []string
			for _, rule := range r.Rules {
				list = append(list, fmt.Sprintf("%s/%d/%d/%s", rule.Frequency, rule.Interval, rule.Count, extracttest.Seconds(rule.Until.Time)))
			}
			return strings.Join(list, ";")
		}),
	belonging("places", "(SELECT t.ZTITLE || printf('/%.4f/%.4f/%.0f/%d', t.ZLATITUDE, t.ZLONGITUDE, t.ZRADIUS, t.ZPROXIMITY) FROM ZREMCDOBJECT t WHERE t.Z_PK = o.ZTRIGGER AND t.ZLATITUDE IS NOT NULL)",
		"ZREMCDOBJECT o WHERE o.ZREMINDER = r.Z_PK AND "+entity("REMCDAlarm"), func(r *reminders.Reminder) string {
			var list []string
			for _, a := range r.Alarms {
				if a.Place != "" {
					list = append(list, fmt.Sprintf("%s/%.4f/%.4f/%.0f/%d", a.Place, a.Latitude, a.Longitude, a.Radius, map[string]int{"arrive": 1, "depart": 2}[a.Proximity]))
				}
			}
			return strings.Join(list, ";")
		}),
	belonging("files", "o.ZFILENAME || '/' || o.ZFILESIZE || '/' || o.ZUTI", "ZREMCDOBJECT o WHERE o.ZREMINDER2 = r.Z_PK AND "+entity("REMCDAttachment"), func(r *reminders.Reminder) string {
		var list []string
		for _, a := range r.Attachments {
			list = append(list, fmt.Sprintf("%s/%d/%s", a.Name, a.Size, a.Type))
		}
		return strings.Join(list, ";")
	}),
}

// checkValues holds every reminder against the store that it is in, column by column.
func checkValues(t *testing.T, src *extract.Source, list []*reminders.Reminder) {
	t.Helper()
	for _, store := range storesOf(src) {
		by := map[string]*reminders.Reminder{}
		for _, row := range extracttest.SQL(t, src.FS, store, "SELECT hex(ZIDENTIFIER) FROM ZREMCDREMINDER") {
			for _, r := range list {
				if strings.ReplaceAll(r.ID, "-", "") == row[0] {
					by[row[0]] = r
				}
			}
		}
		extracttest.Values(t, src.FS, store, "hex(r.ZIDENTIFIER)", "FROM ZREMCDREMINDER r", by, values)
	}
}
