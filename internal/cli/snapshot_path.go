package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// inSnapshot is what SNAPSHOT or SNAPSHOT:PATH names.
type inSnapshot struct {
	snapshot repository.Snapshot
	path     string // with a slash in front; "/" is the root
	node     *format.Node
}

// findInSnapshot finds the snapshot that the part of text before a colon names,
// and in it the path behind (splitSnapshot).
func findInSnapshot(ctx context.Context, s *repository.Session, filter *snapshotFilter, text string) (inSnapshot, error) {
	id, path := splitSnapshot(text)
	list, err := filter.choose(ctx, s, []string{id})
	if phone, ok := strings.CutPrefix(id, latestSnapshot+":"); ok && errors.Is(err, snapshot.ErrNotFound) {
		// It is no phone: then a path without its slash.
		if list, other := filter.choose(ctx, s, []string{latestSnapshot}); other == nil {
			if found, other := at(ctx, s, list[0], phone+"/"+path); other == nil {
				return found, nil
			}
		}
	}
	if err != nil {
		return inSnapshot{}, err
	}
	return at(ctx, s, list[0], path)
}

// at finds a path in a snapshot.
func at(ctx context.Context, s *repository.Session, sn repository.Snapshot, path string) (inSnapshot, error) {
	n, err := treewalk.Find(ctx, s, *sn.Tree, path)
	if absent := (*treewalk.NotFoundError)(nil); errors.As(err, &absent) {
		return inSnapshot{}, &hintError{err: fmt.Errorf("find %s in snapshot %s: %w", path, sn.ID.Short(), err),
			hint: fmt.Sprintf("\"keepsake ls %s\" lists what is in it", sn.ID.Short())}
	}
	if err != nil {
		return inSnapshot{}, err
	}
	return inSnapshot{sn, "/" + strings.Trim(path, "/"), n}, nil
}

// needFolder refuses what is no folder.
func (p inSnapshot) needFolder() error {
	if p.node.Type == format.NodeDir && p.node.Subtree != nil {
		return nil
	}
	return &hintError{err: fmt.Errorf("%s in snapshot %s is no folder", p.path, p.snapshot.ID.Short()),
		hint: fmt.Sprintf("one file is written by \"keepsake dump %s %s\", or picked with --include", p.snapshot.ID.Short(), p.path)}
}

// nodeJSON is an entry of a snapshot as restic prints it.
type nodeJSON struct {
	MessageType string          `json:"message_type"` // "node"
	StructType  string          `json:"struct_type"`  // "node", for programs made for restic
	Name        string          `json:"name"`
	Type        format.NodeType `json:"type"`
	Path        string          `json:"path"`
	UID         uint32          `json:"uid"`
	GID         uint32          `json:"gid"`
	User        string          `json:"user,omitempty"`
	Group       string          `json:"group,omitempty"`
	Size        uint64          `json:"size,omitempty"`
	Mode        fs.FileMode     `json:"mode,omitempty"` // Go's bits
	Permissions string          `json:"permissions,omitempty"`
	ModTime     time.Time       `json:"mtime"`
	AccessTime  time.Time       `json:"atime"`
	ChangeTime  time.Time       `json:"ctime"`
	LinkTarget  string          `json:"linktarget,omitempty"`
}

func newNodeJSON(path string, n *format.Node) nodeJSON {
	return nodeJSON{MessageType: "node", StructType: "node", Name: n.Name, Type: n.Type, Path: path, UID: n.UID, GID: n.GID, User: n.User, Group: n.Group,
		Size: n.Size, Mode: n.Mode, Permissions: n.Mode.String(), ModTime: n.ModTime, AccessTime: n.AccessTime, ChangeTime: n.ChangeTime, LinkTarget: n.LinkTarget}
}

// nodeLine is an entry for people: its path, or with more about it in front, as restic
// prints it; so folders are of size 0.
func nodeLine(path string, n *format.Node, long bool) string {
	path = printable(path)
	if !long {
		return path
	}
	if n.Type == format.NodeSymlink {
		path += " -> " + printable(n.LinkTarget)
	}
	return fmt.Sprintf("%s %5d %5d %6d %s %s", n.Mode, n.UID, n.GID, n.Size, n.ModTime.Local().Format(time.DateTime), path)
}

// itemProblem is the line of JSON about something that a command could not do.
type itemProblem struct {
	MessageType string `json:"message_type"` // "problem"
	Path        string `json:"path"`
	Text        string `json:"text"`
}

// problemTeller tells problems as they come.
type problemTeller struct {
	a   *app
	say progress.Reporter

	mu sync.Mutex
	n  int64 // guarded by mu
}

// tell passes one on. It never ends the work.
func (p *problemTeller) tell(path string, err error) {
	p.mu.Lock()
	p.n++
	p.mu.Unlock()
	if p.a.json {
		p.a.emit(itemProblem{"problem", path, err.Error()})
		return
	}
	text := err.Error()
	if !strings.Contains(text, path) {
		text = path + ": " + text
	}
	p.say.Say(progress.Warn, printable(text))
}

func (p *problemTeller) count() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// incomplete is errIncomplete if there were problems.
func incomplete(problems int64) error {
	if problems > 0 {
		return errIncomplete
	}
	return nil
}
