package messages

import (
	"testing"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract/chat"
	"github.com/keepsake-backup/keepsake/extract/typedstream"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// FuzzMessage makes a message of blobs that come from anybody.
func FuzzMessage(f *testing.F) {
	summary, err := plist.Marshal(map[string]any{"rp": []any{1}, "ec": map[string]any{"0": []any{map[string]any{"d": 1.0, "t": []byte("\x04\x0bstreamtyped")}}}}, plist.Binary)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := plist.Marshal(map[string]any{"$top": map[string]any{"root": plist.UID(1)}, "$objects": []any{"$null", map[string]any{"an": "Chess", "ldtext": "e4"}}}, plist.Binary)
	if err != nil {
		f.Fatal(err)
	}
	poll, err := plist.Marshal(map[string]any{"$top": map[string]any{"root": plist.UID(1)}, "$objects": []any{"$null", map[string]any{"an": "Polls", "URL": "data:,eyJpdGVtIjp7InZvdGVzIjpbeyJ2b3RlT3B0aW9uSWRlbnRpZmllciI6IkEifV19fQ==?src=p"}}}, plist.Binary)
	if err != nil {
		f.Fatal(err)
	}
	body := []byte("\x04\x0bstreamtyped\x81\xe8\x03\x84\x01@\x84\x84\x84\x08NSString\x01\x84\x84\x08NSObject\x00\x85\x84\x01+\x04a\xef\xbf\xbc\x86")
	f.Add("a\ufffcb", []byte(nil), summary, payload, "com.apple.messages.URLBalloonProvider", "p:0/x", int64(2006), int64(0))
	f.Add("", body, summary, payload, "x:org.example", "bp:", int64(2), int64(3))
	f.Add("", body, summary, poll, "x:com.apple.messages.Polls", "p/x", int64(typePollChange), int64(0))
	b := &book{all: []chat.Conversation{{Key: other}}, people: map[int64]chat.Person{}}
	f.Fuzz(func(t *testing.T, text string, body, summary, payload []byte, bundle, about string, kind, item int64) {
		r := &raw{body: body, summary: summary, rare: &rare{payload: payload}}
		r.text = sqlitefs.Text{String: text, Valid: text != ""}
		r.balloon, r.target = sqlitefs.Text{String: bundle, Valid: true}, sqlitefs.Text{String: about, Valid: true}
		r.kind.Int, r.item.Int = kind, item
		files := map[int64][]attached{0: {{guid: "g"}, {guid: ""}}}
		m, err := b.message(&batch{files: files, polls: map[string]map[string]string{"x": {"A": "a"}}}, r, &typedstream.Decoder{})
		if m == nil || (m.Kind == chat.KindUnknown) != (err != nil) {
			t.Fatalf("%+v, %v", m, err)
		}
		seen := map[int]bool{}
		for _, p := range m.Parts {
			if p.Attachment != nil {
				if seen[*p.Attachment] || *p.Attachment >= len(m.Attachments) {
					t.Errorf("parts %+v", m.Parts)
				}
				seen[*p.Attachment] = true
			}
		}
		if m.Parts != nil && len(seen) != len(m.Attachments) {
			t.Errorf("parts leave files out: %+v", m.Parts)
		}
		if utf8.ValidString(text) && !utf8.ValidString(m.Text) {
			t.Errorf("text %q", m.Text)
		}
	})
}
