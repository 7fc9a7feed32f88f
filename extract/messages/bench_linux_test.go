package messages_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/export"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// Many is how many messages the store of the benchmark has, reactions among them.
const many = 2_000_000

// large is a store of the schema and the indexes of iOS 16, as a phone fills it in fifteen
// years: 300 conversations, six of ten texts only in attributedBody, a reaction to one
// in ten, a file with one in twenty-five, an answer in fifty. The text is 60 bytes.
const large = `
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
CREATE TABLE handle (ROWID INTEGER PRIMARY KEY AUTOINCREMENT UNIQUE, id TEXT NOT NULL, country TEXT, service TEXT NOT NULL, uncanonicalized_id TEXT, person_centric_id TEXT, UNIQUE (id, service));
CREATE TABLE chat (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, style INTEGER, chat_identifier TEXT, service_name TEXT, display_name TEXT, group_id TEXT, is_archived INTEGER DEFAULT 0);
CREATE TABLE chat_handle_join (chat_id INTEGER, handle_id INTEGER, UNIQUE(chat_id, handle_id));
CREATE TABLE chat_message_join (chat_id INTEGER, message_id INTEGER, message_date INTEGER DEFAULT 0, PRIMARY KEY (chat_id, message_id));
CREATE TABLE chat_recoverable_message_join (chat_id INTEGER, message_id INTEGER, delete_date INTEGER, PRIMARY KEY (chat_id, message_id));
CREATE TABLE attachment (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, filename TEXT, uti TEXT, mime_type TEXT, transfer_name TEXT, total_bytes INTEGER DEFAULT 0, is_sticker INTEGER DEFAULT 0, hide_attachment INTEGER DEFAULT 0);
CREATE TABLE message_attachment_join (message_id INTEGER, attachment_id INTEGER, UNIQUE(message_id, attachment_id));
CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, guid TEXT UNIQUE NOT NULL, text TEXT, handle_id INTEGER DEFAULT 0, subject TEXT, attributedBody BLOB, service TEXT, account TEXT, account_guid TEXT, error INTEGER DEFAULT 0,
 date INTEGER, date_read INTEGER, date_delivered INTEGER, is_from_me INTEGER DEFAULT 0, is_read INTEGER DEFAULT 0, is_sent INTEGER DEFAULT 0, cache_has_attachments INTEGER DEFAULT 0, is_audio_message INTEGER DEFAULT 0,
 item_type INTEGER DEFAULT 0, other_handle INTEGER DEFAULT 0, group_title TEXT, group_action_type INTEGER DEFAULT 0, share_status INTEGER DEFAULT 0, share_direction INTEGER DEFAULT 0, associated_message_guid TEXT,
 associated_message_type INTEGER DEFAULT 0, balloon_bundle_id TEXT, payload_data BLOB, expressive_send_style_id TEXT, message_summary_info BLOB, destination_caller_id TEXT, reply_to_guid TEXT, thread_originator_guid TEXT,
 thread_originator_part TEXT, date_retracted INTEGER DEFAULT 0, date_edited INTEGER DEFAULT 0, part_count INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300)
 INSERT INTO handle (ROWID, id, country, service) SELECT i, printf('+1202555%%04d', i), 'us', 'iMessage' FROM n;
INSERT INTO chat (ROWID, guid, style, chat_identifier, service_name, group_id) SELECT ROWID, 'iMessage;-;' || id, 45, id, 'iMessage', printf('G-%%d', ROWID) FROM handle;
INSERT INTO chat_handle_join SELECT ROWID, ROWID FROM handle;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %[1]d), m(i, g, t) AS MATERIALIZED (SELECT i, printf('%%08X-0000-4000-8000-%%012X', i, i*7919), printf('%%-60s', 'This is what was said in message number ' || i || '.') FROM n)
 INSERT INTO message (ROWID, guid, text, handle_id, attributedBody, service, account, account_guid, date, date_read, date_delivered, is_from_me, is_read, is_sent, cache_has_attachments, destination_caller_id,
  associated_message_guid, associated_message_type, thread_originator_guid, part_count)
 SELECT i, g, CASE WHEN i%%10 > 5 THEN t END, CASE WHEN i%%2 THEN 1 + i%%300 ELSE 0 END, CAST(X'%[2]s' || t || X'%[3]s' AS BLOB), 'iMessage', 'P:+12025550000', '11112222-3333-4444-5555-666677778888',
  200000000000000000 + i * 200000000000, 200000000000000000 + i * 200000000000 + 1000000000, 200000000000000000 + i * 200000000000 + 500000000, i%%2 = 0, 1, 1, i%%25 = 0, '+12025550000',
  CASE WHEN i%%10 = 3 THEN printf('p:0/%%08X-0000-4000-8000-%%012X', i-1, (i-1)*7919) END, CASE WHEN i%%10 = 3 THEN 2000 + i%%6 ELSE 0 END,
  CASE WHEN i%%50 = 7 THEN printf('%%08X-0000-4000-8000-%%012X', i-3, (i-3)*7919) END, 1 FROM m;
INSERT INTO chat_message_join SELECT 1 + ROWID%%300, ROWID, date FROM message;
INSERT INTO attachment (ROWID, guid, filename, uti, mime_type, transfer_name, total_bytes) SELECT ROWID, 'at_' || ROWID, printf('~/Library/SMS/Attachments/%%02x/%%02d/G%%d/IMG_%%04d.jpeg', ROWID%%256, ROWID%%16, ROWID, ROWID%%10000), 'public.jpeg', 'image/jpeg', printf('IMG_%%04d.jpeg', ROWID%%10000), 2000000 FROM message WHERE ROWID%%25 = 0;
INSERT INTO message_attachment_join SELECT ROWID, ROWID FROM attachment;
CREATE INDEX message_idx_date ON message(date);
CREATE INDEX message_idx_thread_originator_guid ON message(thread_originator_guid);
CREATE INDEX message_idx_handle ON message(handle_id, date);
CREATE INDEX message_idx_associated_message ON message(associated_message_guid);
CREATE INDEX message_idx_cache_has_attachments ON message(cache_has_attachments);
CREATE INDEX chat_message_join_idx_message_id_only ON chat_message_join(message_id);
CREATE INDEX message_attachment_join_idx_attachment_id ON message_attachment_join(attachment_id);`

// What stands before and behind 60 bytes of text in an attributedBody.
const (
	bodyBefore = "\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x12NSAttributedString\x00\x84\x84\x08NSObject\x00\x85\x92\x84\x84\x84\x08NSString\x01\x94\x84\x01+\x3c"
	bodyBehind = "\x86\x84\x02iI\x01\x3c\x92\x84\x84\x84\x0cNSDictionary\x00\x94\x84\x01i\x01\x92\x84\x96\x96\x1d__kIMMessagePartAttributeName\x86\x92\x84\x84\x84\x08NSNumber\x00\x84\x84\x07NSValue\x00\x94\x84\x01*\x84\x99\x99\x00\x86\x86\x86"
)

// largeStore makes the store, or takes that of an earlier run.
func largeStore(tb testing.TB, n int) fs.FS {
	tb.Helper()
	root := filepath.Join(os.TempDir(), fmt.Sprintf("keepsake-messages-%d", n))
	name := filepath.Join(root, filepath.FromSlash(smsDB))
	if _, err := os.Stat(name); err == nil {
		return os.DirFS(root)
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		tb.Fatal(err)
	}
	db, err := sql.Open("sqlite", name+".tmp")
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := db.Exec(fmt.Sprintf(large, n, fmt.Sprintf("%X", bodyBefore), fmt.Sprintf("%X", bodyBehind))); err != nil {
		tb.Fatal(err)
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := os.Rename(name+".tmp", name); err != nil {
		tb.Fatal(err)
	}
	return os.DirFS(root)
}

// BenchmarkTwoMillion reads two million messages into JSON Lines, and compares that with
// a bare scan of the same rows by the same driver. The aim is no less than half of its
// speed, and less than 300 MiB of memory.
func BenchmarkTwoMillion(b *testing.B) { benchmarkMany(b, many) }

// BenchmarkFewer is the same with a tenth of them, for a quick look.
func BenchmarkFewer(b *testing.B) { benchmarkMany(b, many/10) }

func benchmarkMany(b *testing.B, n int) {
	fsys := largeStore(b, n)
	for b.Loop() {
		bareCPU := cpuTime(b)
		bare := bareScan(b, fsys, n)
		bareCPU = cpuTime(b) - bareCPU
		resetPeak(b)
		start, cpu := time.Now(), cpuTime(b)
		src := &extract.Source{FS: fsys}
		var out counter
		problems := &extracttest.Collector{}
		if err := export.Stream(b.Context(), messages.New(), src, extract.Query{}, "jsonl", &out, problems); err != nil {
			b.Fatal(err)
		}
		took, cpu := time.Since(start), cpuTime(b)-cpu
		if err := src.Close(); err != nil {
			b.Fatal(err)
		}
		// Some reactions fall on the border of what is written at once, and are not counted.
		if want := n - n/10; out.lines != want || len(problems.Problems) != 0 || out.reactions < n/11 {
			b.Fatalf("%d messages of %d, %d reactions of %d, problems %v", out.lines, want, out.reactions, n/10, problems.Problems)
		}
		b.ReportMetric(bare.Seconds(), "s/scan")
		b.ReportMetric(took.Seconds(), "s/read")
		b.ReportMetric(bare.Seconds()/took.Seconds(), "speed/scan")
		b.ReportMetric(peak(b), "MiB/peak")
		b.ReportMetric(bareCPU.Seconds(), "cpu-s/scan")
		b.ReportMetric(cpu.Seconds(), "cpu-s/read")
		first := time.Now()
		src = &extract.Source{FS: fsys}
		if err := messages.New().Read(b.Context(), src, extract.Query{Newest: true, Limit: 50}, problems); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(first).Seconds(), "s/first50")
		first = time.Now()
		if _, err := messages.New().Groups(b.Context(), src); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(first).Seconds(), "s/groups")
		if err := src.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// counter counts lines, and throws them away.
type counter struct{ lines, reactions int }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte{'\n'})
	c.reactions += bytes.Count(p, []byte(`"emoji"`))
	return len(p), nil
}

// bareScan reads the columns of all messages and does nothing with them.
func bareScan(b *testing.B, fsys fs.FS, n int) time.Duration {
	b.Helper()
	start := time.Now()
	db, err := sqlitefs.Open(b.Context(), fsys, smsDB)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(b.Context(), "SELECT m.ROWID, "+db.List("message", "m", messages.BareColumns...)+" FROM message m")
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	values := make([]any, len(messages.BareColumns)+1)
	for i := range values {
		values[i] = new(any)
	}
	count := 0
	for ; rows.Next(); count++ {
		if err := rows.Scan(values...); err != nil {
			b.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil || count != n {
		b.Fatalf("%d rows: %v", count, err)
	}
	return time.Since(start)
}

// cpuTime is what this process has used of processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resetPeak makes the kernel forget how much memory this process had at most.
func resetPeak(b *testing.B) {
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Fatal(err)
	}
}

// peak is how much memory this process had at most, in MiB.
func peak(b *testing.B) float64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatal("no VmHWM in /proc/self/status")
	return 0
}
