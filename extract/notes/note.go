package notes

import (
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Note is one note. It is an extract.Record.
type Note struct {
	Key      string    `json:"key"` // identifier that the account gives it
	Title    string    `json:"title"`
	Account  string    `json:"account,omitempty"` // as the app calls it
	Folder   []string  `json:"folder,omitempty"`  // its folders, the outermost first
	Group    string    `json:"group,omitempty"`   // extract.Group.Key of what it lies in
	Created  time.Time `json:"created,omitzero"`
	Modified time.Time `json:"modified,omitzero"`
	Pinned   bool      `json:"pinned,omitempty"`
	Shared   bool      `json:"shared,omitempty"`  // with other people
	Deleted  bool      `json:"deleted,omitempty"` // among what was deleted recently

	Locked Lock   `json:"locked,omitempty"`
	Hint   string `json:"hint,omitempty"` // of the password
	// Unread says why there is no text: a locked note that was not opened, one that is
	// only in iCloud, one that is damaged. "" when the text is here.
	Unread string `json:"unread,omitempty"`

	Text        string        `json:"text,omitempty"` // plain
	Body        Document      `json:"body,omitempty"`
	Attachments []*Attachment `json:"attachments,omitempty"` // in their order in the text
	Tags        []string      `json:"tags,omitempty"`        // hashtags, with #
	Todo        int           `json:"todo,omitempty"`        // items of checklists, ticked or not
	Done        int           `json:"done,omitempty"`        // those that are ticked
	Legacy      bool          `json:"legacy,omitempty"`      // of the store before iOS 9

	row int64
}

// Notes is the table of notes.
var Notes = extract.Table{Name: "notes", Title: "Notes",
	Columns: []string{"Title", "Folder", "Account", "Created", "Modified", "Text", "Tags", "Checklist", "Attachments", "Pinned", "Shared", "Locked", "Deleted", "Key"}}

// Entry implements extract.Record.
func (n *Note) Entry() extract.Entry {
	e := extract.Entry{Table: Notes.Name, Key: n.Key, Title: n.Title, Text: n.Text, Detail: strings.Join(n.Folder, " › "),
		Time: n.Modified, Group: n.Group, Deleted: n.Deleted}
	if n.Unread != "" {
		e.Detail = strings.TrimPrefix(e.Detail+" · "+n.Unread, " · ")
	}
	if e.Title == "" {
		e.Title = untitled
	}
	if e.Time.IsZero() {
		e.Time = n.Created
	}
	seen := map[string]bool{}
	n.files(func(a *Attachment) {
		if a.Path != "" && a.sealed == nil && !a.shut && !seen[a.Path] {
			seen[a.Path] = true
			e.Files = append(e.Files, a.Path)
		}
	})
	return e
}

// untitled is what a note without a word is called.
const untitled = "New Note"

// files calls each for every attachment, those of galleries too.
func (n *Note) files(each func(*Attachment)) {
	for _, a := range n.Attachments {
		each(a)
		for _, item := range a.Items {
			each(item)
		}
	}
}

// Row implements extract.Record.
func (n *Note) Row() []string {
	text, checklist, names := n.Text, "", []string(nil)
	if n.Unread != "" {
		text = "(" + n.Unread + ")"
	}
	if n.Todo > 0 {
		checklist = strconv.Itoa(n.Done) + " of " + strconv.Itoa(n.Todo)
	}
	n.files(func(a *Attachment) {
		if a.Inline() || a.Kind == KindGallery {
			return
		}
		names = append(names, a.label())
	})
	return []string{n.Title, strings.Join(n.Folder, " › "), n.Account, extract.FormatTime(n.Created), extract.FormatTime(n.Modified), text,
		strings.Join(n.Tags, " "), checklist, strings.Join(names, ", "), extract.YesNo(n.Pinned), extract.YesNo(n.Shared), string(n.Locked),
		extract.YesNo(n.Deleted), n.Key}
}

// finish fills in what follows from the body.
func (n *Note) finish() {
	n.Text = n.Body.Plain()
	for _, p := range n.Body {
		if p.Style == Checkbox {
			n.Todo++
			if p.Done {
				n.Done++
			}
		}
	}
	seen := map[string]bool{}
	for _, a := range n.Attachments {
		if a.Kind == KindTag && a.Text != "" && !seen[a.Text] {
			seen[a.Text] = true
			n.Tags = append(n.Tags, a.Text)
		}
	}
	if strings.TrimSpace(n.Title) == "" {
		n.Title = n.firstLine()
	}
}

// firstLine is what the app shows for a title that the database does not have.
func (n *Note) firstLine() string {
	for line := range strings.Lines(n.Text) {
		if line = strings.TrimSpace(line); line != "" {
			r := []rune(line)
			return string(r[:min(len(r), 120)])
		}
	}
	return untitled
}
