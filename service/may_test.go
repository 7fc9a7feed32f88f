package service

import (
	"errors"
	"io/fs"
	"testing"
)

// roles are who may ask.
var roles = []struct {
	name string
	who  Who
}{
	{"system", System},
	{"admin", Who{Account: 1, Admin: true}},
	{"owner", Who{Account: 2}},
	{"other", Who{Account: 3}},
	{"owner, reads only", Who{Account: 2, ReadOnly: true}},
	{"owner, this phone", Who{Account: 2, Phones: []string{"A"}}},
	{"owner, another phone", Who{Account: 2, Phones: []string{"B"}}},
	{"admin, reads only", Who{Account: 1, Admin: true, ReadOnly: true}},
	{"admin, this phone", Who{Account: 1, Admin: true, Phones: []string{"A"}}},
	{"nobody", Who{}},
}

// TestAllowed holds every deed against every role: Y may, F is forbidden, - does
// not even know of it.
func TestAllowed(t *testing.T) {
	deeds := []struct {
		deed deed
		name string
		// owned by account 2; the same, granted; of nobody: one letter a role.
		owned, granted, nobodys string
	}{
		//                          sys adm own oth oRO oPh oOt aRO aPh nob
		{toSee, "see", "YYY-YY-YY-", "YYY-YY-YY-", "YYYYYY-YY-"},
		{toOpen, "open", "YFY-YY-FF-", "YYY-YY-YY-", "YFFFFF-FF-"},
		{toStart, "start", "YYY-FY-FY-", "YYY-FY-FY-", "YYFFFF-FY-"},
		{toPair, "pair", "YYY-FY-FY-", "YYY-FY-FY-", "YYYYFY-FY-"},
		{toSteer, "steer", "YYY-FY-FY-", "YYY-FY-FY-", "YYFFFF-FY-"},
		{toWrite, "write", "YFY-FY-FF-", "YYY-FY-FY-", "YYYYFY-FY-"},
		{toKeep, "keep", "YFY-FY-FF-", "YYY-FY-FY-", "YFFFFF-FF-"},
		{toGrant, "grant", "YFY-FY-FF-", "YFY-FY-FF-", "YFFFFF-FF-"},
		{toOwn, "own", "YFY-FY-FF-", "YYY-FY-FY-", "YYFFFF-FY-"},
	}
	for _, d := range deeds {
		for phone, want := range map[rights]string{{"A", 2, false}: d.owned, {"A", 2, true}: d.granted, {"A", 0, false}: d.nobodys} {
			for i, r := range roles {
				if got := letter(allowed(r.who, d.deed, phone)); got != want[i] {
					t.Errorf("%s of %+v by %s: %c, want %c", d.name, phone, r.name, got, want[i])
				}
			}
		}
	}
	for i, want := range "YYYYYYYYY" {
		if got := letter(allowedHere(roles[i].who, toLook)); rune(got) != want {
			t.Errorf("look by %s: %c", roles[i].name, got)
		}
	}
	for i, want := range "YYFFFFFFFF" {
		if got := letter(allowedHere(roles[i].who, toManage)); rune(got) != want {
			t.Errorf("manage by %s: %c", roles[i].name, got)
		}
	}
}

func letter(err error) byte {
	switch {
	case err == nil:
		return 'Y'
	case errors.Is(err, ErrForbidden):
		return 'F'
	case errors.Is(err, fs.ErrNotExist):
		return '-'
	}
	return '?'
}
