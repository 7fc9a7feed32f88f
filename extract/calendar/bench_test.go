package calendar_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
)

type counter struct{ n int }

func (c *counter) Emit(extract.Record) error { c.n++; return nil }
func (*counter) Report(*extract.Problem)     {}

// many is a calendar of 20,000 events with an alarm and a guest each.
func many(t testing.TB) *extract.Source {
	return made(t, append(append([]string{}, ddl...), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		INSERT INTO CalendarItem (ROWID, summary, start_date, start_tz, end_date, calendar_id, unique_identifier, UUID, entity_type)
		SELECT i, 'Event ' || i, i * 86400, 'Europe/Berlin', i * 86400 + 3600, 21, 'UID-' || i, 'U-' || i, 2 FROM n`,
		"INSERT INTO Alarm (trigger_interval, calendaritem_owner_id) SELECT -900, ROWID FROM CalendarItem",
		"INSERT INTO Participant (entity_type, owner_id, email) SELECT 7, ROWID, 'a' || ROWID || '@example.com' FROM CalendarItem",
		"CREATE INDEX a ON Alarm (calendaritem_owner_id)", "CREATE INDEX p ON Participant (owner_id)")...)
}

func BenchmarkAll(b *testing.B) {
	src := many(b)
	for b.Loop() {
		c := &counter{}
		if err := calendar.New().Read(b.Context(), src, extract.Query{}, c); err != nil || c.n != 20000 {
			b.Fatal(c.n, err)
		}
	}
}

func BenchmarkNewest(b *testing.B) {
	src := many(b)
	for b.Loop() {
		c := &counter{}
		if err := calendar.New().Read(b.Context(), src, extract.Query{Newest: true, Limit: 200}, c); err != nil || c.n != 200 {
			b.Fatal(c.n, err)
		}
	}
}
