package whatsapp

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func bytesOf(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Blobs of the public database (content-schemas.md 12), and one of a group in the
// same shape.
const (
	receiptBlob  = "12130A078119198887386F2000281952040800100212090A078119195794674F18C1E5C4A2062002"
	reactionBlob = "20023A2712250A1433413931314435304239383942363836424446331204F09F918D18FBBCC6E9FD302001"
	groupBlob    = "2002 3A19 0A17 0A04 52494431 1209 313131406C69640A00 1A04 F09F918D"
)

func TestReceipts(t *testing.T) {
	r := parseReceipts(bytesOf(t, receiptBlob))
	if r.delivered.Unix() != 1683043009 || r.read.Sub(r.delivered) != 25*time.Second || len(r.reactions) != 0 {
		t.Errorf("%+v", r)
	}
	r = parseReceipts(bytesOf(t, reactionBlob))
	if len(r.reactions) != 1 || r.reactions[0].emoji != "👍" || r.reactions[0].from != "" || r.reactions[0].at.Unix() != 1683043229 {
		t.Errorf("%+v", r)
	}
	r = parseReceipts([]byte("\x20\x02\x3a\x1f\x0a\x0f\x0a\x04RID1\x12\x01x\x1a\x04\xf0\x9f\x91\x8d\x0a\x0c\x0a\x04RID2\x12\x04y@li"))
	if len(r.reactions) != 1 || r.reactions[0].from != "x" {
		t.Errorf("%+v", r)
	}
	two := append(bytesOf(t, receiptBlob), bytesOf(t, "12130A078119198887380F20002819520408001002")...)
	if r := parseReceipts(two); !r.delivered.IsZero() {
		t.Errorf("of two recipients one time was made: %+v", r)
	}
}

func TestMetadata(t *testing.T) {
	m := parseMetadata([]byte("\x2a\x03ABC\x32\x05111@l\x88\x01\x03\x9a\x01\x07\x0a\x05quote"))
	if m != (metadata{quoted: "ABC", author: "111@l", quote: "quote", forwarded: true}) {
		t.Errorf("%+v", m)
	}
	if m := parseMetadata(bytesOf(t, "228A01")); m != (metadata{}) {
		t.Errorf("%+v", m)
	}
}

func TestPushName(t *testing.T) {
	for s, want := range map[string][2]string{
		"":             {"", ""},
		"Omar":         {"Omar", ""},
		"Jonathan":     {"Jonathan", ""}, // base64 of something, and no protocol buffer
		"Anna":         {"Anna", ""},
		"CO/kxKIGIAA=": {"", ""},
		"CL/lxKIGGhoxOTE5NTc5NDY3NEBzLndoYXRzYXBwLm5ldCAB": {"", "19195794674@s.whatsapp.net"},
	} {
		if name, own := pushName(s); name != want[0] || own != want[1] {
			t.Errorf("pushName(%q) = %q, %q", s, name, own)
		}
	}
}

func FuzzWire(f *testing.F) {
	for _, s := range []string{receiptBlob, reactionBlob, groupBlob, "2A03414243", "9A01020A00", "4211120178" + "1A030A0161" + "20003205080010001A00", "4A0ABA0707120178" + "1A020A00", "C20104" + "0A021201", "FFFFFFFFFFFFFFFFFFFF01"} {
		f.Add(bytesOf(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		parseMetadata(b)
		if r := parseReceipts(b); len(r.reactions) > len(b) {
			t.Errorf("%d reactions in %d bytes", len(r.reactions), len(b))
		}
		pushName(string(b))
		parseMore(b)
		if p, _ := parsePoll(b, b); len(p.answers) != len(p.votes) || len(p.answers) > maxAnswers {
			t.Errorf("%d answers, %d counts", len(p.answers), len(p.votes))
		}
	})
}

func TestAddresses(t *testing.T) {
	for in, want := range map[string]string{"1:2@s.whatsapp.net": "1@s.whatsapp.net", "1@c.us": "1@s.whatsapp.net", "x": "x", "": "", strings.Repeat("9", 300) + "@lid": ""} {
		if got := bare(in); got != want {
			t.Errorf("bare(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"+1 (202) 555-0100": "12025550100", "Jane 2": "", "": ""} {
		if got := onlyDigits(in); got != want {
			t.Errorf("onlyDigits(%q) = %q, want %q", in, got, want)
		}
	}
}
