package corpus

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/messages"
	"github.com/keepsake-backup/keepsake/extract/photos"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// What is made larger is read as what it is, whole, and by people's names.
func TestCrowd(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	if err := virtualphone.Files(ctx, virtualphone.Config{Dir: dir, Seed: 7, Profile: "tiny"}, "messages", "contacts"); err != nil {
		t.Fatal(err)
	}
	fsDir := filepath.Join(dir, "fs")
	src := extracttest.Source(t, os.DirFS(fsDir))
	people := len(extracttest.Read(t, contacts.New(), src, extract.Query{}).Records)
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	const n = 600
	for _, err := range []error{Library(ctx, fsDir, n), Crowd(ctx, fsDir, n), Talk(ctx, fsDir, n)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	src.ReadNames = contacts.ReadNames
	for _, x := range []struct {
		reader extract.Extractor
		table  string
		want   int
	}{{photos.New(), "photos", n}, {contacts.New(), "", people + n}, {messages.New(), "", n - n/everyReaction}} {
		all := extracttest.Read(t, x.reader, src, extract.Query{Table: x.table})
		if len(all.Records) != x.want || len(all.Problems) > 0 {
			t.Errorf("%s: %d records, want %d; problems: %v", x.reader.Info().Kind, len(all.Records), x.want, all.Problems)
		}
	}
	groups, err := messages.New().Groups(ctx, src)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		if len(g.Title) < len("Given") || g.Title[:len("Given")] != "Given" {
			t.Errorf("a conversation with %q, who is not of the crowd", g.Title)
		}
	}
	rows := extracttest.SQL(t, os.DirFS(fsDir), messagesDB, "PRAGMA integrity_check")
	if rows[0][0] != "ok" {
		t.Errorf("%v", rows)
	}
}
