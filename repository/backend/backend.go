// Package backend is where a repository's files lie: a folder, a bucket, a
// server. It moves whole files of bytes and knows nothing of what is in them;
// they are sealed before they come here, and a backend holds no key.
//
// A file has a type and a name. The layout is restic's "default"
// (restic-format.md 1), the same below every root:
//
//	config                     ConfigFile, without a name
//	keys/<id>                  KeyFile
//	data/<first 2 hex>/<id>    PackFile
//	index/<id>                 IndexFile
//	snapshots/<id>             SnapshotFile
//	locks/<id>                 LockFile
//
// <id> is 64 lower-case hexadecimal digits, the SHA-256 of the file. Whatever
// else lies there is not ours: List passes over it.
//
// Files are written once and never changed. Same name means same bytes, so a
// repeated Save of a file that is there with the right size is a success.
package backend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// FileType is one of the six kinds of files of a repository.
type FileType uint8

const (
	ConfigFile FileType = iota + 1
	KeyFile
	PackFile
	IndexFile
	SnapshotFile
	LockFile
)

// FileTypes are all types, config first.
var FileTypes = []FileType{ConfigFile, KeyFile, PackFile, IndexFile, SnapshotFile, LockFile}

var typeNames = [...]string{ConfigFile: "config", KeyFile: "key", PackFile: "pack", IndexFile: "index", SnapshotFile: "snapshot", LockFile: "lock"}

func (t FileType) String() string {
	if int(t) < len(typeNames) && typeNames[t] != "" {
		return typeNames[t]
	}
	return fmt.Sprintf("file type %d", uint8(t))
}

// Handle names a file. Name is "" for the config and 64 lower-case hexadecimal
// digits for everything else.
type Handle struct {
	Type FileType
	Name string
}

func (h Handle) String() string {
	if h.Name == "" {
		return h.Type.String()
	}
	return h.Type.String() + " " + h.Name
}

// Check tells whether a file may have this handle.
func (h Handle) Check() error {
	switch {
	case h.Type == ConfigFile:
		if h.Name != "" {
			return fmt.Errorf("the config has no name, not %q", h.Name)
		}
	case h.Type < ConfigFile || h.Type > LockFile:
		return fmt.Errorf("%v is none of a repository", h.Type)
	case !IsName(h.Name):
		return fmt.Errorf("%v: the name is not 64 hexadecimal digits", h)
	}
	return nil
}

// IsName tells whether s is 64 lower-case hexadecimal digits.
func IsName(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// FileInfo is a file as a listing shows it. Size is in bytes.
type FileInfo struct {
	Name string
	Size int64
}

// Content is what a file is made of. *bytes.Reader and *io.SectionReader are
// contents. It can be read several times, for a Save may have to begin again.
type Content interface {
	io.ReaderAt
	Size() int64
}

// Properties are what the engine wants to know of a backend.
type Properties struct {
	// Location is what the owner would call it, without credentials: "/disk/phone",
	// "s3:https://host/bucket/prefix", "sftp:user@host:/path".
	Location string
	// Connections is how many operations are worth running at the same time.
	Connections int
	// Remote: a round trip costs more than the disk next to us; worth a cache.
	Remote bool
}

// Backend stores the files of one repository. Every method can be called
// concurrently, gives up when ctx ends, and names the file in its errors
// (except Properties and Close).
type Backend interface {
	Properties() Properties

	// Save stores data under h, durably: when it returns nil, the file is whole
	// and survives a loss of power, as far as the store can promise that. A file
	// is never seen half-written under its name. If the file is there with the
	// right size, that is success; with another size it is replaced where the
	// store can, otherwise an error. For the config an existing file is
	// ErrExist. A full store is ErrFull; one that refuses writing ErrReadOnly.
	Save(ctx context.Context, h Handle, data Content) error

	// Load reads length bytes from offset on, or with length 0 all from offset to
	// the end, and passes them to fn. It is an error if there are fewer
	// (io.ErrUnexpectedEOF). fn may be called more than once, each time from the
	// beginning, when the first reading broke off; its error ends the Load and
	// is returned (wrapped). fn need not read to the end. A missing file is
	// ErrNotExist.
	Load(ctx context.Context, h Handle, offset, length int64, fn func(io.Reader) error) error

	// Stat tells the size of a file in bytes; ErrNotExist if there is none.
	Stat(ctx context.Context, h Handle) (FileInfo, error)

	// List calls fn for each file of type t, in no particular order, one at a
	// time. An empty or missing folder has no files. Names that are not 64
	// hexadecimal digits are passed over. fn's error ends the listing and is
	// returned. For the config use Stat.
	List(ctx context.Context, t FileType, fn func(FileInfo) error) error

	// Remove deletes a file; ErrNotExist if there is none.
	Remove(ctx context.Context, h Handle) error

	// Close releases connections and ends processes that the backend started.
	Close() error
}

// Creator is a backend that has to prepare its place before the first Save:
// folders, a bucket. repository.Init calls it. Creating what exists is success.
type Creator interface {
	Create(ctx context.Context) error
}

// Unwrapper is a backend that stands in front of another one.
type Unwrapper interface{ Unwrap() Backend }

// As finds the first backend of type T in the chain of wrappers that begins at b.
func As[T any](b Backend) (T, bool) {
	for b != nil {
		if t, ok := b.(T); ok {
			return t, true
		}
		u, ok := b.(Unwrapper)
		if !ok {
			break
		}
		b = u.Unwrap()
	}
	var none T
	return none, false
}

var (
	// ErrNotExist: there is no such file. It is fs.ErrNotExist.
	ErrNotExist = fs.ErrNotExist
	// ErrExist: the config is there already. It is fs.ErrExist.
	ErrExist = fs.ErrExist
	// ErrFull: the store has no room left. Nothing was stored.
	ErrFull = errors.New("no room left")
	// ErrReadOnly: the store, or its mode, does not allow this write or removal.
	ErrReadOnly = errors.New("not allowed to write here")
	// ErrDenied: the store knows the request and refuses the one who asks.
	ErrDenied = errors.New("access denied")
)

// IsPermanent tells whether trying err's operation again cannot help.
func IsPermanent(err error) bool {
	return IsRefusal(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// IsRefusal tells whether err is the store's own and last word: one of the
// errors above, or one with a method Permanent() bool that says so.
func IsRefusal(err error) bool {
	for _, e := range []error{ErrNotExist, ErrExist, ErrFull, ErrReadOnly, ErrDenied} {
		if errors.Is(err, e) {
			return true
		}
	}
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// ReadAll loads a whole file of at most limit bytes.
func ReadAll(ctx context.Context, b Backend, h Handle, limit int64) ([]byte, error) {
	var data []byte
	err := b.Load(ctx, h, 0, 0, func(r io.Reader) error {
		var err error
		data, err = io.ReadAll(io.LimitReader(r, limit+1))
		return err
	})
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("load %v: more than %d bytes", h, limit)
	}
	return data, err
}

// ReadFull fills buf from offset on.
func ReadFull(ctx context.Context, b Backend, h Handle, offset int64, buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	return b.Load(ctx, h, offset, int64(len(buf)), func(r io.Reader) error {
		_, err := io.ReadFull(r, buf)
		return err
	})
}
