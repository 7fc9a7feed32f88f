package reminders

import (
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
)

// Reminder is one thing to do.
type Reminder struct {
	ID          string       `json:"id"` // UUID
	Title       string       `json:"title,omitempty"`
	Notes       string       `json:"notes,omitempty"`
	List        string       `json:"list,omitempty"`
	ListID      string       `json:"list_id,omitempty"` // Group.Key
	Section     string       `json:"section,omitempty"` // of the list
	Account     string       `json:"account,omitempty"`
	Completed   bool         `json:"completed,omitempty"`
	CompletedAt time.Time    `json:"completed_at,omitzero"`
	Flagged     bool         `json:"flagged,omitempty"`
	Urgent      bool         `json:"urgent,omitempty"`
	Priority    int64        `json:"priority,omitempty"` // 1 high, 5 medium, 9 low
	Due         ical.Moment  `json:"due,omitzero"`
	Start       ical.Moment  `json:"start,omitzero"`
	Parent      string       `json:"parent,omitempty"` // ID of what this is a step of
	Rules       []ical.Rule  `json:"repeats,omitempty"`
	Alarms      []Alarm      `json:"alarms,omitempty"`
	Tags        []string     `json:"tags,omitempty"`
	Assignee    string       `json:"assignee,omitempty"`
	Links       []string     `json:"links,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Created     time.Time    `json:"created,omitzero"`
	Modified    time.Time    `json:"modified,omitzero"`
	Deleted     bool         `json:"deleted,omitempty"`

	uid    string // of a CalDAV server, where there is one
	when   time.Time
	memo   string // by which its list's sections know it
	parent int64  // row of what this is a step of
}

// Alarm tells of a reminder, at a time or a place.
type Alarm struct {
	At        ical.Moment `json:"at,omitzero"`
	Before    int64       `json:"offset_seconds,omitempty"` // from when it is due; negative is before
	Months    int64       `json:"offset_months,omitempty"`  // likewise
	Proximity string      `json:"proximity,omitempty"`      // arrive, depart
	Place     string      `json:"place,omitempty"`
	Address   string      `json:"address,omitempty"`
	Latitude  float64     `json:"latitude,omitempty"`
	Longitude float64     `json:"longitude,omitempty"`
	Radius    float64     `json:"radius,omitempty"` // metres
}

// Attachment is a file of a reminder.
type Attachment struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type,omitempty"` // UTI: "public.jpeg"
	Size int64  `json:"size,omitempty"`
	File string `json:"file,omitempty"` // in the Source, where the backup has it
}

var columns = []string{"Title", "Done", "Due", "List", "Section", "Account", "Flagged", "Priority", "Repeats", "Alarms", "Tags", "Assigned to", "Notes",
	"Links", "Files", "Part of", "Start", "Done on", "Created", "Changed", "Deleted"}

// Entry implements extract.Record.
func (r *Reminder) Entry() extract.Entry {
	text := []string{r.Notes, r.Section, r.Assignee}
	for _, t := range r.Tags {
		text = append(text, "#"+t)
	}
	var files []string
	for _, a := range r.Attachments {
		text = append(text, a.Name)
		if a.File != "" {
			files = append(files, a.File)
		}
	}
	for _, a := range r.Alarms {
		text = append(text, a.Place, a.Address)
	}
	detail := r.List
	if !r.Due.IsZero() {
		detail = strings.TrimPrefix(detail+" · due", " · ") // when is the time of the entry
	}
	return extract.Entry{Table: "reminders", Key: r.ID, Title: r.Title, Text: joined("\n", append(text, r.Links...)...), Detail: detail, Time: r.when,
		Group: r.ListID, Files: files, Deleted: r.Deleted}
}

// Row implements extract.Record.
func (r *Reminder) Row() []string {
	var repeats, alarms, files []string
	for _, rule := range r.Rules {
		repeats = append(repeats, rule.Words())
	}
	for _, a := range r.Alarms {
		alarms = append(alarms, a.String())
	}
	for _, a := range r.Attachments {
		files = append(files, a.Name)
	}
	return []string{r.Title, extract.YesNo(r.Completed), r.Due.String(), r.List, r.Section, r.Account, extract.YesNo(r.Flagged), priority(r.Priority),
		strings.Join(repeats, "; "), strings.Join(alarms, "; "), strings.Join(r.Tags, ", "), r.Assignee, r.Notes, strings.Join(r.Links, " "),
		strings.Join(files, ", "), r.Parent, r.Start.String(), extract.FormatTime(r.CompletedAt), extract.FormatTime(r.Created),
		extract.FormatTime(r.Modified), extract.YesNo(r.Deleted)}
}

// priority is ZPRIORITY in words; iCalendar and older servers have 1 to 9.
func priority(n int64) string {
	switch {
	case n <= 0 || n > 9:
		return ""
	case n < 5:
		return "high"
	case n == 5:
		return "medium"
	}
	return "low"
}

// day is a moment for people.
func day(m ical.Moment) string {
	if m.Date {
		return m.String()
	}
	t := m.Time
	if zone := ical.LoadZone(m.Zone); zone != nil {
		t = t.In(zone)
	}
	return t.Format("2006-01-02 15:04")
}

// String says when or where an alarm tells.
func (a Alarm) String() string {
	switch {
	case a.Proximity != "" || a.Place != "":
		return joined(" ", a.Proximity, joined(", ", a.Place, a.Address))
	case !a.At.IsZero():
		return a.At.String()
	case a.Months != 0:
		return fmt.Sprintf("%d months %s", max(a.Months, -a.Months), side(a.Months))
	case a.Before != 0:
		return fmt.Sprint(time.Duration(max(a.Before, -a.Before))*time.Second, " ", side(a.Before))
	}
	return "when due"
}

func side(n int64) string {
	if n < 0 {
		return "before"
	}
	return "after"
}

// joined puts those texts together that are not empty.
func joined(between string, list ...string) string {
	var kept []string
	for _, s := range list {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, between)
}
