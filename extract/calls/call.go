package calls

import (
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

const tableName = "calls"

// Values of Call.Direction and Call.Outcome.
const (
	Incoming = "incoming"
	Outgoing = "outgoing"

	Answered     = "answered"
	Missed       = "missed" // or rejected
	Blocked      = "blocked"
	Connected    = "connected"     // outgoing
	NotConnected = "not connected" // outgoing
)

// Values of Call.Kind.
const (
	Phone         = "phone"
	FaceTimeVideo = "FaceTime video"
	FaceTimeAudio = "FaceTime audio"
	OtherApp      = "app"
)

// Call is one call. The numbers at its end are as the phone has them; zero is left out.
type Call struct {
	Key       string    `json:"id"` // ZUNIQUE_ID, else the store and its row
	Time      time.Time `json:"time,omitzero"`
	Direction string    `json:"direction"`
	Outcome   string    `json:"outcome"`
	Kind      string    `json:"kind"`
	App       string    `json:"app,omitempty"` // who made it: "com.apple.Telephony"
	Seconds   float64   `json:"seconds,omitempty"`
	Address   string    `json:"address,omitempty"` // "" of a number that was withheld
	Name      string    `json:"name,omitempty"`    // by the phone's contacts, else ShownAs
	ShownAs   string    `json:"shown_as,omitempty"`
	// Participants are the others; more than one of a group call.
	Participants []Participant `json:"participants,omitempty"`
	Initiator    string        `json:"initiator,omitempty"` // of a group call
	Country      string        `json:"country,omitempty"`   // ISO 3166, in small letters
	Location     string        `json:"location,omitempty"`  // as the phone shows it, from the number
	Unseen       bool          `json:"unseen,omitempty"`    // a missed call that nobody looked at
	Emergency    bool          `json:"emergency,omitempty"`
	BlockedBy    string        `json:"blocked_by,omitempty"` // bundle identifier
	IdentifiedBy string        `json:"identified_by,omitempty"`
	JunkCategory string        `json:"junk_category,omitempty"`
	Bytes        int64         `json:"bytes,omitempty"`        // that FaceTime has sent and received
	Conversation string        `json:"conversation,omitempty"` // hexadecimal
	Group        string        `json:"participant_group,omitempty"`
	Reminder     string        `json:"reminder,omitempty"`
	HasMessage   bool          `json:"has_message,omitempty"`

	Type         int64 `json:"call_type,omitempty"`
	Category     int64 `json:"call_category,omitempty"`
	Cause        int64 `json:"disconnected_cause,omitempty"`
	HandleType   int64 `json:"handle_type,omitempty"`
	Verification int64 `json:"verification_status,omitempty"`
	Junk         int64 `json:"junk_confidence,omitempty"`
	Filtered     int64 `json:"filtered_out_reason,omitempty"`
	Availability int64 `json:"number_availability,omitempty"`
	ScreenShare  int64 `json:"screen_sharing_type,omitempty"`
	AutoAnswered int64 `json:"auto_answered_reason,omitempty"`
	Flags        int64 `json:"flags,omitempty"` // of lists before iOS 8
}

// Participant is somebody else in a call.
type Participant struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
}

var columns = []string{"Date", "Direction", "Outcome", "Kind", "Name", "Number", "Participants", "Duration (s)", "Location", "App", "Emergency"}

// who names the other side in one line.
func (c *Call) who() string {
	var names []string
	for _, p := range c.Participants {
		if p.Name != "" {
			names = append(names, p.Name)
		} else {
			names = append(names, p.Address)
		}
	}
	switch {
	case len(names) > 1:
		return strings.Join(names, ", ")
	case c.Name != "":
		return c.Name
	case c.Address != "":
		return c.Address
	case len(names) == 1 && names[0] != "":
		return names[0]
	}
	return "No Caller ID"
}

// Entry implements extract.Record.
func (c *Call) Entry() extract.Entry {
	e := extract.Entry{Table: tableName, Key: c.Key, Title: c.who(), Time: c.Time, Volatile: true}
	words := []string{c.Address, c.ShownAs}
	for _, p := range c.Participants {
		words = append(words, p.Address)
	}
	words = append(words, c.Location)
	seen := map[string]bool{"": true, e.Title: true}
	var text []string
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			text = append(text, w)
		}
	}
	e.Text = strings.Join(text, "\n")
	what := c.Kind
	if c.Kind == OtherApp && c.App != "" {
		what = c.App
	}
	e.Detail = c.Outcome + ", " + what
	if c.Direction == Outgoing {
		e.Detail = c.Direction + ", " + what
	}
	return e
}

// Row implements extract.Record.
func (c *Call) Row() []string {
	var others []string
	for _, p := range c.Participants {
		if p.Name != "" {
			others = append(others, p.Name+" <"+p.Address+">")
		} else {
			others = append(others, p.Address)
		}
	}
	seconds := ""
	if c.Seconds != 0 {
		seconds = strconv.FormatFloat(c.Seconds, 'f', -1, 64)
	}
	return []string{extract.FormatTime(c.Time), c.Direction, c.Outcome, c.Kind, c.Name, c.Address, strings.Join(others, "\n"), seconds,
		c.Location, c.App, extract.YesNo(c.Emergency)}
}
