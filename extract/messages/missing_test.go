package messages_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
)

func TestMissing(t *testing.T) {
	extracttest.Missing(t, messages.New(), made(t), smsDB, "message")
}
