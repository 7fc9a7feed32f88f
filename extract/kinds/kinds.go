// Package kinds lists all kinds of content that can be read, in the order in which
// people see them.
package kinds

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/apps"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/calls"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/messages"
	"github.com/keepsake-backup/keepsake/extract/music"
	"github.com/keepsake-backup/keepsake/extract/notes"
	"github.com/keepsake-backup/keepsake/extract/photos"
	"github.com/keepsake-backup/keepsake/extract/reminders"
	"github.com/keepsake-backup/keepsake/extract/safari"
	"github.com/keepsake-backup/keepsake/extract/voicemail"
	"github.com/keepsake-backup/keepsake/extract/voicememos"
	"github.com/keepsake-backup/keepsake/extract/whatsapp"
)

// All gives a reader of each kind.
func All() []extract.Extractor {
	return []extract.Extractor{
		photos.New(),
		contacts.New(),
		messages.New(),
		calls.New(),
		voicemail.New(),
		voicememos.New(),
		notes.New(),
		calendar.New(),
		reminders.New(),
		safari.New(),
		music.New(),
		whatsapp.New(),
		apps.New(),
	}
}

// Named gives the reader of the kind with a name; an unknown name is an error that
// lists the known ones.
func Named(name string) (extract.Extractor, error) {
	all := All()
	if i := slices.IndexFunc(all, func(x extract.Extractor) bool { return x.Info().Kind == name }); i >= 0 {
		return all[i], nil
	}
	names := make([]string, len(all))
	for i, x := range all {
		names[i] = x.Info().Kind
	}
	return nil, fmt.Errorf("no kind of content is called %q: there are %s", name, strings.Join(names, ", "))
}
