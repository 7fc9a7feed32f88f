package media

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Result is what a copy did. Sizes are in bytes.
type Result struct {
	// Snapshot is the new one. Its ID is zero when the phone has no media and
	// never had: then there is none.
	Snapshot repository.Snapshot
	// Counts is what the snapshot holds.
	Counts
	Files, Bytes int64
	// How the files stand to the newest media snapshot before. Removed ones are no
	// longer on the phone.
	New, Changed, Unchanged, Removed int64
	ReadFiles, ReadBytes             int64 // from the phone
	FromBackup                       int64 // files that a backup in the repository held already
	Resumed                          int64 // files that an interrupted copy had stored
	Added                            int64 // to the repository, as stored
	Protected                        Count // under FairPlay, left out
	Problems                         []Problem
}

// Problem is something that could not be copied.
type Problem struct {
	Path string // as on AFC, without a slash in front
	Err  error
	Kept bool // the snapshot holds its earlier state
}

// Reason says to people what is the matter.
func (p Problem) Reason() string {
	switch {
	case errors.Is(p.Err, fs.ErrPermission):
		return "the phone does not let it be read while it is locked"
	case errors.Is(p.Err, afc.StatusIO), errors.Is(p.Err, afc.StatusReadError), errors.Is(p.Err, afc.StatusUnknown):
		return "the phone cannot open it; if it is a picture that is in iCloud only, \"Download and Keep Originals\" in its settings helps"
	}
	return printable(p.Err.Error())
}

// String is one line, whatever the path holds.
func (p Problem) String() string {
	if p.Kept {
		return fmt.Sprintf("%s: %s (its earlier state is kept)", printable(p.Path), p.Reason())
	}
	return fmt.Sprintf("%s: %s", printable(p.Path), p.Reason())
}

// printable takes control characters out of a phone's names: they could rewrite
// what a terminal shows.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// toldProblems is how many problems are told one by one as they come.
const toldProblems = 10

func (r *run) problem(p Problem) {
	r.res.Problems = append(r.res.Problems, p)
	switch n := len(r.res.Problems); {
	case n <= toldProblems:
		r.rep.Say(progress.Warn, p.String())
	case n == toldProblems+1:
		r.rep.Say(progress.Warn, "There is more that cannot be read.")
	}
}

// note counts for the display.
func (r *run) note(current string, files, bytes int64) {
	r.rep.Update(progress.Counters{Files: r.shownFiles.Add(files), FilesTotal: r.totalFiles, Bytes: min(r.shownBytes.Add(bytes), r.totalBytes), BytesTotal: r.totalBytes, Current: printable(current)})
}

// count counts a file of the new snapshot.
func (r *run) count(name string, n *format.Node) {
	r.counter.add(name, int64(n.Size))
	r.res.Files++
	r.res.Bytes += int64(n.Size)
	var old *format.Node
	if r.parent != nil {
		old = r.parent.nodes[name]
	}
	switch {
	case old == nil || old.Type != format.NodeFile:
		r.res.New++
	case same(old, n):
		r.res.Unchanged++
		r.matched++
	default:
		r.res.Changed++
		r.matched++
	}
}

func same(a, b *format.Node) bool {
	if a.Size != b.Size || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if a.Content[i] != b.Content[i] {
			return false
		}
	}
	return true
}

// removed counts the files of the parent that are not in the new snapshot.
func (r *run) removed() (n int64) {
	if r.parent == nil {
		return 0
	}
	for _, old := range r.parent.nodes {
		if old.Type == format.NodeFile {
			n++
		}
	}
	return n - r.matched
}
