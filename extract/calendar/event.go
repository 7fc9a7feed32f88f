package calendar

import (
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
)

// Event is an event, a series of them, or one occurrence that differs from its series.
type Event struct {
	// ID is the UID by which other calendars know the event, with the time of the
	// occurrence where it is one that differs.
	ID          string        `json:"id"`
	UID         string        `json:"uid,omitempty"`
	Title       string        `json:"title,omitempty"`
	Calendar    string        `json:"calendar,omitempty"`
	CalendarID  string        `json:"calendar_id,omitempty"` // Group.Key
	Account     string        `json:"account,omitempty"`
	Start       ical.Moment   `json:"start,omitzero"`
	End         ical.Moment   `json:"end,omitzero"` // of a day: the last one, included
	AllDay      bool          `json:"all_day,omitempty"`
	Place       *Place        `json:"place,omitempty"`
	Notes       string        `json:"notes,omitempty"`
	URL         string        `json:"url,omitempty"`
	Conference  string        `json:"conference,omitempty"`
	Status      string        `json:"status,omitempty"`       // confirmed, tentative, cancelled
	Shown       string        `json:"availability,omitempty"` // busy, free, tentative, unavailable
	Privacy     int64         `json:"privacy,omitempty"`      // as the phone has it
	Birthday    bool          `json:"birthday,omitempty"`     // made by the phone from a contact
	Hidden      bool          `json:"hidden,omitempty"`
	Rules       []ical.Rule   `json:"repeats,omitempty"`
	Exceptions  []ical.Moment `json:"except,omitempty"`    // occurrences that do not take place or differ
	Series      string        `json:"series,omitempty"`    // ID of the series that this was an occurrence of
	Occurrence  ical.Moment   `json:"occurrence,omitzero"` // when it was to be in the series
	Organizer   *Person       `json:"organizer,omitempty"`
	Attendees   []Person      `json:"attendees,omitempty"`
	Alarms      []Alarm       `json:"alarms,omitempty"`
	TravelTime  int64         `json:"travel_seconds,omitempty"`
	Categories  []string      `json:"categories,omitempty"`
	Attachments []Attachment  `json:"attachments,omitempty"`
	Created     time.Time     `json:"created,omitzero"`
	Modified    time.Time     `json:"modified,omitzero"`

	row, series int64       // ROWIDs
	detached    []time.Time // occurrences that have an event of their own
	phantom     bool        // stands for a series of which the phone knows single occurrences only
	when        time.Time
	sequence    int64
}

// Place is where an event is.
type Place struct {
	Title     string  `json:"title,omitempty"`
	Address   string  `json:"address,omitempty"`
	Latitude  float64 `json:"latitude,omitempty"`
	Longitude float64 `json:"longitude,omitempty"`
	Radius    float64 `json:"radius,omitempty"` // metres
	Known     bool    `json:"-"`                // has coordinates
}

// Person is a guest or the host.
type Person struct {
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Phone  string `json:"phone,omitempty"`
	Status string `json:"status,omitempty"` // accepted, declined, tentative, none
	Role   string `json:"role,omitempty"`   // required, optional, chair, none
	Type   string `json:"type,omitempty"`   // person, room, resource, group
	Me     bool   `json:"me,omitempty"`
	Note   string `json:"comment,omitempty"`

	address string // mailto:… or tel:…
}

// Alarm tells of an event, at a time or a place.
type Alarm struct {
	Before    int64     `json:"offset_seconds,omitempty"` // from the start; −900 is 15 minutes before
	At        time.Time `json:"at,omitzero"`              // or the time itself
	Proximity string    `json:"proximity,omitempty"`      // arrive, depart
	Place     *Place    `json:"place,omitempty"`
	Email     bool      `json:"email,omitempty"`
	Snoozed   bool      `json:"snoozed,omitempty"` // another one, put off
	Off       bool      `json:"disabled,omitempty"`
	Seen      time.Time `json:"acknowledged,omitzero"`

	id string
}

// Attachment is a file of an event. Its bytes are on the calendar's server, seldom in a
// backup.
type Attachment struct {
	Name string `json:"name,omitempty"`
	URL  string `json:"url,omitempty"`
	Size int64  `json:"size,omitempty"`
	File string `json:"file,omitempty"` // in the Source, where the backup has it
}

var columns = []string{"Start", "End", "All day", "Title", "Calendar", "Account", "Place", "Address", "Repeats", "Organizer", "Attendees",
	"Alarms", "Link", "Notes", "Status", "Birthday", "Created", "Changed"}

// Entry implements extract.Record.
func (e *Event) Entry() extract.Entry {
	text := []string{e.Notes, e.URL, e.Conference}
	detail := e.Calendar
	if e.Place != nil {
		text = append(text, e.Place.Title, e.Place.Address)
		if e.Place.Title != "" {
			detail = strings.TrimPrefix(detail+" · "+e.Place.Title, " · ")
		}
	}
	for _, p := range e.people() {
		text = append(text, p.Name, p.Email, p.Phone)
	}
	var files []string
	for _, a := range e.Attachments {
		text = append(text, a.Name)
		if a.File != "" {
			files = append(files, a.File)
		}
	}
	return extract.Entry{Table: "events", Key: e.ID, Title: e.Title, Text: lines(append(text, e.Categories...)), Detail: detail, Time: e.when,
		Group: e.CalendarID, Files: files, Hidden: e.Hidden}
}

// people are the host and the guests.
func (e *Event) people() []Person {
	if e.Organizer == nil {
		return e.Attendees
	}
	return append([]Person{*e.Organizer}, e.Attendees...)
}

// Row implements extract.Record.
func (e *Event) Row() []string {
	var place, address, organizer string
	if e.Place != nil {
		place, address = e.Place.Title, e.Place.Address
	}
	if e.Organizer != nil {
		organizer = e.Organizer.String()
	}
	var guests, alarms, repeats []string
	for _, p := range e.Attendees {
		guests = append(guests, p.String())
	}
	for _, a := range e.Alarms {
		alarms = append(alarms, a.String())
	}
	for _, r := range e.Rules {
		repeats = append(repeats, r.Words())
	}
	link := e.URL
	if link == "" {
		link = e.Conference
	}
	return []string{e.Start.String(), e.End.String(), extract.YesNo(e.AllDay), e.Title, e.Calendar, e.Account, place, address, strings.Join(repeats, "; "),
		organizer, strings.Join(guests, "; "), strings.Join(alarms, "; "), link, e.Notes, e.Status, extract.YesNo(e.Birthday),
		extract.FormatTime(e.Created), extract.FormatTime(e.Modified)}
}

// String names a person, and what they answered.
func (p Person) String() string {
	name := p.Name
	if at := firstOf(p.Email, p.Phone); at != "" && at != name {
		name = strings.TrimSpace(name + " <" + at + ">")
	}
	if p.Status != "" && p.Status != "none" {
		name += " (" + p.Status + ")"
	}
	return name
}

// String says when an alarm tells.
func (a Alarm) String() string {
	switch {
	case a.Proximity != "" && a.Place != nil:
		return a.Proximity + " " + firstOf(a.Place.Title, a.Place.Address)
	case a.Proximity != "":
		return a.Proximity
	case !a.At.IsZero():
		return extract.FormatTime(a.At)
	case a.Before == 0:
		return "at the start"
	case a.Before < 0:
		return fmt.Sprint(time.Duration(-a.Before)*time.Second, " before")
	}
	return fmt.Sprint(time.Duration(a.Before)*time.Second, " after")
}

func lines(list []string) string {
	var kept []string
	for _, s := range list {
		if s != "" {
			kept = append(kept, s)
		}
	}
	return strings.Join(kept, "\n")
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}
