package api

import "time"

// Version is one backup or media copy of a phone.
type Version struct {
	ID          string    `json:"id"`
	UDID        string    `json:"udid"`
	Media       bool      `json:"media" doc:"A media copy, not a backup"`
	Time        time.Time `json:"time"`
	Name        string    `json:"name" doc:"Of the phone at that time"`
	IOS         string    `json:"ios"`
	Files       int64     `json:"files"`
	Size        int64     `json:"size"`
	Added       int64     `json:"added" doc:"What it took in the repository"`
	Encrypted   bool      `json:"encrypted"`
	Sealed      bool      `json:"sealed" doc:"Nothing of it can be looked at without the backup password"`
	Verified    time.Time `json:"verified,omitzero"`
	Rehearsed   time.Time `json:"rehearsed,omitzero"`
	RehearsalOK bool      `json:"rehearsal_ok"`
	Pinned      bool      `json:"pinned"`
	Copies      []string  `json:"copies,omitempty" doc:"Names of targets that hold it"`
}

// Entry is a file or folder of a version.
type Entry struct {
	Path     string    `json:"path"`
	Name     string    `json:"name"`
	App      string    `json:"app,omitempty" doc:"Bundle ID, at the top"`
	Dir      bool      `json:"dir"`
	Size     int64     `json:"size,omitempty" doc:"Bytes of a file; folders have none"`
	Modified time.Time `json:"modified,omitzero"`
}

// Listing is a page of a folder or of a search.
type Listing struct {
	Version Version `json:"version"`
	Path    string  `json:"path"`
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitempty" doc:"Pass it as after to get what follows"`
}

// Versions are all versions of a phone, the newest first.
type Versions struct {
	Versions []Version `json:"versions"`
}

// Target is a place for copies.
type Target struct {
	Name       string    `json:"name"`
	Location   string    `json:"location"`
	Kind       string    `json:"kind"`
	Here       bool      `json:"here"`
	Error      string    `json:"error,omitempty" doc:"Why it is not"`
	LastCopied time.Time `json:"last_copied,omitzero"`
	Behind     int       `json:"behind" doc:"Versions that it lacks; -1 unknown"`
	Free       int64     `json:"free" doc:"Bytes; -1 unknown"`
	Automatic  bool      `json:"automatic"`
}
