package calendar

import (
	"context"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// aCalendar is a row of Calendar.
type aCalendar struct {
	row                 int64
	key, title, account string
	color               string // #RRGGBB
	birthdays           bool
	sharing, store      int64 // sharing_status; Store.type
}

// Store.type, as EventKit numbers its sources.
const (
	storeSubscribed = 4
	storeBirthdays  = 5
)

// maxCalendars bounds what is kept; nobody has so many.
const maxCalendars = 100_000

func (s *opened) loadCalendars(ctx context.Context) error {
	s.byRow = map[int64]*aCalendar{}
	if !s.db.Has("Calendar") {
		return nil
	}
	join, order := "", "c.ROWID"
	if s.db.Has("Store") && s.db.Has("Calendar", "store_id") {
		join = " LEFT JOIN Store t ON t.ROWID = c.store_id"
	}
	if s.db.Has("Calendar", "display_order") {
		order = "c.display_order, c.ROWID"
	}
	query := "SELECT c.ROWID, " + s.db.List("Calendar", "c", "title", "UUID", "color", "sharing_status", "type")
	if join == "" {
		query += ", NULL, NULL"
	} else {
		query += ", " + s.db.List("Store", "t", "name", "type")
	}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("%s FROM Calendar c%s ORDER BY %s LIMIT %d", query, join, order, maxCalendars))
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	keys := map[string]bool{}
	for rows.Next() {
		var row, sharing, storeType sqlitefs.Int
		var title, uuid, color, sort, store sqlitefs.Text
		if err := rows.Scan(&row, &title, &uuid, &color, &sharing, &sort, &store, &storeType); err != nil {
			return s.db.Err(ctx, err)
		}
		c := &aCalendar{row: row.Int, key: uuid.String, title: title.String, account: store.String, color: rgb(color.String),
			sharing: sharing.Int, store: storeType.Int, birthdays: storeType.Int == storeBirthdays || strings.EqualFold(sort.String, "birthday")}
		if c.key == "" || keys[c.key] {
			c.key = fmt.Sprintf("calendar-%d", c.row)
		}
		if c.title == "" {
			c.title = "Calendar"
		}
		keys[c.key] = true
		s.calendars = append(s.calendars, c)
		s.byRow[c.row] = c
	}
	return s.db.Err(ctx, rows.Err())
}

// rgb takes the opacity off #RRGGBBAA, and gives "" for what is no colour.
func rgb(color string) string {
	if len(color) != 7 && len(color) != 9 || color[0] != '#' || strings.Trim(color[1:], "0123456789abcdefABCDEF") != "" {
		return ""
	}
	return color[:7]
}

// detail is the second line about a calendar.
func (c *aCalendar) detail() string {
	parts := []string{}
	if c.account != "" && c.account != c.title {
		parts = append(parts, c.account)
	}
	switch {
	case c.birthdays:
		parts = append(parts, "birthdays of contacts")
	case c.store == storeSubscribed:
		parts = append(parts, "subscribed")
	}
	switch c.sharing {
	case 1:
		parts = append(parts, "shared by me")
	case 2:
		parts = append(parts, "shared with me")
	}
	return strings.Join(parts, " · ")
}

func (s *opened) withKey(key string) *aCalendar {
	for _, c := range s.calendars {
		if c.key == key {
			return c
		}
	}
	return nil
}

// counts gives the number of events by calendar.
func (s *opened) counts(ctx context.Context) (map[int64]int, error) {
	counts := map[int64]int{}
	if !s.db.Has("CalendarItem", "calendar_id") {
		return counts, nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT i.calendar_id, count(*) FROM CalendarItem i WHERE "+s.events()+" GROUP BY 1")
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, n sqlitefs.Int
		if err := rows.Scan(&row, &n); err != nil {
			return nil, s.db.Err(ctx, err)
		}
		if row.Valid {
			counts[row.Int] = int(n.Int)
		}
	}
	return counts, s.db.Err(ctx, rows.Err())
}
