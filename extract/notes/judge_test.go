package notes

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// Written from content-schemas.md 7: entities by name; the account and the creation
// date of a note by release.
const (
	entityOf   = "(SELECT Z_ENT FROM Z_PRIMARYKEY WHERE Z_NAME='%s')"
	noteRows   = "FROM ZICCLOUDSYNCINGOBJECT n WHERE n.Z_ENT=(SELECT Z_ENT FROM Z_PRIMARYKEY WHERE Z_NAME='ICNote')"
	folderRows = "FROM ZICCLOUDSYNCINGOBJECT f WHERE f.Z_ENT=(SELECT Z_ENT FROM Z_PRIMARYKEY WHERE Z_NAME='ICFolder')"
)

func columnsOf(major string) (account, created string) {
	switch major {
	case "13", "14":
		return "ZACCOUNT3", "ZCREATIONDATE1"
	case "15":
		return "ZACCOUNT4", "ZCREATIONDATE1"
	}
	return "ZACCOUNT7", "ZCREATIONDATE3"
}

func TestAgainstSQL(t *testing.T) {
	for _, ios := range append([]string{"public"}, extracttest.Generations...) {
		t.Run(ios, func(t *testing.T) {
			fsys := public(t)
			if ios != "public" {
				fsys = phone(t, ios)
			}
			major, _, _ := strings.Cut(ios, ".")
			account, created := columnsOf(major)
			list, problems := readAll(t, opened(t, fsys, "keepsake"))
			if len(problems) > 0 {
				t.Errorf("problems: %v", problems)
			}
			judgeNotes(t, fsys, list, account, created)
			judgeFolders(t, fsys)
			judgeAttachments(t, fsys, list)
		})
	}
}

func judgeNotes(t *testing.T, fsys fs.FS, list []*Note, account, created string) {
	rows := extracttest.SQL(t, fsys, storePath, `SELECT n.ZIDENTIFIER, coalesce(n.ZTITLE1,''), (SELECT ZTITLE2 FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=n.ZFOLDER),
		(SELECT ZNAME FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=n.`+account+`), CAST(n.`+created+`+978307200 AS INTEGER), CAST(n.ZMODIFICATIONDATE1+978307200 AS INTEGER),
		n.ZISPINNED, n.ZISPASSWORDPROTECTED, n.ZMARKEDFORDELETION OR (SELECT ZFOLDERTYPE FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=n.ZFOLDER)=1,
		(SELECT hex(substr(ZDATA,1,8)) FROM ZICNOTEDATA WHERE ZNOTE=n.Z_PK), n.ZSERVERSHAREDATA IS NOT NULL `+noteRows)
	if len(rows) != len(list) || len(rows) < 5 {
		t.Errorf("%d notes, sqlite3 has %d", len(list), len(rows))
	}
	byKey := map[string]*Note{}
	for _, n := range list {
		byKey[n.Key] = n
	}
	for _, r := range rows {
		n := byKey[r[0]]
		if n == nil {
			t.Errorf("note %s is missing", r[0])
			continue
		}
		lock := ""
		switch {
		case r[7] == "0":
		case r[9] == "62706C6973743030":
			lock = "passcode"
		case !strings.HasPrefix(r[9], "1F8B"):
			lock = "password"
		}
		bit := map[bool]string{false: "0", true: "1"}
		title := n.Title
		if title == untitled {
			title = r[1]
		}
		got := []string{n.Key, title, last(n.Folder), n.Account, fmt.Sprint(n.Created.Unix()), fmt.Sprint(n.Modified.Unix()), bit[n.Pinned], string(n.Locked), bit[n.Deleted], bit[n.Shared]}
		want := []string{r[0], r[1], r[2], r[3], r[4], r[5], r[6], lock, r[8], r[10]}
		if !slices.Equal(got, want) {
			t.Errorf("note\n%q, sqlite3 says\n%q", got, want)
		}
		if first, _, _ := strings.Cut(n.Text, "\n"); n.Unread == "" && r[1] != "" && len(n.Body) > 0 && strings.TrimSpace(first) != strings.TrimSpace(r[1]) {
			t.Errorf("title %q, the text begins %q", r[1], first)
		}
	}
}

func last(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}

func judgeFolders(t *testing.T, fsys fs.FS) {
	groups, err := New().Groups(t.Context(), extracttest.Source(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	byKey := map[string]extract.Group{}
	accounts := 0
	for _, g := range groups {
		byKey[g.Key] = g
		if strings.HasPrefix(g.Key, "account:") {
			accounts++
		}
	}
	rows := extracttest.SQL(t, fsys, storePath, `SELECT f.ZIDENTIFIER, f.ZTITLE2, coalesce((SELECT ZIDENTIFIER FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=f.ZPARENT),
		'account:'||(SELECT ZIDENTIFIER FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=f.ZOWNER)), (SELECT count(*) FROM ZICCLOUDSYNCINGOBJECT WHERE ZFOLDER=f.Z_PK), f.ZFOLDERTYPE=1 `+folderRows)
	if len(rows)+1 != len(groups) || accounts != 1 {
		t.Errorf("%d groups of which %d accounts, sqlite3 has %d folders", len(groups), accounts, len(rows))
	}
	for _, r := range rows {
		g := byKey[r[0]]
		got := []string{g.Key, g.Title, g.Parent, fmt.Sprint(g.Count), map[bool]string{false: "0", true: "1"}[g.Deleted]}
		if !slices.Equal(got, r) {
			t.Errorf("folder %q, sqlite3 says %q", got, r)
		}
	}
}

func judgeAttachments(t *testing.T, fsys fs.FS, list []*Note) {
	rows := extracttest.SQL(t, fsys, storePath, `SELECT a.ZIDENTIFIER, a.ZTYPEUTI, coalesce(a.ZFILESIZE,0), coalesce((SELECT ZFILENAME FROM ZICCLOUDSYNCINGOBJECT WHERE Z_PK=a.ZMEDIA),''),
		coalesce(a.ZURLSTRING,''), coalesce(a.ZTITLE,''), n.ZIDENTIFIER
		FROM ZICCLOUDSYNCINGOBJECT a JOIN ZICCLOUDSYNCINGOBJECT n ON n.Z_PK=a.ZNOTE WHERE a.ZMARKEDFORDELETION=0 AND a.Z_ENT=`+fmt.Sprintf(entityOf, "ICAttachment"))
	seen, in := map[string]*Attachment{}, map[string]string{}
	for _, n := range list {
		n.files(func(a *Attachment) {
			in[a.Key] = n.Key
			if !a.Inline() {
				seen[a.Key] = a
			}
			if a.Error != "" {
				t.Errorf("%s: %s", n.Title, a.Error)
			}
		})
	}
	if len(seen) != len(rows) {
		t.Errorf("%d attachments, sqlite3 has %d", len(seen), len(rows))
	}
	for _, r := range rows {
		a := seen[r[0]]
		if a == nil {
			t.Errorf("attachment %s (%s) is missing", r[0], r[1])
			continue
		}
		if a.URL != r[4] || r[5] != "" && a.Title != r[5] || in[a.Key] != r[6] {
			t.Errorf("attachment %q %q in %s, sqlite3 says %q", a.URL, a.Title, in[a.Key], r)
		}
		if a.Type != r[1] || fmt.Sprint(a.Size) != r[2] || r[3] != "" && a.Name != r[3] {
			t.Errorf("attachment %q %d %q, sqlite3 says %q", a.Type, a.Size, a.Name, r)
		}
	}
}

// What is in the folders of a phone is found, byte for byte.
func TestFilesOfGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			list, _ := readAll(t, opened(t, phone(t, ios), "keepsake"))
			got := map[Kind]int{}
			missing := 0
			for _, n := range list {
				n.files(func(a *Attachment) {
					if a.Path != "" {
						got[a.Kind]++
					}
					if a.Missing {
						missing++
					}
					if a.StandIn != (a.Kind == KindDrawing || a.Kind == KindScan) && a.Path != "" {
						t.Errorf("%s %s: stand-in is %t", a.Kind, a.Path, a.StandIn)
					}
				})
			}
			want := map[Kind]int{KindImage: 4, KindDrawing: 1, KindPDF: 1, KindAudio: 1}
			if ios >= "17" {
				want[KindScan] = 1
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || missing != 1 {
				t.Errorf("files %v and %d missing, want %v and 1", got, missing, want)
			}
		})
	}
}
