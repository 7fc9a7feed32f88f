package whatsapp_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

// What sqlite3 says, by content-schemas.md 12.
const (
	sqlMessages = `SELECT s.ZCONTACTJID || '/' || m.ZSTANZAID, m.ZISFROMME, coalesce(m.ZTEXT, ''), m.ZMESSAGEDATE + 978307200, m.ZMESSAGETYPE, coalesce(i.ZMEDIALOCALPATH, ''), m.ZSTARRED,
		coalesce(i.ZTITLE, ''), coalesce(i.ZLATITUDE, 0), coalesce(i.ZLONGITUDE, 0), coalesce(g.ZMEMBERJID, '')
		FROM ZWAMESSAGE m JOIN ZWACHATSESSION s ON s.Z_PK = m.ZCHATSESSION LEFT JOIN ZWAMEDIAITEM i ON i.ZMESSAGE = m.Z_PK LEFT JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER
		ORDER BY m.ZMESSAGEDATE, m.Z_PK`
	sqlSessions = `SELECT ZCONTACTJID, (SELECT count(*) FROM ZWAMESSAGE m WHERE m.ZCHATSESSION = s.Z_PK) n, CAST(ZLASTMESSAGEDATE + 978307200 AS INTEGER) FROM ZWACHATSESSION s
		WHERE n > 0 OR (ZREMOVED = 0 AND ZHIDDEN = 0) ORDER BY ZLASTMESSAGEDATE DESC, 1`
	// In a ZMETADATA the key of field 5 is 2A, and a stanza ID has 20 letters.
	sqlReplies = `SELECT count(*) FROM ZWAMESSAGE m JOIN ZWAMEDIAITEM i ON i.ZMESSAGE = m.Z_PK WHERE hex(i.ZMETADATA) LIKE '2A14%'`
	// In a ZRECEIPTINFO the key of field 7 is 3A; the test's have it behind field 4, which is 2.
	sqlReactions = `SELECT count(*) FROM ZWAMESSAGEINFO WHERE hex(ZRECEIPTINFO) LIKE '20023A%'`
	sqlReceipts  = `SELECT count(*) FROM ZWAMESSAGEINFO WHERE hex(ZRECEIPTINFO) LIKE '12%0A0781%'`
	sqlCalls     = `SELECT e.ZDATE + 978307200, e.ZDURATION, e.ZOUTCOME, a.ZINCOMING, a.ZVIDEO, p.ZJIDSTRING FROM ZWACDCALLEVENT e JOIN ZWAAGGREGATECALLEVENT a ON a.Z_PK = e.Z1CALLEVENTS
		JOIN ZWACDCALLEVENTPARTICIPANT p ON p.Z1PARTICIPANTS = e.Z_PK ORDER BY e.ZDATE, e.Z_PK`
)

func messages(t *testing.T, src *extract.Source, q extract.Query) []chat.Message {
	t.Helper()
	q.Table = chat.Table.Name
	c := extracttest.Read(t, whatsapp.New(), src, q)
	for _, p := range c.Problems {
		t.Errorf("problem: %v", p)
	}
	list := make([]chat.Message, len(c.Records))
	for i, r := range c.Records {
		list[i] = r.(chat.Message)
	}
	return list
}

func TestAgainstSQLite(t *testing.T) {
	for name, fsys := range sources(t) {
		t.Run(name, func(t *testing.T) {
			src := extracttest.Source(t, fsys)
			list := messages(t, src, extract.Query{})
			want := extracttest.SQL(t, fsys, chats, sqlMessages)
			if len(list) != len(want) {
				t.Fatalf("%d messages, sqlite3 has %d", len(list), len(want))
			}
			checkValues(t, fsys, list)
			replies, reacted, receipts := 0, 0, 0
			for i, m := range list {
				if diff := compare(m, want[i]); diff != "" {
					t.Errorf("message %d %s: %s; sqlite3: %q", i, m.Key, diff, want[i])
				}
				if m.ReplyTo != "" {
					replies++
				}
				if len(m.Reactions) > 0 {
					reacted++
				}
				if !m.Read.IsZero() || !m.Delivered.IsZero() {
					receipts++
				}
			}
			for what, pair := range map[string][2]string{"replies": {fmt.Sprint(replies), sqlReplies}, "messages with reactions": {fmt.Sprint(reacted), sqlReactions}, "messages with receipts": {fmt.Sprint(receipts), sqlReceipts}} {
				if n := extracttest.SQL(t, fsys, chats, pair[1])[0][0]; n != pair[0] || name == "public" && n == "0" {
					t.Errorf("%s %s, sqlite3 has %s", pair[0], what, n)
				}
			}
			groups, err := whatsapp.New().Groups(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			rows := extracttest.SQL(t, fsys, chats, sqlSessions)
			if len(groups) != len(rows) {
				t.Fatalf("%d conversations, sqlite3 has %d", len(groups), len(rows))
			}
			for i, g := range groups {
				if got := []string{g.Key, fmt.Sprint(g.Count), fmt.Sprint(g.Time.Unix())}; strings.Join(got, " ") != strings.Join(rows[i], " ") {
					t.Errorf("conversation %q, sqlite3 has %q", got, rows[i])
				}
			}
		})
	}
}

// compare says where a message differs from a row of sqlMessages.
func compare(m chat.Message, row []string) string {
	var diffs []string
	check := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			diffs = append(diffs, fmt.Sprintf("%s %v, want %v", what, got, want))
		}
	}
	check("key", m.Key, row[0])
	check("from me", m.FromMe, row[1] == "1")
	kind, title := row[4], row[7]
	if kind != "6" && kind != "10" && !(kind == "8" && row[2] == title) {
		check("text", m.Text, row[2])
	}
	seconds, err := strconv.ParseFloat(row[3], 64)
	if err != nil || math.Abs(float64(m.Time.UnixNano())/1e9-seconds) > 1e-3 {
		check("time", m.Time, row[3])
	}
	check("starred", m.Starred, row[6] == "1")
	if p := row[5]; p != "" {
		if len(m.Attachments) != 1 || m.Attachments[0].Path != "" && m.Attachments[0].Path != domain+"/Message/"+p {
			check("attachment", m.Attachments, p)
		} else if a := m.Attachments[0]; kind == "8" {
			check("name", a.Name, title)
		} else {
			check("caption", a.Caption, title)
		}
	}
	if kind == "5" {
		if m.Latitude == nil || fmt.Sprintf("%.6f %.6f", *m.Latitude, *m.Longitude) != fmt.Sprintf("%.6f %.6f", number(row[8]), number(row[9])) {
			check("place", m.Latitude, row[8])
		}
	}
	want := map[string]chat.Kind{"6": chat.KindSystem, "10": chat.KindSystem, "14": chat.KindUnsent, "46": chat.KindApp, "66": chat.KindUnknown}[kind]
	if want == "" {
		want = chat.KindText
	}
	check("kind", m.Kind, want)
	if jid := row[10]; strings.HasSuffix(jid, "@s.whatsapp.net") && !m.FromMe {
		check("sender", m.From.Address, "+"+strings.TrimSuffix(jid, "@s.whatsapp.net"))
	}
	return strings.Join(diffs, "; ")
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func TestCallsAgainstSQLite(t *testing.T) {
	fsys := phone(t, "17.3")
	src := extracttest.Source(t, fsys)
	rows := extracttest.SQL(t, fsys, domain+"/CallHistory.sqlite", sqlCalls)
	records := extracttest.Read(t, whatsapp.New(), src, extract.Query{Table: whatsapp.Calls.Name}).Records
	if len(records) != len(rows) || len(rows) == 0 {
		t.Fatalf("%d calls, sqlite3 has %d", len(records), len(rows))
	}
	for i, r := range records {
		c := r.(*whatsapp.Call)
		outcome := map[string]string{"0": "ended", "1": "missed", "4": "rejected"}[rows[i][2]]
		if math.Abs(float64(c.Time.Unix())-number(rows[i][0])) > 1 || c.Seconds != number(rows[i][1]) || c.Outcome != outcome || c.Incoming != (rows[i][3] == "1") || c.Video != (rows[i][4] == "1") ||
			len(c.People) != 1 || c.People[0].Address != "+"+strings.TrimSuffix(rows[i][5], "@s.whatsapp.net") || c.People[0].Name == "" {
			t.Errorf("call %+v, sqlite3 has %q", c, rows[i])
		}
	}
}

// TestPublicValues are some of the public database, read with sqlite3 and by eye.
func TestPublicValues(t *testing.T) {
	src := extracttest.Source(t, public(t))
	const jid = "19198887386@s.whatsapp.net/"
	one := func(stanza string) chat.Message {
		list := messages(t, src, extract.Query{Key: jid + stanza})
		if len(list) != 1 {
			t.Fatalf("%d messages %s", len(list), stanza)
		}
		return list[0]
	}
	// ZRECEIPTINFO 12 13 {0A 07 81…, 20 00, 28 19, …} … 18 C1E5C4A206: sent at 1683043009, there at once, read 25 seconds later.
	if m := one("3AD2D4F6C4FC636222C7"); m.Delivered.Unix() != 1683043009 || m.Read.Unix() != 1683043009+25 || m.Text != "I’m here!" {
		t.Errorf("%+v", m)
	}
	// 3A 27 {12 25 {0A 14 …, 12 04 F09F918D, 18 FBBCC6E9FD30, 20 01}}
	want := chat.Reaction{FromMe: true, Emoji: "👍", Time: time.UnixMilli(1683043229307).UTC()}
	if m := one("3A26649A0A496377CB01"); len(m.Reactions) != 1 || m.Reactions[0].Emoji != want.Emoji || !m.Reactions[0].FromMe || m.Reactions[0].Time.Unix() != want.Time.Unix() {
		t.Errorf("%+v, want %+v", m.Reactions, want)
	}
	if m := one("3A05BCEAE15CB80C6E30"); m.ReplyTo != jid+"3A26649A0A496377CB01" || m.ReplyText != "Makes sense with all the test data you generate." {
		t.Errorf("answers %q %q", m.ReplyTo, m.ReplyText)
	}
	if m := one("3A122E2C181DAD156707"); m.Attachments[0].Type != "image/jpeg" || m.Attachments[0].Size != 42073 || m.Attachments[0].Path != "" || m.Latitude != nil {
		t.Errorf("%+v", m)
	}
}
