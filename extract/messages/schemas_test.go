package messages_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// short tells a message in a few words.
func short(m *chat.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s: %s", m.Key, m.Time.Format("2006-01-02"), m.Conversation, m.Text)
	for _, x := range m.Reactions {
		b.WriteString(" " + x.Emoji)
	}
	for _, e := range m.Edits {
		b.WriteString(" before:" + e.Text)
	}
	for _, p := range m.Parts {
		if p.Attachment != nil {
			b.WriteString(" [" + m.Attachments[*p.Attachment].Name + "]")
		} else {
			b.WriteString(" {" + p.Text + "}")
		}
	}
	for _, s := range []string{m.App, m.Link, m.LinkTitle, m.LinkText, m.Raw} {
		if s != "" {
			b.WriteString(" <" + s + ">")
		}
	}
	if m.Kind != chat.KindText {
		b.WriteString(" " + string(m.Kind))
	}
	if m.Deleted {
		b.WriteString(" deleted")
	}
	return b.String()
}

// Stores of phones and apps that nobody has tried.
var stores = []struct {
	name, sql string
	want      []string
	problems  int
}{
	{"iOS 11", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, text TEXT, handle_id INTEGER DEFAULT 0, subject TEXT, attributedBody BLOB, service TEXT, error INTEGER DEFAULT 0, date INTEGER, date_read INTEGER, date_delivered INTEGER,
 is_from_me INTEGER DEFAULT 0, item_type INTEGER DEFAULT 0, other_handle INTEGER DEFAULT 0, group_title TEXT, group_action_type INTEGER DEFAULT 0, share_status INTEGER DEFAULT 0, associated_message_guid TEXT, associated_message_type INTEGER DEFAULT 0,
 balloon_bundle_id TEXT, payload_data BLOB, expressive_send_style_id TEXT, message_summary_info BLOB);
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT, service TEXT); INSERT INTO handle VALUES (1, '+12025550101', 'iMessage');
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, chat_identifier TEXT, service_name TEXT); INSERT INTO chat VALUES (1, 'iMessage;-;+12025550101', 45, '+12025550101', 'iMessage');
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER); INSERT INTO chat_handle_join VALUES (1,1);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER);
INSERT INTO message (guid, text, handle_id, date) VALUES ('a', 'One', 1, 541000000000000000), ('b', 'Two', 1, 541000001000000000);
INSERT INTO message (guid, handle_id, date, associated_message_guid, associated_message_type) VALUES ('t', 1, 541000002000000000, 'p:0/a', 2001), ('u', 1, 541000002000000000, 'p:0/nobody', 2001);
UPDATE message SET text = 'Liked “Gone”' WHERE guid = 'u';
INSERT INTO chat_message_join SELECT 1, ROWID FROM message;`,
		[]string{"a 2018-02-22 person/25550101: One 👍", "b 2018-02-22 person/25550101: Two", "u 2018-02-22 person/25550101: Liked “Gone” <associated_message_type=2001>"}, 0},
	{"seconds", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER);
INSERT INTO message VALUES (1, 'b', 'newer', 400000002), (2, 'a', 'older', 400000001), (3, 'c', 'none', 0);`,
		[]string{"c 0001-01-01 other: none", "a 2013-09-04 other: older", "b 2013-09-04 other: newer"}, 0},
	{"both units", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER);
INSERT INTO message VALUES (1, 'b', 'in nanoseconds', 500000000000000000), (2, 'a', 'in seconds', 400000001), (3, 'd', 'no date', NULL), (4, 'c', 'later', 600000000), (5, 'e', 'far', 63113904000);`,
		[]string{"d 0001-01-01 other: no date", "e 0001-01-01 other: far", "a 2013-09-04 other: in seconds", "b 2016-11-05 other: in nanoseconds", "c 2020-01-06 other: later"}, 0},
	{"almost nothing", `CREATE TABLE message (text TEXT); INSERT INTO message VALUES ('a'), ('b');`,
		[]string{"row/1 0001-01-01 other: a", "row/2 0001-01-01 other: b"}, 0},
	{"no GUID", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER);
INSERT INTO message VALUES (5, NULL, 'a', 1), (6, '', 'b', 2), (7, 'row/x', 'c', 3);`,
		[]string{"row/5 2001-01-01 other: a", "row/6 2001-01-01 other: b", "row/x 2001-01-01 other: c"}, 0},
	{"strange types", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text, attributedBody, date, handle_id, is_from_me, item_type, associated_message_type, associated_message_guid, message_summary_info, payload_data, balloon_bundle_id);
INSERT INTO message VALUES (1, 5, 7, 'x', '500000000000000000', 'me', 'yes', NULL, 'x', 9, 'x', 'x', NULL), (2, 'ab', X'6364', NULL, 500000000000000512.5, 1.5, NULL, 'y', 2000, 'p:/', 5, 5, X'63');`,
		[]string{"5 2016-11-05 other: 7 <message_summary_info=1 bytes that are not understood>", "ab 2016-11-05 other: cd <c> <associated_message_type=2000> app"}, 0},
	{"chats that are not there", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER);
INSERT INTO message VALUES (1, 'a', 'in two', 1), (2, 'b', 'in none', 2), (3, 'c', 'in one that is gone', 3), (4, 'd', 'deleted and not', 4), (5, 'e', 'deleted', 5), (6, 'f', 'deleted from nowhere', 6);
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT); INSERT INTO chat VALUES (2, 'iMessage;+;chat2'), (3, 'iMessage;-;x');
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER); INSERT INTO chat_message_join VALUES (1,1), (3,1), (2,1), (9,3), (2,4), (2,77);
CREATE TABLE chat_recoverable_message_join (chat_id INTEGER, message_id INTEGER); INSERT INTO chat_recoverable_message_join VALUES (2,4), (2,5), (8,6);`,
		[]string{"a 2001-01-01 group/iMessage;+;chat2: in two", "b 2001-01-01 other: in none", "c 2001-01-01 other: in one that is gone", "d 2001-01-01 group/iMessage;+;chat2: deleted and not",
			"e 2001-01-01 group/iMessage;+;chat2: deleted deleted", "f 2001-01-01 other: deleted from nowhere deleted"}, 0},
	{"reactions", `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, handle_id INTEGER, is_from_me INTEGER, associated_message_guid TEXT, associated_message_type INTEGER, associated_message_emoji TEXT, balloon_bundle_id TEXT);
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT); INSERT INTO handle VALUES (1, '+12025550101'), (2, 'z@example.org');
INSERT INTO message VALUES (1, 'a', 'What?', 1, 1, 0, NULL, 0, NULL, NULL),
 (2, 'r1', '', 9, 1, 0, 'p:0/a', 2000, NULL, NULL), (3, 'r2', '', 2, 1, 0, 'p:0/a', 2005, NULL, NULL), -- the later one counts, whatever its number
 (4, 'r3', '', 3, 2, 0, 'p:0/a', 2006, '🌻', NULL), (5, 'r4', '', 4, 2, 0, 'p:0/a', 3006, '🌻', NULL), -- taken back
 (6, 'r5', '', 5, 0, 1, 'p:0/a', 2001, NULL, NULL), (7, 'r6', '', 6, 0, 1, 'p:1/a', 2002, NULL, NULL), -- two parts
 (8, 'r7', '', 7, 2, 0, 'p:0/a', 2007, NULL, NULL), (9, 's', '', 8, 2, 0, 'p:0/a', 1000, NULL, NULL), -- a sticker as a reaction, and one put on it
 (10, 'v', '', 10, 2, 0, 'a', 4000, NULL, 'com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls'), (11, 'x', 'moved', 11, 2, 0, 'bp:a', 2, NULL, 'x:org.example.chess'),
 (12, 'P', '', 12, 2, 0, 'P:0/a', 2000, NULL, NULL);`,
		[]string{"a 2001-01-01 other: What? 👍 👎  ❤️", "s 2001-01-01 other: ", "v 2001-01-01 other: Voted in a poll <Poll> <associated_message_type=4000> app", "x 2001-01-01 other: moved <org.example.chess> <associated_message_type=2> app",
			"P 2001-01-01 other:  <associated_message_type=2000>"}, 0},
}

func TestStores(t *testing.T) {
	for _, x := range stores {
		t.Run(x.name, func(t *testing.T) {
			src := extracttest.Source(t, database(t, x.sql))
			extracttest.Conform(t, messages.New(), src)
			checkShort(t, src, x.want, x.problems)
		})
	}
}

func checkShort(t *testing.T, src *extract.Source, want []string, problems int) {
	t.Helper()
	all := extracttest.Read(t, messages.New(), src, extract.Query{})
	var got []string
	for _, r := range all.Records {
		got = append(got, short(r.(*chat.Message)))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(all.Problems) != problems {
		t.Errorf("problems: %v", all.Problems)
	}
}

// stream is a body with a run for each of pairs: a text, and the GUID of a file or "".
func stream(pairs ...string) string {
	var text, runs strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		text.WriteString(pairs[i])
		tag := "\x97" // "iI" again
		if i == 0 {
			tag = "\x84\x02iI"
		}
		fmt.Fprintf(&runs, "%s%c%c\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i", tag, i/2+1, len([]rune(pairs[i])))
		if i > 0 { // the class and the type are known
			s := runs.String()
			runs.Reset()
			runs.WriteString(strings.TrimSuffix(s, "\x84\x84\x0cNSDictionary\x00\x94\x84\x01i") + "\x98\x99")
		}
		if pairs[i+1] == "" {
			runs.WriteString("\x00\x86")
			continue
		}
		fmt.Fprintf(&runs, "\x01\x92\x84\x96\x96\x22__kIMFileTransferGUIDAttributeName\x86\x92\x84\x96\x96%c%s\x86\x86", len(pairs[i+1]), pairs[i+1])
	}
	return "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+" +
		string(rune(text.Len())) + text.String() + "\x86" + runs.String() + "\x86"
}

// TestPlaces: files stand where their letters are, whatever the order of their rows.
func TestPlaces(t *testing.T) {
	const files = `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, attributedBody BLOB, date INTEGER);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY, guid TEXT, transfer_name TEXT);
INSERT INTO attachment VALUES (1, 'g1', 'one'), (2, 'g2', 'two'), (3, 'g3', 'three');
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER);
INSERT INTO message_attachment_join SELECT m, a FROM (SELECT 1 AS m UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5), (SELECT ROWID AS a FROM attachment);
`
	insert := fmt.Sprintf("INSERT INTO message VALUES (1,'all',NULL,X'%x',1), (2,'some','a￼b￼c',X'%x',2), (3,'text','a￼b',NULL,3), (4,'none','words',NULL,4), (5,'ordered',NULL,X'%x',5);",
		stream("\ufffc", "g3", "sea", "", "\ufffc", "g1", "\ufffc", "g2"), stream("a", "", "\ufffc", "g2", "b", "", "\ufffc", "unknown", "c", ""), stream("\ufffc", "g1", "\ufffc", "g2", "\ufffc", "g3"))
	src := extracttest.Source(t, database(t, files+insert))
	checkShort(t, src, []string{"all 2001-01-01 other: sea [three] {sea} [one] [two]", "some 2001-01-01 other: abc {a} [two] {b} [one] {c} [three]",
		"text 2001-01-01 other: ab {a} [one] {b} [two] [three]", "none 2001-01-01 other: words {words} [one] [two] [three]", "ordered 2001-01-01 other: "}, 0)
}

// TestEdits: wordings of several parts, of a part that was taken back, and nonsense.
func TestEdits(t *testing.T) {
	wording := func(text string, at float64) any { return map[string]any{"d": at, "t": []byte(stream(text, ""))} }
	list := func(v map[string]any) string {
		data, err := plist.Marshal(v, plist.Binary)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", data)
	}
	sql := "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, date_edited INTEGER, date_retracted INTEGER, message_summary_info BLOB);" +
		fmt.Sprintf("INSERT INTO message VALUES (1,'edited','One two',1,9,0,X'%s'), (2,'unsent',NULL,2,9,0,X'%s'), (3,'edited, unsent',NULL,3,9,0,X'%s'), (4,'nonsense','x',4,9,0,X'00'), (5,'retracted',NULL,5,0,9,NULL);",
			list(map[string]any{"ec": map[string]any{"10": []any{wording("tow", 30), wording("two", 40)}, "2": []any{wording("Oen", 10), map[string]any{"d": 20.0, "t": []byte("no stream")}, wording("One", 50)}}}),
			list(map[string]any{"rp": []any{0}}), list(map[string]any{"rp": []any{0}, "ec": map[string]any{"0": []any{wording("secret", 10), wording("Secret", 20)}}}))
	src := extracttest.Source(t, database(t, sql))
	checkShort(t, src, []string{"edited 2001-01-01 other: One two before:Oen before:? before:tow", "unsent 2001-01-01 other:  unsent", "edited, unsent 2001-01-01 other:  before:secret before:Secret unsent",
		"nonsense 2001-01-01 other: x <message_summary_info=1 bytes that are not understood>", "retracted 2001-01-01 other:  unsent"}, 0)
}

// TestApps: what apps say, from the archive that they leave.
func TestApps(t *testing.T) {
	type uid = plist.UID
	archive := func(objects ...any) string {
		data, err := plist.Marshal(map[string]any{"$archiver": "NSKeyedArchiver", "$version": 100000, "$top": map[string]any{"root": uid(1)}, "$objects": append([]any{"$null"}, objects...)}, plist.Binary)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", data)
	}
	dict := map[string]any{"$classname": "NSDictionary", "$classes": []any{"NSDictionary", "NSObject"}}
	game := archive(map[string]any{"$class": uid(2), "NS.keys": []any{uid(3), uid(5), uid(7)}, "NS.objects": []any{uid(4), uid(6), uid(8)}}, dict, "an", "Chess", "userInfo",
		map[string]any{"$class": uid(2), "NS.keys": []any{uid(9), uid(10)}, "NS.objects": []any{uid(11), uid(12)}}, "URL", "data:?x", "caption", "subcaption", "Your move", "Anna")
	page := archive(map[string]any{"$class": uid(9), "richLinkMetadata": uid(2)}, map[string]any{"$class": uid(10), "title": uid(3), "siteName": uid(4), "originalURL": uid(5), "URL": uid(6)},
		"Title", "Example", "ftp://example.org/", map[string]any{"$class": uid(11), "NS.base": uid(0), "NS.relative": uid(7)}, "https://example.org/p", "x",
		map[string]any{"$classname": "RichLink", "$classes": []any{"RichLink"}}, map[string]any{"$classname": "LPLinkMetadata", "$classes": []any{"LPLinkMetadata"}}, map[string]any{"$classname": "NSURL", "$classes": []any{"NSURL"}})
	sql := "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, balloon_bundle_id TEXT, payload_data BLOB);" +
		fmt.Sprintf(`INSERT INTO message VALUES (1,'game','�',1,'com.apple.messages.MSMessageExtensionBalloonPlugin:ABC:org.example.chess',X'%s'), (2,'link','https://example.org/p?utm=1',2,'com.apple.messages.URLBalloonProvider',X'%s'),
 (3,'bare link','look https://example.org/',3,'com.apple.messages.URLBalloonProvider',NULL), (4,'drawn',NULL,4,'com.apple.Handwriting.HandwritingProvider',X'0102'), (5,'poll','�',5,'com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls',NULL),
 (6,'other',NULL,6,'net.example.unknown',X'0102'), (7,'script','javascript:alert(1)',7,'com.apple.messages.URLBalloonProvider',NULL);`, game, page)
	src := extracttest.Source(t, database(t, sql))
	checkShort(t, src, []string{"game 2001-01-01 other: Your move\nAnna <Chess> app", "link 2001-01-01 other: https://example.org/p?utm=1 <Link> <https://example.org/p> <Title> <Example> app",
		"bare link 2001-01-01 other: look https://example.org/ <Link> app", "drawn 2001-01-01 other: Handwritten message <Handwritten message> app", "poll 2001-01-01 other: Poll <Poll> app",
		"other 2001-01-01 other: net.example.unknown <net.example.unknown> <payload_data=2 bytes that are not understood> app", "script 2001-01-01 other: javascript:alert(1) <Link> app"}, 0)
}
