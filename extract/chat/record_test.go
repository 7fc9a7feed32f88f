package chat_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/chat"
)

func TestRecord(t *testing.T) {
	for _, m := range everything().messages["club"] {
		e, row := m.Entry(), m.Row()
		if len(row) != len(chat.Table.Columns) || e.Key != m.Key || e.Table != chat.Table.Name || e.Title == "" {
			t.Errorf("message %s: %+v, %q", m.Key, e, row)
		}
	}
	m := chat.Message{Key: "k", Conversation: "c", In: "Jane", From: chat.Person{Address: "+1", Name: "Jane"}, Subject: "S", Text: "T", Time: stamp(0),
		Attachments: []chat.Attachment{{Path: "a/b.jpg", Caption: "garden"}, {Name: "gone.mov"}}, Reactions: []chat.Reaction{{FromMe: true, Emoji: "👍"}}, Edits: []chat.Edit{{Text: "before"}}}
	want := []string{"Jane", "2026-03-05T21:40:00Z", "Jane", "S\nT", "", "", "b.jpg; gone.mov", "👍 Me", "k"}
	if got := m.Row(); !slices.Equal(got, want) {
		t.Errorf("row %q, want %q", got, want)
	}
	e := m.Entry()
	for _, word := range []string{"S", "T", "garden", "gone.mov", "before"} {
		if !strings.Contains(e.Text, word) {
			t.Errorf("a search for %q finds nothing in %q", word, e.Text)
		}
	}
	if !slices.Equal(e.Files, []string{"a/b.jpg"}) || e.Detail != "+1" || e.Group != "c" {
		t.Errorf("entry %+v", e)
	}
}
