package voicememos

import (
	"strconv"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// What can be had of a recording.
const (
	Here      = "here"      // its file
	Parts     = "parts"     // only the parts that it was put together from
	InCloud   = "in iCloud" // the phone had no file
	Missing   = "missing"   // the phone names a file that is not in the backup
	maxMemos  = 200_000
	tableName = "memos"
)

// Memo is a recording.
type Memo struct {
	Key          string    `json:"id"` // the phone's UUID, else "file:" and the name of the file
	Title        string    `json:"title"`
	Recorded     time.Time `json:"recorded,omitzero"`
	Seconds      float64   `json:"seconds,omitempty"`
	Folder       string    `json:"folder,omitempty"`
	Deleted      time.Time `json:"deleted,omitzero"` // when it was put among what was deleted recently
	Edited       bool      `json:"edited,omitempty"`
	Availability string    `json:"availability"`
	File         string    `json:"file,omitempty"`  // path in the source
	Bytes        int64     `json:"bytes,omitempty"` // of the file
	Parts        []string  `json:"parts,omitempty"` // paths of what an edited one was put together from
	// Unlisted tells that the file lies among the recordings and the app's list does
	// not have it.
	Unlisted   bool      `json:"unlisted,omitempty"`
	Language   string    `json:"language,omitempty"` // of the transcript: "en_US"
	Transcript string    `json:"transcript,omitempty"`
	Spoken     []Segment `json:"spoken,omitempty"` // the transcript with its times
	Flags      int64     `json:"flags,omitempty"`  // as the phone has them; their meaning is not known

	folderKey string
	untitled  bool // the title is the date
	place     *place
	base      string // name of the file, there or not
}

// Segment is a word or a few of a transcript.
type Segment struct {
	Text string  `json:"text"`
	From float64 `json:"from"` // seconds
	To   float64 `json:"to"`
}

var columns = []string{"Title", "Recorded", "Seconds", "Folder", "Deleted", "Transcript", "Availability", "Bytes", "File"}

// Entry implements extract.Record.
func (m *Memo) Entry() extract.Entry {
	e := extract.Entry{Table: tableName, Key: m.Key, Title: m.Title, Text: m.Transcript, Detail: m.Folder, Time: m.Recorded, Group: m.folderKey, Deleted: !m.Deleted.IsZero()}
	if m.File != "" {
		e.Files = append(e.Files, m.File)
	}
	e.Files = append(e.Files, m.Parts...)
	return e
}

// Row implements extract.Record.
func (m *Memo) Row() []string {
	return []string{m.Title, extract.FormatTime(m.Recorded), number(m.Seconds), m.Folder, extract.FormatTime(m.Deleted), m.Transcript, m.Availability, count(m.Bytes), m.File}
}

func number(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func count(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
