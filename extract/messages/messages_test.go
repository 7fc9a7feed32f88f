package messages_test

import (
	"slices"
	"strings"
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
			checkValues(t, phone, all)
			checkOdd(t, ios, all)
		})
	}
}

// checkOdd looks for one of everything that readers stumble over (content-schemas.md 14).
func checkOdd(t *testing.T, ios string, all *extracttest.Collector) {
	t.Helper()
	texts := map[string]*chat.Message{}
	kinds := map[chat.Kind]int{}
	emoji, long := map[string]int{}, 0
	for _, r := range all.Records {
		m := r.(*chat.Message)
		texts[m.Text] = m
		kinds[m.Kind]++
		long = max(long, len(m.Text))
		for _, x := range m.Reactions {
			emoji[x.Emoji]++
		}
		if m.Kind == chat.KindText && m.Text == "" && len(m.Attachments) == 0 {
			t.Errorf("%s is empty: %+v", m.Key, m)
		}
	}
	major := slices.Index(extracttest.Generations, ios)
	edits := major >= slices.Index(extracttest.Generations, "16.3")
	broken := map[bool]int{strings.HasPrefix(ios, "16"): 1}[true]
	if len(all.Problems) != broken || kinds[chat.KindUnknown] != broken || kinds[chat.KindUnsent] != map[bool]int{true: 1}[edits] || long < 65536 {
		t.Errorf("problems %v, kinds %v, longest %d", all.Problems, kinds, long)
	}
	last := map[bool]string{false: "😂", true: "🦔"}[major >= slices.Index(extracttest.Generations, "18.6")]
	if emoji[last] != 1 || emoji["👍"] < 1 || emoji["❤️"] != 0 {
		t.Errorf("reactions %v", emoji)
	}
	for text, ok := range map[string]func(*chat.Message) bool{
		"مرحبا، هل نلتقي غدا؟ שלום": func(m *chat.Message) bool { return true },
		"Some bold words": func(m *chat.Message) bool {
			return len(m.Marks) == 1 && m.Marks[0] == chat.Mark{Text: "bold", Style: "bold"}
		},
		"See you at six, by the clock": func(m *chat.Message) bool {
			return len(m.Edits) == 2 && m.Edits[0].Text == "See you at fiv" && m.Edits[1].Text == "See you at six" && m.Edits[0].Time.Equal(m.Time)
		},
		"the picture is gone": func(m *chat.Message) bool {
			return m.Raw == "unsent_parts=0" && m.Attachments[0].Path == "" && len(m.Parts) == 2
		},
		"Two from today": func(m *chat.Message) bool {
			return len(m.Parts) == 3 && *m.Parts[1].Attachment == 1 && m.Parts[2].Text == m.Text
		},
		"A reply to that":           func(m *chat.Message) bool { return (m.ReplyText == "React to this") == (ios != "13.7") },
		"Deleted, but not for good": func(m *chat.Message) bool { return m.Deleted == edits },
		"https://www.example.com/walks/ridge": func(m *chat.Message) bool {
			return m.App == "Link" && m.Link == m.Text && m.LinkTitle == "The ridge walk" && strings.HasPrefix(m.LinkText, "Nine miles") && m.Marks[0].Target == m.Text
		},
		"org.example.chess.messages": func(m *chat.Message) bool { return m.Kind == chat.KindApp && m.App == m.Text },
	} {
		if m := texts[text]; m == nil && !edits && strings.Contains("See you at six, by the clock the picture is gone", text) {
			continue // nothing was edited before iOS 16
		} else if m == nil || !ok(m) {
			t.Errorf("%q: %+v", text, m)
		}
	}
	mentions := 0
	for _, m := range texts {
		for _, k := range m.Marks {
			if k.Style == "mention" && strings.HasPrefix(k.Target, "+") && strings.HasPrefix(m.Text, "Ask "+k.Text) {
				mentions++
			}
		}
	}
	if mentions != 1 {
		t.Errorf("%d mentions", mentions)
	}
}

func TestDamage(t *testing.T) {
	extracttest.Damage(t, messages.New(), extracttest.Phone(t, "18.6"), smsDB)
}
