package whatsapp_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// much makes n messages in 200 conversations, with the app's own indexes.
func much(t testing.TB, n int) fstest.MapFS {
	return fstest.MapFS{chats: database(t,
		"CREATE TABLE ZWACHATSESSION (Z_PK INTEGER PRIMARY KEY, ZSESSIONTYPE INTEGER, ZLASTMESSAGEDATE TIMESTAMP, ZCONTACTJID VARCHAR, ZPARTNERNAME VARCHAR)",
		"CREATE TABLE ZWAMESSAGE (Z_PK INTEGER PRIMARY KEY, ZCHATSESSION INTEGER, ZISFROMME INTEGER, ZMESSAGETYPE INTEGER, ZSORT INTEGER, ZGROUPMEMBER INTEGER, ZMEDIAITEM INTEGER, ZMESSAGEINFO INTEGER, ZMESSAGEDATE TIMESTAMP, ZFROMJID VARCHAR, ZSTANZAID VARCHAR, ZTEXT VARCHAR)",
		"CREATE TABLE ZWAMESSAGEINFO (Z_PK INTEGER PRIMARY KEY, ZMESSAGE INTEGER, ZRECEIPTINFO BLOB)",
		"CREATE TABLE ZWAMEDIAITEM (Z_PK INTEGER PRIMARY KEY, ZMESSAGE INTEGER, ZMEDIALOCALPATH VARCHAR, ZMETADATA BLOB)",
		"CREATE TABLE ZWAGROUPMEMBER (Z_PK INTEGER PRIMARY KEY, ZCHATSESSION INTEGER, ZMEMBERJID VARCHAR)",
		"INSERT INTO ZWACHATSESSION WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 200) SELECT i, 0, 7e8+i, (12025550000+i) || '@s.whatsapp.net', 'Person ' || i FROM c",
		fmt.Sprintf(`INSERT INTO ZWAMESSAGE WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < %d)
			SELECT i, 1+i%%200, i%%2, 0, i, NULL, NULL, i, 6e8+i*30, NULL, printf('3A%%018X', i), 'Let us meet at the bakery on Wednesday, number ' || i FROM c`, n),
		"INSERT INTO ZWAMESSAGEINFO SELECT Z_PK, Z_PK, CASE WHEN ZISFROMME THEN x'12130A078119198887386F2000281952040800100212090A078119195794674F18C1E5C4A2062002' END FROM ZWAMESSAGE",
		"CREATE INDEX Z_WAMessage_byMessageDateIndex ON ZWAMESSAGE (ZMESSAGEDATE COLLATE BINARY ASC)",
		"CREATE INDEX Z_WAMessage_byStanzaIDIndex ON ZWAMESSAGE (ZSTANZAID COLLATE BINARY ASC)",
		"CREATE INDEX Z_WAMessage_compoundIndex ON ZWAMESSAGE (ZCHATSESSION COLLATE BINARY ASC, ZSORT COLLATE BINARY ASC)",
	)}
}

type counter struct{ n int }

func (c *counter) Emit(extract.Record) error { c.n++; return nil }

func (c *counter) Report(*extract.Problem) {}

// BenchmarkRead compares reading with a bare scan of the same rows by the same driver.
func BenchmarkRead(b *testing.B) {
	const n = 200_000
	src := &extract.Source{FS: much(b, n)}
	defer src.Close()
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			db, err := src.Database(b.Context(), chats)
			if err != nil {
				b.Fatal(err)
			}
			rows, err := db.QueryContext(b.Context(), "SELECT m.Z_PK, +m.ZCHATSESSION, +m.ZISFROMME, +m.ZMESSAGETYPE, +m.ZMESSAGEDATE, +m.ZSTANZAID, +m.ZTEXT, +n.ZRECEIPTINFO FROM ZWAMESSAGE m LEFT JOIN ZWAMESSAGEINFO n ON n.Z_PK = m.ZMESSAGEINFO ORDER BY m.ZMESSAGEDATE, m.Z_PK")
			if err != nil {
				b.Fatal(err)
			}
			for rows.Next() {
				var pk, chat, me, kind sqlitefs.Int
				var date sqlitefs.Real
				var stanza, text sqlitefs.Text
				var info sqlitefs.Blob
				if err := rows.Scan(&pk, &chat, &me, &kind, &date, &stanza, &text, &info); err != nil {
					b.Fatal(err)
				}
			}
			rows.Close()
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	for name, q := range map[string]extract.Query{"all": {Table: "messages"}, "newest 50": {Newest: true, Limit: 50}, "a page of a conversation": {Group: "12025550007@s.whatsapp.net", Newest: true, Skip: 500, Limit: 50}} {
		b.Run(name, func(b *testing.B) {
			c := &counter{}
			for b.Loop() {
				if err := whatsapp.New().Read(b.Context(), src, q, c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(c.n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
