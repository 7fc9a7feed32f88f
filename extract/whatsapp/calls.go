package whatsapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Call is a call. It is an extract.Record.
type Call struct {
	Key      string        `json:"key"`
	Time     time.Time     `json:"time,omitzero"`
	People   []chat.Person `json:"people,omitempty"`
	Group    string        `json:"group,omitempty"` // JID of a group that was called
	Incoming bool          `json:"incoming,omitempty"`
	Missed   bool          `json:"missed,omitempty"`
	Video    bool          `json:"video,omitempty"`
	Seconds  float64       `json:"seconds,omitempty"`
	Outcome  string        `json:"outcome,omitempty"` // "ended", "missed", "rejected"; the app's number of others
	Service  string        `json:"service"`
	Received int64         `json:"bytes_received,omitempty"`
	Sent     int64         `json:"bytes_sent,omitempty"`
}

// Entry implements extract.Record.
func (c *Call) Entry() extract.Entry {
	e := extract.Entry{Table: Calls.Name, Key: c.Key, Title: c.with(), Time: c.Time, Detail: strings.Join([]string{c.direction(), c.Outcome}, ", ")}
	for _, p := range c.People {
		e.Text += p.Name + " " + p.Address + "\n"
	}
	return e
}

// Row implements extract.Record, for [Calls].
func (c *Call) Row() []string {
	return []string{extract.FormatTime(c.Time), c.with(), c.direction(), c.Outcome, strconv.FormatFloat(c.Seconds, 'f', -1, 64), extract.YesNo(c.Video), c.Service, c.Key}
}

// Lasting is the row with addresses in place of names: what two versions are compared by.
func (c *Call) Lasting() []string {
	plain := *c
	plain.People = make([]chat.Person, len(c.People))
	for i, p := range c.People {
		plain.People[i] = chat.Person{Address: p.Address}
	}
	return plain.Row()
}

func (c *Call) with() string {
	var names []string
	for _, p := range c.People {
		names = append(names, p.Label())
	}
	return cmp.Or(strings.Join(names, ", "), c.Group, "Unknown")
}

func (c *Call) direction() string {
	if c.Incoming {
		return "incoming"
	}
	return "outgoing"
}

// outcomes by ZOUTCOME.
var outcomes = map[int64]string{0: "ended", 1: "missed", 4: "rejected"}

// maxCalls of an app are read; the phone keeps far fewer.
const maxCalls = 500_000

// callsOf gives the calls of all apps, the oldest first. Its error is that of the
// last store that failed, with the calls of the others, or ErrAbsent.
func callsOf(ctx context.Context, src *extract.Source) ([]*Call, error) {
	var all []*Call
	var failed error
	found := false
	for _, c := range containers {
		db, err := src.Database(ctx, c.domain+"/CallHistory.sqlite")
		if errors.Is(err, extract.ErrAbsent) {
			continue
		}
		found = true
		var list []*Call
		if err == nil {
			list, err = readCalls(ctx, src, c, db)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			failed = err
			continue
		}
		all = append(all, list...)
	}
	if !found {
		return nil, absent()
	}
	slices.SortStableFunc(all, func(a, b *Call) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Key, b.Key)) })
	return all, failed
}

// number is the beginning of columns that Core Data makes for the far end of a
// relation: Z1CALLEVENTS, where 1 is up to the model.
var number = regexp.MustCompile(`^Z\d+`)

// far finds such a column.
func far(db *sqlitefs.DB, table, name string) string {
	for _, c := range db.Columns(table) {
		if u := strings.ToUpper(c); number.ReplaceAllString(u, "") == name && u != name {
			return c
		}
	}
	return ""
}

func readCalls(ctx context.Context, src *extract.Source, c container, db *sqlitefs.DB) ([]*Call, error) {
	if !db.Has("ZWACDCALLEVENT", "Z_PK") {
		return nil, missing(db, "ZWACDCALLEVENT")
	}
	dir, err := (&book{container: c, src: src}).namesOfCalls(ctx)
	if err != nil {
		return nil, err
	}
	people, err := participants(ctx, db, dir)
	if err != nil {
		return nil, err
	}
	join, whole := "", "NULL, NULL, NULL"
	if column := far(db, "ZWACDCALLEVENT", "CALLEVENTS"); column != "" && db.Has("ZWAAGGREGATECALLEVENT", "Z_PK") {
		join = fmt.Sprintf(" LEFT JOIN ZWAAGGREGATECALLEVENT a ON a.Z_PK = e.%s", sqlitefs.Quote(column))
		whole = db.List("ZWAAGGREGATECALLEVENT", "a", "ZINCOMING", "ZMISSED", "ZVIDEO")
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s, %s FROM ZWACDCALLEVENT e%s ORDER BY e.Z_PK LIMIT %d",
		db.List("ZWACDCALLEVENT", "e", "Z_PK", "ZDATE", "ZDURATION", "ZOUTCOME", "ZBYTESRECEIVED", "ZBYTESSENT", "ZGROUPJIDSTRING", "ZGROUPCALLCREATORUSERJIDSTRING"), whole, join, maxCalls))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	var list []*Call
	for rows.Next() {
		var pk, outcome, received, sent, incoming, missed, video sqlitefs.Int
		var date, seconds sqlitefs.Real
		var group, creator sqlitefs.Text
		if err := rows.Scan(&pk, &date, &seconds, &outcome, &received, &sent, &group, &creator, &incoming, &missed, &video); err != nil {
			return nil, db.Err(ctx, err)
		}
		call := &Call{Key: fmt.Sprintf("%scall/%d", c.prefix, pk.Int), Time: extract.CocoaTime(date.Float), People: people[pk.Int], Group: bare(group.String),
			Incoming: incoming.Bool(), Missed: missed.Bool() || outcome.Valid && outcome.Int == 1, Video: video.Bool(), Seconds: max(0, seconds.Float), Service: c.app, Received: received.Int, Sent: sent.Int}
		if !incoming.Valid { // without the row of a group of calls, who began it tells
			call.Incoming = creator.String != "" && !dir.isOwn(creator.String)
		}
		if outcome.Valid {
			call.Outcome = cmp.Or(outcomes[outcome.Int], fmt.Sprintf("outcome %d", outcome.Int))
		}
		list = append(list, call)
	}
	return list, db.Err(ctx, rows.Err())
}

// namesOfCalls reads names; without conversations those of the address book do.
func (b *book) namesOfCalls(ctx context.Context) (*directory, error) {
	db, err := b.src.Database(ctx, b.chats...)
	if err == nil && db.Has("ZWAMESSAGE") {
		b.db = db
		dir, err := b.readNames(ctx)
		if err == nil || ctx.Err() != nil {
			return dir, err
		}
	}
	return newDirectory(ctx, b.src), ctx.Err()
}

// participants are the people of each call but the owner.
func participants(ctx context.Context, db *sqlitefs.DB, dir *directory) (map[int64][]chat.Person, error) {
	column := far(db, "ZWACDCALLEVENTPARTICIPANT", "PARTICIPANTS")
	if column == "" || !db.Has("ZWACDCALLEVENTPARTICIPANT", "ZJIDSTRING") {
		return nil, nil
	}
	rows, err := db.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM ZWACDCALLEVENTPARTICIPANT p ORDER BY p.ROWID LIMIT %d", db.List("ZWACDCALLEVENTPARTICIPANT", "p", column, "ZJIDSTRING"), 4*maxCalls))
	if err != nil {
		return nil, db.Err(ctx, err)
	}
	defer rows.Close()
	people := map[int64][]chat.Person{}
	for rows.Next() {
		var call sqlitefs.Int
		var jid sqlitefs.Text
		if err := rows.Scan(&call, &jid); err != nil {
			return nil, db.Err(ctx, err)
		}
		if jid.String != "" && !dir.isOwn(jid.String) {
			people[call.Int] = append(people[call.Int], dir.person(jid.String, ""))
		}
	}
	return people, db.Err(ctx, rows.Err())
}
