package place

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/repository/backend/retry"
)

const annaUDID = "00008101-000A1B2C3D4E001E"

// TestNamesFromStoresAreNoPaths: what a store calls a member is looked at before
// it becomes a place.
func TestNamesFromStoresAreNoPaths(t *testing.T) {
	at, err := location.Parse("/disk")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", ".", "..", "../" + annaUDID, "x", strings.ToLower(annaUDID), annaUDID + "/..", "keepsake-phones"} {
		if m, err := memberAt(at, name); err == nil {
			t.Errorf("%q became %v", name, m.At)
		}
	}
	if m, err := memberAt(at, annaUDID); err != nil || m.At.Path != filepath.Join("/disk", annaUDID) {
		t.Errorf("%v, %v", m.At, err)
	}
}

// The first failures are nothing that people want to know of.
func TestReportRetry(t *testing.T) {
	type told struct {
		Kind progress.Kind
		Text string
	}
	var got []told
	x := Access{Mention: func(kind progress.Kind, text string) { got = append(got, told{kind, text}) }}
	event := retry.Event{Err: errors.New("load pack 12: the wire broke"), Wait: 2 * time.Second, Attempt: 1}
	x.reportRetry(event)
	event.Attempt = 3
	x.reportRetry(event)
	const text = "load pack 12: the wire broke; trying again in 2.0 s"
	if want := []told{{progress.Detail, text}, {progress.Warn, text}}; !cmp.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}
