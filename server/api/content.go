package api

import "time"

// ContentKind is a kind of content: photos, contacts, messages…
type ContentKind struct {
	Kind     string         `json:"kind" doc:"Its name in addresses"`
	Title    string         `json:"title"`
	State    string         `json:"state" enum:"there,empty,absent,failed"`
	Error    string         `json:"error,omitempty" doc:"Why it could not be read"`
	Groups   string         `json:"groups,omitempty" doc:"What its records lie in: albums, conversations"`
	Tables   []ContentTable `json:"tables"`
	Formats  []string       `json:"formats" doc:"In which it can be taken out; the first is the usual one"`
	Previews bool           `json:"previews" doc:"Its records have small pictures"`
}

// ContentTable are records of one shape.
type ContentTable struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Columns []string `json:"columns"`
}

// ContentKinds are the kinds of content of a version.
type ContentKinds struct {
	Kinds []ContentKind `json:"kinds"`
}

// ContentGroup is what records lie in.
type ContentGroup struct {
	Key     string    `json:"key"`
	Title   string    `json:"title"`
	Detail  string    `json:"detail,omitempty"`
	Parent  string    `json:"parent,omitempty" doc:"Key of the group that it lies in"`
	Count   int       `json:"count" doc:"Records in it; -1 unknown"`
	Time    time.Time `json:"time,omitzero" doc:"Of its newest record"`
	Deleted bool      `json:"deleted"`
}

// ContentGroups are all groups of a kind.
type ContentGroups struct {
	Groups []ContentGroup `json:"groups"`
}

// ContentRecord is one thing: a contact, a message.
type ContentRecord struct {
	Table   string    `json:"table"`
	Key     string    `json:"key" doc:"Of the same thing in every version"`
	Title   string    `json:"title"`
	Detail  string    `json:"detail,omitempty"`
	Time    time.Time `json:"time,omitzero"`
	Group   string    `json:"group,omitempty"`
	Files   []string  `json:"files,omitempty" doc:"Paths in the version, to be downloaded"`
	Deleted bool      `json:"deleted" doc:"Among what was deleted recently"`
	Hidden  bool      `json:"hidden"`
	Record  any       `json:"record" doc:"All that is known of it, as docs/inside.md has it"`
}

// ContentRecords are a page of records.
type ContentRecords struct {
	Records      []ContentRecord `json:"records"`
	Next         int             `json:"next,omitempty" doc:"Pass it as skip to get what follows"`
	Problems     []string        `json:"problems,omitempty" doc:"What could not be read, the first few"`
	MoreProblems int             `json:"more_problems,omitempty"`
}

// Found is a page of what a search in what was written has found.
type Found struct {
	Hits  []Hit      `json:"hits"`
	Next  string     `json:"next,omitempty" doc:"Pass it as after to get what follows"`
	Index FoundIndex `json:"index"`
}

// Hit is a record that was found, in one of its forms.
type Hit struct {
	Kind         string    `json:"kind"`
	Table        string    `json:"table"`
	Key          string    `json:"key" doc:"Of the same thing in every version"`
	Title        string    `json:"title"`
	Detail       string    `json:"detail,omitempty"`
	Time         time.Time `json:"time,omitzero"`
	Group        string    `json:"group,omitempty"`
	Deleted      bool      `json:"deleted" doc:"Among what was deleted recently, when it was last seen"`
	Snippet      string    `json:"snippet,omitempty" doc:"A piece of what it says"`
	InVersions   []string  `json:"in_versions" doc:"Those that have it in this form, the oldest first"`
	FirstVersion string    `json:"first_version"`
	LastVersion  string    `json:"last_version"`
	Changed      bool      `json:"changed" doc:"The newest version has it in another form"`
	Gone         bool      `json:"gone" doc:"It is no longer on the phone, in any form"`
	GoneSince    string    `json:"gone_since,omitempty" doc:"The first version without it"`
	Doubtful     bool      `json:"doubtful" doc:"Some of its kind could not be read in that version, and it may be one of those"`
}

// FoundIndex tells how much of the versions asked for could be searched.
type FoundIndex struct {
	Ready  int    `json:"ready" doc:"Versions that were searched"`
	Of     int    `json:"of" doc:"Versions that there are"`
	Sealed int    `json:"sealed" doc:"Versions that cannot be searched without their backup password"`
	Making bool   `json:"making" doc:"The others are being read just now: ask again"`
	Text   string `json:"text,omitempty" doc:"What is being read"`
	Error  string `json:"error,omitempty" doc:"Why reading ended the last time"`
}

// Changes tell what is different between two versions.
type Changes struct {
	Changes any `json:"changes" doc:"As keepsake diff --content --json prints it: package extract/changes, type Changes"`
}
