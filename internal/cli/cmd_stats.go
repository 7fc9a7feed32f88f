package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
)

// The ways of counting, with restic's names.
const (
	modeRestoreSize     = "restore-size"
	modeFilesByContents = "files-by-contents"
	modeBlobsPerFile    = "blobs-per-file"
	modeRawData         = "raw-data"
)

var statsModes = []string{modeRestoreSize, modeFilesByContents, modeBlobsPerFile, modeRawData}

// statsJSON is what was counted, as restic prints it. Sizes are in bytes.
type statsJSON struct {
	TotalSize              uint64  `json:"total_size"`
	TotalUncompressedSize  uint64  `json:"total_uncompressed_size,omitempty"`
	CompressionRatio       float64 `json:"compression_ratio,omitempty"`
	CompressionProgress    float64 `json:"compression_progress,omitempty"`     // percent of the data that is compressed
	CompressionSpaceSaving float64 `json:"compression_space_saving,omitempty"` // percent
	TotalFileCount         uint64  `json:"total_file_count,omitempty"`
	TotalBlobCount         uint64  `json:"total_blob_count,omitempty"`
	SnapshotsCount         int     `json:"snapshots_count"`
}

func newStats(a *app) *cobra.Command {
	var filter snapshotFilter
	var mode string
	c := &cobra.Command{
		Use:   "stats [ID…]",
		Short: "Say how large snapshots are",
		Long: `Say how large snapshots are: all together, those that the flags choose, or those named. There are four
ways of counting:

  restore-size       what restoring each of them would take
  files-by-contents  files with the same contents counted once
  blobs-per-file     the pieces of such files, each counted once in a file
  raw-data           the pieces that they need, each counted once, as they are stored:
                     the room that they take in the repository`,
		Example: `  keepsake stats -r /mnt/disk/phone --mode raw-data
  keepsake stats latest`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(statsModes, mode) {
				return usageOf(cmd, fmt.Errorf("stats: --mode %q is none of restore-size, files-by-contents, blobs-per-file, raw-data", mode))
			}
			return a.withSessions(cmd, wish{snapshots: args, all: a.repo.all}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
				list, err := filter.choose(ctx, s, args)
				if err != nil {
					return err
				}
				var counted statsJSON
				err = a.value(func(say progress.Reporter) error {
					say.Phase("stats", "Counting")
					counted, err = countStats(ctx, s, list, mode, func(files, bytes int64) { say.Update(progress.Counters{Files: files, Bytes: bytes}) })
					return err
				})
				if err != nil {
					return err
				}
				a.showStats(counted, mode)
				return nil
			})
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&mode, "mode", modeRestoreSize, "how to count: `MODE` is restore-size, files-by-contents, blobs-per-file or raw-data")
	filter.addFlags(c, true)
	return a.repositoryCommand(c)
}

func (a *app) showStats(s statsJSON, mode string) {
	if a.json {
		a.emit(s)
		return
	}
	rows := [][]string{{countSnapshots(s.SnapshotsCount), "counted as " + mode}}
	add := func(name, value string) { rows = append(rows, []string{name, value}) }
	if s.TotalFileCount > 0 {
		add("Files and folders", humanize.Comma(int64(s.TotalFileCount)))
	}
	if s.TotalBlobCount > 0 {
		add("Pieces", humanize.Comma(int64(s.TotalBlobCount)))
	}
	add("Size", progress.Size(int64(s.TotalSize)))
	if s.TotalUncompressedSize > 0 {
		add("Uncompressed", progress.Size(int64(s.TotalUncompressedSize)))
		add("Saved", fmt.Sprintf("%.1f %%", s.CompressionSpaceSaving))
	}
	text, _ := table(rows)
	a.printf("%s", text)
}
