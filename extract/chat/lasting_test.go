package chat_test

import (
	"slices"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/chat"
)

func TestLasting(t *testing.T) {
	make := func(name string) chat.Message {
		p := chat.Person{Address: "+1", Name: name}
		return chat.Message{Key: "k", Conversation: "c", In: name, From: p, Text: "T", Reactions: []chat.Reaction{{From: p, Emoji: "x"}, {FromMe: true, Emoji: "y"}}}
	}
	one, other := make("Jane"), make("Janet")
	if slices.Equal(one.Row(), other.Row()) || !slices.Equal(one.Lasting(), other.Lasting()) || len(one.Lasting()) != len(chat.Table.Columns) {
		t.Errorf("%q and %q", one.Lasting(), other.Lasting())
	}
	other.Reactions = other.Reactions[:1]
	if slices.Equal(one.Lasting(), other.Lasting()) {
		t.Error("a reaction is no change")
	}
}
