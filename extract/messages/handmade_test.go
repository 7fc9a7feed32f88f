package messages_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

// handmade is a store with columns in another order, some missing, and cases that are
// known by heart. Dates are seconds behind 2021-01-01 12:00 UTC, in nanoseconds.
const handmade = `
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT, service TEXT);
INSERT INTO handle VALUES (1,'+1 (202) 555-0101','iMessage'), (2,'2025550101','SMS'), (3,'Zoe@Example.org','iMessage');
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, style INTEGER, display_name TEXT, group_id TEXT, service_name TEXT);
INSERT INTO chat VALUES (10,'iMessage;-;+12025550101',45,NULL,'A','iMessage'), (11,'SMS;-;2025550101',45,NULL,'B','SMS'), (12,'iMessage;+;chat99',43,'The lake house','G','iMessage');
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER);
INSERT INTO chat_handle_join VALUES (10,1),(11,2),(12,1),(12,3);
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, date INTEGER, guid TEXT, text TEXT, attributedBody BLOB, handle_id INTEGER, is_from_me INTEGER, service TEXT,
 associated_message_guid TEXT, associated_message_type INTEGER, associated_message_emoji TEXT, thread_originator_guid TEXT, item_type INTEGER, group_title TEXT,
 group_action_type INTEGER, other_handle INTEGER, date_retracted INTEGER, expressive_send_style_id TEXT, error INTEGER, balloon_bundle_id TEXT);
INSERT INTO message (ROWID,date,guid,text,handle_id,is_from_me,service) VALUES
 (1,1,'m1','Hello',1,0,'iMessage'), (2,2,'m2','by SMS',2,0,'SMS'), (3,3,'m3','mine',0,1,'iMessage');
INSERT INTO message (ROWID,date,guid,handle_id,attributedBody) VALUES (4,4,'m4',1,CAST('streamtyped @ NSString' || X'01948401' || '+' || X'05' || 'typed' AS BLOB)), (5,5,'m5',1,X'0102');
INSERT INTO message (ROWID,date,guid,handle_id,is_from_me,associated_message_guid,associated_message_type) VALUES
 (6,6,'t1',1,0,'p:0/m3',2000), (7,7,'t2',1,0,'p:0/m3',3000), (8,8,'t3',1,0,'p:0/m3',2003), (9,9,'t4',0,1,'bp:m1',2001);
INSERT INTO message (ROWID,date,guid,handle_id,associated_message_guid,associated_message_type,associated_message_emoji) VALUES (10,10,'t5',3,'p:1/m1',2006,'🌻');
INSERT INTO message (ROWID,date,guid,text,handle_id,thread_originator_guid,expressive_send_style_id) VALUES (11,11,'m6','yes',1,'m3','com.apple.messages.effect.CKHappyBirthdayEffect');
INSERT INTO message (ROWID,date,guid,handle_id,date_retracted) VALUES (12,12,'m7',1,13);
INSERT INTO message (ROWID,date,guid,handle_id,item_type,group_title) VALUES (13,13,'m8',3,2,'The lake house');
INSERT INTO message (ROWID,date,guid,handle_id,item_type,group_action_type,other_handle) VALUES (14,14,'m9',3,1,1,1);
INSERT INTO message (ROWID,date,guid,text,handle_id,error) VALUES (15,15,'lost','nowhere',1,22), (16,16,'gone','deleted',1,0);
INSERT INTO message (ROWID,date,guid,text,handle_id) VALUES (17,17,'m10','￼look￼',3);
UPDATE message SET date = (631195200 + date - 0) * 1000000000, date_retracted = CASE WHEN date_retracted THEN (631195200 + date_retracted) * 1000000000 END;
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, message_date INTEGER, PRIMARY KEY (chat_id, message_id));
INSERT INTO chat_message_join (chat_id, message_id) VALUES (10,1),(11,2),(10,3),(10,4),(10,5),(10,6),(10,7),(10,8),(10,9),(10,10),(10,11),(10,12),(12,13),(12,14),(12,17);
CREATE TABLE chat_recoverable_message_join (chat_id INTEGER, message_id INTEGER, delete_date INTEGER, PRIMARY KEY (chat_id, message_id));
INSERT INTO chat_recoverable_message_join VALUES (10,16,1);
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY, filename TEXT, mime_type TEXT, transfer_name TEXT);
INSERT INTO attachment VALUES (1,'~/Library/SMS/Attachments/aa/01/G/a.jpg','image/jpeg','a.jpg'), (2,'/var/mobile/Library/SMS/Attachments/../../../etc/passwd',NULL,'b'), (3,NULL,NULL,'c.mov');
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER);
INSERT INTO message_attachment_join VALUES (17,1),(17,2),(17,3);`

func made(t *testing.T) fstest.MapFS {
	t.Helper()
	fsys := database(t, handmade)
	fsys["MediaDomain/Library/SMS/Attachments/aa/01/G/a.jpg"] = &fstest.MapFile{Data: []byte("jpeg")}
	return fsys
}

// database is a source with the store that SQL makes.
func database(t *testing.T, statements string) fstest.MapFS {
	t.Helper()
	name := filepath.Join(t.TempDir(), "sms.db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{smsDB: {Data: data, Mode: 0o600}}
}

func TestHandmade(t *testing.T) {
	src := extracttest.Source(t, made(t))
	extracttest.Conform(t, messages.New(), src)
	all := extracttest.Read(t, messages.New(), src, extract.Query{})
	by := map[string]*chat.Message{}
	for _, r := range all.Records {
		m := r.(*chat.Message)
		by[m.Key] = m
	}
	if len(all.Problems) != 1 || !strings.Contains(all.Problems[0].What, "m5") {
		t.Errorf("problems: %v", all.Problems)
	}
	conversations := map[string][]string{}
	for _, r := range all.Records {
		m := r.(*chat.Message)
		conversations[m.Conversation] = append(conversations[m.Conversation], m.Key)
	}
	if diff := cmp.Diff(map[string][]string{"person/25550101": {"m1", "m2", "m3", "m4", "m5", "m6", "m7", "gone"}, "group/G": {"m8", "m9", "m10"}, "other": {"lost"}}, conversations); diff != "" {
		t.Error(diff)
	}
	at := time.Date(2021, 1, 1, 12, 0, 0, 0, time.UTC)
	for key, want := range map[string]string{
		"m1": `Hello at 1s; +1 (202) 555-0101; reactions: 👍 me, 🌻 Zoe@Example.org on 1`,
		"m3": `mine at 3s; me; reactions: 😂 +1 (202) 555-0101`,
		"m4": `typed at 4s; +1 (202) 555-0101`, "m5": ` at 5s; +1 (202) 555-0101; unknown`,
		"m6": `yes at 11s; +1 (202) 555-0101; answers m3 (mine); Happy Birthday`, "m7": ` at 12s; +1 (202) 555-0101; unsent`,
		"m8": `Zoe@Example.org named the conversation “The lake house” at 13s; Zoe@Example.org; system`, "m9": `Zoe@Example.org removed +1 (202) 555-0101 at 14s; Zoe@Example.org; system`,
		"lost": `nowhere at 15s; +1 (202) 555-0101; failed`, "gone": `deleted at 16s; +1 (202) 555-0101; recently deleted`,
	} {
		m := by[key]
		if m == nil {
			t.Errorf("%s is not there", key)
			continue
		}
		if got := describe(m, at); got != want {
			t.Errorf("%s:\n%s\n%s", key, got, want)
		}
	}
	files, err := json.Marshal(by["m10"].Attachments)
	if err != nil {
		t.Fatal(err)
	}
	if want := `[{"name":"a.jpg","type":"image/jpeg","path":"MediaDomain/Library/SMS/Attachments/aa/01/G/a.jpg"},{"name":"b"},{"name":"c.mov"}]`; string(files) != want {
		t.Errorf("attachments:\n%s\n%s", files, want)
	}
	if by["m10"].Text != "look" || len(by["m10"].Parts) != 4 {
		t.Errorf("parts: %+v", by["m10"])
	}
}

// describe is a message in one line.
func describe(m *chat.Message, at time.Time) string {
	var b strings.Builder
	b.WriteString(m.Text + " at " + m.Time.Sub(at).String())
	if m.FromMe {
		b.WriteString("; me")
	} else {
		b.WriteString("; " + m.From.Address)
	}
	for _, x := range []struct {
		is   bool
		text string
	}{{m.Kind != chat.KindText, string(m.Kind)}, {m.ReplyTo != "", "answers " + m.ReplyTo + " (" + m.ReplyText + ")"}, {m.Effect != "", m.Effect},
		{m.Failed, "failed"}, {m.Deleted, "recently deleted"}} {
		if x.is {
			b.WriteString("; " + x.text)
		}
	}
	for i, r := range m.Reactions {
		b.WriteString(map[bool]string{true: "; reactions: ", false: ", "}[i == 0] + r.Emoji + " ")
		if r.FromMe {
			b.WriteString("me")
		} else {
			b.WriteString(r.From.Address)
		}
		if r.Part > 0 {
			b.WriteString(" on 1")
		}
	}
	return b.String()
}
