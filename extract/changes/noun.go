package changes

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

// noun is what people call records of a kind.
type noun struct{ one, many, kind string }

// nouns are those whose names are not "record of" the kind's title.
var nouns = map[string]noun{
	"photos":      {one: "photo", many: "photos"},
	"contacts":    {one: "contact", many: "contacts"},
	"messages":    {one: "message", many: "messages"},
	"calls":       {one: "call", many: "calls"},
	"voicemail":   {one: "voicemail", many: "voicemails"},
	"voice-memos": {one: "voice memo", many: "voice memos"},
	"notes":       {one: "note", many: "notes"},
	"calendar":    {one: "event", many: "events"},
	"reminders":   {one: "reminder", many: "reminders"},
	"music":       {one: "song or other medium", many: "songs and other media"},
	"whatsapp":    {one: "WhatsApp message", many: "WhatsApp messages"},
	"apps":        {one: "app", many: "apps"},
}

func nounOf(info extract.Info) noun {
	n, ok := nouns[info.Kind]
	if !ok {
		n = noun{one: "record of " + info.Title, many: "records of " + info.Title}
	}
	n.kind = info.Kind
	return n
}

// count says a number of records.
func (n noun) count(c int) string { return progress.Count(int64(c), n.one, n.many) }

// gone says that lost of had are gone.
func (n noun) gone(lost, had int) string {
	if lost >= had {
		return fmt.Sprintf("All %s are gone", n.count(had))
	}
	return fmt.Sprintf("%s %s gone", n.of(lost, had), areOrIs(lost))
}

// of says that some of so many are meant.
func (n noun) of(some, all int) string { return number(some) + " of " + n.count(all) }

// offloaded says what has become of records whose files are no longer in the backup.
func (n noun) offloaded(c int) string {
	if n.kind == "photos" {
		return areOrIs(c) + " now only in iCloud"
	}
	if c == 1 {
		return "has lost its files"
	}
	return "have lost their files"
}

func number(n int) string { return humanize.Comma(int64(n)) }

// groupsOne are groups of which there is one; others lose their s.
var groupsOne = map[string]string{"playlists, artists and albums": "playlist, artist or album"}

func countGroups(n int, many string) string {
	one, ok := groupsOne[many]
	if !ok {
		one = strings.TrimSuffix(many, "s")
	}
	return progress.Count(int64(n), one, many)
}

func areOrIs(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func wereOrWas(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func itOrThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}
