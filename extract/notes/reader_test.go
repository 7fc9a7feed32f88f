package notes

import (
	"io/fs"
	"sync"
	"testing"
	"unicode/utf16"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

var phones sync.Map

// phone is a virtual phone, one of each version in this test binary.
func phone(t testing.TB, ios string) fs.FS {
	t.Helper()
	f, ok := phones.Load(ios)
	if !ok {
		f = hold(extracttest.Phone(t, ios), t)
		phones.Store(ios, f)
	}
	return f.(fs.FS)
}

func public(t testing.TB) fs.FS { return extracttest.Public(t, "ios17-notes", domain) }

func TestPublicConforms(t *testing.T) {
	extracttest.Conform(t, New(), extracttest.Source(t, public(t)))
}

func TestGenerationsConform(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			src := extracttest.Source(t, phone(t, ios))
			src.NotePasswords = []secret.Text{secret.NewText("keepsake")}
			extracttest.Conform(t, New(), src)
		})
	}
}

func readAll(t testing.TB, src *extract.Source) (list []*Note, problems []*extract.Problem) {
	t.Helper()
	c := extracttest.Read(t, New(), src, extract.Query{})
	for _, r := range c.Records {
		list = append(list, r.(*Note))
	}
	return list, c.Problems
}

// The runs of a body cover its text to the unit, on real data and on made data.
func TestRunsCoverTexts(t *testing.T) {
	sources := map[string]fs.FS{"public": public(t)}
	for _, ios := range extracttest.Generations {
		sources[ios] = phone(t, ios)
	}
	for name, fsys := range sources {
		n := 0
		for _, row := range extracttest.SQL(t, fsys, storePath, "SELECT hex(ZDATA) FROM ZICNOTEDATA WHERE hex(substr(ZDATA,1,2))='1F8B'") {
			raw, err := inflate(unhex(t, row[0]))
			if err != nil {
				t.Fatal(err)
			}
			note, err := dig(raw, 2, 3)
			if err != nil {
				t.Fatal(err)
			}
			text, spans, err := decodeNote(note)
			if err != nil {
				t.Fatal(err)
			}
			sum := 0
			for _, s := range spans {
				sum += s.units
			}
			if want := len(utf16.Encode([]rune(text))); sum != want {
				t.Errorf("%s: runs cover %d of %d units of %.40q", name, sum, want, text)
			}
			n++
		}
		if n < 5 {
			t.Errorf("%s: only %d bodies", name, n)
		}
	}
}
