package restserver

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	// maxDepth bounds the folders that a repository lies below.
	maxDepth = 8
	// maxSegment bounds a name in a path, in bytes; file systems have 255, and
	// Windows 260 for a whole path.
	maxSegment = 100
)

// kind is what a path means.
type kind uint8

const (
	folder kind = iota + 1 // /p/
	list                   // /p/<type>/
	file                   // /p/config, /p/<type>/<id>
)

// target is a parsed path.
type target struct {
	kind     kind
	segments []string         // of the repository's path; none for the root
	fileType backend.FileType // of a list or file
	handle   backend.Handle   // of a file
}

// repo is the repository's path: names and slashes, "" for the root.
func (t target) repo() string { return strings.Join(t.segments, "/") }

var typesByName = map[string]backend.FileType{
	"data": backend.PackFile, "keys": backend.KeyFile, "locks": backend.LockFile,
	"snapshots": backend.SnapshotFile, "index": backend.IndexFile,
}

var errNoSuchPath = errors.New("no such path: want [/name…]/, …/config, …/TYPE/ or …/TYPE/ID")

// parsePath reads a decoded URL path. What it accepts is made of names that mean
// the same on every file system; the types' names are nobody else's.
func parsePath(path string) (target, error) {
	path, ok := strings.CutPrefix(path, "/")
	if !ok {
		return target{}, errNoSuchPath
	}
	var t target
	segments := strings.Split(path, "/")
	last := len(segments) - 1
	switch name := segments[last]; {
	case name == "":
		t.kind, segments = folder, segments[:last]
		if n := len(segments); n > 0 {
			if ft, ok := typesByName[segments[n-1]]; ok {
				t.kind, t.fileType, segments = list, ft, segments[:n-1]
			}
		}
	case name == "config":
		t.kind, t.fileType, segments = file, backend.ConfigFile, segments[:last]
	case last > 0 && typesByName[segments[last-1]] != 0:
		t.kind, t.fileType, segments = file, typesByName[segments[last-1]], segments[:last-1]
		t.handle.Name = name
	default:
		return target{}, errNoSuchPath
	}
	if t.kind == file {
		t.handle.Type = t.fileType
		if err := t.handle.Check(); err != nil {
			return target{}, err
		}
	}
	if len(segments) > maxDepth {
		return target{}, fmt.Errorf("a repository lies at most %d folders deep", maxDepth)
	}
	for _, s := range segments {
		if err := checkSegment(s); err != nil {
			return target{}, err
		}
	}
	t.segments = segments
	return t, nil
}

// checkSegment tells whether s may be a folder on the way to a repository, and
// thereby whether a user may have this name.
func checkSegment(s string) error {
	if s == "" || len(s) > maxSegment {
		return fmt.Errorf("a name in the path has 1 to %d characters", maxSegment)
	}
	for i := range len(s) {
		if !allowed(s[i], i == 0) {
			return fmt.Errorf("the name %.100q: letters, digits and . _ @ + = - are allowed, and a letter, digit or _ comes first", s)
		}
	}
	lower := strings.ToLower(s)
	if _, reserved := typesByName[lower]; reserved || lower == "config" {
		return fmt.Errorf("the name %q is taken by the repositories' own files", s)
	}
	if strings.HasSuffix(s, ".") || !filepath.IsLocal(s) {
		return fmt.Errorf("the name %q cannot be a folder everywhere", s)
	}
	return nil
}

func allowed(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		return true
	}
	return !first && strings.IndexByte(".@+=-", c) >= 0
}
