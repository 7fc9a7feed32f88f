package mobilebackup2

import (
	"context"
	"io"

	"github.com/keepsake-backup/keepsake/devicelink"
)

// Store is the computer's side of a backup as the phone sees it: a tree of
// folders and files. Paths are keys of this tree with "/" between the elements,
// checked as [CheckPath] says; the first element is the backup's UDID.
//
// Missing things are reported with fs.ErrNotExist, folders in the way of files
// and other trouble with the error of the system. A Store is used by one
// goroutine. Package storetest tests an implementation.
type Store interface {
	// Open gives the contents of a file and how many bytes they are.
	Open(ctx context.Context, path string) (r io.ReadCloser, size int64, err error)
	// Put makes a file of what r gives, replacing one of that name, and makes
	// missing folders. r is valid until Put returns. When r fails, Put returns
	// that error, wrapped or not, and leaves no part of the file behind; a file
	// that stood there before may be gone.
	Put(ctx context.Context, path string, r io.Reader) error
	// ReadDir lists a folder, one level deep, in no particular order.
	ReadDir(ctx context.Context, path string) ([]Entry, error)
	// Mkdir makes a folder and the missing ones above it. It returns an error
	// that wraps fs.ErrExist when there is one already, which is no harm.
	Mkdir(ctx context.Context, path string) error
	// Rename moves a file or folder, makes missing folders above the new place,
	// and replaces what stands there. A folder moved into itself, or over one that
	// it lies in, is fs.ErrInvalid and changes nothing.
	Rename(ctx context.Context, from, to string) error
	// Remove takes a file, or a folder with all in it, away. A path that is not
	// there is no error.
	Remove(ctx context.Context, path string) error
}

// Entry is one line of a listing.
type Entry = devicelink.Entry

// FreeSpacer is a Store that knows how many bytes it can still take.
type FreeSpacer interface {
	FreeSpace(ctx context.Context) (int64, error)
}

// Purger is a Store that can make room: it frees about amount bytes and returns
// how many it did. Other stores answer "not supported".
type Purger interface {
	Purge(ctx context.Context, amount int64) (freed int64, err error)
}

// Copier is a Store that copies a file or folder. The phone asks for it before
// a restore unless told not to (RestoreDontCopyBackup).
type Copier interface {
	Copy(ctx context.Context, from, to string) error
}

// Expecter is a Store that reads ahead. Before the files of one request are
// opened it is told all of their paths, in the order in which they will be; they
// have passed [CheckPath]. Files of an earlier request are not opened any more.
type Expecter interface {
	Expect(ctx context.Context, paths []string)
}

// Committer is a Store with something left to do when the job is over. Commit
// is called once, after the phone's last word, with the outcome of the job; its
// own error makes a successful job fail.
type Committer interface {
	Commit(ctx context.Context, outcome error) error
}
