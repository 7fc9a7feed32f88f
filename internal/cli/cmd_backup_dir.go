package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/archiver"
)

type backupDirFlags struct {
	tags          []string
	host          string
	excludes      []string
	excludeFiles  []string
	parent        string
	force         bool
	time          string
	oneFileSystem bool
	readers       int
}

func newBackupDir(a *app) *cobra.Command {
	var f backupDirFlags
	c := &cobra.Command{
		Use:   "backup-dir PATH…",
		Short: "Back up folders of this computer",
		Long: `Back up folders and files of this computer into a repository, as one snapshot. (For phones there is
"keepsake backup".)

Files whose size and times are those in the last snapshot of the same host and paths are not read again.
What cannot be read is told and left out; then the exit code is 3.

Patterns are restic's: *.tmp at any depth, /home/*/Cache from the root on, ** for any number of folders,
! in front takes back.`,
		Example: `  keepsake backup-dir -r /mnt/disk/me ~/Documents ~/Pictures
  keepsake backup-dir ~ --exclude '*.tmp' --exclude ~/.cache --tag home
  keepsake backup-dir / --one-file-system --exclude-file excludes.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageOf(cmd, errors.New("backup-dir: say what to back up"))
			}
			return nil
		},
		Annotations: exits("0 done; 1 error, no snapshot was made; 2 usage; 3 done, but something could not be read; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE:        func(cmd *cobra.Command, args []string) error { return a.backupDir(cmd, args, f) },
	}
	flags := c.Flags()
	flags.StringArrayVar(&f.tags, "tag", nil, "label the snapshot with `TAGS`, separated by commas (may be repeated)")
	flags.StringVarP(&f.host, "host", "H", "", "label it with `HOST` (this computer's name unless given)")
	flags.StringArrayVarP(&f.excludes, "exclude", "e", nil, "leave out what matches `PATTERN` (may be repeated)")
	flags.StringArrayVar(&f.excludeFiles, "exclude-file", nil, "leave out what the patterns in `FILE` match, one a line (may be repeated)")
	flags.BoolVarP(&f.oneFileSystem, "one-file-system", "x", false, "leave out what is mounted below")
	flags.StringVar(&f.parent, "parent", "", "compare with the snapshot whose `ID` begins so")
	flags.BoolVarP(&f.force, "force", "f", false, "read every file again")
	flags.StringVar(&f.time, "time", "", "date the snapshot `TIME`, such as \"2026-11-22 14:03:05\"")
	flags.IntVar(&f.readers, "read-concurrency", 0, "read `N` files at the same time (2 unless given)")
	return a.repositoryCommand(c)
}

// options are the flags in the words of the archiver.
func (f backupDirFlags) options(paths []string) (archiver.Options, error) {
	o := archiver.Options{Paths: paths, Host: f.host, Excludes: slices.Clone(f.excludes), OneFileSystem: f.oneFileSystem, Force: f.force, Parallel: f.readers}
	username, hostname := place.Label()
	o.Username, o.ProgramVersion = username, "keepsake "+version()
	if o.Host == "" {
		o.Host = hostname
	}
	for _, list := range tagLists(f.tags) {
		o.Tags = append(o.Tags, list...)
	}
	for _, file := range f.excludeFiles {
		patterns, err := readPatterns(file)
		if err != nil {
			return o, err
		}
		o.Excludes = append(o.Excludes, patterns...)
	}
	if f.time == "" {
		return o, nil
	}
	t, err := parseTime(f.time)
	o.Time = t
	if err != nil {
		return o, &usageError{fmt.Errorf("--time: %w", err), ""}
	}
	return o, nil
}

// readPatterns reads patterns, one a line; empty lines and those that begin
// with # do not count.
func readPatterns(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read patterns: %w", err)
	}
	defer f.Close()
	var patterns []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read patterns %s: %w", path, err)
	}
	return patterns, nil
}

// parseTime reads a time of this computer's zone, or with one of its own. A date
// alone is its midnight.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: want 2006-01-02 15:04:05", text)
}

// backupDirSummary is the result as restic prints it.
type backupDirSummary struct {
	MessageType         string  `json:"message_type"` // "summary"
	Command             string  `json:"command"`
	FilesNew            uint64  `json:"files_new"`
	FilesChanged        uint64  `json:"files_changed"`
	FilesUnmodified     uint64  `json:"files_unmodified"`
	DirsNew             uint64  `json:"dirs_new"`
	DirsChanged         uint64  `json:"dirs_changed"`
	DirsUnmodified      uint64  `json:"dirs_unmodified"`
	DataBlobs           int64   `json:"data_blobs"`
	TreeBlobs           int64   `json:"tree_blobs"`
	DataAdded           uint64  `json:"data_added"`
	DataAddedPacked     uint64  `json:"data_added_packed"`
	TotalFilesProcessed uint64  `json:"total_files_processed"`
	TotalBytesProcessed uint64  `json:"total_bytes_processed"`
	TotalDuration       float64 `json:"total_duration"` // seconds
	Problems            int64   `json:"problems"`
	SnapshotID          string  `json:"snapshot_id"`
}

func (a *app) backupDir(cmd *cobra.Command, paths []string, f backupDirFlags) error {
	if err := a.refuseNoLock(cmd); err != nil {
		return err
	}
	o, err := f.options(paths)
	if err != nil {
		return err
	}
	took := stopwatch()
	return a.withSession(cmd, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		var sum archiver.Summary
		err := a.work(func(say progress.Reporter) (err error) {
			say.Phase("index", "Looking at the repository")
			parent, err := f.findParent(ctx, s, o)
			if err != nil {
				return err
			}
			w, err := s.Writer(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, w.Close()) }()
			if parent != nil {
				say.Phase("backup", "Backing up what changed since "+parent.ID.Short())
			} else {
				say.Phase("backup", "Backing up")
			}
			sum, err = archiver.Backup(ctx, w, parent, o, &backupDirObserver{problemTeller{a: a, say: say}})
			return err
		})
		if err != nil {
			return err
		}
		a.showBackupDir(sum, took())
		return incomplete(sum.Problems)
	})
}

// findParent is the snapshot to compare with: the one that was named, or the
// newest of the same host and paths. nil is none.
func (f backupDirFlags) findParent(ctx context.Context, s *repository.Session, o archiver.Options) (*archiver.Parent, error) {
	if f.force {
		return nil, nil
	}
	filter := snapshotFilter{}
	if f.parent != "" {
		list, err := filter.choose(ctx, s, []string{f.parent})
		if err != nil {
			return nil, err
		}
		return &archiver.Parent{Source: s, ID: list[0].ID, Tree: *list[0].Tree}, nil
	}
	paths, err := archiver.AbsolutePaths(o.Paths)
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	all, _, err := s.ReadableSnapshots(ctx) // a damaged one keeps nobody from backing up
	if err != nil {
		return nil, err
	}
	for _, sn := range slices.Backward(all) {
		if sn.Hostname == o.Host && slices.Equal(slices.Sorted(slices.Values(sn.Paths)), paths) && !sn.Time.After(time.Now()) && (o.Time.IsZero() || !sn.Time.After(o.Time)) {
			return &archiver.Parent{Source: s, ID: sn.ID, Tree: *sn.Tree}, nil
		}
	}
	return nil, nil
}

type backupDirObserver struct{ problemTeller }

func (o *backupDirObserver) Problem(path string, err error) { o.tell(path, err) }

func (o *backupDirObserver) Progress(p archiver.Progress) {
	o.say.Update(progress.Counters{Files: p.Files, Bytes: p.Bytes, Current: p.Current})
}

func (a *app) showBackupDir(s archiver.Summary, took float64) {
	if a.json {
		a.emit(backupDirSummary{"summary", "backup-dir", s.FilesNew, s.FilesChanged, s.FilesUnmodified, s.DirsNew, s.DirsChanged, s.DirsUnmodified,
			s.DataBlobs, s.TreeBlobs, s.DataAdded, s.DataAddedPacked, s.TotalFilesProcessed, s.TotalBytesProcessed, took, s.Problems, s.Snapshot.String()})
		return
	}
	a.printf("Snapshot %s: %s, %s.\n", s.Snapshot.Short(), progress.Count(int64(s.TotalFilesProcessed), "file", "files"), progress.Size(int64(s.TotalBytesProcessed)))
	a.printf("  %s new, %s changed, %s unmodified; added to the repository: %s (%s stored); %s\n", humanize.Comma(int64(s.FilesNew)), humanize.Comma(int64(s.FilesChanged)), humanize.Comma(int64(s.FilesUnmodified)),
		progress.Size(int64(s.DataAdded)), progress.Size(int64(s.DataAddedPacked)), progress.Took(time.Duration(took*float64(time.Second))))
	if s.Problems > 0 {
		a.printf("  Not complete: %s could not be read, see above.\n", progress.Count(s.Problems, "thing", "things"))
	}
}
