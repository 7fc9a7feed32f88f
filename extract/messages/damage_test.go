package messages_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

// TestBrokenPages: what lies on other pages than the broken ones is read, and that some
// is not is told.
func TestBrokenPages(t *testing.T) {
	const store = `
PRAGMA page_size = 4096;
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT, text TEXT, date INTEGER, associated_message_guid TEXT, associated_message_type INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO message SELECT i, 'guid-' || i, printf('PAGE%04d', i) || hex(zeroblob(60)), i * 100, NULL, 0 FROM n;
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY, id TEXT); INSERT INTO handle VALUES (1, 'HANDLE');
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY, guid TEXT, chat_identifier TEXT); INSERT INTO chat VALUES (1, 'CHATCHAT', 'x');
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER); INSERT INTO chat_message_join SELECT 1, ROWID FROM message;
`
	for name, x := range map[string]struct {
		page  string // has this text in it
		index string
		least int
	}{
		"table": {"PAGE1500", "", 2900}, "table with index": {"PAGE1500", "CREATE INDEX d ON message(date);", 2900}, "people": {"HANDLE", "", 3000}, "conversations": {"CHATCHAT", "", 3000},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := database(t, store+x.index)
			data := fsys[smsDB].Data
			at := bytes.Index(data, []byte(x.page)) / 4096 * 4096
			if at < 4096 {
				t.Fatalf("%s is at %d", x.page, at)
			}
			copy(data[at:at+100], bytes.Repeat([]byte{0xff}, 100))
			c := &extracttest.Collector{}
			if err := messages.New().Read(t.Context(), extracttest.Source(t, fsys), extract.Query{}, c); err != nil {
				t.Fatal(err)
			}
			if len(c.Records) < x.least || len(c.Problems) == 0 || len(c.Problems) > 100 {
				t.Errorf("%d records, %d problems", len(c.Records), len(c.Problems))
			}
			for _, p := range c.Problems {
				if !strings.Contains(p.Error(), "damaged") {
					t.Error(p)
				}
			}
		})
	}
}
