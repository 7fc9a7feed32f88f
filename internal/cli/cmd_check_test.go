package cli

import (
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// What is said to be proved is never more than what was looked at.
func TestProved(t *testing.T) {
	for name, c := range map[string]struct {
		report  itunesbackup.Report
		has     []string
		hasNot  []string
		nothing bool
	}{
		"unlocked":         {itunesbackup.Report{Encrypted: true, Unlocked: true, Rows: 9, Files: 5, Decrypted: 5, DigestsChecked: 5}, []string{"5 files open with the password", "All have"}, nil, false},
		"some digests":     {itunesbackup.Report{Rows: 9, Files: 5, DigestsChecked: 2}, []string{"can be read", "2 files have", "other 3 files"}, []string{"password", "All have"}, false},
		"no digests":       {itunesbackup.Report{Rows: 9, Files: 5}, []string{"no digests"}, []string{"All have"}, false},
		"locked contents":  {itunesbackup.Report{Encrypted: true, Rows: 9, Files: 5, DigestsChecked: 5}, []string{"Not proved: that the files open"}, []string{"with the password"}, false},
		"locked index":     {itunesbackup.Report{Encrypted: true, Statement: "x"}, nil, nil, true},
		"damaged":          {itunesbackup.Report{Rows: 9, Files: 5, Failures: 1}, nil, nil, true},
		"damaged and more": {itunesbackup.Report{Encrypted: true, Unlocked: true, Rows: 9, Files: 5, Decrypted: 4, Failures: 1}, nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := proved(&c.report)
			if c.nothing != (got == "") {
				t.Errorf("got %q", got)
			}
			for _, s := range c.has {
				if !strings.Contains(got, s) {
					t.Errorf("%q lacks %q", got, s)
				}
			}
			for _, s := range c.hasNot {
				if strings.Contains(got, s) {
					t.Errorf("%q has %q", got, s)
				}
			}
		})
	}
}
