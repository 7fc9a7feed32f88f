package whatsapp_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// What follows asks sqlite3 for what sqlMessages does not, with queries written from
// content-schemas.md 12 and nothing else.

type value = extracttest.Value[*chat.Message]

// file is a value of the file of a message.
func file(name, sql string, give func(chat.Attachment) string) value {
	return value{Name: name, SQL: "CASE WHEN m.ZMESSAGETYPE IN (1, 2, 3, 8, 11, 15, 38, 39) THEN " + sql + " ELSE '' END", Give: func(m *chat.Message) string {
		if len(m.Attachments) != 1 || m.Attachments[0].Content != "" {
			return ""
		}
		return give(m.Attachments[0])
	}}
}

var values = []value{
	{Name: "conversation", SQL: "s.ZCONTACTJID", Give: func(m *chat.Message) string { return m.Conversation }},
	{Name: "failed", SQL: "CASE WHEN m.ZISFROMME AND m.ZMESSAGEERRORSTATUS <> 0 THEN 'yes' ELSE '' END", Give: func(m *chat.Message) string { return extract.YesNo(m.Failed) }},
	{Name: "unsent", SQL: "CASE m.ZMESSAGETYPE WHEN 14 THEN 'yes' ELSE '' END", Give: func(m *chat.Message) string { return extract.YesNo(m.Kind == chat.KindUnsent) }},
	{Name: "sender", SQL: "CASE WHEN m.ZISFROMME THEN '' WHEN m.ZGROUPMEMBER IS NOT NULL THEN g.ZMEMBERJID WHEN s.ZSESSIONTYPE = 0 THEN s.ZCONTACTJID ELSE '' END", Give: nil},
	file("size", "ifnull(i.ZFILESIZE, 0)", func(a chat.Attachment) string { return fmt.Sprint(a.Size) }),
	// Of media ZVCARDSTRING is the type.
	{Name: "type", SQL: "CASE WHEN m.ZMESSAGETYPE IN (1, 2, 3, 8, 11, 15, 38, 39) AND i.ZVCARDSTRING LIKE '%/%' THEN i.ZVCARDSTRING ELSE '' END", Give: nil},
	file("sticker", "CASE m.ZMESSAGETYPE WHEN 15 THEN 'yes' ELSE '' END", func(a chat.Attachment) string { return extract.YesNo(a.Sticker) }),
	{Name: "card", SQL: "CASE m.ZMESSAGETYPE WHEN 4 THEN i.ZVCARDSTRING ELSE '' END", Give: func(m *chat.Message) string {
		if len(m.Attachments) != 1 {
			return ""
		}
		return m.Attachments[0].Content
	}},
}

// checkValues holds every message against sqlite3, column by column. The phone numbers
// of people with an opaque address are those of LID.sqlite, which sqlite3 is asked for
// by itself.
func checkValues(t *testing.T, fsys fs.FS, list []chat.Message) {
	t.Helper()
	phones := map[string]string{}
	if _, err := fs.Stat(fsys, domain+"/LID.sqlite"); err == nil {
		for _, row := range extracttest.SQL(t, fsys, domain+"/LID.sqlite", "SELECT ZIDENTIFIER, ZPHONENUMBER FROM ZWAZACCOUNT WHERE ZPHONENUMBER IS NOT NULL ORDER BY ZCREATEDAT") {
			phones[row[0]] = row[1]
		}
	}
	by := map[string]*chat.Message{}
	for i := range list {
		by[list[i].Key] = &list[i]
	}
	const from = `FROM ZWAMESSAGE m JOIN ZWACHATSESSION s ON s.Z_PK = m.ZCHATSESSION LEFT JOIN ZWAMEDIAITEM i ON i.ZMESSAGE = m.Z_PK LEFT JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER`
	var plain []value
	for _, v := range values {
		if v.Give != nil {
			plain = append(plain, v)
			continue
		}
		for _, row := range extracttest.SQL(t, fsys, chats, "SELECT s.ZCONTACTJID || '/' || m.ZSTANZAID, "+v.SQL+" "+from) {
			m := by[row[0]]
			if m == nil || row[1] == "" {
				continue
			}
			want, got := row[1], m.From.Address
			if v.Name == "type" {
				got = m.Attachments[0].Type
			} else if number, ok := strings.CutSuffix(want, "@s.whatsapp.net"); ok {
				want = "+" + number
			} else if number := phones[want]; number != "" {
				want = "+" + strings.TrimPrefix(number, "+")
			}
			if got != want {
				t.Errorf("%s of %s: %q, sqlite3 has %q", v.Name, row[0], got, want)
			}
		}
	}
	extracttest.Values(t, fsys, chats, "s.ZCONTACTJID || '/' || m.ZSTANZAID", from, by, plain)
}
