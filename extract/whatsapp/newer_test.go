package whatsapp_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

// wire makes a protocol buffer of numbers and what they have: a text, a whole number, or
// another buffer.
func wire(pairs ...any) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		num := protowire.Number(pairs[i].(int))
		switch v := pairs[i+1].(type) {
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
		}
	}
	return b
}

// TestNewer: kinds of messages and events by the numbers of IPED (ExtractorIOS.java), the
// cards of several people as WhatsApp-Chat-Exporter (ios_handler.py) takes them apart, and
// polls in both of their places.
func TestNewer(t *testing.T) {
	const anna, ben = "12025550101@s.whatsapp.net", "12025550102@s.whatsapp.net"
	option := func(s string) []byte { return wire(1, s) }
	vote := func(chosen ...any) []byte {
		return append(wire(chosen...), wire(2, 1779160707823, 3, "3B7271", 5, 1)...)
	}
	asked := wire(2, wire(1, "x"), 4, 2, 8, wire(2, "Dinner?", 3, option("Pizza"), 3, option("Soup"), 3, option("Rice"), 4, 0, 6, vote(1, 0, 1, 2), 6, vote(1, []byte{2}), 11, 0))
	came := wire(9, wire(35, wire(2, 1), 119, wire(2, "Where?", 3, option("Here"), 3, option("There"), 4, 1)), 68, []byte{1, 2})
	card := func(name string) string { return "BEGIN:VCARD\nVERSION:3.0\nFN:" + name + "\nEND:VCARD" }
	type message struct {
		kind, event         int
		member              int // 0 = none, 1 = Anna
		text                string
		metadata, receipts  []byte
		cardName, card, why string
	}
	messages := []message{
		{6, 1, 1, "Boats", nil, nil, "", "", "The name of the group was changed to “Boats”"},
		{6, 2, 1, "", nil, nil, "", "", "Anna joined the group or was added"},
		{6, 2, 1, ben, nil, nil, "", "", "Ben added Anna"},
		{6, 2, 0, ben, nil, nil, "", "", "Ben added you"},
		{6, 3, 1, "", nil, nil, "", "", "Anna left the group"},
		{6, 4, 1, "1650000000", nil, nil, "", "", "Anna changed the picture of the group"},
		{6, 5, 1, "", nil, nil, "", "", "Anna removed the picture of the group"},
		{6, 7, 1, ben, nil, nil, "", "", "Ben removed Anna"},
		{6, 7, 1, anna, nil, nil, "", "", "Anna was removed from the group"},
		{6, 9, 1, "", nil, nil, "", "", "Anna may now manage the group"},
		{6, 10, 0, "", nil, nil, "", "", "You may now manage the group"},
		{6, 12, 1, "Boats", nil, nil, "", "", "Anna created the group “Boats”"},
		{6, 12, 0, `{"author":"` + ben + `","subject":"Boats"}`, nil, nil, "", "", "Ben created the group “Boats”"},
		{6, 12, 0, ben, nil, nil, "", "", "Ben created the group"},
		{6, 12, 0, "", nil, nil, "", "", "The group was created"},
		{6, 15, 1, "", nil, nil, "", "", "Anna joined the group by its link"},
		{6, 26, 1, "604800", nil, nil, "", "", "Messages disappear after 7 days"},
		{6, 26, 1, "0", nil, nil, "", "", "Messages do not disappear any more"},
		{6, 50, 0, ben + ";" + anna + ", 777@lid", nil, nil, "", "", "Ben added Anna, Zoe"},
		{6, 50, 0, anna + "," + ben, nil, nil, "", "", "Anna, Ben joined the group or was added"},
		{6, 99, 1, `{"x":1}`, nil, nil, "", "", "Something happened in the group (99)"},
		{6, 99, 1, anna, nil, nil, "", "", "Something happened in the group (99)"},
		{6, 99, 1, "in words", nil, nil, "", "", "in words"},
		{10, 1, 0, "", nil, nil, "", "", "Missed voice call"},
		{10, 46, 0, "", nil, nil, "", "", "Missed video call"},
		{10, 3, 0, anna, nil, nil, "", "", "The security code changed: Anna"},
		{10, 5, 0, anna + ";" + ben, nil, nil, "", "", "The phone number was changed: Anna, Ben"},
		{10, 77, 0, "", nil, nil, "", "", "A notice of WhatsApp (77)"},
		{12, 0, 1, "", nil, nil, "", "", "The phone was still waiting for this message"},
		{19, 0, 1, "", wire(24, wire(1, wire(2, "Your order", 6, "is on its way", 7, "Shop", 8, wire(2, wire(1, "Track"))))), nil, "", "", "Your order\nis on its way\nShop"},
		{26, 0, 1, "", wire(26, wire(1, wire(1, wire(1, wire(16, []byte{0xff}), 3, "Oar", 4, "Ash, 2 m", 5, "EUR")))), nil, "", "", "Oar\nAsh, 2 m"},
		{27, 0, 1, "", wire(28, wire(1, "x", 4, "Boats")), nil, "", "", "Boats"},
		{28, 0, 1, "", wire(36, "86400"), nil, "", "", "Messages disappear after 24 hours"},
		{46, 0, 0, "", nil, asked, "", "", "Dinner?\n• Pizza (1)\n• Soup\n• Rice (2)"},
		{46, 0, 1, "", came, nil, "", "", "Where?\n• Here\n• There"},
		{46, 0, 1, "", nil, nil, "", "", ""},
		{4, 0, 1, "", nil, nil, "Cards_$!<Name-Separator>!$_Uma_$!<Name-Separator>!$_Vic", card("Uma") + "_$!<VCard-Separator>!$_" + card("Vic"), "Cards [Uma.vcf Uma] [Vic.vcf Vic]"},
		{4, 0, 1, "", nil, nil, "=C3=9Cma", card("Üma"), " [Üma.vcf Üma]"},
		{0, 0, 1, "yes", wire(5, "S-GONE", 19, wire(3, wire(3, "the harbour"))), nil, "", "", "yes > the harbour"},
		{0, 0, 1, "no", wire(5, "S-GONE", 19, wire(9, wire(5, 7))), nil, "", "", "no > Video"},
	}
	statements := []string{
		"CREATE TABLE ZWACHATSESSION (Z_PK INTEGER PRIMARY KEY, ZSESSIONTYPE INTEGER, ZCONTACTJID VARCHAR, ZPARTNERNAME VARCHAR, ZCONTACTIDENTIFIER VARCHAR)",
		// The other form of an address is beside the one, in both directions.
		"INSERT INTO ZWACHATSESSION VALUES (1, 1, '1203@g.us', 'Boats', NULL), (2, 0, '" + anna + "', 'Anna', '999@lid'), (3, 0, '" + ben + "', 'Ben', 'ABC:ABPerson'), (4, 0, '777@lid', NULL, '12025550103@s.whatsapp.net'), (5, 0, '12025550103@s.whatsapp.net', 'Zoe', NULL)",
		"CREATE TABLE ZWAGROUPMEMBER (Z_PK INTEGER PRIMARY KEY, ZCHATSESSION INTEGER, ZMEMBERJID VARCHAR, ZCONTACTNAME VARCHAR)", "INSERT INTO ZWAGROUPMEMBER VALUES (1, 1, '999@lid', '')",
		"CREATE TABLE ZWAMESSAGE (Z_PK INTEGER PRIMARY KEY, ZCHATSESSION INTEGER, ZGROUPMEMBER INTEGER, ZMEDIAITEM INTEGER, ZMESSAGEINFO INTEGER, ZISFROMME INTEGER, ZMESSAGETYPE INTEGER, ZGROUPEVENTTYPE INTEGER, ZMESSAGEDATE TIMESTAMP, ZSTANZAID VARCHAR, ZTEXT VARCHAR)",
		"CREATE TABLE ZWAMEDIAITEM (Z_PK INTEGER PRIMARY KEY, ZMESSAGE INTEGER, ZVCARDNAME VARCHAR, ZVCARDSTRING VARCHAR, ZMETADATA BLOB)",
		"CREATE TABLE ZWAMESSAGEINFO (Z_PK INTEGER PRIMARY KEY, ZMESSAGE INTEGER, ZRECEIPTINFO BLOB)",
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	for i, m := range messages {
		n := i + 1
		statements = append(statements, fmt.Sprintf("INSERT INTO ZWAMESSAGE VALUES (%d, 1, nullif(%d, 0), %d, %d, 0, %d, %d, %d, 'S%d', nullif(%s, ''))", n, m.member, n, n, m.kind, m.event, 700_000_000+n, n, quote(m.text)),
			fmt.Sprintf("INSERT INTO ZWAMEDIAITEM VALUES (%d, %d, nullif(%s, ''), nullif(%s, ''), X'%x')", n, n, quote(m.cardName), quote(m.card), m.metadata), fmt.Sprintf("INSERT INTO ZWAMESSAGEINFO VALUES (%d, %d, X'%x')", n, n, m.receipts))
	}
	src := extracttest.Source(t, fstest.MapFS{chats: database(t, statements...)})
	extracttest.Conform(t, whatsapp.New(), src)
	c := extracttest.Read(t, whatsapp.New(), src, extract.Query{})
	if len(c.Records) != len(messages) || len(c.Problems) > 0 {
		t.Fatalf("%d messages of %d, %v", len(c.Records), len(messages), c.Problems)
	}
	for i, r := range c.Records {
		m := r.(chat.Message)
		got := m.Text
		for _, a := range m.Attachments {
			_, name, _ := strings.Cut(a.Content, "FN:")
			name, _, _ = strings.Cut(name, "\n")
			got += " [" + a.Name + " " + name + "]"
		}
		if m.ReplyText != "" {
			got += " > " + m.ReplyText
		}
		if got != messages[i].why {
			t.Errorf("kind %d event %d %q:\n%s\n%s", messages[i].kind, messages[i].event, messages[i].text, got, messages[i].why)
		}
	}
}
