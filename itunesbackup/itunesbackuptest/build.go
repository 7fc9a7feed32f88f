// Package itunesbackuptest makes small backup folders for tests.
package itunesbackuptest

import (
	"bytes"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// Rounds and Iterations lock the backups made here: enough to be two stages,
// too few to take time.
const (
	Rounds     = 64
	Iterations = 32
)

// Password is the one that [Encrypted] uses.
var Password = secret.NewBackupPassword("correct horse")

// Date is when every backup made here was taken.
var Date = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

// UDID is the phone's.
const UDID = "00008030-001A2D3C4E5F6071"

// Entry is one file, directory or link of the phone. Missing parents are added.
type Entry struct {
	Domain, Path string
	Content      []byte
	Directory    bool
	Target       string // makes it a symbolic link
	Class        keybag.Class
	// Change is called on the record before it is added; nil changes nothing.
	Change func(*itunesbackup.Record)
}

// Spec is a backup to be made.
type Spec struct {
	Entries []Entry
	// Password encrypts the backup; the zero value leaves it in clear.
	Password secret.BackupPassword
}

// Entries is a phone in small: system and app domains, a file longer than any read buffer,
// an empty one, names beyond ASCII, a directory without files and a link.
func Entries() []Entry {
	return []Entry{
		{Domain: "HomeDomain", Path: "Library/SMS/sms.db", Content: bytes.Repeat([]byte("message "), 9_000)},
		{Domain: "HomeDomain", Path: "Library/Preferences/com.apple.springboard.plist", Content: []byte("0123456789abcdef")},
		{Domain: "HomeDomain", Path: "Library/Empty", Directory: true},
		{Domain: "HomeDomain", Path: "Library/empty.txt", Class: keybag.ClassNone},
		{Domain: "HomeDomain", Path: "Library/Link", Target: "Preferences/com.apple.springboard.plist"},
		{Domain: "CameraRollDomain", Path: "Media/DCIM/100APPLE/IMG_0001.JPG", Content: []byte("\xff\xd8 not a picture"), Class: keybag.ClassComplete},
		{Domain: "AppDomain-org.example.notes", Path: "Documents/Grüße \U0001F600.txt", Content: []byte("hello")},
		{Domain: "AppDomain-org.example.notes", Path: "Documents/a-b", Content: []byte("sorts between a and a/")},
		{Domain: "AppDomain-org.example.notes", Path: "Documents/a/b", Content: []byte("x")},
	}
}

// Plain is an unencrypted backup of [Entries].
func Plain() Spec { return Spec{Entries: Entries()} }

// Encrypted is the same with [Password].
func Encrypted() Spec { return Spec{Entries: Entries(), Password: Password} }

// Build makes the backup in a new folder that is removed after the test, and
// returns its path. The folder is called [UDID].
func Build(t testing.TB, spec Spec) string {
	t.Helper()
	dir := path.Join(t.TempDir(), UDID)
	opts := options()
	if !spec.Password.IsZero() {
		opts.Keybag = Bag(t, spec.Password)
	}
	w, err := itunesbackup.NewWriter(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range withParents(spec.Entries) {
		if r.entry == nil || r.entry.Target != "" || r.entry.Directory {
			err = w.AddEntry(t.Context(), r.Record)
		} else {
			err = w.AddFile(t.Context(), r.Record, bytes.NewReader(r.entry.Content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Bag makes an unlocked keybag that opens quickly.
func Bag(t testing.TB, password secret.BackupPassword) *keybag.Keybag {
	t.Helper()
	bag, err := keybag.New(t.Context(), keybag.Options{Encrypted: true, Password: password, Rounds: Rounds, Iterations: Iterations})
	if err != nil {
		t.Fatal(err)
	}
	return bag
}

func options() itunesbackup.WriterOptions {
	identity := map[string]any{
		"BuildVersion": "23E261", "DeviceName": "Test Phone", "ProductType": "iPhone12,1", "ProductVersion": "26.4",
		"SerialNumber": "C39ZTEST0001", "UniqueDeviceID": UDID, "DeviceClass": "iPhone",
	}
	return itunesbackup.WriterOptions{
		Manifest: itunesbackup.ManifestPlist{Date: Date, WasPasscodeSet: true, Lockdown: identity},
		Info: &itunesbackup.InfoPlist{
			BuildVersion: "23E261", ProductVersion: "26.4", ProductType: "iPhone12,1", DeviceName: "Test Phone", DisplayName: "Test Phone",
			SerialNumber: "C39ZTEST0001", TargetIdentifier: UDID, TargetType: "Device", UniqueIdentifier: strings.ToUpper(UDID),
			LastBackupDate: Date, ITunesVersion: "12.13.4.4",
		},
		Status: itunesbackup.StatusPlist{UUID: "5F0C6F42-7D4B-4C7B-9F41-2B7F6F0C9A11", Date: Date},
	}
}

type row struct {
	itunesbackup.Record
	entry *Entry // nil for a parent that was added
}

// withParents turns entries into rows, each parent before its children.
func withParents(entries []Entry) []row {
	var rows []row
	seen := map[string]bool{}
	add := func(r row) {
		if seen[r.Key()] {
			return
		}
		seen[r.Key()] = true
		r.File.Inode = int64(1000 + len(rows))
		if r.entry != nil && r.entry.Change != nil {
			r.entry.Change(&r.Record)
		}
		rows = append(rows, r)
	}
	for i := range entries {
		e := &entries[i]
		add(row{Record: record(e.Domain, "", 0o40755)})
		for at := range e.Path {
			if e.Path[at] == '/' {
				add(row{Record: record(e.Domain, e.Path[:at], 0o40755)})
			}
		}
		add(row{Record: entryRecord(e), entry: e})
	}
	return rows
}

func entryRecord(e *Entry) itunesbackup.Record {
	switch {
	case e.Target != "":
		r := record(e.Domain, e.Path, 0o120755)
		r.File.Target = e.Target
		return r
	case e.Directory:
		return record(e.Domain, e.Path, 0o40755)
	}
	r := record(e.Domain, e.Path, 0o100644)
	r.File.Size = int64(len(e.Content))
	r.File.ProtectionClass = e.Class
	if e.Class == 0 {
		r.File.ProtectionClass = keybag.ClassCompleteUntilFirstAuth
	}
	return r
}

func record(domain, relativePath string, mode uint32) itunesbackup.Record {
	seconds := Date.Unix() - 3600
	return itunesbackup.Record{Domain: domain, RelativePath: relativePath, File: itunesbackup.MBFile{
		Mode: mode, UserID: 501, GroupID: 501, LastModified: seconds, LastStatusChange: seconds, Birth: seconds - 86400,
	}}
}

// Find returns the entry with the address, and fails the test without it.
func Find(t testing.TB, entries []Entry, domain, relativePath string) Entry {
	t.Helper()
	for _, e := range entries {
		if e.Domain == domain && e.Path == relativePath {
			return e
		}
	}
	t.Fatalf("no entry %s/%s", domain, relativePath)
	return Entry{}
}
