package receipt

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Layout is the version of receipt.json that this package writes.
const Layout = 1

const (
	// MaxFindings are kept of a receipt; Receipt.FindingsTotal counts all.
	MaxFindings = 1000
	// maxJSON bounds receipt.json.
	maxJSON = 4 << 20
)

// Password tells how much was proven of the backup password.
type Password string

// The ways to open a backup.
const (
	NoPassword     Password = "none"   // the backup is not encrypted
	PasswordProven Password = "proven" // the owner's password opened it
	// PasswordUnproven: it was rehearsed with the keys that the snapshot keeps and
	// a password made up for the rehearsal. Whether the owner still knows the real
	// one was not tried.
	PasswordUnproven Password = "unproven"
)

// Level of a finding.
type Level string

// The levels.
const (
	Failure Level = "failure" // the rehearsal has not passed
	Warning Level = "warning" // worth knowing; what comes back is what was backed up
)

// Finding is one thing that a rehearsal noticed.
type Finding struct {
	Level Level `json:"level"`
	// Path is Domain/path of a file of the phone, the name of a list ("Info.plist",
	// "Manifest.db"), or empty when it concerns all.
	Path string `json:"path,omitempty"`
	Text string `json:"text"`
}

func (f Finding) String() string {
	if f.Path == "" {
		return f.Text
	}
	return f.Path + ": " + f.Text
}

// Receipt is what a rehearsal has shown of one snapshot.
type Receipt struct {
	Layout   int       `json:"layout"`
	Snapshot format.ID `json:"snapshot"`          // the one rehearsed
	Tree     format.ID `json:"tree"`              // its root: the same in every copy of it
	Original format.ID `json:"original,omitzero"` // what the snapshot was copied from, or zero
	Taken    time.Time `json:"taken"`             // when the backup was made
	UDID     string    `json:"udid"`              // of the phone that it is of
	Name     string    `json:"name,omitempty"`    // of that phone
	IOS      string    `json:"ios"`               // of the backup
	Program  string    `json:"program"`           // and version, that rehearsed
	Phone    string    `json:"phone"`             // what it was restored onto: "virtual phone, iOS 18.6"
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended"`
	Passed   bool      `json:"passed"`             // everything came back as it should be
	Sealed   bool      `json:"sealed,omitempty"`   // the snapshot keeps ciphertext
	Password Password  `json:"password,omitempty"` // what was proven of it

	// What the virtual phone had in the end. Bytes are the contents of files.
	Files       int64 `json:"files"`
	Directories int64 `json:"directories"`
	Links       int64 `json:"links"`
	Bytes       int64 `json:"bytes"`
	// Databases were opened and checked; of some, parts need code of the app.
	Databases          int64 `json:"databases"`
	DatabasesUnchecked int64 `json:"databases_unchecked,omitempty"`
	// AppsByHand must be installed by hand after a restore: their data come back.
	AppsByHand int64 `json:"apps_by_hand,omitempty"`

	// Digest stands for everything that was compared: the SHA-256 of the sorted
	// SHA-256 of all entries, of each "Domain/path", NUL, and mode (octal), time
	// (Unix seconds), size and SHA-256 of the content or the target of the link,
	// with blanks between them. Equal digests are equal phones.
	Digest string `json:"digest,omitempty"`

	Findings      []Finding `json:"findings,omitempty"`
	FindingsTotal int       `json:"findings_total,omitempty"`
}

// Add notes a finding; a failure means that the rehearsal has not passed.
func (r *Receipt) Add(level Level, path, text string) {
	if level == Failure {
		r.Passed = false
	}
	r.FindingsTotal++
	if len(r.Findings) < MaxFindings {
		r.Findings = append(r.Findings, Finding{level, path, text})
	}
}

// Failures are the findings because of which it has not passed.
func (r *Receipt) Failures() []Finding { return r.of(Failure) }

// Warnings are the others.
func (r *Receipt) Warnings() []Finding { return r.of(Warning) }

func (r *Receipt) of(level Level) []Finding {
	var list []Finding
	for _, f := range r.Findings {
		if f.Level == level {
			list = append(list, f)
		}
	}
	return list
}

// Title says in one line what was shown, such as "rehearsed on the virtual phone
// on 2026-05-04". It never says more than that: no iPhone was asked.
func (r *Receipt) Title() string { return title(r.Passed, r.Ended) }

func title(passed bool, at time.Time) string {
	on := at.Local().Format(time.DateOnly)
	if passed {
		return "rehearsed on the virtual phone on " + on
	}
	return "did not pass its rehearsal on " + on
}

// Encode gives receipt.json.
func (r *Receipt) Encode() ([]byte, error) {
	c := *r
	c.Layout = Layout
	for len(c.Findings) > 0 {
		data, err := json.MarshalIndent(c, "", "  ")
		if err != nil || len(data) < maxJSON {
			return data, wrapped("encode", err)
		}
		c.Findings = c.Findings[:len(c.Findings)/2] // long paths
	}
	data, err := json.MarshalIndent(c, "", "  ")
	return data, wrapped("encode", err)
}

// Decode reads receipt.json. What later versions add is ignored.
func Decode(data []byte) (*Receipt, error) {
	if len(data) > maxJSON {
		return nil, fmt.Errorf("decode receipt: %d bytes, more than %d", len(data), maxJSON)
	}
	var r Receipt
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, wrapped("decode", err)
	}
	switch {
	case r.Layout > Layout:
		return nil, fmt.Errorf("decode receipt: layout %d is newer than this program, which knows %d", r.Layout, Layout)
	case r.Layout != Layout:
		return nil, fmt.Errorf("decode receipt: there is no layout %d", r.Layout)
	case r.Passed && len(r.Failures()) > 0:
		return nil, fmt.Errorf("decode receipt: it says passed and lists %d failures", len(r.Failures()))
	case strings.ContainsAny(r.UDID, "/\x00") || r.UDID == "":
		return nil, fmt.Errorf("decode receipt: UDID %.80q", r.UDID)
	}
	return &r, nil
}

func wrapped(op string, err error) error {
	if err != nil {
		return fmt.Errorf("%s receipt: %w", op, err)
	}
	return nil
}
