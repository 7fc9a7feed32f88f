package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// ErrAbsent is wrapped by the errors of reading a kind of which this version has no
// store: the app was never used, or its data is in no backup of this sort.
var ErrAbsent = errors.New("not in this backup")

// Info describes a kind of content.
type Info struct {
	Kind   string // its name in commands, addresses and JSON: "photos", "voice-memos"
	Title  string // as people see it: "Photos"
	Tables []Table
	// Groups is what its records lie in, in the plural: "albums", "conversations";
	// "" where there are none.
	Groups string
	// Paths are what it reads, as patterns of paths in a Source ("*" within a
	// component): to say what is looked for, and to tell whether anything changed.
	Paths []string
	// Needs says when it is missing from backups that are otherwise complete, such as
	// "an encrypted backup"; "" otherwise.
	Needs string
}

// Table describes records of one shape.
type Table struct {
	Name    string   // in JSON and as the name of a CSV file: "messages"
	Title   string   // as people see it: "Messages"
	Columns []string // in the order of Record.Row; short, as people see them: "From"
}

// Record is one thing. What is exported in it, with its json tags (snake_case, times
// as RFC 3339, zero values left out), is its form in JSON.
type Record interface {
	Entry() Entry
	// Row gives a text for each column of its table. Times are RFC 3339, yes is
	// "yes", no is "".
	Row() []string
}

// Entry is what lists, search and the history of changes know of a record.
type Entry struct {
	Table string // Table.Name
	Key   string // of the same thing in every version; unique in the kind
	Title string // one line that names it: a person's name, a picture's name, who wrote
	Text  string // whatever else people search it by; may have lines
	// Detail is a short second line for lists, such as a phone number or an album.
	Detail string
	Time   time.Time // the moment that it belongs to; zero = none
	Group  string    // Group.Key of what it lies in; "" = nothing
	// Files are what belongs to it in the Source, its own file first; those that the
	// phone names and the backup does not have are left out.
	Files []string
	// Deleted tells that the phone keeps it among what was deleted recently.
	Deleted bool
	// Hidden tells that the owner has hidden it on the phone.
	Hidden bool
	// Volatile tells that it comes and goes by itself (a tab, a line of a history
	// with a limit): its absence in a later version means nothing.
	Volatile bool
}

// Group is what records lie in: a conversation, an album, a calendar.
type Group struct {
	Key     string    `json:"key"`              // unique in the kind, the same in every version
	Title   string    `json:"title"`            // as the phone shows it
	Detail  string    `json:"detail,omitempty"` // a short second line: the people in it
	Parent  string    `json:"parent,omitempty"` // Key of the group that it lies in
	Count   int       `json:"count"`            // records in it, −1 where that is not known cheaply
	Time    time.Time `json:"time,omitzero"`    // of its newest record
	Deleted bool      `json:"deleted,omitempty"`
}

// Problem is something that could not be read and was left out.
type Problem struct {
	Kind string // Info.Kind; filled in by the caller where empty
	What string // what it is about: "message 512", "Photos.sqlite", a path
	Err  error
}

// Error says what and why.
func (p *Problem) Error() string { return fmt.Sprintf("read %s: %v", p.What, p.Err) }

// Unwrap gives the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Emitter takes what a reader finds. Its methods are not called concurrently.
type Emitter interface {
	// Emit takes a record. An error ends the reading and is what Read returns;
	// [ErrStop] ends it without one.
	Emit(Record) error
	Reporter
}

// Reporter is told what could not be read.
type Reporter interface{ Report(*Problem) }

// ErrStop is what an Emitter returns when it has enough; Read then returns nil.
var ErrStop = errors.New("enough")

// Query chooses records. The zero value is all of them.
type Query struct {
	Table string // only those of one table
	Group string // only those in one group: Group.Key
	Key   string // only the one of that key
	Limit int    // at most so many; 0 = all
	Skip  int    // leave out so many first
	// Newest gives the newest first; otherwise the order is the one in which people
	// read: by name, by place in a folder, the oldest message first. Both orders are
	// the same in every run.
	Newest bool
}

// Extractor reads a kind of content. It has no state: all its methods may be called
// concurrently, for any number of sources.
type Extractor interface {
	Info() Info
	// Groups lists what the records lie in, in the order of people's lists; nil where
	// the kind has none. Errors are those of Read.
	Groups(ctx context.Context, src *Source) ([]Group, error)
	// Read gives the records that q chooses. With a Limit it takes about the time of
	// those records, not of all.
	Read(ctx context.Context, src *Source, q Query, out Emitter) error
}

// Format is one way to write a kind.
type Format struct {
	Name  string // in commands: "vcard", "html"
	Title string // as people see it: "vCard 4 (.vcf)"
}

// Exporter writes a kind as files that other programs read. JSON Lines and CSV of
// every kind come from the package export.
type Exporter interface {
	Extractor
	Formats() []Format // the first is what people get unless they ask for another
	// Export writes into out; problems with single things go to rep.
	Export(ctx context.Context, src *Source, o ExportOptions, out *outtree.Tree, rep Reporter) error
}

// ExportOptions are wishes.
type ExportOptions struct {
	Format string // Format.Name
	Query  Query  // which records; Limit, Skip and Newest are not for exports
	Layout string // of photos: "date" (the default) or "album"
	// Files also takes what records refer to (attachments, media); otherwise only
	// their names are told.
	Files bool
}

// Previewer makes small pictures of records.
type Previewer interface {
	Extractor
	// Preview gives a JPEG, PNG, GIF or WebP picture of about size pixels for the
	// record with a key, from the backup itself where that has one. [ErrNoPreview]
	// says that none can be made here.
	Preview(ctx context.Context, src *Source, key string, size int) (Preview, error)
}

// ErrNoPreview says that there is no small picture of a record, and that none can be
// made on this machine.
var ErrNoPreview = errors.New("no preview")

// Preview is a small picture.
type Preview struct {
	Type string // media type: "image/jpeg"
	Data []byte // at most 4 MiB
}

// Filer shows a kind as files in folders, as a person would look for them in a
// mounted version: Photos/2026/2026-03/IMG_0001.HEIC, Contacts/Jane Doe.vcf.
type Filer interface {
	Extractor
	// Files gives every file once, in any order. It reads no contents: 100,000 photos
	// take seconds. An error of give ends it; [ErrStop] without one.
	Files(ctx context.Context, src *Source, give func(File) error) error
}

// File is a file of a Filer.
type File struct {
	// Path are the names of folders and file as people should see them, not escaped,
	// without the folder of the kind. The same path twice is kept apart by the tree.
	Path []string
	Time time.Time // zero: that of the backup
	// Origin is the path in the Source whose bytes these are; "" of a file that is made.
	Origin string
	// Make writes a file that has no Origin. The bytes must be the same each time.
	Make func(ctx context.Context, w io.Writer) error
}
