package changes

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
)

// A name that was changed in the contacts changes no message.
func TestCompare_names(t *testing.T) {
	message := func(name, text string) extract.Record {
		p := chat.Person{Address: "+1", Name: name}
		return chat.Message{Key: "k", Conversation: "c", In: name, From: p, Text: text}
	}
	k, h := &comparison{}, &hasher{}
	content := func(r extract.Record) digest { return h.content(chat.Table.Name, k.row(chat.Table.Name, r)) }
	if content(message("Jane", "hello")) != content(message("Janet", "hello")) {
		t.Error("another name is a change")
	}
	if content(message("Jane", "hello")) == content(message("Jane", "hallo")) {
		t.Error("another text is no change")
	}
}
