package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

type copySummary struct {
	MessageType string       `json:"message_type"` // "summary"
	Command     string       `json:"command"`      // "copy"
	Copied      []copiedJSON `json:"copied"`
	Skipped     []copiedJSON `json:"skipped"` // were there already
	Blobs       int64        `json:"blobs"`   // new ones
	Bytes       int64        `json:"bytes"`   // of their plaintext
	Stored      int64        `json:"stored_bytes"`
	Seconds     float64      `json:"seconds"`
}

type copiedJSON struct {
	From format.ID `json:"from"`
	To   format.ID `json:"to"`
}

func newCopy(a *app) *cobra.Command {
	var from repositoryFlags
	var filter snapshotFilter
	c := &cobra.Command{
		Use:   "copy --from-repo LOCATION [ID…]",
		Short: "Copy snapshots from another repository",
		Long: `Copy snapshots from another repository into this one: all, those that the flags choose, or those
named. What is here already is not copied again, and a snapshot that was copied before is skipped. Everything
is verified on its way.

A copy is encrypted with this repository's own key and opens with its password. Where files are cut is
decided by the repository that they were first stored in: make the second one with "keepsake init
--copy-chunker-params" if backups are to go to both.`,
		Example: `  keepsake copy -r /mnt/second --from-repo /mnt/disk/phone
  keepsake copy -r s3:https://s3.example.com/bucket/phone --from-repo /mnt/disk/phone latest`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.refuseNoLock(cmd); err != nil {
				return err
			}
			if _, err := from.needLocation(cmd, a); err != nil {
				return err
			}
			a.interruptHint = "nothing is lost: start the same command again"
			return a.withSession(cmd, repository.Shared, func(ctx context.Context, to *repository.Session) error {
				return a.withRepositoryOf(cmd, &from, func(_ context.Context, r *repository.Repository) error {
					return a.copyFrom(ctx, r, from.mode(repository.Shared), to, &filter, args)
				})
			})
		},
	}
	c.Flags().SortFlags = false
	from.addFromFlags(c, "to copy from")
	filter.addFlags(c, true)
	return a.repositoryCommand(c)
}

func (a *app) copyFrom(ctx context.Context, r *repository.Repository, mode repository.Mode, to *repository.Session, filter *snapshotFilter, args []string) error {
	if r.ID() == to.Repository().ID() {
		return &usageError{errors.New("copy: both are the same repository"), "--from-repo is where snapshots come from, --repo where they go"}
	}
	return a.inSession(ctx, r, mode, func(ctx context.Context, s *repository.Session) error {
		list, err := filter.choose(ctx, s, args)
		if err != nil {
			return err
		}
		began := time.Now()
		var stats repository.CopyStats
		err = a.work(func(say progress.Reporter) error {
			done := 0
			say.Phase("copy", "Looking what is to be copied")
			stats, err = to.CopyFrom(ctx, s, list, func(sn repository.Snapshot) {
				done++
				say.Phase("copy", "Copying snapshot "+sn.ID.Short()+" of "+sn.Time.Local().Format(time.DateTime))
			})
			return err
		})
		if err != nil {
			return err
		}
		a.showCopy(stats, time.Since(began))
		return nil
	})
}

func (a *app) showCopy(s repository.CopyStats, took time.Duration) {
	if a.json {
		a.emit(copySummary{"summary", "copy", copiedIDs(s.Copied), copiedIDs(s.Skipped), s.DataBlobs + s.TreeBlobs, s.DataAdded, s.Stored, seconds(took)})
		return
	}
	for _, c := range s.Copied {
		a.printf("Snapshot %s is %s here.\n", c.From.Short(), c.To.Short())
	}
	if a.verbose {
		for _, c := range s.Skipped {
			a.printf("Snapshot %s was here already: %s.\n", c.From.Short(), c.To.Short())
		}
	}
	switch {
	case len(s.Copied) == 0 && len(s.Skipped) == 0:
		a.printf("No snapshots to copy.\n")
	case len(s.Copied) == 0:
		a.printf("Nothing to copy: %s here already.\n", progress.Count(int64(len(s.Skipped)), "snapshot is", "snapshots are"))
	default:
		a.printf("Copied %s in %s: %s new, stored in %s.", countSnapshots(len(s.Copied)), progress.Took(took), progress.Size(s.DataAdded), progress.Size(s.Stored))
		if len(s.Skipped) > 0 {
			a.printf(" %s here already.", progress.Count(int64(len(s.Skipped)), "snapshot was", "snapshots were"))
		}
		a.printf("\n")
	}
}

func copiedIDs(list []repository.CopiedSnapshot) []copiedJSON {
	ids := []copiedJSON{}
	for _, c := range list {
		ids = append(ids, copiedJSON{c.From, c.To})
	}
	return ids
}
