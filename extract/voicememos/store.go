package voicememos

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// errNoTable: the database is none of this app's.
var errNoTable = errors.New("it has no table of recordings")

// store is one database of a place.
type store struct {
	place   *place
	db      *sqlitefs.DB
	folders map[int64]extract.Group
	order   []int64
}

// openStore opens a database and reads its folders.
func openStore(ctx context.Context, src *extract.Source, p *place, name string, rep extract.Reporter) (*store, error) {
	db, err := src.Database(ctx, path.Join(p.dir, name))
	if err != nil {
		return nil, err
	}
	s := &store{place: p, db: db, folders: map[int64]extract.Group{}}
	if len(s.tables()) == 0 {
		return nil, fmt.Errorf("%s: %w", db.Name(), errNoTable)
	}
	if err := s.readFolders(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		rep.Report(&extract.Problem{What: "folders in " + db.Name(), Err: err})
	}
	return s, nil
}

// tables of recordings: that of iOS 12 and later first, which leaves the other empty.
func (s *store) tables() []string {
	var list []string
	for _, t := range []string{"ZCLOUDRECORDING", "ZRECORDING"} {
		if s.db.Has(t, "Z_PK") {
			list = append(list, t)
		}
	}
	return list
}

const maxFolders = 10_000

func (s *store) readFolders(ctx context.Context) error {
	if !s.db.Has("ZFOLDER", "Z_PK") {
		return nil
	}
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT f.Z_PK, %s, %s FROM ZFOLDER f ORDER BY %s, f.Z_PK LIMIT %d",
		s.db.Column("ZFOLDER", "f", "ZENCRYPTEDNAME", "ZNAME"), s.db.Column("ZFOLDER", "f", "ZUUID"), s.db.Column("ZFOLDER", "f", "ZRANK"), maxFolders))
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var pk sqlitefs.Int
		var name, id sqlitefs.Text
		if err := rows.Scan(&pk, &name, &id); err != nil {
			return s.db.Err(ctx, err)
		}
		g := extract.Group{Key: id.String, Title: title(name.String)}
		if g.Key == "" {
			g.Key = fmt.Sprintf("folder:%d", pk.Int)
		}
		if g.Title == "" {
			g.Title = "Folder without a name"
		}
		s.folders[pk.Int] = g
		s.order = append(s.order, pk.Int)
	}
	return s.db.Err(ctx, rows.Err())
}

// read gives the recordings of all tables, and says when it comes to one.
func (s *store) read(ctx context.Context, begin func(), give func(*Memo)) error {
	for _, table := range s.tables() {
		begin()
		if err := s.readTable(ctx, table, give); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) readTable(ctx context.Context, table string, give func(*Memo)) error {
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf("SELECT r.Z_PK, %s FROM %s r ORDER BY r.Z_PK LIMIT %d",
		s.db.List(table, "r", "ZUNIQUEID", "ZPATH", "ZDATE", "ZDURATION", "ZLOCALDURATION", "ZEVICTIONDATE", "ZFOLDER", "ZFLAGS", "ZENCRYPTEDTITLE", "ZCUSTOMLABELFORSORTING", "ZCUSTOMLABEL"),
		table, maxMemos))
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var pk, folder, flags sqlitefs.Int
		var id, at, name, sorted, label sqlitefs.Text
		var date, seconds, local, evicted sqlitefs.Real
		if err := rows.Scan(&pk, &id, &at, &date, &seconds, &local, &evicted, &folder, &flags, &name, &sorted, &label); err != nil {
			return s.db.Err(ctx, err)
		}
		m := &Memo{Key: id.String, Recorded: extract.CocoaTime(date.Float), Seconds: max(seconds.Float, 0), Deleted: extract.CocoaTime(evicted.Float), Flags: flags.Int, place: s.place, base: fileName(at.String)}
		if m.Seconds == 0 {
			m.Seconds = max(local.Float, 0)
		}
		if g, ok := s.folders[folder.Int]; ok {
			m.Folder, m.folderKey = g.Title, g.Key
		}
		if m.Key == "" {
			m.Key = fmt.Sprintf("%s%s/%d", rowPrefix, table, pk.Int)
			if m.base != "" {
				m.Key = "file:" + m.base
			}
		}
		m.Title = title(name.String)
		if m.Title == "" { // before that counts what is in the folder of an edited one
			m.Title = sortTitle(sorted.String, label.String)
			m.untitled = true
		}
		give(m)
	}
	return s.db.Err(ctx, rows.Err())
}

// fileName is that in ZPATH, which up to iOS 11 is a path of the phone.
func fileName(p string) string {
	name := path.Base(p)
	if p == "" || name == "." || name == "/" || name == ".." || !utf8.ValidString(name) || strings.ContainsAny(name, "\x00\\") {
		return ""
	}
	return name
}

// maxTitle is the most bytes of a title that are shown.
const maxTitle = 1000

// title is a text as one line, or "" where it is none.
func title(s string) string {
	if !utf8.ValidString(s) {
		return ""
	}
	s = strings.Join(strings.Fields(s), " ")
	for i := range s {
		if i > maxTitle {
			return s[:i]
		}
	}
	return s
}

var automatic = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:`)

// sortTitle is the title by which the app sorts, or what the owner has called it;
// a moment as the phone writes it is no title.
func sortTitle(sorted, label string) string {
	for _, s := range []string{title(sorted), title(label)} {
		if s != "" && !automatic.MatchString(s) {
			return s
		}
	}
	return ""
}
