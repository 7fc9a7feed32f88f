package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

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
	return a.compareContent(ctx, sources[0], sources[1])
}

// checkFolders holds that two things are to be compared, by their contents.
func checkFolders(cmd *cobra.Command, folders, args []string, inContent bool) error {
	switch {
	case !inContent:
		return &usageError{errors.New("diff: --folder is for --content"), "give --content, too: what changed in contacts, messages, photos and the rest"}
	case len(folders) > 2:
		return usageOf(cmd, fmt.Errorf("diff: unexpected --folder %s", folders[2]))
	case len(folders)+len(args) > 2:
		return usageOf(cmd, fmt.Errorf("diff: unexpected %q", args[len(args)-1]))
	case len(folders)+len(args) < 2:
		return &usageError{errors.New("diff: one folder, and nothing to compare it with"), "say which snapshot, such as latest, or give a second --folder"}
	}
	return nil
}

// diffFolders is diffContent with the backups of iTunes folders: of two, in the order
// in which they were given; of one and a snapshot, from the older to the newer.
func (a *app) diffFolders(cmd *cobra.Command, folders, args []string, password *passwordSource) error {
	first := &contentFlags{folder: folders[0], password: password}
	second, text := &contentFlags{password: password}, ""
	if len(folders) == 2 {
		second.folder = folders[1]
	} else {
		text = args[0]
	}
	return a.withContent(cmd, second, text, func(ctx context.Context, now *content) error {
		return a.withFolderContent(ctx, first, func(ctx context.Context, old *content) error {
			if text != "" && old.Device.Time.After(now.Device.Time) {
				old, now = now, old
			}
			return a.compareContent(ctx, old.Source, now.Source)
		})
	})
}

func (a *app) compareContent(ctx context.Context, old, now *extract.Source) error {
	var c *changes.Changes
	var problems int64
	err := a.work(func(say progress.Reporter) error {
		say.Phase("compare", "Comparing what is inside")
		told := &readProblems{a: a, say: say}
		var err error
		c, err = changes.Compare(ctx, old, now, kinds.All(), told)
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
