package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

// Layout is the version of the tree that this package writes.
const Layout = 1

// Meta is keepsake.json: what a snapshot says of itself.
type Meta struct {
	Layout         int
	UDID           string
	Name           string // of the phone
	ProductType    string // "iPhone12,1"
	ProductVersion string // "17.3"
	Build          string // "21D50"
	Encrypted      bool   // the phone's backup has a password
	Sealed         bool   // nothing was decrypted

	// Rows and what they are; all 0 in sealed snapshots but Files, which counts the
	// stored ones.
	Rows, Files, Directories, Links int64
	Faulty                          int64 // rows that cannot be read; they stay in Manifest.db
	StoredBytes                     int64 // of the files as the phone sent them
	ContentBytes                    int64 // of the files in the repository, before deduplication

	// ManifestRaw: Manifest.db does not encrypt to what the phone sent, so that is
	// kept, too.
	ManifestRaw bool
	Exceptions  []Exception // in the order of the tree
	Unread      []Unread    // the same

	// Keys of an encrypted backup that is not sealed.
	Keys Keys
}

// Exception is a file that does not stand in its folder, but in _ios/exceptions.
type Exception struct {
	ID   itunesbackup.FileID
	Path string // "domain/relative/path"; empty if no row names the file
	Why  Reason
	Raw  bool // it is as encrypted as it came
}

// Reason is why a file is an exception.
type Reason string

// The reasons.
const (
	WhyName     Reason = "name"     // a name on its path is longer than 255 bytes, or reserved
	WhyTaken    Reason = "taken"    // a folder, or another file, has the same name
	WhyCrowded  Reason = "crowded"  // its folder has more than 50,000 entries
	WhySeal     Reason = "seal"     // it does not decrypt to what would encrypt to the same bytes
	WhyKey      Reason = "key"      // its key does not open
	WhyRow      Reason = "row"      // its row cannot be read, or is none of a file
	WhyUnlisted Reason = "unlisted" // no row names it
)

var reasons = map[Reason]bool{WhyName: true, WhyTaken: true, WhyCrowded: true, WhySeal: true, WhyKey: true, WhyRow: true, WhyUnlisted: true}

// Unread is a file that the phone has and could not give.
type Unread struct {
	ID   itunesbackup.FileID
	Path string
	Why  string // in words
}

// The JSON of keepsake.json. Keys are in it as base64: it lies in the repository,
// beside the plaintext that they protect.
type metaJSON struct {
	Layout         int               `json:"layout"`
	UDID           string            `json:"udid"`
	Name           string            `json:"name,omitempty"`
	ProductType    string            `json:"product_type,omitempty"`
	ProductVersion string            `json:"product_version,omitempty"`
	Build          string            `json:"build,omitempty"`
	Encrypted      bool              `json:"encrypted"`
	Sealed         bool              `json:"sealed"`
	Rows           int64             `json:"rows"`
	Files          int64             `json:"files"`
	Directories    int64             `json:"directories"`
	Links          int64             `json:"links"`
	Faulty         int64             `json:"faulty,omitempty"`
	StoredBytes    int64             `json:"stored_bytes"`
	ContentBytes   int64             `json:"content_bytes"`
	ManifestRaw    bool              `json:"manifest_raw,omitempty"`
	ClassKeys      map[string][]byte `json:"class_keys,omitempty"`
	ManifestKey    []byte            `json:"manifest_key,omitempty"`
	Exceptions     []exceptionJSON   `json:"exceptions,omitempty"`
	Unread         []unreadJSON      `json:"unread,omitempty"`
}

type exceptionJSON struct {
	ID   string `json:"id"`
	Path string `json:"path,omitempty"`
	Why  Reason `json:"why"`
	Raw  bool   `json:"raw,omitempty"`
}

type unreadJSON struct {
	ID   string `json:"id"`
	Path string `json:"path"`
	Why  string `json:"why"`
}

// maxMeta bounds keepsake.json. An exception takes some 150 bytes.
const maxMeta = 64 << 20

// encode gives the bytes of keepsake.json, always the same for the same Meta.
func (m *Meta) encode() ([]byte, error) {
	j := metaJSON{Layout: m.Layout, UDID: m.UDID, Name: m.Name, ProductType: m.ProductType, ProductVersion: m.ProductVersion, Build: m.Build,
		Encrypted: m.Encrypted, Sealed: m.Sealed, Rows: m.Rows, Files: m.Files, Directories: m.Directories, Links: m.Links, Faulty: m.Faulty,
		StoredBytes: m.StoredBytes, ContentBytes: m.ContentBytes, ManifestRaw: m.ManifestRaw}
	if !m.Keys.IsZero() {
		j.ClassKeys = map[string][]byte{}
		for class, key := range m.Keys.classes {
			j.ClassKeys[strconv.FormatUint(uint64(class), 10)] = key.Reveal()
		}
		j.ManifestKey = m.Keys.manifest.Reveal()
	}
	for _, x := range m.Exceptions {
		j.Exceptions = append(j.Exceptions, exceptionJSON{x.ID.String(), x.Path, x.Why, x.Raw})
	}
	for _, x := range m.Unread {
		j.Unread = append(j.Unread, unreadJSON{x.ID.String(), x.Path, x.Why})
	}
	data, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode keepsake.json: %w", err)
	}
	if data = append(data, '\n'); len(data) > maxMeta {
		return nil, fmt.Errorf("encode keepsake.json: %d bytes, more than %d: too many exceptions", len(data), maxMeta)
	}
	return data, nil
}

// decodeMeta reads keepsake.json. What a later version adds without changing the
// layout is ignored.
func decodeMeta(data []byte) (*Meta, error) {
	m, err := parseMeta(data)
	if err != nil {
		return nil, fmt.Errorf("decode keepsake.json: %w", err)
	}
	return m, nil
}

func parseMeta(data []byte) (*Meta, error) {
	var j metaJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return nil, err
	}
	switch {
	case j.Layout > Layout:
		return nil, fmt.Errorf("layout %d is newer than this program, which knows %d", j.Layout, Layout)
	case j.Layout != Layout:
		return nil, fmt.Errorf("there is no layout %d", j.Layout)
	case j.Sealed && (!j.Encrypted || len(j.ClassKeys) > 0):
		return nil, errors.New("sealed, and in clear or with keys")
	}
	if err := checkUDID(j.UDID); err != nil {
		return nil, err
	}
	m := &Meta{Layout: j.Layout, UDID: j.UDID, Name: j.Name, ProductType: j.ProductType, ProductVersion: j.ProductVersion, Build: j.Build,
		Encrypted: j.Encrypted, Sealed: j.Sealed, Rows: j.Rows, Files: j.Files, Directories: j.Directories, Links: j.Links, Faulty: j.Faulty,
		StoredBytes: j.StoredBytes, ContentBytes: j.ContentBytes, ManifestRaw: j.ManifestRaw}
	for _, n := range []int64{m.Rows, m.Files, m.Directories, m.Links, m.Faulty, m.StoredBytes, m.ContentBytes} {
		if n < 0 {
			return nil, fmt.Errorf("a count of %d", n)
		}
	}
	var err error
	if m.Keys, err = j.keys(); err != nil {
		return nil, err
	}
	return m, j.lists(m)
}

func (j *metaJSON) keys() (k Keys, err error) {
	if len(j.ClassKeys) == 0 {
		if j.Encrypted && !j.Sealed {
			return Keys{}, errors.New("there are no class keys")
		}
		return Keys{}, nil
	}
	k.classes = map[keybag.Class]keybag.Key{}
	for class, value := range j.ClassKeys {
		n, err := strconv.ParseUint(class, 10, 8)
		if err != nil || !keybag.Class(n).IsFile() {
			return Keys{}, fmt.Errorf("class %.20q is none of files", class)
		}
		if k.classes[keybag.Class(n)], err = keybag.NewKey(value); err != nil {
			return Keys{}, err
		}
	}
	if len(j.ManifestKey) > 0 {
		k.manifest, err = keybag.NewKey(j.ManifestKey)
	}
	return k, err
}

func (j *metaJSON) lists(m *Meta) error {
	parse := func(text string, seen map[itunesbackup.FileID]bool) (itunesbackup.FileID, error) {
		id, err := itunesbackup.ParseFileID(text)
		if err == nil && seen[id] {
			err = fmt.Errorf("file %s is listed twice", id)
		}
		seen[id] = true
		return id, err
	}
	// A file may be in both: it came damaged, and so without a place.
	odd, unread := map[itunesbackup.FileID]bool{}, map[itunesbackup.FileID]bool{}
	for _, x := range j.Exceptions {
		id, err := parse(x.ID, odd)
		if err != nil {
			return err
		}
		if !reasons[x.Why] {
			return fmt.Errorf("file %s: unknown reason %.20q", id, x.Why)
		}
		m.Exceptions = append(m.Exceptions, Exception{id, x.Path, x.Why, x.Raw})
	}
	for _, x := range j.Unread {
		id, err := parse(x.ID, unread)
		if err != nil {
			return err
		}
		m.Unread = append(m.Unread, Unread{id, x.Path, x.Why})
	}
	return nil
}

// clone gives a copy that shares nothing but the keys.
func (m *Meta) clone() Meta {
	c := *m
	c.Exceptions = append([]Exception(nil), m.Exceptions...)
	c.Unread = append([]Unread(nil), m.Unread...)
	c.Keys.classes = maps.Clone(m.Keys.classes)
	return c
}

// checkUDID takes what can be the name of a folder and a tag everywhere. Phones
// have 40 hexadecimal digits, or 8, a dash and 16.
func checkUDID(udid string) error {
	if udid == "" || len(udid) > 64 {
		return fmt.Errorf("UDID %.80q: no phone's", udid)
	}
	for _, c := range []byte(udid) {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-') {
			return fmt.Errorf("UDID %q: only letters, digits and dashes are allowed", udid)
		}
	}
	return nil
}
