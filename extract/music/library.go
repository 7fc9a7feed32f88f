package music

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Prefixes of the keys of groups.
const (
	artistKey   = "artist:"
	albumKey    = "album:"
	playlistKey = "playlist:"
)

var errNoItems = errors.New("it has no table of items")

// library is MediaLibrary.sqlitedb.
type library struct{ db *sqlitefs.DB }

func openLibrary(ctx context.Context, src *extract.Source, s *shelf) (*library, error) {
	db, err := src.Database(ctx, s.path(libraryDB))
	if err != nil {
		return nil, err
	}
	if !db.Has("item", "item_pid") {
		return nil, fmt.Errorf("%s: %w", db.Name(), errNoItems)
	}
	return &library{db}, nil
}

// beside are the tables with more about an item, and how they are joined.
var beside = []struct{ table, alias, key, of string }{
	{"item_extra", "x", "item_pid", "i.item_pid"},
	{"item_store", "s", "item_pid", "i.item_pid"},
	{"item_stats", "t", "item_pid", "i.item_pid"},
	{"lyrics", "y", "item_pid", "i.item_pid"},
	{"item_artist", "ar", "item_artist_pid", "item_artist_pid"},
	{"album", "al", "album_pid", "album_pid"},
	{"album_artist", "aa", "album_artist_pid", "album_artist_pid"},
	{"composer", "co", "composer_pid", "composer_pid"},
	{"genre", "ge", "genre_id", "genre_id"},
	{"base_location", "b", "base_location_id", "base_location_id"},
}

// from joins the tables that there are.
func (l *library) from() string {
	var b strings.Builder
	b.WriteString("item i")
	for _, j := range beside {
		of := j.of
		if of != "i.item_pid" {
			if !l.db.Has("item", of) {
				continue
			}
			of = "i." + of
		}
		if l.db.Has(j.table, j.key) {
			fmt.Fprintf(&b, " LEFT JOIN %s %s ON %s.%s = %s", j.table, j.alias, j.alias, j.key, of)
		}
	}
	return b.String()
}

// column is a column of one of the tables beside, NULL where it is not joined.
func (l *library) column(alias string, names ...string) string {
	table := "item"
	for _, j := range beside {
		if j.alias != alias {
			continue
		}
		table = j.table
		if !l.db.Has(j.table, j.key) || j.of != "i.item_pid" && !l.db.Has("item", j.of) {
			return "NULL"
		}
	}
	return l.db.Column(table, alias, names...)
}

func (l *library) columns(alias string, names ...string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = l.column(alias, n)
	}
	return strings.Join(list, ", ")
}

// where gives the conditions, the order and the arguments of a query. ok is false for
// a group or key that cannot be.
func (l *library) where(q extract.Query) (clause, order string, args []any, ok bool) {
	var conditions []string
	add := func(condition, number string) {
		pid, err := strconv.ParseInt(number, 10, 64)
		ok = ok && err == nil
		conditions = append(conditions, condition)
		args = append(args, pid)
	}
	ok = true
	order = fmt.Sprintf("lower(coalesce(nullif(%s, ''), %s, '')), lower(coalesce(%s, '')), %s, %s, lower(coalesce(%s, '')), i.item_pid",
		l.column("aa", "album_artist"), l.column("ar", "item_artist"), l.column("al", "album"), l.column("i", "disc_number"), l.column("i", "track_number"), l.column("x", "title"))
	if q.Key != "" {
		add("i.item_pid = ?", q.Key)
	}
	join := ""
	switch kind, number, _ := strings.Cut(q.Group, ":"); kind + ":" {
	case ":":
	case artistKey:
		ok = ok && l.db.Has("item", "album_artist_pid")
		add("i.album_artist_pid = ?", number)
	case albumKey:
		ok = ok && l.db.Has("item", "album_pid")
		add("i.album_pid = ?", number)
	case playlistKey:
		if ok = ok && l.db.Has("container_item", "container_pid", "item_pid"); ok {
			join = " JOIN container_item ci ON ci.item_pid = i.item_pid"
			order = l.db.Column("container_item", "ci", "position") + ", ci.rowid"
		}
		add("ci.container_pid = ?", number)
	default:
		ok = false
	}
	if q.Newest {
		order = added(l.column("i", "date_added")) + " DESC, i.item_pid"
		if join != "" {
			order += ", ci.rowid"
		}
	}
	clause = join
	if len(conditions) > 0 {
		clause += " WHERE " + strings.Join(conditions, " AND ")
	}
	return clause, order, args, ok
}

// added is a moment to sort by: what stands for none is none.
func added(column string) string {
	c := "CAST(" + column + " AS REAL)"
	return fmt.Sprintf("CASE WHEN %s > -3061152000 AND %s < 63113904000 AND %s <> 0 THEN %s ELSE -1e18 END", c, c, c, c)
}

// read gives the items that q chooses.
func (l *library) read(ctx context.Context, q extract.Query, give func(*Item) error) error {
	clause, order, args, ok := l.where(q)
	if !ok {
		return nil
	}
	limit := -1
	if q.Limit > 0 {
		limit = q.Limit
	}
	query := fmt.Sprintf("SELECT i.item_pid, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s FROM %s%s ORDER BY %s LIMIT %d OFFSET %d",
		l.columns("i", "item_artist_pid", "album_pid", "album_artist_pid", "track_number", "disc_number", "date_added"),
		l.columns("x", "title", "total_time_ms", "year", "location", "file_size", "media_kind", "comment", "copyright"),
		l.columns("s", "is_protected", "date_purchased"), l.columns("t", "user_rating", "play_count_user", "skip_count_user", "date_played", "liked_state", "hidden"),
		l.columns("ar", "item_artist"), l.columns("al", "album_pid", "album"), l.columns("aa", "album_artist_pid", "album_artist"),
		l.columns("co", "composer"), l.columns("ge", "genre"), l.columns("b", "path"), l.columns("y", "lyrics"), l.from(), clause, order, limit, q.Skip)
	rows, err := l.db.QueryContext(ctx, query, args...)
	if err != nil {
		return l.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.pid, &r.artistPID, &r.albumPID, &r.albumArtistPID, &r.track, &r.disc, &r.added,
			&r.title, &r.ms, &r.year, &r.location, &r.size, &r.kind, &r.comment, &r.copyright, &r.protected, &r.purchased,
			&r.rating, &r.plays, &r.skips, &r.played, &r.liked, &r.hidden, &r.artist, &r.hasAlbum, &r.album, &r.hasAlbumArtist, &r.albumArtist,
			&r.composer, &r.genre, &r.base, &r.lyrics); err != nil {
			return l.db.Err(ctx, err)
		}
		if err := give(r.item()); err != nil {
			return err
		}
	}
	return l.db.Err(ctx, rows.Err())
}

// row is what the library says of an item.
type row struct {
	pid, artistPID, albumPID, albumArtistPID, hasAlbum, hasAlbumArtist                     sqlitefs.Int
	track, disc, year, size, kind, protected, rating, plays, skips, liked, hidden          sqlitefs.Int
	added, ms, purchased, played                                                           sqlitefs.Real
	title, location, comment, copyright, artist, album, albumArtist, composer, genre, base sqlitefs.Text
	lyrics                                                                                 sqlitefs.Text
}

func (r *row) item() *Item {
	m := &Item{
		Key: strconv.FormatInt(r.pid.Int, 10), Title: line(r.title.String), Artist: line(r.artist.String), Album: line(r.album.String), AlbumArtist: line(r.albumArtist.String),
		Composer: line(r.composer.String), Genre: line(r.genre.String), MediaKind: r.kind.Int, Track: small(r.track), Disc: small(r.disc), Year: small(r.year),
		Seconds: max(r.ms.Float/1000, 0), Rating: min(small(r.rating), 100), Plays: max(r.plays.Int, 0), Skips: max(r.skips.Int, 0), Liked: r.liked.Int,
		Added: extract.CocoaTime(r.added.Float), Played: extract.CocoaTime(r.played.Float), Purchased: extract.CocoaTime(r.purchased.Float),
		Comment: text(r.comment.String), Copyright: line(r.copyright.String), Lyrics: text(r.lyrics.String), hidden: r.hidden.Bool(), table: tableMedia,
	}
	if r.location.String != "" {
		m.named = named(r.base.String, r.location.String)
	}
	m.Kind = kindOf(m.MediaKind, m.named)
	m.Protected = r.protected.Bool() || fairPlay(m.named)
	if m.Title == "" {
		m.Title = "Without a title"
	}
	switch {
	case r.hasAlbum.Valid && r.albumPID.Int != 0:
		m.group = albumKey + strconv.FormatInt(r.albumPID.Int, 10)
	case r.hasAlbumArtist.Valid && r.albumArtistPID.Int != 0:
		m.group = artistKey + strconv.FormatInt(r.albumArtistPID.Int, 10)
	}
	return m
}

// named is the path of a file in the media folder. What leads out of it is kept as it
// is, and found nowhere.
func named(base, location string) string {
	if base == "" {
		return location
	}
	return strings.TrimSuffix(base, "/") + "/" + location
}

func small(n sqlitefs.Int) int {
	if n.Int < 0 || n.Int > 1_000_000 {
		return 0
	}
	return int(n.Int)
}

const (
	maxLine = 2000
	maxText = 1 << 20
)

// line is a text as one line; bytes that are none are replaced.
func line(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
	for i := range s {
		if i > maxLine {
			return s[:i]
		}
	}
	return s
}

func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
}

// files gives the paths of all files that the library names.
func (l *library) files(ctx context.Context) (map[string]bool, error) {
	known := map[string]bool{}
	rows, err := l.db.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s FROM %s", l.column("b", "path"), l.column("x", "location"), l.from()))
	if err != nil {
		return nil, l.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() && len(known) < maxFiles {
		var base, location sqlitefs.Text
		if err := rows.Scan(&base, &location); err != nil {
			return nil, l.db.Err(ctx, err)
		}
		if location.String != "" {
			known[named(base.String, location.String)] = true
		}
	}
	return known, l.db.Err(ctx, rows.Err())
}
