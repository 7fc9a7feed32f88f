package contacts

import (
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

const tableName = "contacts"

// Contact is a person or an organisation, as the phone shows it.
type Contact struct {
	Key  string `json:"id"`           // the smallest guid of its cards
	Name string `json:"name"`         // as the phone shows it
	Me   bool   `json:"me,omitempty"` // the owner's own card
	Card
	// Picture is the media type of its picture; "" = none.
	Picture string `json:"picture,omitempty"`
	// Parts are the cards that it is linked from, the preferred one first; nil of a
	// contact that is one card.
	Parts []Card `json:"parts,omitempty"`

	groupKey  string   // Group.Key of the first it lies in
	picture   imageRef // in the database of pictures
	thumbnail imageRef
}

// Card is what one account knows about somebody.
type Card struct {
	GUID         string `json:"guid,omitempty"` // of the card
	Organisation bool   `json:"is_organization,omitempty"`

	Prefix         string `json:"prefix,omitempty"`
	First          string `json:"first,omitempty"`
	Middle         string `json:"middle,omitempty"`
	Last           string `json:"last,omitempty"`
	Suffix         string `json:"suffix,omitempty"`
	Nickname       string `json:"nickname,omitempty"`
	PreviousFamily string `json:"previous_family_name,omitempty"`

	PhoneticFirst        string `json:"phonetic_first,omitempty"`
	PhoneticMiddle       string `json:"phonetic_middle,omitempty"`
	PhoneticLast         string `json:"phonetic_last,omitempty"`
	PhoneticOrganization string `json:"phonetic_organization,omitempty"`
	SpokenFirst          string `json:"pronunciation_first,omitempty"`
	SpokenMiddle         string `json:"pronunciation_middle,omitempty"`
	SpokenLast           string `json:"pronunciation_last,omitempty"`
	SpokenOrganization   string `json:"pronunciation_organization,omitempty"`

	Organization string `json:"organization,omitempty"`
	Department   string `json:"department,omitempty"`
	JobTitle     string `json:"job_title,omitempty"`

	Phones    []Value   `json:"phones,omitempty"`
	Emails    []Value   `json:"emails,omitempty"`
	Addresses []Address `json:"addresses,omitempty"`
	URLs      []Value   `json:"urls,omitempty"`
	Birthday  Date      `json:"birthday,omitzero"`
	// AlternateBirthday is that of another calendar, as the phone has it.
	AlternateBirthday string        `json:"alternate_birthday,omitempty"`
	Dates             []LabeledDate `json:"dates,omitempty"`
	Related           []Value       `json:"related,omitempty"`
	Messaging         []Profile     `json:"messaging,omitempty"` // instant messages
	Social            []Profile     `json:"social,omitempty"`
	// Other are values of a kind that is not known here.
	Other []OtherValue `json:"other,omitempty"`

	Note        string    `json:"note,omitempty"`
	Account     string    `json:"account,omitempty"` // what it came from: "iCloud"
	Groups      []string  `json:"groups,omitempty"`
	PictureKind string    `json:"picture_kind,omitempty"` // ABPerson.ImageType: PHOTO, ANIMOJI
	Created     time.Time `json:"created,omitzero"`
	Modified    time.Time `json:"modified,omitzero"`
}

// Label tells what a value is: "Home", "Mobile", or words of the owner's.
type Label struct {
	Label string `json:"label,omitempty"`
	// Own tells that the owner made it up, so that it is in no other language.
	Own bool `json:"own_label,omitempty"`
}

// Value is a phone number, e-mail address, URL or name.
type Value struct {
	Label
	Value string `json:"value"`
}

// LabeledDate is a day that is kept.
type LabeledDate struct {
	Label
	Date Date `json:"date"`
}

// Address is a postal address.
type Address struct {
	Label
	Street      string `json:"street,omitempty"` // may have lines
	SubLocality string `json:"sub_locality,omitempty"`
	City        string `json:"city,omitempty"`
	District    string `json:"sub_administrative_area,omitempty"`
	State       string `json:"state,omitempty"`
	ZIP         string `json:"zip,omitempty"`
	Country     string `json:"country,omitempty"`
	CountryCode string `json:"country_code,omitempty"` // ISO 3166, in small letters
}

// Profile is an account with a service for messages or pictures of oneself.
type Profile struct {
	Label
	Service    string `json:"service,omitempty"` // "Jabber", "twitter"
	User       string `json:"user,omitempty"`
	URL        string `json:"url,omitempty"`
	Identifier string `json:"identifier,omitempty"` // the service's own
	Shown      string `json:"display_name,omitempty"`
	Bundle     string `json:"apps,omitempty"` // bundle identifiers of apps
}

// OtherValue is a row of ABMultiValue of another property.
type OtherValue struct {
	Label
	Property int64             `json:"property"`
	Value    string            `json:"value,omitempty"`
	Parts    map[string]string `json:"parts,omitempty"`
}

var columns = []string{"Name", "First", "Last", "Nickname", "Organization", "Job title", "Phones", "E-mails", "Addresses", "Websites",
	"Birthday", "Other dates", "Related", "Messaging", "Social", "Note", "Groups", "Account", "Picture", "Created", "Changed"}

// Entry implements extract.Record.
func (c *Contact) Entry() extract.Entry {
	e := extract.Entry{Table: tableName, Key: c.Key, Title: c.Name, Time: c.Created, Group: c.groupKey}
	var words []string
	add := func(list ...string) {
		for _, s := range list {
			if s != "" && s != c.Name {
				words = append(words, s)
			}
		}
	}
	add(c.FullName(), c.Nickname, c.PreviousFamily, join(" ", c.PhoneticFirst, c.PhoneticMiddle, c.PhoneticLast),
		c.Organization, c.Department, c.JobTitle)
	for _, list := range [][]Value{c.Phones, c.Emails, c.Related, c.URLs} {
		for _, v := range list {
			add(v.Value)
		}
	}
	for _, a := range c.Addresses {
		add(a.lines())
	}
	for _, list := range [][]Profile{c.Messaging, c.Social} {
		for _, p := range list {
			add(p.User, p.Shown)
		}
	}
	add(c.Note)
	e.Text = strings.Join(words, "\n")
	switch {
	case len(c.Phones) > 0:
		e.Detail = c.Phones[0].Value
	case len(c.Emails) > 0:
		e.Detail = c.Emails[0].Value
	case c.Organization != c.Name:
		e.Detail = c.Organization
	}
	return e
}

// Row implements extract.Record.
func (c *Contact) Row() []string {
	return []string{c.Name, c.First, c.Last, c.Nickname, c.Organization, c.JobTitle, labelled(c.Phones), labelled(c.Emails),
		each(c.Addresses, func(a Address) string { return a.with(strings.ReplaceAll(a.lines(), "\n", ", ")) }), labelled(c.URLs),
		c.Birthday.String(), each(c.Dates, func(d LabeledDate) string { return d.with(d.Date.String()) }), labelled(c.Related),
		each(c.Messaging, Profile.line), each(c.Social, Profile.line), c.Note, strings.Join(c.Groups, "\n"), c.Account, c.Picture,
		extract.FormatTime(c.Created), extract.FormatTime(c.Modified)}
}

func labelled(list []Value) string {
	return each(list, func(v Value) string { return v.with(v.Value) })
}

// each is a line for each of a list, in one cell.
func each[T any](list []T, line func(T) string) string {
	lines := make([]string, len(list))
	for i, v := range list {
		lines[i] = line(v)
	}
	return strings.Join(lines, "\n")
}

func (l Label) with(value string) string {
	if l.Label == "" {
		return value
	}
	return value + " (" + l.Label + ")"
}

func (p Profile) line() string {
	who := p.User
	for _, s := range []string{p.Shown, p.URL, p.Identifier} {
		if who == "" {
			who = s
		}
	}
	if p.Service != "" {
		who = p.Service + ": " + who
	}
	return p.with(who)
}

// lines is an address as on an envelope.
func (a Address) lines() string {
	return join("\n", a.Street, a.SubLocality, join(" ", a.City, a.State, a.ZIP), a.District, a.Country)
}

// FullName is the name of a person, without the organisation.
func (c *Card) FullName() string {
	if allEastAsian(c.Last) && allEastAsian(c.First) && c.Last != "" && c.First != "" {
		return join(" ", c.Prefix, c.Last+c.Middle+c.First, c.Suffix)
	}
	return join(" ", c.Prefix, c.First, c.Middle, c.Last, c.Suffix)
}

func join(sep string, parts ...string) string {
	kept := make([]string, 0, len(parts))
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, sep)
}

// Date is a day, whose year may not be known.
type Date struct {
	Year  int // 0 = not known
	Month time.Month
	Day   int
}

// String is "1980-05-03", or "--05-03" without a year.
func (d Date) String() string {
	if d == (Date{}) {
		return ""
	}
	b := []byte("--")
	if d.Year != 0 {
		b = strconv.AppendInt(b[:0], int64(d.Year), 10)
		for len(b) < 4 {
			b = append([]byte{'0'}, b...)
		}
		b = append(b, '-')
	}
	return string(b) + two(int(d.Month)) + "-" + two(d.Day)
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// MarshalText is String, for JSON.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

const (
	cocoaEpoch = 978307200 // 2001-01-01 in Unix seconds
	noYear     = 1604      // a leap year: has the 29th of February
	day        = 24 * 60 * 60
)

// dateOf reads text of seconds since 2001: noon UTC of the day. What was written as
// midnight of the owner's time is of the day that is nearer.
func dateOf(text string) Date {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	const years = 10_000 * 366 * day
	if err != nil || !(seconds > -years && seconds < years) {
		return Date{}
	}
	t := time.Unix(int64(seconds)+cocoaEpoch, 0).UTC()
	if sinceMidnight := t.Hour()*3600 + t.Minute()*60; sinceMidnight > 13*3600 {
		t = t.Add(11 * time.Hour)
	}
	d := Date{t.Year(), t.Month(), t.Day()}
	switch {
	case d.Year == noYear:
		d.Year = 0
	case d.Year < 1 || d.Year > 9999:
		return Date{}
	}
	return d
}
