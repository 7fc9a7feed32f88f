package archiver

import (
	"context"
	"io"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Options say what to back up.
type Options struct {
	// Paths are files and folders of this computer. If all of them are relative
	// and none climbs with "..", the tree holds them under their relative names;
	// otherwise under their absolute ones. Links among them are stored as links.
	Paths []string
	// Host and Tags label the snapshot.
	Host string
	Tags []string
	// Time is that of the snapshot; zero is the start of the run.
	Time time.Time
	// Username labels the snapshot too.
	Username string
	// ProgramVersion is stored in the snapshot, such as "keepsake 1.0".
	ProgramVersion string
	// Excludes are patterns of package pathpattern, matched against absolute paths
	// (on Windows "/C/Users/…").
	Excludes []string
	// OneFileSystem stays on the file systems of Paths: mount points become empty
	// folders.
	OneFileSystem bool
	// Force reads every file, whatever the parent says.
	Force bool
	// Parallel is how many files are read at the same time; 0 is 2.
	Parallel int
}

// Content is a file on its way into the repository: *repository.Content.
type Content interface {
	// IDs waits for the blobs.
	IDs(ctx context.Context) ([]format.ID, error)
}

// Writer is where blobs go: *repository.Writer.
type Writer[C Content] interface {
	SaveFile(ctx context.Context, r io.Reader, name string, sizeHint int64) (C, error)
	SaveTree(ctx context.Context, t *format.Tree) (format.ID, error)
	Flush(ctx context.Context) error
	Stats() repository.WriterStats
	Commit(ctx context.Context, sn *format.Snapshot) (format.ID, error)
}

// Source reads what is in the repository: *repository.Session.
type Source interface {
	Tree(ctx context.Context, id format.ID) (*format.Tree, error)
	BlobSize(ctx context.Context, h format.BlobHandle) (uint32, error)
}

// Parent is an earlier snapshot to compare with.
type Parent struct {
	Source Source
	ID     format.ID // of the snapshot
	Tree   format.ID
}

// Progress is how far a run is. Sizes are in bytes.
type Progress struct {
	Files    int64 // done
	Bytes    int64 // read, or found unchanged
	Problems int64
	Current  string // path that was begun last
}

// Observer is told how a run goes. Its methods are called from several
// goroutines.
type Observer interface {
	// Progress is called at every step; throttling is the observer's.
	Progress(Progress)
	// Problem tells of something that is left out of the snapshot, or stands in it
	// without some of its metadata.
	Problem(path string, err error)
}

// Summary is what a run did.
type Summary struct {
	Snapshot format.ID
	Tree     format.ID
	// Problems is how often Observer.Problem was called: 0 means complete.
	Problems int64
	// SnapshotSummary counts; it is stored in the snapshot too.
	format.SnapshotSummary
}

// saver is a Writer whatever its Content.
type saver interface {
	saveFile(ctx context.Context, r io.Reader, name string, sizeHint int64) (Content, error)
	saveTree(ctx context.Context, t *format.Tree) (format.ID, error)
}

type adapter[C Content] struct{ w Writer[C] }

func (a adapter[C]) saveFile(ctx context.Context, r io.Reader, name string, sizeHint int64) (Content, error) {
	return a.w.SaveFile(ctx, r, name, sizeHint)
}

func (a adapter[C]) saveTree(ctx context.Context, t *format.Tree) (format.ID, error) {
	return a.w.SaveTree(ctx, t)
}
