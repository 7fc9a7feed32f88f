package messages_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

// TestManyAnswers: however many messages answer others, and even if the index of what
// they answer is broken, each quotes what it answers.
func TestManyAnswers(t *testing.T) {
	// From 10 on every third message answers the one two before it, 30 the same one as
	// 33; 36 answers one that is gone.
	const n, store = 3000, `
PRAGMA page_size = 4096;
CREATE TABLE message (ROWID INTEGER PRIMARY KEY, guid TEXT UNIQUE, text TEXT, date INTEGER, thread_originator_guid TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO message SELECT i, 'guid-' || i, 'said ' || i, i * 100,
 CASE WHEN i < 10 OR i % 3 THEN NULL WHEN i = 33 THEN 'guid-28' WHEN i = 36 THEN 'gone' ELSE 'guid-' || (i - 2) END FROM n;
CREATE INDEX t ON message(thread_originator_guid);`
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken %v", broken), func(t *testing.T) {
			fsys := database(t, store)
			data := fsys[smsDB].Data
			if broken { // a page of the index has GUIDs, but nothing that was said
				page := -1
				for at := 0; at+4096 <= len(data) && page < 0; at += 4096 {
					if p := data[at : at+4096]; p[0] == 10 && bytes.Count(p, []byte("guid-")) > 50 && bytes.Contains(p, []byte("guid-1501")) && !bytes.Contains(p, []byte("guid-1502")) {
						page = at
					}
				}
				if page < 0 {
					t.Fatal("no page of the index")
				}
				copy(data[page:page+100], bytes.Repeat([]byte{0xff}, 100))
			}
			all := extracttest.Read(t, messages.New(), extracttest.Source(t, fsys), extract.Query{})
			if len(all.Records) != n || len(all.Problems) != 0 {
				t.Fatalf("%d records, problems %v", len(all.Records), all.Problems)
			}
			for i, r := range all.Records {
				i++
				to, said := "", ""
				switch {
				case i < 10 || i%3 != 0:
				case i == 33:
					to, said = "guid-28", "said 28"
				case i == 36:
					to = "gone"
				default:
					to, said = fmt.Sprintf("guid-%d", i-2), fmt.Sprintf("said %d", i-2)
				}
				if m := r.(*chat.Message); m.ReplyTo != to || m.ReplyText != said {
					t.Errorf("%s answers %q (%q), want %q (%q)", m.Key, m.ReplyTo, m.ReplyText, to, said)
				}
			}
		})
	}
}
