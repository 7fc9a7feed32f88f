package contacts_test

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// judge compares what is read with what sqlite3 finds by queries of its own.
func judge(t *testing.T, fsys fs.FS) {
	t.Helper()
	ask := func(name, file string) [][]string {
		return extracttest.SQL(t, fsys, name, string(readFile(t, "testdata/"+file)))
	}
	c := extracttest.Read(t, contacts.New(), extracttest.Source(t, fsys), extract.Query{})
	for _, p := range c.Problems {
		t.Errorf("problem: %v", p)
	}
	if want := ask(book, "counts.sql")[0][0]; fmt.Sprint(len(c.Records)) != want {
		t.Errorf("%d contacts, sqlite3 has %s", len(c.Records), want)
	}
	var got [][]string
	withPicture := 0
	for _, r := range c.Records {
		contact := r.(*contacts.Contact)
		if contact.Picture != "" {
			withPicture++
		}
		cards := contact.Parts
		if cards == nil {
			cards = []contacts.Card{contact.Card}
		}
		for _, card := range cards {
			got = append(got, lineOf(card))
		}
	}
	slices.SortFunc(got, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if diff := cmp.Diff(ask(book, "cards.sql"), got); diff != "" {
		t.Errorf("cards (- sqlite3, + read):\n%s", diff)
	}
	checkValues(t, fsys, c)
	if want := len(ask(images, "pictures.sql")); withPicture != want {
		t.Errorf("%d pictures, sqlite3 has %d", withPicture, want)
	}
}

// lineOf is a card as testdata/cards.sql has it.
func lineOf(c contacts.Card) []string {
	var values, parts []string
	for _, l := range []struct {
		property int
		list     []contacts.Value
	}{{3, c.Phones}, {4, c.Emails}, {22, c.URLs}, {23, c.Related}} {
		for _, v := range l.list {
			values = append(values, fmt.Sprintf("%d %s %s", l.property, v.Label.Label, v.Value))
		}
	}
	for _, a := range c.Addresses {
		for _, p := range [][2]string{{"City", a.City}, {"Country", a.Country}, {"CountryCode", a.CountryCode}, {"State", a.State}, {"Street", a.Street}, {"SubAdministrativeArea", a.District}, {"SubLocality", a.SubLocality}, {"ZIP", a.ZIP}} {
			if p[1] != "" {
				parts = append(parts, p[0]+"="+p[1])
			}
		}
	}
	return []string{c.GUID, c.First, c.Last, c.Organization, c.JobTitle, c.Note, c.Birthday.String(), extract.FormatTime(c.Created), extract.FormatTime(c.Modified),
		strings.Join(values, "|"), strings.Join(parts, "|"), strings.Join(c.Groups, "|")}
}

func TestPublicPhone(t *testing.T) {
	extracttest.Conform(t, contacts.New(), extracttest.Source(t, public(t)))
	judge(t, public(t))
	for _, name := range []string{book, images} {
		t.Run(name, func(t *testing.T) { extracttest.Damage(t, contacts.New(), public(t), name) })
	}
}

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := extracttest.Phone(t, ios)
			extracttest.Conform(t, contacts.New(), extracttest.Source(t, fsys))
			judge(t, fsys)
			roundTrip(t, fsys)
		})
	}
}
