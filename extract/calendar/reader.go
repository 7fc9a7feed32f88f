package calendar

import (
	"context"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// database is where all calendars are (content-schemas.md 8).
const database = "HomeDomain/Library/Calendar/Calendar.sqlitedb"

// batch is how many events are read before what belongs to them is asked for.
const batch = 400

// Reader reads calendars.
type Reader struct{}

// New makes a Reader.
func New() *Reader { return &Reader{} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: "calendar", Title: "Calendar", Groups: "calendars", Paths: []string{database},
		Tables: []extract.Table{{Name: "events", Title: "Events", Columns: columns}}}
}

// Groups implements extract.Extractor: the calendars, in the phone's order. Detail names
// the account, and says of what sort the calendar is.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	s, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	counts, err := s.counts(ctx)
	if err != nil {
		return nil, err
	}
	groups := make([]extract.Group, len(s.calendars))
	for i, c := range s.calendars {
		groups[i] = extract.Group{Key: c.key, Title: c.title, Detail: c.detail(), Count: counts[c.row]}
	}
	return groups, nil
}

// Read implements extract.Extractor: by start, those without one last.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	if q.Table != "" && q.Table != "events" {
		return nil
	}
	s, err := open(ctx, src)
	if err != nil {
		return err
	}
	return extract.Done(s.read(ctx, q, "", out))
}

// opened is a database with what its events need to know.
type opened struct {
	db        *sqlitefs.DB
	src       *extract.Source
	calendars []*aCalendar
	byRow     map[int64]*aCalendar
	twice     map[string]int64 // the first row of keys and UUIDs that several rows have
}

func open(ctx context.Context, src *extract.Source) (*opened, error) {
	db, err := src.Database(ctx, database)
	if err != nil {
		return nil, fmt.Errorf("read calendars: %w", err)
	}
	if !db.Has("CalendarItem") {
		return nil, fmt.Errorf("read calendars: %s has no table CalendarItem: %w", database, sqlitefs.ErrDamaged)
	}
	s := &opened{db: db, src: src}
	if err := s.loadCalendars(ctx); err != nil {
		return nil, fmt.Errorf("read calendars: %w", err)
	}
	return s, nil
}

// events is the condition that an item of the table is an event, and no task of iOS ≤ 12.
func (s *opened) events() string {
	var task []string
	if s.db.Has("CalendarItem", "entity_type") {
		task = append(task, fmt.Sprintf("i.entity_type = %d", taskEntity))
	}
	for _, c := range []string{"due_date", "completion_date"} {
		if s.db.Has("CalendarItem", "start_date", c) {
			task = append(task, fmt.Sprintf("(i.start_date IS NULL AND i.%s IS NOT NULL)", c))
		}
	}
	if task == nil {
		return "1"
	}
	return "coalesce(NOT (" + strings.Join(task, " OR ") + "), 1)"
}

// taskEntity is CalendarItem.entity_type of a reminder; an event is 2.
const taskEntity = 3

// order is the expression by which events are sorted; dates that stand for none are NULL.
func (s *opened) order(newest bool) string {
	if !s.db.Has("CalendarItem", "start_date") {
		return "i.ROWID"
	}
	const when = "CASE WHEN i.start_date < 63113904000 THEN i.start_date END"
	if newest {
		return when + " DESC, i.ROWID DESC"
	}
	return when + " IS NULL, " + when + ", i.ROWID"
}

// where gives the condition for a query; ok is false when nothing can fulfil it.
func (s *opened) where(ctx context.Context, q extract.Query) (condition string, ok bool, err error) {
	condition = s.events()
	if q.Group != "" {
		c := s.withKey(q.Group)
		if c == nil || !s.db.Has("CalendarItem", "calendar_id") {
			return "", false, nil
		}
		condition += fmt.Sprintf(" AND i.calendar_id = %d", c.row)
	}
	if q.Key != "" {
		row, found, err := s.find(ctx, q.Key)
		if err != nil || !found {
			return "", false, err
		}
		condition += fmt.Sprintf(" AND i.ROWID = %d", row)
	}
	return condition, true, nil
}

// read gives the events that q chooses and that fulfil a further condition.
func (s *opened) read(ctx context.Context, q extract.Query, further string, out extract.Emitter) error {
	if err := s.loadTwice(ctx); err != nil {
		return err
	}
	condition, ok, err := s.where(ctx, q)
	if err != nil || !ok {
		return err
	}
	if further != "" {
		condition += " AND " + further
	}
	query := "SELECT " + s.list() + " FROM CalendarItem i" + s.joins() + " WHERE " + condition + " ORDER BY " + s.order(q.Newest)
	if q.Limit > 0 || q.Skip > 0 {
		limit := -1
		if q.Limit > 0 {
			limit = q.Limit
		}
		query += fmt.Sprintf(" LIMIT %d OFFSET %d", limit, max(q.Skip, 0))
	}
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	var events []*Event
	for rows.Next() {
		e, err := s.scan(rows)
		if err != nil {
			out.Report(&extract.Problem{Kind: "calendar", What: "an event", Err: s.db.Err(ctx, err)})
			continue
		}
		events = append(events, e)
		if len(events) == batch {
			if err := s.emit(ctx, events, out); err != nil {
				return err
			}
			events = events[:0]
		}
	}
	// What was read before the damage is given.
	broken := s.db.Err(ctx, rows.Err())
	if err := s.emit(ctx, events, out); err != nil {
		return err
	}
	return broken
}

// emit gives events with all that belongs to them.
func (s *opened) emit(ctx context.Context, events []*Event, out extract.Emitter) error {
	if len(events) == 0 {
		return ctx.Err()
	}
	s.belongings(ctx, events, out)
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, e := range events {
		if err := out.Emit(e); err != nil {
			return err
		}
	}
	return nil
}
