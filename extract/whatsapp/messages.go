package whatsapp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// row is a message with what hangs on it.
type row struct {
	pk, session, kind, event, fromMe, status, failed, starred, twin sqlitefs.Int
	date, sent                                                      sqlitefs.Real
	stanza, from, to, text, push                                    sqlitefs.Text
	memberJID, memberName, memberFirst                              sqlitefs.Text
	media, size, seconds                                            sqlitefs.Int
	mediaPath, title, cardName, card, thumb                         sqlitefs.Text
	latitude, longitude                                             sqlitefs.Real
	metadata, receipts                                              sqlitefs.Blob
}

// selection is the list of results, in the order of scan.
func (b *book) selection() string {
	db := b.db
	twin, same := "0", ""
	if db.Has("ZWAMESSAGE", "ZCHATSESSION") {
		same = " AND +w.ZCHATSESSION IS m.ZCHATSESSION"
	}
	if b.byStanza {
		// Not all stanza IDs are of one message: notices of a group share theirs.
		twin = "EXISTS (SELECT 1 FROM ZWAMESSAGE w WHERE w.ZSTANZAID = m.ZSTANZAID AND w.Z_PK < m.Z_PK" + same + ")"
	} else if db.Has("ZWAMESSAGE", "ZSTANZAID") {
		twin = "1" // not known quickly: each has its number in its key
	}
	list := []string{"m.Z_PK", db.List("ZWAMESSAGE", "m", "ZCHATSESSION", "ZMESSAGETYPE", "ZGROUPEVENTTYPE", "ZISFROMME", "ZMESSAGESTATUS", "ZMESSAGEERRORSTATUS", "ZSTARRED"), twin,
		db.List("ZWAMESSAGE", "m", "ZMESSAGEDATE", "ZSENTDATE", "ZSTANZAID", "ZFROMJID", "ZTOJID", "ZTEXT", "ZPUSHNAME")}
	add := func(join bool, table, alias string, columns ...string) {
		for _, c := range columns {
			if join {
				list = append(list, db.Column(table, alias, c))
			} else {
				list = append(list, "NULL")
			}
		}
	}
	add(b.joins("ZWAGROUPMEMBER", "ZGROUPMEMBER"), "ZWAGROUPMEMBER", "g", "ZMEMBERJID", "ZCONTACTNAME", "ZFIRSTNAME")
	add(b.hasMedia(), "ZWAMEDIAITEM", "i", "Z_PK", "ZFILESIZE", "ZMOVIEDURATION", "ZMEDIALOCALPATH", "ZTITLE", "ZVCARDNAME", "ZVCARDSTRING", "ZXMPPTHUMBPATH", "ZLATITUDE", "ZLONGITUDE", "ZMETADATA")
	add(b.joins("ZWAMESSAGEINFO", "ZMESSAGEINFO"), "ZWAMESSAGEINFO", "n", "ZRECEIPTINFO")
	return strings.Join(list, ", ")
}

func (r *row) scan(rows *sql.Rows) error {
	return rows.Scan(&r.pk, &r.session, &r.kind, &r.event, &r.fromMe, &r.status, &r.failed, &r.starred, &r.twin,
		&r.date, &r.sent, &r.stanza, &r.from, &r.to, &r.text, &r.push,
		&r.memberJID, &r.memberName, &r.memberFirst,
		&r.media, &r.size, &r.seconds, &r.mediaPath, &r.title, &r.cardName, &r.card, &r.thumb, &r.latitude, &r.longitude, &r.metadata,
		&r.receipts)
}

func (b *book) joins(table, column string) bool {
	return b.db.Has(table, "Z_PK") && b.db.Has("ZWAMESSAGE", column)
}

func (b *book) hasMedia() bool {
	return b.db.Has("ZWAMEDIAITEM", "Z_PK") && (b.db.Has("ZWAMESSAGE", "ZMEDIAITEM") || b.db.Has("ZWAMEDIAITEM", "ZMESSAGE"))
}

// tables is the FROM of the selection.
func (b *book) tables() string {
	from := "ZWAMESSAGE m"
	if b.joins("ZWAGROUPMEMBER", "ZGROUPMEMBER") {
		from += " LEFT JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER"
	}
	switch {
	case !b.hasMedia():
	case b.db.Has("ZWAMESSAGE", "ZMEDIAITEM"):
		from += " LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK = " + b.mediaOf()
	default:
		from += " LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK = (SELECT min(j.Z_PK) FROM ZWAMEDIAITEM j WHERE j.ZMESSAGE = m.Z_PK)"
	}
	if b.joins("ZWAMESSAGEINFO", "ZMESSAGEINFO") {
		from += " LEFT JOIN ZWAMESSAGEINFO n ON n.Z_PK = m.ZMESSAGEINFO"
	}
	return from
}

// mediaOf is the media item of a message: the one that it refers to; of a message that
// should have one and refers to none, that which refers to it.
func (b *book) mediaOf() string {
	if !b.mediaBack || !b.db.Has("ZWAMESSAGE", "ZMESSAGETYPE") {
		return "m.ZMEDIAITEM"
	}
	return fmt.Sprintf("coalesce(m.ZMEDIAITEM, CASE WHEN m.ZMESSAGETYPE NOT IN (%d, %d, %d, %d, %d) THEN (SELECT min(j.Z_PK) FROM ZWAMEDIAITEM j WHERE j.ZMESSAGE = m.Z_PK) END)",
		kindText, kindGroupEvent, kindLink, kindNotice, kindDeleted)
}

// filter is a condition and its arguments.
type filter struct {
	where string
	args  []any
}

// choose makes the conditions of a query; ok is false when nothing can match.
func (b *book) choose(q extract.Query) (f filter, ok bool) {
	var conditions []string
	if q.Group != "" {
		s := b.byKey(q.Group)
		switch {
		case s == nil:
			return f, false
		case s.pk != 0:
			conditions, f.args = append(conditions, "m.ZCHATSESSION = ?"), append(f.args, s.pk)
		case !b.hasSessions():
			// All of them lie in none.
		default:
			conditions = append(conditions, "(m.ZCHATSESSION IS NULL OR m.ZCHATSESSION NOT IN (SELECT Z_PK FROM ZWACHATSESSION))")
		}
	}
	if q.Key != "" {
		rest, mine := strings.CutPrefix(q.Key, b.prefix)
		_, stanza, found := cutLast(rest, "/")
		if !mine || !found {
			return f, false
		}
		if name, number, numbered := cutLast(stanza, "#"); numbered {
			conditions, f.args = append(conditions, "m.Z_PK = ?"), append(f.args, number)
			stanza = name
		} else if !b.db.Has("ZWAMESSAGE", "ZSTANZAID") {
			return f, false
		}
		if stanza != "" {
			conditions, f.args = append(conditions, "m.ZSTANZAID = ?"), append(f.args, stanza)
		}
	}
	if len(conditions) > 0 {
		f.where = " WHERE " + strings.Join(conditions, " AND ")
	}
	return f, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (b *book) byKey(key string) *session {
	for _, s := range b.list {
		if s.Key == key {
			return s
		}
	}
	return nil
}

// order is how messages follow each other: in a conversation as the app shows them,
// otherwise by time.
func (b *book) order(q extract.Query) string {
	down := ""
	if q.Newest {
		down = " DESC"
	}
	var by []string
	switch {
	case q.Group != "" && b.db.Has("ZWAMESSAGE", "ZSORT"):
		by = append(by, "m.ZSORT"+down)
	case b.undated:
		date := func(column string) string {
			if !b.db.Has("ZWAMESSAGE", column) {
				return "NULL"
			}
			return fmt.Sprintf("CASE WHEN typeof(m.%s) IN ('integer', 'real') AND m.%[1]s < 63113904000 AND m.%[1]s > -3061152000 AND m.%[1]s != 0 THEN m.%[1]s END", column)
		}
		by = append(by, "coalesce("+date("ZMESSAGEDATE")+", "+date("ZSENTDATE")+")"+down)
	case b.db.Has("ZWAMESSAGE", "ZMESSAGEDATE"):
		by = append(by, "m.ZMESSAGEDATE"+down)
	}
	return " ORDER BY " + strings.Join(append(by, "m.Z_PK"+down), ", ")
}

// cursor gives messages one by one.
type cursor struct {
	b     *book
	ctx   context.Context
	rows  *sql.Rows
	quote *sql.Stmt
	key   string // only that of this key
	chat.Message
	done bool
}

// cursor opens the messages that q chooses; limit 0 is all. nil is none.
func (b *book) cursor(ctx context.Context, q extract.Query, limit, skip int) (*cursor, error) {
	f, ok := b.choose(q)
	if !ok {
		return nil, nil
	}
	query := "SELECT " + b.selection() + " FROM " + b.tables() + f.where + b.order(q)
	if limit == 0 {
		limit = -1
	}
	query += fmt.Sprintf(" LIMIT %d OFFSET %d", limit, skip)
	c := &cursor{b: b, ctx: ctx, key: q.Key}
	if b.byStanza {
		stmt, err := b.db.PrepareContext(ctx, b.quoteQuery())
		if err != nil {
			return nil, b.db.Err(ctx, err)
		}
		c.quote = stmt
	}
	rows, err := b.db.QueryContext(ctx, query, f.args...)
	if err != nil {
		return nil, errors.Join(b.db.Err(ctx, err), c.close())
	}
	c.rows = rows
	return c, nil
}

// next takes the next message; false at the end.
func (c *cursor) next(rep extract.Reporter) (bool, error) {
	for c.rows.Next() {
		var r row
		if err := r.scan(c.rows); err != nil {
			if err := c.ctx.Err(); err != nil {
				return false, err
			}
			rep.Report(&extract.Problem{Kind: kind, What: "a message in " + c.b.db.Name(), Err: c.b.db.Err(c.ctx, err)})
			continue
		}
		c.Message = c.b.message(c, &r)
		if c.key != "" && c.key != c.Key {
			continue
		}
		return true, nil
	}
	c.done = true
	return false, c.b.db.Err(c.ctx, c.rows.Err())
}

func (c *cursor) close() error {
	var err error
	if c.rows != nil {
		err = c.rows.Close()
	}
	if c.quote != nil {
		err = errors.Join(err, c.quote.Close())
	}
	return err
}

// quoteQuery finds a quoted message by its stanza ID, best in the same conversation.
func (b *book) quoteQuery() string {
	title, join := "NULL", ""
	if b.db.Has("ZWAMESSAGE", "ZMEDIAITEM") && b.db.Has("ZWAMEDIAITEM", "Z_PK", "ZTITLE") {
		title, join = "i.ZTITLE", " LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK = w.ZMEDIAITEM"
	}
	return "SELECT " + b.db.List("ZWAMESSAGE", "w", "Z_PK", "ZTEXT", "ZMESSAGETYPE") + ", " + title + " FROM ZWAMESSAGE w" + join + " WHERE w.ZSTANZAID = ?1 AND " + b.db.Column("ZWAMESSAGE", "w", "ZCHATSESSION") + " IS ?2 ORDER BY w.Z_PK LIMIT 1"
}

// quoted gives the beginning of a quoted message, "" when it is not there.
func (c *cursor) quoted(stanza string, session sqlitefs.Int) string {
	if c.quote == nil || stanza == "" {
		return ""
	}
	var in any
	if session.Valid {
		in = session.Int
	}
	var words, title sqlitefs.Text
	var pk, kind sqlitefs.Int
	if err := c.quote.QueryRowContext(c.ctx, stanza, in).Scan(&pk, &words, &kind, &title); err != nil {
		return "" // the message is gone; what the reply itself has of it is shown
	}
	if words.String != "" {
		return short(words.String)
	}
	if title.String != "" {
		return short(title.String)
	}
	return kinds[kind.Int].name
}

// short is the beginning of a text.
func short(s string) string {
	const most = 300
	n := 0
	for i := range s {
		if n++; n > most {
			return s[:i] + "…"
		}
	}
	return s
}
