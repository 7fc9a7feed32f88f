package messages_test

import (
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

// What follows asks sqlite3 for what the reader gives, with queries written from
// content-schemas.md 3 and nothing else. Every query begins with the message's GUID.

// isReaction is the condition of tapbacks and of their removals.
const isReaction = "ifnull(associated_message_type,0) BETWEEN 2000 AND 3999"

// nano is the SQL for a date as RFC 3339 in UTC with seconds: nanoseconds when it is
// larger than 1e12, else seconds; 0 is none.
func nano(column string) string {
	seconds := "CASE WHEN abs(" + column + ") > 1e12 THEN " + column + "/1000000000 ELSE " + column + " END"
	return "CASE WHEN ifnull(" + column + ",0) = 0 THEN '' ELSE strftime('%Y-%m-%dT%H:%M:%SZ', (" + seconds + ") + 978307200, 'unixepoch') END"
}

// values are columns of a message: what the record gives, and the SQL for it; needs are
// columns without which the SQL is the empty text.
var values = []struct {
	name  string
	needs string
	sql   string
	give  func(*chat.Message) string
}{
	{"time", "", nano("m.date"), func(m *chat.Message) string { return rfc(m.Time) }},
	{"read", "", nano("m.date_read"), func(m *chat.Message) string { return rfc(m.Read) }},
	{"delivered", "", nano("m.date_delivered"), func(m *chat.Message) string { return rfc(m.Delivered) }},
	{"from me", "", "CASE WHEN m.is_from_me THEN 'yes' ELSE '' END", func(m *chat.Message) string { return extract.YesNo(m.FromMe) }},
	{"from", "", "CASE WHEN m.is_from_me THEN '' ELSE ifnull((SELECT id FROM handle h WHERE h.ROWID = m.handle_id), '') END", func(m *chat.Message) string { return m.From.Address }},
	{"service", "", "ifnull(m.service,'')", func(m *chat.Message) string { return m.Service }},
	{"subject", "", "ifnull(m.subject,'')", func(m *chat.Message) string { return m.Subject }},
	{"failed", "", "CASE WHEN m.error <> 0 THEN 'yes' ELSE '' END", func(m *chat.Message) string { return extract.YesNo(m.Failed) }},
	{"system", "", "CASE WHEN m.item_type <> 0 THEN 'yes' ELSE '' END", func(m *chat.Message) string { return extract.YesNo(m.Kind == chat.KindSystem) }},
	{"app", "", "CASE WHEN m.item_type = 0 AND m.balloon_bundle_id IS NOT NULL THEN 'yes' ELSE '' END", func(m *chat.Message) string { return extract.YesNo(m.Kind == chat.KindApp) }},
	{"effect", "", "CASE WHEN m.expressive_send_style_id IS NULL THEN '' ELSE 'yes' END", func(m *chat.Message) string { return extract.YesNo(m.Effect != "") }},
	{"answers", "", "ifnull(THREAD, CASE WHEN m.associated_message_type = 1000 THEN substr(m.associated_message_guid, 5) ELSE '' END)", func(m *chat.Message) string { return m.ReplyTo }},
	{"edited", "date_edited", nano("m.date_edited"), func(m *chat.Message) string { return rfc(m.Edited) }},
	{"retracted", "date_retracted", nano("m.date_retracted"), func(m *chat.Message) string {
		if strings.HasPrefix(m.Raw, "unsent_parts=") { // of those only the edit has a date
			return ""
		}
		return rfc(m.Unsent)
	}},
	{"recently deleted", "date_edited", "CASE WHEN EXISTS (SELECT 1 FROM chat_recoverable_message_join j WHERE j.message_id = m.ROWID) THEN 'yes' ELSE '' END", func(m *chat.Message) string { return extract.YesNo(m.Deleted) }},
	{"attachments", "", "(SELECT count(*) FROM message_attachment_join j WHERE j.message_id = m.ROWID)", func(m *chat.Message) string { return strconv.Itoa(len(m.Attachments)) }},
	{"names", "", "ifnull((SELECT group_concat(x, '|') FROM (SELECT a.transfer_name || '/' || a.total_bytes || '/' || ifnull(a.mime_type, a.uti) || '/' || a.is_sticker AS x FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id WHERE j.message_id = m.ROWID ORDER BY a.ROWID)), '')", func(m *chat.Message) string {
		var list []string
		for _, a := range m.Attachments {
			sticker := "0"
			if a.Sticker {
				sticker = "1"
			}
			list = append(list, a.Name+"/"+strconv.FormatInt(a.Size, 10)+"/"+a.Type+"/"+sticker)
		}
		return strings.Join(list, "|")
	}},
	{"paths", "", "ifnull((SELECT group_concat(x, '|') FROM (SELECT 'MediaDomain/' || replace(replace(a.filename, '~/', ''), '/var/mobile/', '') AS x FROM message_attachment_join j JOIN attachment a ON a.ROWID = j.attachment_id WHERE j.message_id = m.ROWID AND a.filename NOT LIKE '%IMG_0778.jpeg' ORDER BY a.ROWID)), '')", func(m *chat.Message) string {
		var list []string
		for _, a := range m.Attachments {
			if a.Path != "" {
				list = append(list, a.Path)
			}
		}
		return strings.Join(list, "|")
	}},
	{"chat", "", "ifnull((SELECT CASE WHEN c.style = 43 THEN 'group/' || c.group_id ELSE 'one' END FROM (SELECT chat_id, message_id FROM chat_message_join UNION ALL SELECT chat_id, message_id FROM chat_recoverable_message_join) j JOIN chat c ON c.ROWID = j.chat_id WHERE j.message_id = m.ROWID), 'other')", func(m *chat.Message) string {
		if strings.HasPrefix(m.Conversation, "person/") {
			return "one"
		}
		return m.Conversation
	}},
	// The text column, where there is one, without the letters that stand for files.
	{"text", "", "CASE WHEN m.item_type <> 0 OR m.balloon_bundle_id IS NOT NULL THEN '' ELSE trim(replace(replace(ifnull(m.text,''), char(65532), ''), char(65533), ''), char(32) || char(10)) END", nil},
}

func rfc(t time.Time) string { return extract.FormatTime(t.Truncate(time.Second)) }

// checkValues holds every record against sqlite3, column by column.
func checkValues(t *testing.T, phone fs.FS, all *extracttest.Collector) {
	t.Helper()
	by := map[string]*chat.Message{}
	for _, r := range all.Records {
		by[r.Entry().Key] = r.(*chat.Message)
	}
	var have []string
	for _, row := range extracttest.SQL(t, phone, smsDB, "SELECT name FROM pragma_table_info('message')") {
		have = append(have, row[0])
	}
	recoverable := len(extracttest.SQL(t, phone, smsDB, "SELECT 1 FROM sqlite_master WHERE name = 'chat_recoverable_message_join'")) > 0
	query := "SELECT m.guid"
	for _, v := range values {
		sql := v.sql
		if v.needs != "" && !slices.Contains(have, v.needs) {
			sql = "''"
		}
		sql = strings.ReplaceAll(sql, "THREAD", map[bool]string{true: "m.thread_originator_guid", false: "NULL"}[slices.Contains(have, "thread_originator_guid")])
		if !recoverable {
			sql = strings.ReplaceAll(sql, "SELECT chat_id, message_id FROM chat_recoverable_message_join", "SELECT 0, 0")
		}
		query += ", " + sql + ` AS "` + v.name + `"`
	}
	rows := extracttest.SQL(t, phone, smsDB, query+" FROM message m WHERE NOT "+isReaction)
	if len(rows) != len(all.Records) || len(by) != len(rows) {
		t.Errorf("%d records, %d keys; sqlite3 has %d", len(all.Records), len(by), len(rows))
	}
	wrong := map[string]int{}
	for _, row := range rows {
		m := by[row[0]]
		if m == nil {
			t.Errorf("message %s is not there", row[0])
			continue
		}
		for i, v := range values {
			want, got := row[i+1], ""
			if v.give != nil {
				got = v.give(m)
			} else if want != "" {
				got = m.Text
			}
			if want != got {
				if wrong[v.name]++; wrong[v.name] < 4 {
					t.Errorf("%s of %s: %q, sqlite3 has %q", v.name, row[0], got, want)
				}
			}
		}
	}
	checkReactions(t, phone, by)
	checkGroups(t, phone, all)
}

// checkReactions: of each person, part and message the last one counts, if it was not
// taken back.
func checkReactions(t *testing.T, phone fs.FS, by map[string]*chat.Message) {
	t.Helper()
	const last = `WITH r AS (SELECT substr(associated_message_guid, instr(associated_message_guid, '/') + 1) AS target, substr(associated_message_guid, 1, instr(associated_message_guid, '/')) AS part,
		CASE WHEN is_from_me THEN 0 ELSE handle_id END AS who, associated_message_type AS kind, date, ROWID AS id FROM message WHERE ` + isReaction + `)
		SELECT target, count(*) FROM r WHERE kind < 3000 AND NOT EXISTS (SELECT 1 FROM r AS s WHERE s.target = r.target AND s.part = r.part AND s.who = r.who AND (s.date, s.id) > (r.date, r.id)) GROUP BY target`
	want := map[string]string{}
	for _, row := range extracttest.SQL(t, phone, smsDB, last) {
		want[row[0]] = row[1]
	}
	for key, m := range by {
		if n := strconv.Itoa(len(m.Reactions)); n != want[key] && !(n == "0" && want[key] == "") {
			t.Errorf("%s has %s reactions, sqlite3 %s", key, n, want[key])
		}
	}
}

// checkGroups: what groups count is what lies in their chats.
func checkGroups(t *testing.T, phone fs.FS, all *extracttest.Collector) {
	t.Helper()
	groups, err := messages.New().Groups(t.Context(), extracttest.Source(t, phone))
	if err != nil {
		t.Fatal(err)
	}
	sum, shared := 0, map[string]int{}
	for _, g := range groups {
		sum += g.Count
		shared[g.Key] = g.Count
	}
	if sum != len(all.Records) {
		t.Errorf("groups count %d of %d records", sum, len(all.Records))
	}
	for _, row := range extracttest.SQL(t, phone, smsDB, "SELECT c.group_id, count(*) FROM chat c JOIN chat_message_join j ON j.chat_id = c.ROWID JOIN message m ON m.ROWID = j.message_id WHERE c.style = 43 AND NOT "+isReaction+" GROUP BY 1") {
		if n := strconv.Itoa(shared["group/"+row[0]]); n != row[1] {
			t.Errorf("group %s counts %s, sqlite3 %s", row[0], n, row[1])
		}
	}
}
