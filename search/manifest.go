package search

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/search/internal/sealed"
	"github.com/keepsake-backup/keepsake/search/internal/segment"
)

const (
	manifestName  = "manifest"
	manifestTemp  = "manifest.new"
	lockName      = "lock"
	segmentPrefix = "seg-"
	versionPrefix = "ver-"

	manifestFormat = 1
	maxManifest    = 32 << 20
	maxPresence    = 256 << 20
	maxVersions    = 10_000
	maxSegments    = 1000
)

// Version is a version of the phone.
type Version struct {
	ID     string    `json:"id"` // unique; at most 256 bytes
	Parent string    `json:"parent,omitempty"`
	Time   time.Time `json:"time"` // by it versions are ordered
}

// State tells how the reading of a kind went in a version.
type State string

// The states of a kind.
const (
	Read   State = "read"
	Absent State = "absent" // there is nothing of the kind
	Failed State = "failed" // it could not be read, or not to its end
)

// Kind is a kind of content in a version.
type Kind struct {
	Kind     string `json:"kind"`
	State    State  `json:"state"`
	Records  int    `json:"records,omitempty"`
	Problems int    `json:"problems,omitempty"` // things that could not be read and were left out
	Error    string `json:"error,omitempty"`    // why it failed
	// Needs is what a version has to be so that the kind can be in it ("an encrypted
	// backup"): where it is absent, that may be why.
	Needs string `json:"needs,omitempty"`
}

// conclusive tells whether what is not among a version's records was not on the phone.
func (k *Kind) conclusive() bool {
	return k != nil && (k.State == Read || k.State == Absent && k.Needs == "")
}

// VersionInfo is a version in the index.
type VersionInfo struct {
	Version
	Kinds []Kind `json:"kinds"` // those that were to be read
}

// Kind gives a kind of the version; nil when it was not to be read.
func (v *VersionInfo) Kind(name string) *Kind {
	for i := range v.Kinds {
		if v.Kinds[i].Kind == name {
			return &v.Kinds[i]
		}
	}
	return nil
}

type manifest struct {
	Format   int               `json:"format"`
	Versions []manifestVersion `json:"versions"` // ordered by time
	Segments []manifestSegment `json:"segments"`
}

type manifestVersion struct {
	VersionInfo
	File fileRef `json:"file"`
}

type manifestSegment struct {
	File fileRef `json:"file"`
	Docs int     `json:"docs"`
}

// fileRef names a file and its number.
type fileRef struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func refTo(name string, id [16]byte) fileRef { return fileRef{name, hex.EncodeToString(id[:])} }

func (f fileRef) is(id [16]byte) bool { return f.ID == hex.EncodeToString(id[:]) }

func (m *manifest) encode() ([]byte, error) { return json.Marshal(m) }

func parseManifest(data []byte) (*manifest, error) {
	m := &manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%w: manifest: %v", sealed.ErrDamaged, err)
	}
	bad := func(what string) (*manifest, error) {
		return nil, fmt.Errorf("%w: manifest: %s", sealed.ErrDamaged, what)
	}
	if m.Format != manifestFormat {
		return bad(fmt.Sprintf("its format is %d", m.Format))
	}
	if len(m.Versions) > maxVersions || len(m.Segments) > maxSegments {
		return bad("too long")
	}
	names, ids := map[string]bool{}, map[string]bool{}
	for _, s := range m.Segments {
		if !validFile(s.File.Name, segmentPrefix) || names[s.File.Name] || s.Docs < 0 || s.Docs > segment.MaxDocs {
			return bad("a segment")
		}
		names[s.File.Name] = true
	}
	for _, v := range m.Versions {
		if !validFile(v.File.Name, versionPrefix) || names[v.File.Name] || ids[v.ID] || validID(v.ID) != nil {
			return bad("a version")
		}
		names[v.File.Name], ids[v.ID] = true, true
	}
	if !slices.IsSortedFunc(m.Versions, compareVersions) {
		return bad("its versions are out of order")
	}
	return m, nil
}

func compareVersions(a, b manifestVersion) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// validFile tells whether a name is one that newName makes.
func validFile(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && len(rest) == 32 && strings.Trim(rest, "0123456789abcdef") == ""
}

func validID(id string) error {
	if id == "" || len(id) > 256 || !utf8.ValidString(id) {
		return fmt.Errorf("%q is no name of a version", id)
	}
	return nil
}
