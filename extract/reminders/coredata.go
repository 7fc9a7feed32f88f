package reminders

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// coreData is a store of iOS 13 and later.
type coreData struct {
	src   *extract.Source
	db    *sqlitefs.DB
	path  string
	ents  map[string][]int64 // entity and all its descendants by name
	names map[int64]string   // entity by number
}

const objects = "ZREMCDOBJECT"

// maxLists bounds what is kept of a store.
const maxLists = 100_000

func openStore(ctx context.Context, src *extract.Source, p string) (store, error) {
	db, err := src.Database(ctx, p)
	if err != nil {
		return nil, err
	}
	s := &coreData{src: src, db: db, path: p}
	if err := s.entities(ctx); err != nil {
		return nil, err
	}
	if !db.Has("ZREMCDREMINDER") && !db.Has(objects) {
		return nil, fmt.Errorf("%s has no reminders in it: %w", p, sqlitefs.ErrDamaged)
	}
	return s, nil
}

func (s *coreData) name() string { return s.path }

// entities reads Z_PRIMARYKEY.
func (s *coreData) entities(ctx context.Context) error {
	s.ents, s.names = map[string][]int64{}, map[int64]string{}
	if !s.db.Has("Z_PRIMARYKEY", "Z_ENT", "Z_NAME") {
		return nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT "+s.db.List("Z_PRIMARYKEY", "p", "Z_ENT", "Z_NAME", "Z_SUPER")+" FROM Z_PRIMARYKEY p ORDER BY p.Z_ENT LIMIT 10000")
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	super := map[int64]int64{}
	for rows.Next() {
		var number, above sqlitefs.Int
		var name sqlitefs.Text
		if err := rows.Scan(&number, &name, &above); err != nil {
			return s.db.Err(ctx, err)
		}
		s.names[number.Int], super[number.Int] = name.String, above.Int
	}
	if err := rows.Err(); err != nil {
		return s.db.Err(ctx, err)
	}
	for number := range s.names {
		for at, depth := number, 0; at != 0 && depth < 32; at, depth = super[at], depth+1 {
			if name := s.names[at]; name != "" {
				s.ents[name] = append(s.ents[name], number)
			}
		}
	}
	return nil
}

// is is a condition that a row is of an entity or a descendant of it.
func (s *coreData) is(alias, entity string) string {
	if len(s.ents[entity]) == 0 {
		return "0"
	}
	numbers := make([]string, 0, len(s.ents[entity]))
	for _, n := range s.ents[entity] {
		numbers = append(numbers, strconv.FormatInt(n, 10))
	}
	slices.Sort(numbers)
	return alias + ".Z_ENT IN (" + strings.Join(numbers, ",") + ")"
}

var digits = regexp.MustCompile(`^[0-9]*$`)

// any is an expression for a property whose columns may be numbered: the first of them
// that is not NULL.
func (s *coreData) any(table, alias, property string) string {
	var found []string
	for _, c := range s.db.Columns(table) {
		if rest, ok := strings.CutPrefix(strings.ToUpper(c), property); ok && digits.MatchString(rest) {
			found = append(found, alias+"."+sqlitefs.Quote(c))
		}
	}
	slices.Sort(found)
	if len(found) == 0 {
		return "NULL"
	}
	return "coalesce(" + strings.Join(found, ", ") + ", NULL)"
}

func (s *coreData) all(table, alias string, properties ...string) string {
	list := make([]string, len(properties))
	for i, p := range properties {
		list[i] = s.any(table, alias, p)
	}
	return strings.Join(list, ", ")
}

// reminders gives the table and the condition of the rows that are reminders.
func (s *coreData) reminders() (table, condition string) {
	if s.db.Has("ZREMCDREMINDER") {
		return "ZREMCDREMINDER", "1"
	}
	return objects, s.is("r", "REMCDReminder")
}

// listTable is the table of the lists, and the condition that a row is one.
func (s *coreData) listTable() (table, condition string) {
	if s.db.Has("ZREMCDBASELIST") {
		return "ZREMCDBASELIST", "1"
	}
	if len(s.ents["REMCDBaseList"]) > 0 {
		return objects, s.is("l", "REMCDBaseList")
	}
	return objects, s.is("l", "REMCDList")
}

func (s *coreData) lists(ctx context.Context) ([]list, error) {
	table, condition := s.listTable()
	if !s.db.Has(table) {
		return nil, nil
	}
	accounts, err := s.accounts(ctx)
	if err != nil {
		return nil, err
	}
	sections, err := s.sections(ctx)
	if err != nil {
		return nil, err
	}
	smart := s.is("l", "REMCDSmartList")
	query := fmt.Sprintf("SELECT l.Z_PK, %s, %s FROM %s l WHERE %s ORDER BY l.Z_PK LIMIT %d", smart,
		s.all(table, "l", "ZNAME", "ZIDENTIFIER", "ZCKIDENTIFIER", "ZISGROUP", "ZPARENTLIST", "ZSHARINGSTATUS", "ZMARKEDFORDELETION", "ZACCOUNT",
			"ZMEMBERSHIPSOFREMINDERSINSECTIONSASDATA"), table, condition, maxLists)
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	var found []list
	for rows.Next() {
		var row, smart, group, parent, sharing, deleted, account sqlitefs.Int
		var title, cloudID sqlitefs.Text
		var id, members sqlitefs.Blob
		if err := rows.Scan(&row, &smart, &title, &id, &cloudID, &group, &parent, &sharing, &deleted, &account, &members); err != nil {
			return found, s.db.Err(ctx, err)
		}
		at := list{row: row.Int, parent: parent.Int, key: joinedID(id, cloudID.String), title: title.String, account: accounts[account.Int],
			group: group.Bool(), smart: smart.Bool(), deleted: deleted.Bool(), sections: membership(members, sections)}
		if at.title == "" {
			at.title = "List"
		}
		if at.group {
			at.detail = "group"
		} else if sharing.Int > 0 {
			at.detail = "shared"
		}
		found = append(found, at)
	}
	return found, s.db.Err(ctx, rows.Err())
}

// accounts gives the names of accounts by their rows.
func (s *coreData) accounts(ctx context.Context) (map[int64]string, error) {
	if !s.db.Has(objects) {
		return nil, nil
	}
	names := map[int64]string{}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT o.Z_PK, %s FROM %s o WHERE %s LIMIT 10000", s.any(objects, "o", "ZNAME"), objects, s.is("o", "REMCDAccount")))
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row sqlitefs.Int
		var name sqlitefs.Text
		if err := rows.Scan(&row, &name); err != nil {
			return nil, s.db.Err(ctx, err)
		}
		names[row.Int] = name.String
	}
	return names, s.db.Err(ctx, rows.Err())
}

// sections gives the titles of sections by what memberships call them.
func (s *coreData) sections(ctx context.Context) (map[string]string, error) {
	const table = "ZREMCDBASESECTION"
	if !s.db.Has(table) {
		return nil, nil
	}
	titles := map[string]string{}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM %s s LIMIT %d", s.all(table, "s", "ZDISPLAYNAME", "ZIDENTIFIER", "ZCKIDENTIFIER"), table, maxLists))
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var title, cloudID sqlitefs.Text
		var id sqlitefs.Blob
		if err := rows.Scan(&title, &id, &cloudID); err != nil {
			return nil, s.db.Err(ctx, err)
		}
		titles[strings.ToUpper(cloudID.String)], titles[joinedID(id, "")] = title.String, title.String
	}
	return titles, s.db.Err(ctx, rows.Err())
}

// joinedID is a row's UUID, of 16 bytes or as text; otherwise what the cloud calls it.
func joinedID(id []byte, cloudID string) string {
	if u, err := uuid.FromBytes(id); err == nil && u != uuid.Nil {
		return strings.ToUpper(u.String())
	}
	if u, err := uuid.ParseBytes(id); err == nil {
		return strings.ToUpper(u.String())
	}
	return cloudID
}

func (s *coreData) index(ctx context.Context) ([]line, error) {
	table, condition := s.reminders()
	query := fmt.Sprintf("SELECT r.Z_PK, %s FROM %s r WHERE %s ORDER BY r.Z_PK", s.all(table, "r", "ZIDENTIFIER", "ZCKIDENTIFIER", "ZLIST",
		"ZICSDISPLAYORDER", "ZMARKEDFORDELETION", "ZDUEDATE", "ZSTARTDATE", "ZCREATIONDATE", "ZALLDAY", "ZTIMEZONE"), table, condition)
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	var lines []line
	for rows.Next() {
		var row, list, order, deleted, allDay sqlitefs.Int
		var id sqlitefs.Blob
		var cloudID, zone sqlitefs.Text
		var due, start, created sqlitefs.Real
		if err := rows.Scan(&row, &id, &cloudID, &list, &order, &deleted, &due, &start, &created, &allDay, &zone); err != nil {
			return lines, s.db.Err(ctx, err)
		}
		n := line{row: row.Int, key: joinedID(id, cloudID.String), list: list.Int, order: order.Int, deleted: deleted.Bool()}
		for _, seconds := range []sqlitefs.Real{due, start} {
			if m := moment(seconds, zone.String, allDay.Bool(), s.src.Local()); n.when.IsZero() {
				n.when = m.In(s.src.Local())
			}
		}
		if n.when.IsZero() {
			n.when = extract.CocoaTime(created.Float)
		}
		lines = append(lines, n)
	}
	return lines, s.db.Err(ctx, rows.Err())
}

// moment makes a Moment of a date. Of a whole day the phone keeps midnight: in UTC, in
// the reminder's zone, or where the phone was.
func moment(seconds sqlitefs.Real, zone string, allDay bool, local *time.Location) ical.Moment {
	t := extract.CocoaTime(seconds.Float)
	if t.IsZero() {
		return ical.Moment{}
	}
	if !allDay {
		return ical.Moment{Time: t, Zone: zone}
	}
	if !t.Equal(t.Truncate(24 * time.Hour)) {
		if l := ical.LoadZone(zone); l != nil {
			local = l
		}
		t = t.In(local)
	}
	return ical.Moment{Time: time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), Date: true}
}

func (s *coreData) load(ctx context.Context, numbers []int64, rep extract.Reporter) (map[int64]*Reminder, error) {
	table, condition := s.reminders()
	query := fmt.Sprintf("SELECT r.Z_PK, %s FROM %s r WHERE %s AND r.Z_PK IN (%s)", s.all(table, "r", "ZTITLE", "ZNOTES", "ZCOMPLETED", "ZCOMPLETIONDATE",
		"ZFLAGGED", "ZISURGENTSTATEENABLEDFORCURRENTUSER", "ZPRIORITY", "ZALLDAY", "ZDUEDATE", "ZSTARTDATE", "ZTIMEZONE", "ZCREATIONDATE", "ZLASTMODIFIEDDATE",
		"ZMARKEDFORDELETION", "ZPARENTREMINDER", "ZCKIDENTIFIER", "ZDACALENDARITEMUNIQUEIDENTIFIER", "ZICSURL", "ZDUEDATEDELTAALERTSDATA"), table, condition, listed(numbers))
	rows, err := s.db.QueryContext(ctx, query)
	if err != nil {
		return nil, s.db.Err(ctx, err)
	}
	defer rows.Close()
	found := map[int64]*Reminder{}
	for rows.Next() {
		var row, completed, flagged, urgent, priority, allDay, deleted, parent sqlitefs.Int
		var title, notes, zone, cloudID, uid, link sqlitefs.Text
		var done, due, start, created, modified sqlitefs.Real
		var early sqlitefs.Blob
		if err := rows.Scan(&row, &title, &notes, &completed, &done, &flagged, &urgent, &priority, &allDay, &due, &start, &zone, &created, &modified,
			&deleted, &parent, &cloudID, &uid, &link, &early); err != nil {
			rep.Report(&extract.Problem{Kind: "reminders", What: "a reminder in " + s.path, Err: s.db.Err(ctx, err)})
			continue
		}
		r := &Reminder{Title: title.String, Notes: notes.String, Completed: completed.Bool(), CompletedAt: extract.CocoaTime(done.Float), Flagged: flagged.Bool(),
			Urgent: urgent.Bool(), Priority: priority.Int, Due: moment(due, zone.String, allDay.Bool(), s.src.Local()),
			Start: moment(start, zone.String, allDay.Bool(), s.src.Local()), Created: extract.CocoaTime(created.Float), Modified: extract.CocoaTime(modified.Float),
			Deleted: deleted.Bool(), parent: parent.Int, memo: cloudID.String, uid: uid.String, Alarms: earlyAlarms(early)}
		if link.String != "" {
			r.Links = append(r.Links, link.String)
		}
		found[row.Int] = r
	}
	if err := rows.Err(); err != nil {
		return found, s.db.Err(ctx, err)
	}
	rows.Close()
	if err := s.belongings(ctx, numbers, found); err != nil && ctx.Err() == nil {
		rep.Report(&extract.Problem{Kind: "reminders", What: fmt.Sprintf("what belongs to %d reminders in %s", len(numbers), s.path), Err: err})
	}
	return found, ctx.Err()
}

func listed(numbers []int64) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ",")
}

// files are the folders in which attachments of this store may be.
func (s *coreData) files() []string {
	container := path.Dir(path.Dir(s.path))
	return s.src.Find(container + "/Files/*/Attachments")
}
