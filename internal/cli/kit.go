package cli

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// kit is a recovery sheet: what somebody needs who has nothing but the place of
// the backups, on a computer that never saw them.
type kit struct {
	Place        string // where --repo pointed to, without secrets
	Kind         string // of place: "folder", "S3" …
	Made         time.Time
	Program      string // who made the sheet
	Repositories []kitRepository
	Password     secret.RepositoryPassword // only when it was asked for
}

// kitRepository is one repository, and whose backups are in it.
type kitRepository struct {
	ID, Place string
	Phones    []kitPhone
}

// kitPhone is a phone with backups.
type kitPhone struct {
	Name, UDID, IOS string
	Backups, Sealed int
	Latest          time.Time
}

// newKit begins a sheet for a place.
func newKit(at location.Location) *kit {
	kinds := map[location.Kind]string{location.Local: "a folder of a disk", location.S3: "S3 storage", location.SFTP: "a folder behind ssh (SFTP)",
		location.REST: "a REST server", location.Rclone: "storage that rclone reaches"}
	return &kit{Place: at.String(), Kind: kinds[at.Kind], Made: time.Now(), Program: "keepsake " + version()}
}

// add puts a repository on the sheet.
func (k *kit) add(r *repository.Repository, list []repository.Snapshot) {
	entry := kitRepository{ID: r.ID().String(), Place: r.Location()}
	byUDID := map[string]int{}
	for _, sn := range list {
		info := snapshot.Describe(sn)
		if info.Kind != snapshot.Backup {
			continue
		}
		i, known := byUDID[info.UDID]
		if !known {
			i = len(entry.Phones)
			byUDID[info.UDID] = i
			entry.Phones = append(entry.Phones, kitPhone{UDID: info.UDID})
		}
		p := &entry.Phones[i]
		p.Backups++
		if info.Sealed {
			p.Sealed++
		}
		if info.Time.After(p.Latest) {
			p.Latest, p.Name, p.IOS = info.Time, info.Name, info.IOS
		}
	}
	k.Repositories = append(k.Repositories, entry)
}

// Title is the name of a phone.
func (p kitPhone) Title() string {
	if p.Name == "" {
		return p.UDID
	}
	return printable(p.Name)
}

// Says is the rest that the sheet says of it.
func (p kitPhone) Says() string {
	s := fmt.Sprintf("%s, the newest of %s", progress.Count(int64(p.Backups), "backup", "backups"), p.Latest.Local().Format("2 January 2006"))
	if p.IOS != "" {
		s += ", iOS " + printable(p.IOS)
	}
	if p.Sealed > 0 {
		s += fmt.Sprintf("; %d sealed: nothing of %s can be read without the backup password of that time", p.Sealed, itThem(p.Sealed))
	}
	return s
}

// Date is when the sheet was made.
func (k *kit) Date() string { return k.Made.Local().Format("2 January 2006, 15:04") }

// Secret is the line of the password: itself, or room to write.
func (k *kit) Secret() string {
	if k.Password.IsZero() {
		return "______________________________________________"
	}
	return k.Password.Reveal()
}

// Filled tells that the password is printed.
func (k *kit) Filled() bool { return !k.Password.IsZero() }

// Example is a repository to show commands with.
func (k *kit) Example() string {
	if len(k.Repositories) > 0 {
		return k.Repositories[0].Place
	}
	return k.Place
}

// Credentials is what the storage wants besides, or "".
func (k *kit) Credentials() string {
	switch {
	case strings.HasPrefix(k.Place, "s3:"):
		return "Access keys of the storage (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
	case strings.HasPrefix(k.Place, "sftp:"):
		return "The ssh key or password for that computer"
	case strings.HasPrefix(k.Place, "rest:"):
		return "User and password of the server (RESTIC_REST_USERNAME, RESTIC_REST_PASSWORD)"
	case strings.HasPrefix(k.Place, "rclone:"):
		return "The configuration of rclone (rclone config file)"
	}
	return ""
}

//go:embed kit.html
var kitHTML string

// writeHTML writes a page that needs nothing else: no style, font, picture or
// program from anywhere.
func (k *kit) writeHTML(w io.Writer) error {
	t, err := template.New("kit").Parse(kitHTML)
	if err != nil {
		return fmt.Errorf("write recovery sheet: %w", err)
	}
	return t.Execute(w, k)
}

// text is the sheet for a terminal or a printer.
func (k *kit) text() string {
	var b strings.Builder
	line := strings.Repeat("=", 72)
	fmt.Fprintf(&b, "%s\nRECOVERY SHEET for iPhone backups, %s\nKeep it on paper, away from the computer and from the disk.\n%s\n\n", line, k.Date(), line)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Where\t%s (%s)\n", k.Place, k.Kind)
	fmt.Fprintf(t, "Password\t%s\n", k.Secret())
	if c := k.Credentials(); c != "" {
		fmt.Fprintf(t, "Also needed\t%s\n\t%s\n", c, strings.Repeat("_", 46))
	}
	flushTable(t)
	for _, r := range k.Repositories {
		b.WriteString("\n")
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "Repository\t%s\nID\t%s\n", r.Place, r.ID)
		for _, p := range r.Phones {
			fmt.Fprintf(t, "Phone\t%s (%s)\n\t%s\n", p.Title(), p.UDID, p.Says())
		}
		flushTable(t)
	}
	fmt.Fprintf(&b, `
Two passwords. The password above opens the repository: everything stored in
the clear inside can be read with it alone. The backup password of an iPhone is
another one, and not its passcode. It is needed to put an encrypted backup back
onto an iPhone, and for backups marked sealed:

Backup password  ______________________________________________

To open it on any computer
  1. Install keepsake. Then:
       keepsake snapshots -r %[1]s
       keepsake restore latest -r %[1]s      onto an iPhone
       keepsake mount ~/look -r %[1]s        or look inside
  2. Without keepsake, restic 0.14 or later opens the same repository:
       restic -r %[1]s snapshots
       restic -r %[1]s restore latest --target ~/out
`, quoteShell(k.Example()))
	fmt.Fprintf(&b, "\nMade by %s.\n%s\n", k.Program, line)
	return b.String()
}

// flushTable writes to memory, which cannot fail.
func flushTable(t *tabwriter.Writer) {
	if err := t.Flush(); err != nil {
		panic("cli: " + err.Error())
	}
}

// quoteShell writes a word so that a shell takes it as one.
func quoteShell(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-:@%+,=", r))
	}) < 0 && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ShellExample is Example for a command line.
func (k *kit) ShellExample() string { return quoteShell(k.Example()) }
