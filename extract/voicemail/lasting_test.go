package voicemail_test

import (
	"slices"
	"testing"

	"github.com/keepsake-backup/keepsake/extract/voicemail"
)

func TestLasting(t *testing.T) {
	one, other := &voicemail.Message{Key: "k", Sender: "+1", Name: "Jane"}, &voicemail.Message{Key: "k", Sender: "+1", Name: "Janet"}
	if slices.Equal(one.Row(), other.Row()) || !slices.Equal(one.Lasting(), other.Lasting()) {
		t.Errorf("%q and %q", one.Lasting(), other.Lasting())
	}
	if other.Listened = true; slices.Equal(one.Lasting(), other.Lasting()) {
		t.Error("that somebody has listened is no change")
	}
}
