package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/changes"
	"github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/internal/inside"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// contentChangesMessage is what diff --content tells with --json.
type contentChangesMessage struct {
	MessageType string `json:"message_type"` // "changes"
	*changes.Changes
}

// diffContent tells what has changed between two versions of a phone, as people say
// it.
func (a *app) diffContent(ctx context.Context, s *repository.Session, sides [2]inSnapshot, password *passwordSource) (err error) {
	var sources [2]*extract.Source
	for i, side := range sides {
		p, err := snapshot.Open(ctx, s, side.snapshot)
		if err != nil {
			return &hintError{err: err, hint: "--content compares backups of phones; without it any two snapshots are compared by their files"}
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		if p.Meta().Sealed {
			if err := a.unlockSealed(ctx, s, p, password); err != nil {
				return err
			}
		}
		sources[i] = inside.OfSnapshot(ctx, p)
		defer func() { err = errors.Join(err, sources[i].Close()) }()
	}
	var c *changes.Changes
	var problems int64
	err = a.work(func(say progress.Reporter) error {
		say.Phase("compare", "Comparing what is inside")
		told := &readProblems{a: a, say: say}
		var err error
		c, err = changes.Compare(ctx, sources[0], sources[1], kinds.All(), told)
		told.end()
		problems = told.n
		return err
	})
	if err != nil {
		return fmt.Errorf("compare what is inside: %w", err)
	}
	if a.json {
		a.emit(contentChangesMessage{"changes", c})
	} else {
		a.mu.Lock()
		err = c.WriteText(a.Stdout, changes.TextOptions{Zone: time.Local})
		a.noteLocked(err)
		a.mu.Unlock()
	}
	return errors.Join(a.written(), incomplete(problems))
}
