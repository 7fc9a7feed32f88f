package messages_test

import (
	"fmt"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

const smsDB = "HomeDomain/Library/SMS/sms.db"

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			phone := extracttest.Phone(t, ios)
			src := extracttest.Source(t, phone)
			extracttest.Conform(t, messages.New(), src)
			all := extracttest.Read(t, messages.New(), src, extract.Query{})
			want := extracttest.SQL(t, phone, smsDB, "SELECT count(*) FROM message WHERE coalesce(associated_message_type,0) NOT BETWEEN 2000 AND 3999")
			if got := len(all.Records); want[0][0] != itoa(got) {
				t.Errorf("%d messages, sqlite3 has %s", got, want[0][0])
			}
			kinds := map[chat.Kind]int{}
			files, here, reactions, edits, replies := 0, 0, 0, 0, 0
			for _, r := range all.Records {
				m := r.(*chat.Message)
				kinds[m.Kind]++
				reactions += len(m.Reactions)
				edits += len(m.Edits)
				if m.ReplyTo != "" {
					replies++
				}
				for _, a := range m.Attachments {
					files++
					if a.Path != "" {
						here++
					}
				}
			}
			t.Logf("%v files %d/%d reactions %d edits %d replies %d problems %d", kinds, here, files, reactions, edits, replies, len(all.Problems))
			for _, p := range all.Problems {
				t.Log(p)
			}
		})
	}
}

func TestDamage(t *testing.T) {
	extracttest.Damage(t, messages.New(), extracttest.Phone(t, "18.6"), smsDB)
}

func itoa(n int) string { return fmt.Sprint(n) }
