package calls

import (
	"context"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// What one list may have; more is left out.
const (
	maxCalls        = 2_000_000
	maxParticipants = 1000 // of a call
)

// store is a list of calls.
type store struct {
	db    *sqlitefs.DB
	table string // ZCALLRECORD or call
	pk    string
}

// openStore opens a list of calls of any age.
func openStore(ctx context.Context, src *extract.Source, name string) (*store, error) {
	db, err := src.Database(ctx, name)
	if err != nil {
		return nil, err
	}
	switch {
	case db.Has("ZCALLRECORD", "Z_PK"):
		return &store{db, "ZCALLRECORD", "Z_PK"}, nil
	case db.Has("call", "date"):
		return &store{db, "call", "ROWID"}, nil
	}
	return nil, fmt.Errorf("%s has no table of calls: %w", db.Name(), sqlitefs.ErrDamaged)
}

func (s *store) old() bool { return s.table == "call" }

// query asks and gives each row's scanner.
func (s *store) query(ctx context.Context, q string, row func(scan func(...any) error) error) error {
	rows, err := s.db.QueryContext(ctx, q)
	if err != nil {
		return s.db.Err(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return s.db.Err(ctx, err)
		}
	}
	return s.db.Err(ctx, rows.Err())
}

// places lists the calls.
func (s *store) places(ctx context.Context) ([]place, error) {
	var list []place
	err := s.query(ctx, fmt.Sprintf("SELECT %s, %s, substr(%s, 1, 256) FROM %s c ORDER BY c.%s LIMIT %d", s.db.Column(s.table, "c", s.pk),
		s.db.Column(s.table, "c", "ZDATE", "date"), s.db.Column(s.table, "c", "ZUNIQUE_ID"), s.table, s.pk, maxCalls),
		func(scan func(...any) error) error {
			var row sqlitefs.Int
			var date sqlitefs.Real
			var id sqlitefs.Text
			if err := scan(&row, &date, &id); err != nil {
				return err
			}
			p := place{row: row.Int, key: text(id)}
			if t := s.time(date.Float); !t.IsZero() {
				p.at = float64(t.UnixMicro())
			}
			list = append(list, p)
			return nil
		})
	return list, err
}

// load reads the calls of some rows.
func (s *store) load(ctx context.Context, in string) (map[int64]*Call, error) {
	if s.old() {
		return s.loadOld(ctx, in)
	}
	calls := map[int64]*Call{}
	numbers := []string{"ZORIGINATED", "ZANSWERED", "ZREAD", "ZWASEMERGENCYCALL", "ZHASMESSAGE", "ZFACE_TIME_DATA", "ZCALLTYPE", "ZCALL_CATEGORY",
		"ZDISCONNECTED_CAUSE", "ZHANDLE_TYPE", "ZVERIFICATIONSTATUS", "ZJUNKCONFIDENCE", "ZFILTERED_OUT_REASON", "ZNUMBER_AVAILABILITY", "ZSCREENSHARINGTYPE", "ZAUTOANSWEREDREASON"}
	texts := []string{"ZSERVICE_PROVIDER", "ZADDRESS", "ZNAME", "ZISO_COUNTRY_CODE", "ZLOCATION", "ZBLOCKEDBYEXTENSION", "ZIDENTITYEXTENSION", "ZJUNKIDENTIFICATIONCATEGORY"}
	blobs := []string{"ZCONVERSATIONID", "ZPARTICIPANTGROUPUUID", "ZREMINDERUUID"}
	initiator, join := "NULL", ""
	if s.db.Has("ZHANDLE", "Z_PK") && s.db.Has(s.table, "ZINITIATOR") {
		initiator, join = "coalesce(nullif("+s.db.Column("ZHANDLE", "h", "ZVALUE")+", ''), "+s.db.Column("ZHANDLE", "h", "ZNORMALIZEDVALUE")+")", " LEFT JOIN ZHANDLE h ON h.Z_PK = c.ZINITIATOR"
	}
	q := "SELECT " + s.db.List(s.table, "c", append([]string{"Z_PK", "ZDATE", "ZDURATION"}, numbers...)...)
	for _, c := range append(texts, blobs...) {
		q += ", substr(" + s.db.Column(s.table, "c", c) + ", 1, 4096)" // none of them is longer
	}
	q += ", substr(" + initiator + ", 1, 4096)" + " FROM " + s.table + " c" + join + " WHERE c.Z_PK IN (" + in + ")"
	err := s.query(ctx, q, func(scan func(...any) error) error {
		var pk sqlitefs.Int
		var date, duration sqlitefs.Real
		n, t, b := make([]sqlitefs.Int, len(numbers)), make([]sqlitefs.Text, len(texts)+1), make([]sqlitefs.Blob, len(blobs))
		into := []any{&pk, &date, &duration}
		for i := range n {
			into = append(into, &n[i])
		}
		for i := range texts {
			into = append(into, &t[i])
		}
		for i := range b {
			into = append(into, &b[i])
		}
		if err := scan(append(into, &t[len(texts)])...); err != nil {
			return err
		}
		c := &Call{Time: s.time(date.Float), Seconds: duration.Float, Direction: Incoming, App: text(t[0]), Address: text(t[1]), ShownAs: text(t[2]),
			Country: text(t[3]), Location: text(t[4]), BlockedBy: text(t[5]), IdentifiedBy: text(t[6]), JunkCategory: text(t[7]), Initiator: text(t[8]),
			Conversation: hexOf(b[0]), Group: hexOf(b[1]), Reminder: hexOf(b[2]), Emergency: n[3].Bool(), HasMessage: n[4].Bool(), Bytes: n[5].Int,
			Type: n[6].Int, Category: n[7].Int, Cause: n[8].Int, HandleType: n[9].Int, Verification: n[10].Int, Junk: n[11].Int, Filtered: n[12].Int,
			Availability: n[13].Int, ScreenShare: n[14].Int, AutoAnswered: n[15].Int}
		if n[0].Bool() {
			c.Direction = Outgoing
		}
		c.Kind = kindOf(n[6], c.App)
		c.outcome(n[1])
		c.Unseen = c.Outcome == Missed && n[2].Valid && n[2].Int == 0
		calls[pk.Int] = c
		return nil
	})
	if err != nil {
		return calls, err
	}
	return calls, s.participants(ctx, in, calls)
}

// kindOf tells what a call was by its type, else by who made it.
func kindOf(kind sqlitefs.Int, app string) string {
	switch {
	case kind.Int == 1:
		return Phone
	case kind.Int == 8:
		return FaceTimeVideo
	case kind.Int == 16:
		return FaceTimeAudio
	case !kind.Valid && (app == "" || app == "com.apple.Telephony"):
		return Phone
	}
	return OtherApp
}

// outcome tells what became of a call. Whether it was answered is told of incoming
// calls only.
func (c *Call) outcome(answered sqlitefs.Int) {
	switch {
	case c.Direction == Outgoing && c.Seconds > 0:
		c.Outcome = Connected
	case c.Direction == Outgoing:
		c.Outcome = NotConnected
	case answered.Bool() || c.Seconds > 0:
		c.Outcome = Answered
	case c.BlockedBy != "":
		c.Outcome = Blocked
	default:
		c.Outcome = Missed
	}
}

// Names of the table that joins calls and participants, and of its columns.
var (
	joinTable   = regexp.MustCompile(`(?i)^Z_\d+REMOTEPARTICIPANTHANDLES$`)
	callColumn  = regexp.MustCompile(`(?i)^Z_\d+REMOTEPARTICIPANTCALLS$`)
	otherColumn = regexp.MustCompile(`(?i)^Z_\d+REMOTEPARTICIPANTHANDLES$`)
)

// participants adds who took part in calls.
func (s *store) participants(ctx context.Context, in string, calls map[int64]*Call) error {
	if !s.db.Has("ZHANDLE", "Z_PK") {
		return nil
	}
	for _, table := range s.db.Tables() {
		if !joinTable.MatchString(table) {
			continue
		}
		var call, handle string
		for _, c := range s.db.Columns(table) {
			if callColumn.MatchString(c) {
				call = sqlitefs.Quote(c)
			} else if otherColumn.MatchString(c) {
				handle = sqlitefs.Quote(c)
			}
		}
		if call == "" || handle == "" {
			continue
		}
		err := s.query(ctx, fmt.Sprintf("SELECT +j.%s, substr(%s, 1, 4096), substr(%s, 1, 4096) FROM %s j JOIN ZHANDLE h ON h.Z_PK = j.%s WHERE j.%[1]s IN (%[6]s) ORDER BY j.%[1]s, h.Z_PK LIMIT %[7]d",
			call, s.db.Column("ZHANDLE", "h", "ZVALUE"), s.db.Column("ZHANDLE", "h", "ZNORMALIZEDVALUE"), sqlitefs.Quote(table), handle, in, chunk*maxParticipants),
			func(scan func(...any) error) error {
				var pk sqlitefs.Int
				var value, normal sqlitefs.Text
				if err := scan(&pk, &value, &normal); err != nil {
					return err
				}
				address := text(value)
				if address == "" {
					address = text(normal)
				}
				if c := calls[pk.Int]; c != nil && address != "" && len(c.Participants) < maxParticipants {
					c.Participants = append(c.Participants, Participant{Address: address})
				}
				return nil
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// loadOld reads the list of phones before iOS 8.
func (s *store) loadOld(ctx context.Context, in string) (map[int64]*Call, error) {
	calls := map[int64]*Call{}
	err := s.query(ctx, "SELECT "+s.db.List("call", "c", "ROWID", "date", "duration", "flags", "read")+
		", substr("+s.db.Column("call", "c", "address")+", 1, 4096), substr("+s.db.Column("call", "c", "name")+", 1, 4096)"+
		" FROM call c WHERE c.ROWID IN ("+in+")", func(scan func(...any) error) error {
		var row, flags, read sqlitefs.Int
		var date, duration sqlitefs.Real
		var address, name sqlitefs.Text
		if err := scan(&row, &date, &duration, &flags, &read, &address, &name); err != nil {
			return err
		}
		c := &Call{Time: s.time(date.Float), Seconds: duration.Float, Direction: Incoming, Kind: Phone, Address: text(address), ShownAs: text(name),
			Flags: flags.Int}
		if flags.Int&1 != 0 {
			c.Direction = Outgoing
		}
		if flags.Int&16 != 0 {
			c.Kind = FaceTimeVideo
		}
		c.outcome(sqlitefs.Int{}) // the column answered is 1 of missed ones, too
		c.Unseen = c.Outcome == Missed && read.Valid && read.Int == 0
		calls[row.Int] = c
		return nil
	})
	return calls, err
}

func hexOf(b []byte) string {
	if len(b) > 256 {
		b = b[:256]
	}
	return hex.EncodeToString(b)
}

// text is a text of the database as UTF-8, without blanks around it. Before iOS 12
// addresses were blobs.
func text(t sqlitefs.Text) string {
	return strings.TrimSpace(strings.ToValidUTF8(t.String, "\uFFFD"))
}
