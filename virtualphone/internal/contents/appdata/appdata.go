// Package appdata fills a virtual iPhone with the data of its apps: the
// databases a real phone keeps, with the DDL of real phones, and the files
// their rows point to. People, numbers and words are invented from word lists;
// numbers are the ones reserved for fiction, mail is at example.com and
// example.org.
//
// [Create] writes a phone that has been lived in, [Live] adds one day. Both
// write below one folder, one sub-folder per backup domain:
//
//	<fs>/HomeDomain/Library/AddressBook/AddressBook.sqlitedb        contacts
//	<fs>/HomeDomain/Library/AddressBook/AddressBookImages.sqlitedb
//	<fs>/HomeDomain/Library/SMS/sms.db, SMS/Drafts/…                 messages
//	<fs>/MediaDomain/Library/SMS/Attachments/xx/yy/<GUID>/<name>
//	<fs>/HomeDomain/Library/CallHistoryDB/CallHistory.storedata      calls
//	<fs>/HomeDomain/Library/Voicemail/voicemail.db, N.amr, N.transcript
//	<fs>/AppDomainGroup-group.com.apple.VoiceMemos.shared/Recordings voice memos, iOS 17+
//	<fs>/MediaDomain/Media/Recordings                                the same, iOS 12–16
//	<fs>/AppDomainGroup-group.com.apple.notes/NoteStore.sqlite       notes, Accounts/…
//	<fs>/HomeDomain/Library/Calendar/Calendar.sqlitedb               calendar
//	<fs>/AppDomainGroup-group.com.apple.reminders/Container_v1/…     reminders, iOS 17+
//	<fs>/HomeDomain/Library/Reminders/Container_v1/…                 the same, iOS 13–16
//	<fs>/HomeDomain/Library/Safari/{Bookmarks,History,BrowserState,SafariTabs}.db
//	<fs>/AppDomainGroup-group.net.whatsapp.WhatsApp.shared/…         WhatsApp
//
// # Formats
//
// Facts are those of content-schemas.md. Where a value is more than a column,
// the file that writes it explains it: typedstream.go (message bodies),
// notebody.go and notetable.go (protocol buffers of notes), notelock.go
// (locked notes), walfile.go (write-ahead logs), amr.go and m4a.go (audio).
// Core Data stores number their entities differently from seed to seed, as
// they differ from release to release on real phones: resolve them by name.
//
// # Determinism
//
// Equal options give equal bytes and equal file times; [Live] depends on the
// options, the day and what the databases hold. Directory times are whatever
// the host's clock says.
package appdata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Options says which phone to make. Seed may be any number.
type Options struct {
	// Seed chooses people, texts and times.
	Seed uint64
	// IOS is the release, such as "17.5.1"; empty means "17.5.1". It decides
	// places and columns. Releases 13 to 26 are told apart.
	IOS string
	// Now is the phone's clock: nothing is dated after it, except events and
	// reminders that are planned. Required.
	Now time.Time
	// Scale is 0 tiny (12 contacts, 60 messages), 1 small (120, 3,000) or
	// 2 typical (600, 60,000 and about 400 MB of attachments).
	Scale int
	// Only are the names of the stores that Create makes, such as "safari"; empty is all
	// of them. What is in a store does not depend on the others.
	Only []string
}

const defaultIOS = "17.5.1"

// store is one app's data: how it begins and how a day changes it.
type store struct {
	name   string
	create func(context.Context, *world) error
	live   func(context.Context, *world, span) error
}

// stores lists every app, the slowest first so that parallel work ends evenly.
func stores() []store {
	return []store{
		{"messages", createMessages, liveMessages},
		{"whatsapp", createWhatsApp, liveWhatsApp},
		{"contacts", createContacts, liveContacts},
		{"notes", createNotes, liveNotes},
		{"calendar", createCalendar, liveCalendar},
		{"safari", createSafari, liveSafari},
		{"calls", createCalls, liveCalls},
		{"reminders", createReminders, liveReminders},
		{"voice memos", createMemos, liveMemos},
		{"voicemail", createVoicemail, liveVoicemail},
	}
}

// Create writes the databases and files of a lived-in phone below fsDir, which
// need not exist; a file already in the way is replaced. After an error the
// folder holds some of the files.
func Create(ctx context.Context, fsDir string, o Options) error {
	w, err := newWorld(fsDir, o)
	if err != nil {
		return fmt.Errorf("create app data: %w", err)
	}
	for _, name := range o.Only {
		if !slices.ContainsFunc(stores(), func(s store) bool { return s.name == name }) {
			return fmt.Errorf("create app data: no store %q", name)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2) // one writes to disk while the other computes
	for _, s := range stores() {
		if len(o.Only) > 0 && !slices.Contains(o.Only, s.name) {
			continue
		}
		g.Go(func() error {
			if err := s.create(ctx, w); err != nil {
				return fmt.Errorf("create %s: %w", s.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// Live adds the 24 hours that end at day to every database that exists below
// fsDir: messages, some with attachments, calls, a new, a changed and a deleted
// contact, an edited note, a completed reminder, an event, a voicemail, a voice
// memo, browsing and chats. A database without a file (an erased phone, a
// deleted app) is left out. No row and no file is dated after day.
//
// On some days sms.db is left with a write-ahead log beside it, as on a phone
// in use, so that copying the database file alone loses that day.
func Live(ctx context.Context, fsDir string, o Options, day time.Time) error {
	if day.IsZero() {
		return errors.New("live app data: no day given")
	}
	w, err := newWorld(fsDir, o)
	if err != nil {
		return fmt.Errorf("live app data: %w", err)
	}
	end := day.UTC().Truncate(time.Second)
	sp := span{from: end.Add(-24 * time.Hour), to: end}
	for _, s := range stores() {
		if err := s.live(ctx, w, sp); err != nil {
			return fmt.Errorf("live %s: %w", s.name, err)
		}
	}
	return nil
}

// span is a stretch of time, both ends included, in whole seconds.
type span struct{ from, to time.Time }

// label names the span in seeds of random numbers.
func (s span) label() string { return strconv.FormatInt(s.to.Unix(), 10) }

// majorVersion reads the first number of a release such as "17.5.1".
func majorVersion(ios string) (int, error) {
	head, _, _ := strings.Cut(ios, ".")
	n, err := strconv.Atoi(head)
	if err != nil || n < 13 || n > 99 {
		return 0, fmt.Errorf("parse iOS version %q: want a release from 13 on, such as 17.5.1", ios)
	}
	return n, nil
}
