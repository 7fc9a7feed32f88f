package restorer

import (
	"context"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Source reads the repository: *repository.Session.
type Source interface {
	Tree(ctx context.Context, id format.ID) (*format.Tree, error)
	BlobSize(ctx context.Context, h format.BlobHandle) (uint32, error)
	// FetchEach calls deliver from several goroutines, in any order.
	FetchEach(ctx context.Context, blobs []format.BlobHandle, deliver func(i int, data []byte) error) error
}

// Overwrite says what happens to files that are there already.
type Overwrite uint8

const (
	IfChanged Overwrite = iota // replaced unless size and modification time are the same
	Always                     // replaced
	Never                      // left alone
)

var overwriteNames = []string{"if-changed", "always", "never"}

func (o Overwrite) String() string { return overwriteNames[o] }

// ParseOverwrite reads if-changed, always or never.
func ParseOverwrite(s string) (Overwrite, error) {
	for i, name := range overwriteNames {
		if s == name {
			return Overwrite(i), nil
		}
	}
	return 0, fmt.Errorf("overwrite %q: want if-changed, always or never", s)
}

// Options say what to restore and where.
type Options struct {
	// Target is the folder that receives what is in the tree. It is made if it is
	// missing.
	Target string
	// Include are patterns (package pathpattern) of what to restore, matched from
	// the root of the tree on; none is everything. Exclude are patterns of what
	// not to, even so.
	Include, Exclude []string
	IgnoreCase       bool // of the patterns
	Overwrite        Overwrite
	// Verify reads everything back from Target and compares it with the blobs' IDs.
	Verify bool
	// Sparse leaves holes in files where the content is zeros.
	Sparse bool
}

// Progress is how far a run is. Sizes are in bytes.
type Progress struct {
	Files    int64 // finished; with Verifying: compared
	Bytes    int64 // written; with Verifying: compared
	Problems int64
	// FilesFound and BytesFound are what is to be done as far as is known: they
	// grow while the tree is walked.
	FilesFound, BytesFound int64
	Verifying              bool
	Current                string // path that was finished last
}

// Observer is told how a run goes. Its methods are called from several
// goroutines.
type Observer interface {
	Progress(Progress)
	// Problem tells of something that was not restored, or not with all its
	// metadata. path is that in the tree.
	Problem(path string, err error)
}

// Summary is what a run did.
type Summary struct {
	Files     int64 // restored
	Unchanged int64 // were there already
	Skipped   int64 // left alone because of Never; sockets
	Folders   int64
	Others    int64 // links, devices, FIFOs
	Bytes     int64 // written into files
	Verified  int64 // files compared after the restore
	Problems  int64 // how often Observer.Problem was called: 0 means complete
	Took      time.Duration
}
