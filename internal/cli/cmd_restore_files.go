package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/restorer"
)

type restoreFilesFlags struct {
	filter             snapshotFilter
	target             string
	include, exclude   []string
	iinclude, iexclude []string
	overwrite          string
	verify, sparse     bool
}

func newRestoreFiles(a *app) *cobra.Command {
	var f restoreFilesFlags
	c := &cobra.Command{
		Use:   "restore-files SNAPSHOT[:FOLDER] --target DIR",
		Short: "Restore files from a snapshot into a folder",
		Long: `Restore the files of a snapshot, or of one of its folders, into a folder of this computer. (A backup goes
back onto a phone with "keepsake restore".)

SNAPSHOT is the beginning of an ID, or "latest".

What the target has and the snapshot has not stays. A file of the same size and time is taken for the same;
another is replaced by what the snapshot holds, unless --overwrite never says otherwise. A file appears under
its name when it is whole, never before: an interrupted restore leaves no half files, and the same command
goes on where it was.

Owners are set as root only.`,
		Example: `  keepsake restore-files latest --target /tmp/back
  keepsake restore-files 0a1b2c3d:/home/me/Documents --target ~/Documents --verify
  keepsake restore-files latest --include '*.heic' --target ~/photos`,
		Args:        exactly(1, "say which snapshot: the beginning of its ID, or latest"),
		Annotations: exits("0 done; 1 error; 2 usage; 3 done, but something could not be restored; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE:        func(cmd *cobra.Command, args []string) error { return a.restoreFiles(cmd, args[0], f) },
	}
	flags := c.Flags()
	flags.StringVarP(&f.target, "target", "t", "", "the `DIR` that receives the files")
	flags.StringArrayVarP(&f.include, "include", "i", nil, "restore what matches `PATTERN` only (may be repeated)")
	flags.StringArrayVarP(&f.exclude, "exclude", "e", nil, "do not restore what matches `PATTERN` (may be repeated)")
	flags.StringArrayVar(&f.iinclude, "iinclude", nil, "the same, whatever the case of letters")
	flags.StringArrayVar(&f.iexclude, "iexclude", nil, "the same, whatever the case of letters")
	flags.StringVar(&f.overwrite, "overwrite", "if-changed", "files that are there: `HOW` is if-changed, always or never")
	flags.BoolVar(&f.verify, "verify", false, "read everything back and compare it")
	flags.BoolVar(&f.sparse, "sparse", false, "leave holes where files hold zeros")
	f.filter.addFlags(c, true)
	return a.repositoryCommand(c)
}

// exactly wants so many arguments.
func exactly(n int, hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == n:
			return nil
		case len(args) > n:
			return usageOf(cmd, fmt.Errorf("%s: unexpected %q", name(cmd), args[n]))
		}
		return &usageError{fmt.Errorf("%s: %d arguments, want %d", name(cmd), len(args), n), hint}
	}
}

func (f restoreFilesFlags) options(cmd *cobra.Command) (restorer.Options, error) {
	o := restorer.Options{Target: f.target, Include: f.include, Exclude: f.exclude, Verify: f.verify, Sparse: f.sparse}
	if f.target == "" {
		return o, &usageError{errors.New("restore-files: no target given"), "say where the files go: --target DIR"}
	}
	if len(f.iinclude)+len(f.iexclude) > 0 {
		if len(f.include)+len(f.exclude) > 0 {
			return o, usageOf(cmd, errors.New("restore-files: either all patterns look at the case of letters or none does"))
		}
		o.Include, o.Exclude, o.IgnoreCase = f.iinclude, f.iexclude, true
	}
	var err error
	if o.Overwrite, err = restorer.ParseOverwrite(f.overwrite); err != nil {
		return o, usageOf(cmd, fmt.Errorf("--%w", err))
	}
	return o, nil
}

type restoreFilesSummary struct {
	MessageType string  `json:"message_type"` // "summary"
	Command     string  `json:"command"`
	SnapshotID  string  `json:"snapshot_id"`
	Target      string  `json:"target"`
	Files       int64   `json:"files_restored"`
	Unchanged   int64   `json:"files_unchanged"`
	Skipped     int64   `json:"files_skipped"`
	Folders     int64   `json:"dirs_restored"`
	Others      int64   `json:"others_restored"`
	Bytes       int64   `json:"bytes_restored"`
	Verified    int64   `json:"files_verified"`
	Problems    int64   `json:"problems"`
	Seconds     float64 `json:"seconds"`
}

func (a *app) restoreFiles(cmd *cobra.Command, snapshot string, f restoreFilesFlags) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	return a.withSessions(cmd, wish{snapshots: []string{snapshot}}, repository.Shared, func(ctx context.Context, s *repository.Session) error {
		from, err := findInSnapshot(ctx, s, &f.filter, snapshot)
		if err != nil {
			return err
		}
		if err := from.needFolder(); err != nil {
			return err
		}
		var sum restorer.Summary
		err = a.work(func(say progress.Reporter) error {
			say.Phase("restore", "Restoring "+from.snapshot.ID.Short())
			sum, err = restorer.Restore(ctx, s, *from.node.Subtree, o, &restoreFilesObserver{problemTeller: problemTeller{a: a, say: say}})
			return err
		})
		if err != nil {
			return err
		}
		a.showRestoreFiles(from, o, sum)
		return incomplete(sum.Problems)
	})
}

type restoreFilesObserver struct {
	problemTeller
	verifying bool // guarded by mu
}

func (o *restoreFilesObserver) Problem(path string, err error) { o.tell(path, err) }

func (o *restoreFilesObserver) Progress(p restorer.Progress) {
	o.mu.Lock()
	begins := p.Verifying && !o.verifying
	o.verifying = p.Verifying
	o.mu.Unlock()
	if begins {
		o.say.Phase("verify", "Reading everything back")
	}
	o.say.Update(progress.Counters{Files: p.Files, FilesTotal: p.FilesFound, Bytes: p.Bytes, BytesTotal: p.BytesFound, Current: p.Current})
}

func (a *app) showRestoreFiles(from inSnapshot, o restorer.Options, s restorer.Summary) {
	if a.json {
		a.emit(restoreFilesSummary{"summary", "restore-files", from.snapshot.ID.String(), o.Target, s.Files, s.Unchanged, s.Skipped, s.Folders, s.Others,
			s.Bytes, s.Verified, s.Problems, seconds(s.Took)})
		return
	}
	a.printf("Restored %s, %s, into %s in %s.\n", progress.Count(s.Files, "file", "files"), progress.Size(s.Bytes), o.Target, progress.Took(s.Took))
	if s.Unchanged > 0 {
		a.printf("  %s there already.\n", progress.Count(s.Unchanged, "file was", "files were"))
	}
	if s.Skipped > 0 {
		a.printf("  %s left as it was.\n", progress.Count(s.Skipped, "thing", "things"))
	}
	if s.Verified > 0 {
		a.printf("  Read back and compared: %s.\n", progress.Count(s.Verified, "file", "files"))
	}
	if s.Problems > 0 {
		a.printf("  Not complete: %s, see above.\n", progress.Count(s.Problems, "problem", "problems"))
	}
}
