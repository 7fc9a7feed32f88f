package appdata

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// checkAttachments matches attachment rows and files, both ways.
func checkAttachments(t *testing.T, dir string) {
	t.Helper()
	d := open(t, dir, "HomeDomain/"+smsDB, true)
	known := map[string]bool{}
	for _, row := range query(t, d, "SELECT a.filename, a.total_bytes FROM attachment a JOIN message_attachment_join j ON j.attachment_id=a.ROWID JOIN message m ON m.ROWID=j.message_id WHERE a.filename IS NOT NULL") {
		name, size, _ := strings.Cut(row, "|")
		rel := strings.TrimPrefix(strings.TrimPrefix(name, "~/"), "/var/mobile/")
		known[rel] = true
		path := filepath.Join(dir, mediaDomain, filepath.FromSlash(rel))
		info, err := os.Stat(path)
		switch {
		case os.IsNotExist(err) && strings.HasSuffix(rel, "IMG_0778.jpeg"): // the one that is only in the cloud
		case err != nil:
			t.Errorf("attachment without a file: %v", err)
		case !info.IsDir() && size != strconv.FormatInt(info.Size(), 10):
			t.Errorf("%s: %d bytes on disk, %s in the row", rel, info.Size(), size)
		}
	}
	for rel := range tree(t, filepath.Join(dir, mediaDomain, "Library", "SMS")) {
		rel = "Library/SMS/" + rel
		if i := strings.Index(rel, ".pluginPayloadAttachment/"); i > 0 {
			rel = rel[:i+len(".pluginPayloadAttachment")]
		}
		if !known[rel] {
			t.Errorf("%s: file without a row", rel)
		}
	}
}

// checkBodies decodes every body with the independent reader.
func checkBodies(t *testing.T, dir string) (texts map[string]int) {
	t.Helper()
	d := open(t, dir, "HomeDomain/"+smsDB, true)
	rows, err := d.Query("SELECT ROWID, text, attributedBody, part_count, (SELECT group_concat(a.guid) FROM message_attachment_join j JOIN attachment a ON a.ROWID=j.attachment_id WHERE j.message_id=message.ROWID) FROM message WHERE attributedBody IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	texts = map[string]int{}
	undecodable := 0
	for rows.Next() {
		var id, parts int
		var text, files *string
		var body []byte
		if err := rows.Scan(&id, &text, &body, &parts, &files); err != nil {
			t.Fatal(err)
		}
		got, err := decodeTypedstream(body)
		if err != nil {
			undecodable++
			continue
		}
		texts[got.text]++
		if text != nil && *text != got.text {
			t.Errorf("message %d: body %q, text %q", id, got.text, *text)
		}
		n := 0
		for _, r := range got.runs {
			n += r.length
			attrs := got.dicts[r.dict-1]
			if p, ok := attrs[attrPart].(int); !ok || p < 0 || p >= parts {
				t.Errorf("message %d: part %v of %d", id, attrs[attrPart], parts)
			}
			if g, ok := attrs[attrTransfer].(string); ok && (files == nil || !strings.Contains(*files, g)) {
				t.Errorf("message %d: body names attachment %s, joined are %v", id, g, files)
			}
		}
		if n != len(utf16.Encode([]rune(got.text))) {
			t.Errorf("message %d: runs cover %d of %d units", id, n, len(utf16.Encode([]rune(got.text))))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if undecodable != 0 { // only phones with iOS 16 have one
		t.Errorf("%d bodies do not decode", undecodable)
	}
	return texts
}

func TestMessages(t *testing.T) {
	dir := sharedPhone(t, "18.5")
	checkAttachments(t, dir)
	texts := checkBodies(t, dir)
	for _, s := range []string{"Plain text with no text column", "مرحبا، هل نلتقي غدا؟ שלום", "Beyond the BMP: 𝒽𝑒𝓁𝓁𝑜 👩‍👩‍👧‍👦 🏴‍☠️", "\ufffc\ufffcTwo from today"} {
		if texts[s] == 0 {
			t.Errorf("no message %q", s)
		}
	}
	d := open(t, dir, "HomeDomain/"+smsDB, true)
	for what, q := range map[string]string{
		"1: NULL text with a body":      "SELECT count(*)>20 FROM message WHERE text IS NULL AND attributedBody IS NOT NULL",
		"1: text of 4-byte length":      "SELECT count(*)=1 FROM message WHERE length(attributedBody)>65536",
		"1: tapback and its removal":    "SELECT count(*)=2 FROM message m JOIN message o ON m.associated_message_guid='p:0/'||o.guid WHERE m.associated_message_type IN (2000, 3000)",
		"1: emoji tapback":              "SELECT count(*)=1 FROM message WHERE associated_message_type=2006 AND associated_message_emoji='🦔'",
		"1: replies":                    "SELECT count(*)=2 FROM message m JOIN message o ON o.guid=m.thread_originator_guid WHERE m.thread_originator_part LIKE '0:0:%'",
		"1: unsent":                     "SELECT count(*)=1 FROM message WHERE text IS NULL AND attributedBody IS NULL AND date_retracted>0 AND item_type=0",
		"1: group events":               "SELECT count(DISTINCT item_type)=6 FROM message WHERE item_type>0",
		"1: rename":                     "SELECT count(*)=1 FROM message WHERE item_type=2 AND group_title LIKE 'Hill%'",
		"1: attachment without a path":  "SELECT count(*)=2 FROM attachment WHERE filename IS NULL",
		"1: other path form":            "SELECT count(*)=1 FROM attachment WHERE filename LIKE '/var/mobile/%'",
		"1: sticker":                    "SELECT count(*)=1 FROM attachment WHERE is_sticker=1 AND filename LIKE '%StickerCache%'",
		"1: Recently Deleted":           "SELECT count(*)=1 FROM chat_recoverable_message_join r LEFT JOIN chat_message_join j ON j.message_id=r.message_id WHERE j.message_id IS NULL",
		"1: every other one has a chat": "SELECT count(*)=1 FROM message m LEFT JOIN chat_message_join j ON j.message_id=m.ROWID WHERE j.message_id IS NULL",
		"1: handles exist":              "SELECT count(*)=0 FROM message WHERE handle_id!=0 AND handle_id NOT IN (SELECT ROWID FROM handle)",
		"1: senders are members":        "SELECT count(*)=0 FROM message m JOIN chat_message_join j ON j.message_id=m.ROWID WHERE m.handle_id!=0 AND NOT EXISTS (SELECT 1 FROM chat_handle_join h WHERE h.chat_id=j.chat_id AND h.handle_id=m.handle_id)",
		"1: dates are nanoseconds":      "SELECT min(date)>1e17 FROM message",
		"1: join dates agree":           "SELECT count(*)=0 FROM message m JOIN chat_message_join j ON j.message_id=m.ROWID WHERE j.message_date!=m.date",
		"1: one person, two services":   "SELECT count(*)>0 FROM handle a JOIN handle b ON a.person_centric_id=b.person_centric_id AND a.service='iMessage' AND b.service='SMS'",
		"1: group chats":                "SELECT count(*)=2 FROM chat WHERE style=43 AND guid LIKE 'iMessage;+;chat%'",
		"1: cached rooms":               "SELECT count(*)=0 FROM message m JOIN chat_message_join j ON j.message_id=m.ROWID JOIN chat c ON c.ROWID=j.chat_id WHERE coalesce(c.room_name,'')!=coalesce(m.cache_roomnames,'')",
		"1: scheduled":                  "SELECT count(*)=1 FROM message WHERE schedule_type=2",
	} {
		if got := one(t, d, q); got != what[:1] {
			t.Errorf("%s: %s", what[3:], q)
		}
	}
}

func TestEditHistory(t *testing.T) {
	d := open(t, sharedPhone(t, "17.5.1"), "HomeDomain/"+smsDB, true)
	var body, summary []byte
	if err := d.QueryRow("SELECT attributedBody, message_summary_info FROM message WHERE date_edited>0 AND attributedBody IS NOT NULL ORDER BY ROWID LIMIT 1").Scan(&body, &summary); err != nil {
		t.Fatal(err)
	}
	var info struct {
		Versions map[string][]struct {
			At   float64 `plist:"d"`
			Text []byte  `plist:"t"`
		} `plist:"ec"`
	}
	if err := plist.Unmarshal(summary, &info); err != nil {
		t.Fatal(err)
	}
	v := info.Versions["0"]
	if len(v) != 3 || v[0].At >= v[1].At || v[1].At >= v[2].At {
		t.Fatalf("versions %+v", v)
	}
	now, err := decodeTypedstream(body)
	if err != nil {
		t.Fatal(err)
	}
	last, err := decodeTypedstream(v[2].Text)
	if err != nil || last.text != now.text {
		t.Errorf("last version %q, body %q: %v", last.text, now.text, err)
	}
}
