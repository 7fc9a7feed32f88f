package voicemail

import (
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

const (
	tableMessages  = "voicemails"
	tableGreetings = "greetings"
)

// Message is what a caller has left.
type Message struct {
	// Key is the date and the number that the network gave it, which it keeps when it
	// is deleted; of a file that no row names, "file:" and its name.
	Key      string    `json:"id"`
	Time     time.Time `json:"time,omitzero"`
	Sender   string    `json:"sender,omitempty"` // "" of a number that was withheld
	Name     string    `json:"name,omitempty"`   // by the phone's contacts
	CallBack string    `json:"callback_number,omitempty"`
	Receiver string    `json:"receiver,omitempty"` // the owner's number
	Seconds  float64   `json:"seconds,omitempty"`
	Listened bool      `json:"listened,omitempty"`
	Deleted  bool      `json:"deleted,omitempty"`
	Trashed  time.Time `json:"trashed,omitzero"` // when it was deleted
	Expires  time.Time `json:"expires,omitzero"`
	// Transcript is what the phone has understood, Confidence how sure it is, up to 1.
	Transcript string  `json:"transcript,omitempty"`
	Confidence float64 `json:"confidence,omitempty"`
	File       string  `json:"file,omitempty"` // path in the source
	Bytes      int64   `json:"bytes,omitempty"`
	// Unlisted tells of a sound that no row names.
	Unlisted bool `json:"unlisted,omitempty"`

	Flags   int64  `json:"flags,omitempty"`
	Token   string `json:"token,omitempty"` // "Complete"
	Remote  int64  `json:"remote_uid,omitempty"`
	Label   string `json:"label,omitempty"`   // of the line
	Account string `json:"account,omitempty"` // the number of the SIM
	Number  int64  `json:"row,omitempty"`     // of the row, and in the names of its files

	transcript string // path in the source
}

var columns = []string{"Date", "From", "Name", "Seconds", "Listened", "Deleted", "Transcript", "Call back", "To", "File"}

// who names the caller.
func (m *Message) who() string {
	switch {
	case m.Name != "":
		return m.Name
	case m.Sender != "":
		return m.Sender
	case m.CallBack != "":
		return m.CallBack
	}
	return "No Caller ID"
}

// Entry implements extract.Record.
func (m *Message) Entry() extract.Entry {
	e := extract.Entry{Table: tableMessages, Key: m.Key, Title: m.who(), Text: m.Transcript, Time: m.Time, Deleted: m.Deleted}
	if m.Name != "" {
		e.Detail = m.Sender
	}
	if e.Detail != "" {
		e.Text = strings.TrimSpace(e.Text + "\n" + e.Detail)
	}
	for _, f := range []string{m.File, m.transcript} {
		if f != "" {
			e.Files = append(e.Files, f)
		}
	}
	return e
}

// Lasting is the row without the name, which is the contacts': what two versions are
// compared by.
func (m *Message) Lasting() []string {
	plain := *m
	plain.Name = ""
	return plain.Row()
}

// Row implements extract.Record.
func (m *Message) Row() []string {
	deleted := extract.FormatTime(m.Trashed)
	if deleted == "" {
		deleted = extract.YesNo(m.Deleted)
	}
	return []string{extract.FormatTime(m.Time), m.Sender, m.Name, seconds(m.Seconds), extract.YesNo(m.Listened), deleted, m.Transcript,
		m.CallBack, m.Receiver, m.File}
}

// Greeting is what callers hear.
type Greeting struct {
	Key     string  `json:"id"` // "greeting:" and the name of the file
	Title   string  `json:"title"`
	Seconds float64 `json:"seconds,omitempty"`
	File    string  `json:"file"`
	Bytes   int64   `json:"bytes,omitempty"`
	name    string
}

var greetingColumns = []string{"Name", "Seconds", "Bytes", "File"}

// Entry implements extract.Record.
func (g *Greeting) Entry() extract.Entry {
	return extract.Entry{Table: tableGreetings, Key: g.Key, Title: g.Title, Files: []string{g.File}}
}

// Row implements extract.Record.
func (g *Greeting) Row() []string {
	return []string{g.Title, seconds(g.Seconds), strconv.FormatInt(g.Bytes, 10), g.File}
}

func seconds(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
