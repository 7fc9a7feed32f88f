package messages_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

// appArchive is a payload_data with a dictionary of texts; url is an NSURL, as apps write
// it.
func appArchive(t *testing.T, url string, pairs ...string) string {
	t.Helper()
	type uid = plist.UID
	objects := []any{"$null", nil, map[string]any{"$classname": "NSDictionary", "$classes": []any{"NSDictionary", "NSObject"}}, map[string]any{"$classname": "NSURL", "$classes": []any{"NSURL", "NSObject"}}}
	add := func(v any) any {
		objects = append(objects, v)
		return uid(len(objects) - 1)
	}
	var keys, values []any
	for i := 0; i < len(pairs); i += 2 {
		keys, values = append(keys, add(pairs[i])), append(values, add(pairs[i+1]))
	}
	if url != "" {
		keys, values = append(keys, add("URL")), append(values, add(map[string]any{"$class": uid(3), "NS.base": uid(0), "NS.relative": add(url)}))
	}
	objects[1] = map[string]any{"$class": uid(2), "NS.keys": keys, "NS.objects": values}
	data, err := plist.Marshal(map[string]any{"$archiver": "NSKeyedArchiver", "$version": 100000, "$top": map[string]any{"root": uid(1)}, "$objects": objects}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("X'%x'", data)
}

// TestPolls: polls of iOS 26, editions and votes. Columns, values and the JSON are those
// that imessage-exporter (message.rs, polls.rs) and openclaw/imsg read: a poll points to
// itself, an edition of it (more options) to the poll, a vote (4000) to either, in three
// forms.
func TestPolls(t *testing.T) {
	data := func(json, query string) string {
		return appArchive(t, "data:,"+base64.StdEncoding.EncodeToString([]byte(json))+query, "an", "Polls", "ldtext", "Sent a poll")
	}
	dinner := data(`{"version":1,"item":{"title":"Dinner?","creatorHandle":"z@example.org","orderedPollOptions":[{"optionIdentifier":"A","text":"Pizza","attributedText":"Pizza","canBeEdited":false},{"optionIdentifier":"B","text":"Soup"}]}}`, "?src=p&c=2")
	more := data(`{"version":1,"item":{"title":"","orderedPollOptions":[{"optionIdentifier":"A","text":"Pizza"},{"optionIdentifier":"C","text":"Rice"}]}}`, "?src=p&c=3")
	vote := func(options string) string { return data(`{"version":1,"item":{"votes":[`+options+`]}}`, "") }
	a, c := `{"participantHandle":"z@example.org","voteOptionIdentifier":"A"}`, `{"participantHandle":"me","voteOptionIdentifier":"C","serverVoteTime":1.5}`
	const app = "'com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls'"
	sql := "CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, text TEXT, date INTEGER, associated_message_guid TEXT, associated_message_type INTEGER DEFAULT 0, balloon_bundle_id TEXT, payload_data BLOB);" +
		fmt.Sprintf(`INSERT INTO message VALUES (1,'P','Sent a poll',1,'P',3,%[1]s,%[2]s), (2,'v1',NULL,2,'P',4000,%[1]s,%[3]s), (3,'E',NULL,3,'P',2,%[1]s,%[4]s), (4,'v2',NULL,4,'p:0/E',4000,NULL,%[5]s), (5,'v3',NULL,5,'p/P',4000,NULL,%[6]s),
 (6,'v4',NULL,6,'gone',4000,%[1]s,%[7]s), (7,'broken',NULL,7,NULL,0,%[1]s,%[8]s), (8,'v5',NULL,8,'P',4000,NULL,NULL);`, app, dinner, vote(a), more, vote(a+","+c), vote(""), vote(a), appArchive(t, "data:,e30=x", "an", "Polls"))
	src := extracttest.Source(t, database(t, sql))
	extracttest.Conform(t, messages.New(), src)
	checkShort(t, src, []string{"P 2001-01-01 other: Dinner?\n• Pizza\n• Soup <Poll> <associated_message_type=3> app", "v1 2001-01-01 other: Voted for Pizza <Poll> <associated_message_type=4000> app",
		"E 2001-01-01 other: • Pizza\n• Rice <Poll> <associated_message_type=2> app", "v2 2001-01-01 other: Voted for Pizza, Rice <Poll> <associated_message_type=4000> app",
		"v3 2001-01-01 other: Took the vote back <Poll> <associated_message_type=4000> app", "v4 2001-01-01 other: Voted in a poll <Poll> <associated_message_type=4000> app",
		"broken 2001-01-01 other: Poll <Poll> app", "v5 2001-01-01 other: Voted in a poll <Poll> <associated_message_type=4000> app"}, 0)
}

// TestEvents: what happens in conversations, by the numbers of imessage-exporter
// (group_action.rs, message.rs): backgrounds of iOS 26, a member with another number, and
// who shared a place, which is in the direction where it is to somebody.
func TestEvents(t *testing.T) {
	src := extracttest.Source(t, database(t, `
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT); INSERT INTO handle VALUES (1, 'anna@example.org'), (2, 'ben@example.org');
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, date INTEGER, handle_id INTEGER, is_from_me INTEGER, item_type INTEGER, group_action_type INTEGER, other_handle INTEGER, group_title TEXT, share_status INTEGER, share_direction INTEGER);
INSERT INTO message VALUES (1, 'a', 1, 1, 0, 1, 0, 2, NULL, 0, 0), (2, 'b', 2, 1, 0, 1, 0, 1, NULL, 0, 0), (3, 'c', 3, 1, 0, 3, 4, 0, NULL, 0, 0), (4, 'd', 4, 0, 1, 3, 6, 0, NULL, 0, 0),
 (5, 'e', 5, 1, 0, 4, 0, 1, NULL, 0, 0), (6, 'f', 6, 1, 0, 4, 0, 1, NULL, 1, 1), (7, 'g', 7, 1, 0, 4, 0, 0, NULL, 0, 0), (8, 'h', 8, 0, 1, 1, 0, 0, NULL, 0, 0);`))
	checkShort(t, src, []string{"a 2001-01-01 other: anna@example.org added ben@example.org <item_type=1 group_action_type=0> system", "b 2001-01-01 other: anna@example.org changed to another phone number <item_type=1 group_action_type=0> system",
		"c 2001-01-01 other: anna@example.org changed the background of the conversation <item_type=3 group_action_type=4> system", "d 2001-01-01 other: You removed the background of the conversation <item_type=3 group_action_type=6> system",
		"e 2001-01-01 other: You started sharing the location <item_type=4 group_action_type=0 share_status=0 share_direction=0> system", "f 2001-01-01 other: anna@example.org stopped sharing the location <item_type=4 group_action_type=0 share_status=1 share_direction=1> system",
		"g 2001-01-01 other: anna@example.org started sharing the location <item_type=4 group_action_type=0 share_status=0 share_direction=0> system", "h 2001-01-01 other: You added somebody <item_type=1 group_action_type=0> system"}, 0)
}

// TestBareLinks: the preview of a link may come without the name of its app
// (imessage-exporter, message.rs).
func TestBareLinks(t *testing.T) {
	type uid = plist.UID
	page, err := plist.Marshal(map[string]any{"$archiver": "NSKeyedArchiver", "$version": 100000, "$top": map[string]any{"root": uid(1)}, "$objects": []any{"$null", map[string]any{"$class": uid(4), "richLinkMetadata": uid(2)},
		map[string]any{"$class": uid(5), "title": uid(3)}, "Title", map[string]any{"$classname": "RichLink", "$classes": []any{"RichLink"}}, map[string]any{"$classname": "LPLinkMetadata", "$classes": []any{"LPLinkMetadata"}}}}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	src := extracttest.Source(t, database(t, "CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, balloon_bundle_id TEXT, payload_data BLOB);"+
		fmt.Sprintf("INSERT INTO message VALUES (1,'a','https://example.org/',1,NULL,X'%x'), (2,'b','words',2,NULL,X'00'), (3,'c','words',3,NULL,%s);", page, appArchive(t, "", "an", "Chess"))))
	checkShort(t, src, []string{"a 2001-01-01 other: https://example.org/ <Link> <https://example.org/> <Title> app", "b 2001-01-01 other: words", "c 2001-01-01 other: words"}, 0)
}

// TestDeletedParts: of a message with several parts one may be deleted alone; its words
// are kept for a month (recoverable_message_part, by the schema in an iOS 26 phone and
// openclaw/imsg; part_text is a string with attributes). In every chat of a message there
// is a row.
func TestDeletedParts(t *testing.T) {
	src := extracttest.Source(t, database(t, `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, attributedBody BLOB, date INTEGER);
INSERT INTO message VALUES (1, 'a', 'left', NULL, 1), (2, 'b', NULL, NULL, 2), (3, 'c', 'all here', NULL, 3), (4, 'd', 'there', NULL, 4), (5, 'e', 'x', NULL, 5);
CREATE TABLE recoverable_message_part (chat_id INTEGER, message_id INTEGER, part_index INTEGER, delete_date INTEGER, part_text BLOB NOT NULL, ck_sync_state INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id, part_index), CHECK (delete_date != 0));`+
		fmt.Sprintf("INSERT INTO recoverable_message_part VALUES (1,1,2,600000000000000000,X'%[1]x',0), (1,1,0,500000000000000000,X'%[2]x',0), (7,1,0,500000000000000000,X'%[2]x',0), (1,2,1,1,X'%[3]x',0), (1,4,0,1,X'%[4]x',0), (1,5,0,1,'x',0), (1,99,0,1,'y',0);",
			stream("gone", ""), stream("first", ""), stream("\ufffc", "F"), stream("there", ""))))
	extracttest.Conform(t, messages.New(), src)
	checkShort(t, src, []string{"a 2001-01-01 other: left before:first before:gone <deleted_parts=0,2>", "b 2001-01-01 other:  <deleted_parts=1>", "c 2001-01-01 other: all here",
		"d 2001-01-01 other: there <deleted_parts=0>", "e 2001-01-01 other: x before:? <deleted_parts=0>"}, 0)
}

// TestServices: a group that goes from SMS to RCS is two chats of different group_id; that
// they are one the table chat_lookup tells (imessage-exporter, issue 628), whose schema
// openclaw/imsg has. Chats of one person, and those it says nothing of, are as before.
func TestServices(t *testing.T) {
	src := extracttest.Source(t, database(t, `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER);
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, chat_identifier TEXT, group_id TEXT);
INSERT INTO chat VALUES (2,'SMS;+;chat2',43,'chat2','A'), (3,'RCS;+;chat3',43,'chat3','B'), (4,'iMessage;+;chat4',43,'chat4','B'), (5,'iMessage;+;chat5',43,'chat5','C'), (6,'RCS;+;chat6',43,'chat6',NULL), (7,'iMessage;-;x@example.org',45,'x@example.org','D'), (8,'RCS;+;chat8',43,'chat8','E');
CREATE TABLE chat_lookup (identifier TEXT NOT NULL, domain TEXT NOT NULL, chat INTEGER NOT NULL REFERENCES chat(ROWID) ON UPDATE CASCADE ON DELETE CASCADE, priority INTEGER DEFAULT 0, UNIQUE (identifier, domain));
INSERT INTO chat_lookup VALUES ('b','RCSGroupID',3,0), ('b','SMSGroupID',2,0), ('C','iMessageGroupID',5,0), ('six','RCS',6,0), ('six','SMS',5,0), ('x','iMessage',7,0), ('x','RCS',8,0), ('gone','SMS',99,0), ('gone','RCS',8,0), ('','SMS',8,0), ('','RCS',5,0);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER);
INSERT INTO chat_message_join SELECT ROWID, ROWID FROM chat; INSERT INTO message SELECT ROWID, 'm' || ROWID, 'text', ROWID FROM chat;`))
	extracttest.Conform(t, messages.New(), src)
	checkShort(t, src, []string{"m2 2001-01-01 group/A: text", "m3 2001-01-01 group/A: text", "m4 2001-01-01 group/A: text", "m5 2001-01-01 group/C: text", "m6 2001-01-01 group/C: text",
		"m7 2001-01-01 person/x@example.org: text", "m8 2001-01-01 group/E: text"}, 0)
}

// TestFolders: the addresses of what is sorted among promotions and transactions say so at
// their end (sentient-os, pull request 102, and other programs); they are
// the same senders.
func TestFolders(t *testing.T) {
	src := extracttest.Source(t, database(t, `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, handle_id INTEGER);
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT); INSERT INTO handle VALUES (1,'56249'), (2,'56249(smsfp)'), (3,'+12025550101(smsft_fi)'), (4,'TIGOPESA(smsft)'), (5,'(smsfp)');
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, chat_identifier TEXT);
INSERT INTO chat VALUES (1,'SMS;-;56249',45,'56249'), (2,'SMS;-;56249(smsfp)',45,'56249(smsfp)'), (3,'any;-;+12025550101(smsft_fi)',45,'+12025550101(smsft_fi)'), (4,'SMS;-;TIGOPESA(smsft)',45,'TIGOPESA(smsft)'), (5,'SMS;-;x',45,'(smsfp)');
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER); INSERT INTO chat_handle_join VALUES (1,1), (2,2), (3,3), (5,5);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER);
INSERT INTO chat_message_join SELECT ROWID, ROWID FROM chat; INSERT INTO message SELECT ROWID, 'm' || ROWID, 'text', ROWID, ROWID FROM chat;`))
	extracttest.Conform(t, messages.New(), src)
	checkShort(t, src, []string{"m1 2001-01-01 person/56249: text", "m2 2001-01-01 person/56249: text", "m3 2001-01-01 person/25550101: text", "m4 2001-01-01 person/tigopesa: text", "m5 2001-01-01 person/(smsfp): text"}, 0)
	for _, r := range extracttest.Read(t, messages.New(), src, extract.Query{Key: "m3"}).Records {
		if m := r.(*chat.Message); m.From.Address != "+12025550101" {
			t.Errorf("from %q", m.From.Address)
		}
	}
}

// TestCloud: messages that came from iCloud may lie in no chat; ck_chat_id says where they
// belong, an address behind a service or the identifier of a group in chat_lookup (as the
// phone itself puts them right: ipsw-diffs, IMDPersistence; chatstore finds most of a store
// like that).
func TestCloud(t *testing.T) {
	src := extracttest.Source(t, database(t, `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, ck_chat_id TEXT);
INSERT INTO message VALUES (1,'a','text',1,NULL), (2,'b','text',2,'SMS;-;+12025550101'), (3,'c','text',3,'GROUP'), (4,'d','text',4,'iMessage;-;nobody@example.org'), (5,'e','text',5,'chat9'), (6,'f','text',6,'iMessage;-;+1 (202) 555-0101'), (7,'g','text',7,''), (8,'h','text',8,'iMessage;-;+12025550101'), (9,'i','text',9,'G9'), (10,'j','text',10,';');
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, chat_identifier TEXT, group_id TEXT);
INSERT INTO chat VALUES (1,'iMessage;-;+12025550101',45,'+12025550101',NULL), (9,'iMessage;+;chat9',43,'chat9','G9');
CREATE TABLE chat_lookup (identifier TEXT, domain TEXT, chat INTEGER); INSERT INTO chat_lookup VALUES ('GROUP','iMessageGroupID',9);
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER); INSERT INTO chat_message_join VALUES (1,1), (9,8);`))
	extracttest.Conform(t, messages.New(), src)
	want := []string{"a 2001-01-01 person/25550101: text", "b 2001-01-01 person/25550101: text", "c 2001-01-01 group/G9: text", "d 2001-01-01 other: text", "e 2001-01-01 group/G9: text", "f 2001-01-01 person/25550101: text",
		"g 2001-01-01 other: text", "h 2001-01-01 group/G9: text", "i 2001-01-01 group/G9: text", "j 2001-01-01 other: text"}
	checkShort(t, src, want, 0)
	for i, key := range []string{"a", "b", "c", "d"} {
		m := extracttest.Read(t, messages.New(), src, extract.Query{Key: key}).Records[0].(*chat.Message)
		if got := short(m); got != want[i] {
			t.Errorf("by its key %s, want %s", got, want[i])
		}
	}
}

// TestLostFiles: a body names files whose rows were cleaned away (chatstore found most of
// the names in a store like that); something was there. What an app draws has none.
func TestLostFiles(t *testing.T) {
	src := extracttest.Source(t, database(t, `
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, attributedBody BLOB, date INTEGER, balloon_bundle_id TEXT);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY, guid TEXT, transfer_name TEXT); INSERT INTO attachment VALUES (1, 'g1', 'one'), (2, 'g2', 'two');
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER); INSERT INTO message_attachment_join VALUES (1,1), (4,2);`+
		fmt.Sprintf("INSERT INTO message VALUES (1,'a',NULL,X'%x',1,NULL), (2,'b',NULL,X'%x',2,NULL), (3,'c',NULL,X'%x',3,'x:org.example'), (4,'d',NULL,X'%x',4,NULL);",
			stream("\ufffc", "lost", "sea", "", "\ufffc", "g1"), stream("\ufffc", "lost", "\ufffc", "lost", "\ufffc", "more"), stream("\ufffc", "lost"), stream("\ufffc", "unknown", "a", ""))))
	extracttest.Conform(t, messages.New(), src)
	checkShort(t, src, []string{"a 2001-01-01 other: sea [] {sea} [one]", "b 2001-01-01 other: ", "c 2001-01-01 other: org.example <org.example> app", "d 2001-01-01 other: a [two] {a}"}, 0)
	for key, n := range map[string]int{"a": 2, "b": 2, "c": 0, "d": 1} {
		if m := extracttest.Read(t, messages.New(), src, extract.Query{Key: key}).Records[0].(*chat.Message); len(m.Attachments) != n {
			t.Errorf("%s has %d files, want %d", key, len(m.Attachments), n)
		}
	}
}
