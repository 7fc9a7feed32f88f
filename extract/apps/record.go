package apps

import (
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

// Names of the tables.
const (
	tableApps   = "apps"
	tableSystem = "system"
)

// What a domain holds.
const (
	Data      = "data"      // an app's own files
	Shared    = "shared"    // a group's
	Extension = "extension" // an extension's
	System    = "system"
)

// App is an app with what the backup has of it, or something else that has domains.
type App struct {
	Key       string    `json:"id"` // bundle ID; else the name of its domain
	Name      string    `json:"name"`
	BundleID  string    `json:"bundle_id,omitempty"`
	Version   string    `json:"version,omitempty"`
	Seller    string    `json:"seller,omitempty"`
	Genre     string    `json:"genre,omitempty"`
	Purchased time.Time `json:"purchased,omitzero"`
	Listed    bool      `json:"installed,omitempty"` // the lists of the backup name it
	Files     int64     `json:"files"`
	Bytes     int64     `json:"bytes"`
	Domains   []Domain  `json:"domains,omitempty"`

	table  string
	folder string // its name as a folder, unlike all others
}

// Domain is a part of the phone that a backup holds.
type Domain struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"` // Data, Shared, Extension or System
	Files int64  `json:"files"`
	Bytes int64  `json:"bytes"`
	Links int64  `json:"links,omitempty"` // symbolic links, which hold nothing

	id string // of the group or extension
}

var columns = []string{"App", "Bundle ID", "Version", "Files", "Bytes", "Seller", "Genre", "Purchased", "Installed", "Domains"}

// Entry implements extract.Record. Its files are too many to be named.
func (a *App) Entry() extract.Entry {
	return extract.Entry{Table: a.table, Key: a.Key, Title: a.Name, Text: strings.Join([]string{a.BundleID, a.Seller, a.Genre, a.domains()}, "\n"), Detail: a.BundleID}
}

func (a *App) domains() string {
	names := make([]string, len(a.Domains))
	for i, d := range a.Domains {
		names[i] = d.Name
	}
	return strings.Join(names, "\n")
}

// Row implements extract.Record.
func (a *App) Row() []string {
	return []string{a.Name, a.BundleID, a.Version, strconv.FormatInt(a.Files, 10), strconv.FormatInt(a.Bytes, 10), a.Seller, a.Genre,
		extract.FormatTime(a.Purchased), extract.YesNo(a.Listed), a.domains()}
}

// at are the names of the folders that a domain is shown in.
func (a *App) at(d *Domain) []string {
	switch d.Kind {
	case System:
		return []string{"System", d.Name}
	case Data:
		return []string{a.folder, "Data"}
	case Shared:
		return []string{a.folder, "Shared (" + d.id + ")"}
	}
	return []string{a.folder, "Extension (" + d.id + ")"}
}
