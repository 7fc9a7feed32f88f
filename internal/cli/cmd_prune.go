package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
)

// pruneFlags say how much to tidy up.
type pruneFlags struct {
	maxUnused, maxRepack string
}

func (f *pruneFlags) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.maxUnused, "max-unused", "5%", "this `PART` of the data may stay though nothing needs it: a percentage, or unlimited")
	flags.StringVar(&f.maxRepack, "max-repack-size", "", "write anew at most `SIZE`, such as 500M or 2G")
}

func (f *pruneFlags) check() error {
	_, err := f.options()
	return err
}

func (f *pruneFlags) options() (repository.PruneOptions, error) {
	var o repository.PruneOptions
	var err error
	if o.MaxUnused, err = parsePart(f.maxUnused); err != nil {
		return o, fmt.Errorf("--max-unused %q: %w", f.maxUnused, err)
	}
	if f.maxRepack != "" {
		if o.MaxRepack, err = parseSize(f.maxRepack); err != nil {
			return o, fmt.Errorf("--max-repack-size %q: %w", f.maxRepack, err)
		}
		if o.MaxRepack == 0 {
			o.MaxRepack = 1 // nothing fits; 0 would be no bound
		}
	}
	return o, nil
}

// parsePart reads "5%", "unlimited" or "0" as a part of 1.
func parsePart(text string) (float64, error) {
	if text == "unlimited" {
		return 1, nil
	}
	number, isPercent := strings.CutSuffix(text, "%")
	if !isPercent && number != "0" {
		return 0, fmt.Errorf("want a percentage, such as 5%%, or unlimited")
	}
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || !(percent >= 0 && percent <= 100) {
		return 0, fmt.Errorf("want a percentage from 0 to 100")
	}
	return percent / 100, nil
}

// parseSize reads a number of bytes with an optional suffix, as restic does: K,
// M, G and T are powers of 1024.
func parseSize(text string) (int64, error) {
	number := strings.TrimRight(text, "kKmMgGtT")
	shift := 0
	switch suffix := strings.ToUpper(text[len(number):]); suffix {
	case "":
	case "K", "M", "G", "T":
		shift = 10 * (1 + strings.Index("KMGT", suffix))
	default:
		return 0, fmt.Errorf("want one of K, M, G, T, not %s", suffix)
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("want a number, and K, M, G or T")
	}
	if n > (1<<62)>>shift {
		return 0, fmt.Errorf("too much")
	}
	return n << shift, nil
}

type pruneSummary struct {
	MessageType     string  `json:"message_type"` // "summary"
	Command         string  `json:"command"`      // "prune"
	DryRun          bool    `json:"dry_run"`
	UsedBlobs       int     `json:"used_blobs"`
	UnusedBlobs     int     `json:"unused_blobs"`
	DuplicateBlobs  int     `json:"duplicate_blobs"`
	UsedBytes       int64   `json:"used_bytes"`
	UnusedBytes     int64   `json:"unused_bytes"` // before
	KeptPacks       int     `json:"kept_packs"`
	RepackedPacks   int     `json:"repacked_packs"`
	RemovedPacks    int     `json:"removed_packs"`
	OrphanPacks     int     `json:"orphan_packs"`
	RepackedBytes   int64   `json:"repacked_bytes"`
	FreedBytes      int64   `json:"freed_bytes"`
	LeftUnusedBytes int64   `json:"left_unused_bytes"`
	Seconds         float64 `json:"seconds"`
}

func newPrune(a *app) *cobra.Command {
	var f pruneFlags
	var dryRun bool
	c := &cobra.Command{
		Use:   "prune",
		Short: "Free the room of removed snapshots",
		Long: `Remove the data that no snapshot needs. Data that lies in one file with data that is still needed is
freed by writing the latter anew; that is done until no more than --max-unused is wasted.

Others can go on working during the long part of it. For the short part at its end prune waits, with
--retry-lock for so long, until it is alone. It may be interrupted at any time: nothing that a snapshot
needs is ever missing.`,
		Example: `  keepsake prune -r /mnt/disk/phone --dry-run
  keepsake prune --max-unused 10% --max-repack-size 5G --retry-lock 1h`,
		Args:        noArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return usageOf(cmd, err)
			}
			if !dryRun {
				if err := a.refuseNoLock(cmd); err != nil {
					return err
				}
			}
			a.interruptHint = "nothing is lost: start the same command again"
			return a.withRepository(cmd, func(ctx context.Context, r *repository.Repository) error {
				return a.prune(ctx, r, f, dryRun)
			})
		},
	}
	c.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "only say what would be done")
	f.addFlags(c.Flags())
	return a.repositoryCommand(c)
}

func (a *app) prune(ctx context.Context, r *repository.Repository, f pruneFlags, dryRun bool) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	o.DryRun, o.Wait = dryRun, a.repo.retryLock
	began := time.Now()
	var stats repository.PruneStats
	err = a.work(func(say progress.Reporter) error {
		o.Progress = func(step repository.PruneStep) { say.Phase(pruneStep(step)) }
		stats, err = r.Prune(ctx, o)
		return err
	})
	if err != nil {
		return err
	}
	a.showPrune(stats, dryRun, time.Since(began))
	return nil
}

// pruneStep says a step to programs and to people.
func pruneStep(step repository.PruneStep) (name, text string) {
	switch step {
	case repository.PruneFind:
		return "find", "Finding what the snapshots need"
	case repository.PruneRepack:
		return "repack", "Writing anew what is still needed"
	case repository.PruneWait:
		return "wait", "Waiting until nobody else works in the repository"
	case repository.PruneIndex:
		return "index", "Writing the new index"
	case repository.PruneRemove:
		return "remove", "Removing what nothing needs"
	}
	return "prune", string(step)
}

func (a *app) showPrune(s repository.PruneStats, dryRun bool, took time.Duration) {
	if a.json {
		a.emit(pruneSummary{"summary", "prune", dryRun, s.UsedBlobs, s.UnusedBlobs, s.DuplicateBlobs, s.UsedBytes, s.UnusedBytes, s.KeptPacks,
			s.RepackedPacks, s.RemovedPacks, s.OrphanPacks, s.RepackedBytes, s.FreedBytes, s.LeftUnusedBytes, seconds(took)})
		return
	}
	freed, wrote := "Freed", "written anew"
	if dryRun {
		freed, wrote = "Would free", "to be written anew"
	}
	a.printf("%s %s", freed, progress.Size(s.FreedBytes))
	if s.RepackedPacks > 0 {
		a.printf(" (%s %s)", progress.Size(s.RepackedBytes), wrote)
	}
	a.printf(". Needed: %s", progress.Size(s.UsedBytes))
	if s.LeftUnusedBytes > 0 {
		a.printf("; not needed and kept for now: %s", progress.Size(s.LeftUnusedBytes))
	}
	a.printf(".\n")
	if a.verbose {
		a.printf("Blobs: %s needed, %s not, %s twice. Packs: %s kept, %s written anew, %s removed, %s in no index.\n",
			humanize.Comma(int64(s.UsedBlobs)), humanize.Comma(int64(s.UnusedBlobs)), humanize.Comma(int64(s.DuplicateBlobs)),
			humanize.Comma(int64(s.KeptPacks)), humanize.Comma(int64(s.RepackedPacks)), humanize.Comma(int64(s.RemovedPacks)), humanize.Comma(int64(s.OrphanPacks)))
	}
}
