package calendar_test

import (
	"testing"

	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

func TestGarbled(t *testing.T) {
	extracttest.Garble(t, calendar.New(), phone(t, "17.3"), database, "entity_type")
}
