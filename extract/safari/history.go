package safari

import (
	"context"
	"fmt"
	"iter"
	"path"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// historyStore is a History.db.
type historyStore struct {
	db      *sqlitefs.DB
	label   string
	profile string // "" of the main one
}

func openHistory(ctx context.Context, src *extract.Source, p, label string) (store, error) {
	db, err := src.Database(ctx, p)
	if err != nil {
		return nil, err
	}
	if !db.Has("history_visits", "id") {
		return nil, fmt.Errorf("%s has no table history_visits: %w", p, sqlitefs.ErrDamaged)
	}
	s := &historyStore{db: db, label: label}
	if dir := path.Dir(p); path.Base(path.Dir(dir)) == "Profiles" {
		s.profile = path.Base(dir)
	}
	return s, nil
}

func (s *historyStore) group() string { return joined("/", "history", s.label, s.profile) }

func joined(between string, list ...string) string {
	var kept []string
	for _, s := range list {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, between)
}

func (s *historyStore) groups(ctx context.Context) ([]extract.Group, error) {
	var n sqlitefs.Int
	if err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM history_visits").Scan(&n); err != nil {
		return nil, s.db.Err(ctx, err)
	}
	g := extract.Group{Key: s.group(), Title: "History", Count: int(n.Int)}
	if s.profile != "" {
		g.Detail = "profile " + s.profile
	}
	if s.label != "" {
		g.Detail = joined(", ", g.Detail, "from the app's own files")
	}
	return []extract.Group{g}, nil
}

// when is the expression that visits are sorted by; what stands for none is NULL.
// Seconds may be written as text.
const when = "CASE WHEN CAST(v.visit_time AS REAL) < 63113904000 AND CAST(v.visit_time AS REAL) >= -3061152000 AND CAST(v.visit_time AS REAL) <> 0 THEN CAST(v.visit_time AS REAL) END"

func (s *historyStore) records(ctx context.Context, q extract.Query) iter.Seq2[record, error] {
	condition := "1"
	if q.Key != "" {
		id, ok := s.idOf(q.Key)
		if !ok {
			return inMemory[record](nil, q)
		}
		condition = fmt.Sprintf("v.id = %d", id)
	}
	if q.Table != "" && q.Table != tableHistory || q.Group != "" && q.Group != s.group() {
		return inMemory[record](nil, q)
	}
	order := "v.id"
	if s.db.Has("history_visits", "visit_time") {
		order = "v.visit_time, v.id"
		if q.Newest {
			order = "v.visit_time DESC, v.id DESC"
		}
	}
	join, page := "", "NULL, NULL"
	if s.db.Has("history_items", "id") && s.db.Has("history_visits", "history_item") {
		join, page = " LEFT JOIN history_items i ON i.id = v.history_item", s.db.List("history_items", "i", "url", "visit_count")
	}
	order = strings.ReplaceAll(order, "v.visit_time", "("+when+")")
	if q.Limit > 0 { // chosen before pages are looked up
		condition += fmt.Sprintf(" AND v.id IN (SELECT v.id FROM history_visits v WHERE %s ORDER BY %s LIMIT %d)", condition, order, q.Limit)
	}
	query := "SELECT " + s.db.List("history_visits", "v", "id", "visit_time", "title", "origin", "load_successful", "redirect_source", "redirect_destination", "synthesized") +
		", " + page + " FROM history_visits v" + join + " WHERE " + condition + " ORDER BY " + order
	return func(yield func(record, error) bool) {
		rows, err := s.db.QueryContext(ctx, query)
		if err != nil {
			yield(nil, s.db.Err(ctx, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			v, err := s.scan(rows.Scan)
			if err != nil {
				yield(nil, s.db.Err(ctx, err))
				return
			}
			if q.Key != "" && v.ID != q.Key {
				continue
			}
			if !yield(v, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(nil, s.db.Err(ctx, err))
		}
	}
}

func (s *historyStore) scan(scan func(...any) error) (*Visit, error) {
	var id, origin, loaded, from, to, synthesized, visits sqlitefs.Int
	var at sqlitefs.Real
	var title, url sqlitefs.Text
	if err := scan(&id, &at, &title, &origin, &loaded, &from, &to, &synthesized, &url, &visits); err != nil {
		return nil, err
	}
	v := &Visit{Time: extract.CocoaTime(at.Float), Title: title.String, URL: url.String, Profile: s.profile, Visits: visits.Int, Other: origin.Bool(),
		Failed: loaded.Valid && !loaded.Bool(), From: from.Int, To: to.Int, Internal: synthesized.Bool(), group: s.group()}
	v.ID = fmt.Sprintf("%s/%d-%d", s.group(), id.Int, v.Time.Unix())
	return v, nil
}

// idOf reads the row's number out of a key.
func (s *historyStore) idOf(key string) (int64, bool) {
	rest, ok := strings.CutPrefix(key, s.group()+"/")
	digits := strings.TrimPrefix(rest, "-") // damaged stores have numbers below 0
	number, _, between := strings.Cut(digits, "-")
	id, err := strconv.ParseInt(rest[:len(rest)-len(digits)]+number, 10, 64)
	return id, ok && between && err == nil
}
