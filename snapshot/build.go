package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Input is what a snapshot is made of.
type Input struct {
	Session *repository.Session
	// Parent is the phone's last snapshot, which has what Contents does not; nil if
	// there is none.
	Parent *Snapshot

	// Manifest is Manifest.db, ManifestSize bytes: plain SQLite, but for a sealed
	// snapshot as the phone sent it.
	Manifest     io.ReaderAt
	ManifestSize int64
	// ManifestStored is Manifest.db of an encrypted backup as the phone sent it. If
	// Manifest does not encrypt to the same, it is kept, too. nil: it does.
	ManifestStored     io.ReaderAt
	ManifestStoredSize int64

	// OldIndex is Manifest.mbdb of a backup of iOS 4 to 9, of whose rows Manifest was
	// made; nil for others. The iTunes folder has it in the place of Manifest.db, and
	// its files are not in the 256 folders.
	OldIndex []byte

	// The lists beside it, as they are; nil leaves InfoPlist or StatusPlist out.
	InfoPlist, ManifestPlist, StatusPlist []byte

	// Keys of an encrypted backup; nil for one in clear or sealed.
	Keys *Keys
	// Sealed: nothing is decrypted, Manifest included.
	Sealed bool

	// Contents gives what is new in this run. nil: nothing is.
	Contents func(itunesbackup.FileID) (Content, bool)
	// Stored gives all files of the folder. A sealed snapshot is made of them; in
	// others those that no row names are kept as exceptions. nil: as rows say.
	Stored iter.Seq[itunesbackup.FileID]
	// Unread says what the phone, or the folder that is imported, could not give,
	// and why: such files may be missing, or have the wrong digest.
	Unread map[itunesbackup.FileID]string

	UDID string    // "" is what ManifestPlist or InfoPlist says
	Time time.Time // of the backup
	Tags []string  // more tags
	// Original is the snapshot that this one is made from, if it is.
	Original *format.ID
}

// Built is a snapshot that nobody sees yet.
type Built struct {
	sn   format.Snapshot
	meta Meta
	new  int64 // files that came in this run
}

// Meta is the new snapshot's keepsake.json.
func (b *Built) Meta() Meta { return b.meta.clone() }

// NewFiles counts the files whose content came in this run.
func (b *Built) NewFiles() int64 { return b.new }

// Open opens the snapshot before it is published, for those who want to look at it
// first. w is what it was built with; everything that was handed to it becomes durable.
func (b *Built) Open(ctx context.Context, w *repository.Writer, s *repository.Session) (*Snapshot, error) {
	if err := w.Flush(ctx); err != nil {
		return nil, fmt.Errorf("open unpublished snapshot: %w", err)
	}
	return Open(ctx, s, repository.Snapshot{Snapshot: b.sn})
}

// Commit publishes the snapshot: everything that it needs is durable before it is
// seen.
func (b *Built) Commit(ctx context.Context, w *repository.Writer) (repository.Snapshot, error) {
	sn := b.sn
	stats := w.Stats()
	sn.Summary.BackupEnd = time.Now().UTC()
	sn.Summary.DataBlobs, sn.Summary.TreeBlobs = stats.DataBlobs, stats.TreeBlobs
	sn.Summary.DataAdded, sn.Summary.DataAddedPacked = uint64(stats.DataAdded), uint64(stats.DataAddedPacked)
	id, err := w.Commit(ctx, &sn)
	if err != nil {
		return repository.Snapshot{}, fmt.Errorf("publish snapshot: %w", err)
	}
	return repository.Snapshot{ID: id, Snapshot: sn}, nil
}

// IncompleteError tells why a snapshot cannot be made: files of the phone's list
// are missing or are not what the list says.
type IncompleteError struct {
	Total int64         // of the files
	Files []FileProblem // the first hundred
}

// FileProblem is what is wrong with one file.
type FileProblem struct {
	ID   itunesbackup.FileID
	Path string // "domain/relative/path"
	What string
}

const maxProblems = 100

func (e *IncompleteError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "build snapshot: %d files are not complete", e.Total)
	if e.Total == 1 {
		b.Reset()
		b.WriteString("build snapshot: a file is not complete")
	}
	for i, f := range e.Files {
		if i == 3 {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, "; %q (%s): %s", f.Path, f.ID, f.What)
	}
	return b.String()
}

func (e *IncompleteError) add(r *row, path, what string) {
	e.Total++
	if len(e.Files) < maxProblems {
		e.Files = append(e.Files, FileProblem{r.id, path, what})
	}
}

// Build makes the tree of a snapshot. It looks at everything while it does so:
// every file of the phone's list has its content, new or in the parent; digests
// are those of the list; the keys open what Manifest.plist and the list name; what
// was taken over has the key and digest that it had. Otherwise the error is an
// *[IncompleteError]. Nothing is published before [Built.Commit].
//
// rep is told how many files were dealt with; it may be nil.
func Build(ctx context.Context, w *repository.Writer, in Input, rep progress.Reporter) (*Built, error) {
	b := &builder{ctx: ctx, w: w, in: in, rep: rep, start: time.Now().UTC()}
	built, err := b.build()
	if err != nil {
		var incomplete *IncompleteError
		if errors.As(err, &incomplete) {
			return nil, err
		}
		return nil, fmt.Errorf("build snapshot: %w", err)
	}
	return built, nil
}

type builder struct {
	ctx   context.Context
	w     *repository.Writer
	in    Input
	rep   progress.Reporter
	start time.Time

	meta     Meta
	rows     rows
	manifest *itunesbackup.Manifest // nil when sealed
	problems IncompleteError
	why      map[itunesbackup.FileID]Reason // of exceptions
	new      int64
	done     int64
}

func (b *builder) build() (*Built, error) {
	if err := b.describe(); err != nil {
		return nil, err
	}
	if b.in.Parent != nil && b.in.Parent.meta.UDID != b.meta.UDID {
		return nil, fmt.Errorf("the parent is of the phone %s, not of %s", b.in.Parent.meta.UDID, b.meta.UDID)
	}
	root, err := b.contents()
	if err != nil {
		return nil, err
	}
	sn := format.Snapshot{Time: b.in.Time, Tree: &root, Paths: []string{"/" + b.meta.UDID}, Hostname: HostName, Tags: tags(&b.meta, b.in.Tags),
		Original: b.in.Original, ProgramVersion: "keepsake", Summary: b.summary()}
	if b.in.Parent != nil {
		parent := b.in.Parent.info.ID
		sn.Parent = &parent
	}
	return &Built{sn: sn, meta: b.meta, new: b.new}, nil
}

// contents makes the whole tree.
func (b *builder) contents() (format.ID, error) {
	if b.in.Sealed {
		return b.buildSealed()
	}
	m, err := itunesbackup.OpenManifestAt(b.ctx, b.in.Manifest, b.in.ManifestSize)
	if err != nil {
		return format.ID{}, err
	}
	defer m.Close()
	b.manifest = m
	if err := b.scan(); err != nil {
		return format.ID{}, err
	}
	if err := b.inherit(); err != nil {
		return format.ID{}, err
	}
	if err := b.judge(); err != nil {
		return format.ID{}, err
	}
	return b.trees()
}

// describe takes what the property lists say of the phone, and tries the keys.
func (b *builder) describe() error {
	if b.in.Time.IsZero() {
		return errors.New("there is no time")
	}
	list, err := itunesbackup.ParseManifestPlist(b.in.ManifestPlist)
	if err != nil {
		return err
	}
	b.meta = Meta{Layout: Layout, UDID: b.in.UDID, Name: list.LockdownText("DeviceName"), ProductType: list.LockdownText("ProductType"),
		ProductVersion: list.LockdownText("ProductVersion"), Build: list.LockdownText("BuildVersion"), Encrypted: list.IsEncrypted, Sealed: b.in.Sealed}
	if b.meta.UDID == "" {
		b.meta.UDID = list.LockdownText("UniqueDeviceID")
	}
	if b.in.InfoPlist != nil {
		b.describeByInfo()
	}
	if err := checkUDID(b.meta.UDID); err != nil {
		return err
	}
	switch {
	case b.in.Sealed && !list.IsEncrypted:
		return errors.New("a backup that is not encrypted cannot be sealed")
	case b.in.Sealed || !list.IsEncrypted:
		return nil
	case b.in.Keys == nil:
		return errors.New("the backup is encrypted and there are no keys")
	}
	b.meta.Keys = *b.in.Keys
	return b.in.Keys.canary(list.ManifestKey)
}

// describeByInfo fills what Manifest.plist left out, as tools do. An Info.plist
// that cannot be read says nothing; the file is kept all the same.
func (b *builder) describeByInfo() {
	info, err := itunesbackup.ParseInfoPlist(b.in.InfoPlist)
	if err != nil {
		return
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&b.meta.UDID, info.TargetIdentifier}, {&b.meta.UDID, info.UniqueIdentifier}, {&b.meta.Name, info.DeviceName}, {&b.meta.Name, info.DisplayName},
		{&b.meta.ProductType, info.ProductType}, {&b.meta.ProductVersion, info.ProductVersion}, {&b.meta.Build, info.BuildVersion}} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
}

func (b *builder) summary() *format.SnapshotSummary {
	return &format.SnapshotSummary{BackupStart: b.start, FilesNew: uint64(b.new), FilesUnmodified: uint64(max(b.meta.Files-b.new, 0)),
		TotalFilesProcessed: uint64(b.meta.Files), TotalBytesProcessed: uint64(b.meta.ContentBytes)}
}

// report tells of n more files.
func (b *builder) report(n int64) {
	b.done += n
	if b.rep != nil {
		b.rep.Update(progress.Counters{Files: b.done, FilesTotal: b.meta.Files})
	}
}

// unread notes a file that could not be given, if it is one.
func (b *builder) unread(r *row) bool {
	why, ok := b.in.Unread[r.id]
	if ok {
		b.meta.Unread = append(b.meta.Unread, Unread{r.id, b.rows.path(r), why})
	}
	return ok
}
