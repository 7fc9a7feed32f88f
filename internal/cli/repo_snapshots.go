package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/retention"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// snapshotFilter is the flags that choose snapshots.
type snapshotFilter struct {
	hosts, tags, paths []string
	damaged            func(map[format.ID]error) // is told of snapshot files that cannot be read, and goes on; nil stops
}

// addFlags gives cmd the flags; short says whether -H is free for --host.
func (f *snapshotFilter) addFlags(cmd *cobra.Command, short bool) {
	letter := ""
	if short {
		letter = "H"
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.hosts, "host", letter, nil, "only snapshots made on `HOST` (may be repeated: on one of them)")
	flags.StringArrayVar(&f.tags, "tag", nil, "only snapshots with all `TAGS`, separated by commas (may be repeated: one of the lists)")
	flags.StringArrayVar(&f.paths, "path", nil, "only snapshots of `PATH` (may be repeated: of all of them)")
}

func (f *snapshotFilter) filter() (retention.Filter, error) {
	filter := retention.Filter{Hosts: f.hosts, Tags: tagLists(f.tags)}
	for _, path := range f.paths {
		if !strings.HasPrefix(path, "/") {
			abs, err := filepath.Abs(path)
			if err != nil {
				return filter, fmt.Errorf("--path %s: %w", path, err)
			}
			path = abs
		}
		filter.Paths = append(filter.Paths, path)
	}
	return filter, nil
}

func tagLists(texts []string) []retention.TagList {
	var lists []retention.TagList
	for _, text := range texts {
		lists = append(lists, retention.ParseTagList(text))
	}
	return lists
}

// choose finds the snapshots that a command is about: those that args name (the
// beginning of an ID, "latest", the newest that the filter lets pass, or
// "latest:PHONE"), or without args all that it lets pass. They are in the order of args, else
// oldest first.
func (f *snapshotFilter) choose(ctx context.Context, s *repository.Session, args []string) ([]repository.Snapshot, error) {
	filter, err := f.filter()
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && !filter.IsZero() && !slices.Contains(args, latestSnapshot) {
		return nil, &usageError{errors.New("choose snapshots: IDs and --host, --tag, --path contradict each other"), "give one or the other"}
	}
	all, damaged, err := s.ReadableSnapshots(ctx)
	if err != nil {
		return nil, err
	}
	// A damaged file hides none of the versions that are named. It may be one of
	// all, or the latest: then only those go on who tell of it.
	if f.damaged != nil {
		f.damaged(damaged)
	} else if len(damaged) > 0 && (len(args) == 0 || slices.Contains(args, latestSnapshot)) {
		return nil, errors.Join(slices.Collect(maps.Values(damaged))...)
	}
	passed := slices.DeleteFunc(slices.Clone(all), func(sn repository.Snapshot) bool { return !filter.Match(labels(sn)) })
	if len(args) == 0 {
		return passed, nil
	}
	var chosen []repository.Snapshot
	for _, arg := range args {
		sn, err := one(ctx, s, passed, arg)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(chosen, func(c repository.Snapshot) bool { return c.ID == sn.ID }) {
			chosen = append(chosen, sn)
		}
	}
	return chosen, nil
}

// one finds a snapshot by what people write. "latest" is the newest of passed.
func one(ctx context.Context, s *repository.Session, passed []repository.Snapshot, text string) (repository.Snapshot, error) {
	if text == latestSnapshot {
		return newest(passed)
	}
	if !strings.HasPrefix(text, latestSnapshot+":") {
		sn, err := s.FindSnapshot(ctx, text)
		if err != nil {
			return sn, &hintError{err: err, hint: "\"keepsake snapshots\" lists them"}
		}
		return sn, nil
	}
	info, err := findSnapshot(ctx, s, text)
	return info.Snapshot, err
}

// newest is the last snapshot of a list that is not from the future. Where
// phones are backed up it is a backup: receipts and copies of media are not what
// people mean.
func newest(list []repository.Snapshot) (repository.Snapshot, error) {
	isBackup := func(sn repository.Snapshot) bool { return snapshot.Describe(sn).Kind == snapshot.Backup }
	if slices.ContainsFunc(list, isBackup) {
		list = slices.DeleteFunc(slices.Clone(list), func(sn repository.Snapshot) bool { return !isBackup(sn) })
	}
	for _, sn := range slices.Backward(list) {
		if !sn.Time.After(time.Now()) {
			return sn, nil
		}
	}
	return repository.Snapshot{}, &hintError{err: errors.New("choose the latest snapshot: there is none"), hint: "\"keepsake snapshots\" lists what is there"}
}

// labels is what the rules of package retention want to know.
func labels(sn repository.Snapshot) retention.Snapshot {
	return retention.Snapshot{ID: sn.ID, Time: sn.Time, Host: sn.Hostname, Paths: sn.Paths, Tags: sn.Tags}
}

func allLabels(list []repository.Snapshot) []retention.Snapshot {
	labelled := make([]retention.Snapshot, len(list))
	for i, sn := range list {
		labelled[i] = labels(sn)
	}
	return labelled
}

// byID finds snapshots again that went through package retention.
type byID map[format.ID]repository.Snapshot

func indexByID(list []repository.Snapshot) byID {
	m := byID{}
	for _, sn := range list {
		m[sn.ID] = sn
	}
	return m
}

// snapshotJSON is a snapshot as restic prints it.
type snapshotJSON struct {
	format.Snapshot
	ID      format.ID `json:"id"`
	ShortID string    `json:"short_id"`

	// Of a phone's snapshots; see snapshot.Info.
	Kind      string     `json:"kind,omitempty"` // "backup", "media" or "receipt"
	UDID      string     `json:"udid,omitempty"`
	PhoneName string     `json:"name,omitempty"`
	IOS       string     `json:"ios,omitempty"`
	Sealed    bool       `json:"sealed,omitempty"`
	Rehearsed *time.Time `json:"rehearsed,omitempty"` // when a virtual phone last got it, and all was as it should be
}

func newSnapshotJSON(sn repository.Snapshot) snapshotJSON {
	return snapshotJSON{Snapshot: sn.Snapshot, ID: sn.ID, ShortID: sn.ID.Short()}
}

// snapshotTable lays out snapshots, oldest first. reasons may be nil.
func snapshotTable(list []repository.Snapshot, reasons map[format.ID][]string) string {
	phones := ofPhones(list)
	rows := [][]string{{"ID", "TIME", "HOST", "TAGS", "PATHS", "SIZE"}}
	if phones {
		rows = [][]string{{"ID", "TIME", "PHONE", "IOS", "SIZE", ""}}
	}
	if reasons != nil {
		rows[0] = append(rows[0], "KEPT AS")
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b repository.Snapshot) int { return a.Time.Compare(b.Time) })
	for _, sn := range list {
		size := ""
		if sn.Summary != nil {
			size = progress.Size(int64(sn.Summary.TotalBytesProcessed))
		}
		cells := [][]string{{sn.ID.Short()}, {sn.Time.Local().Format(time.DateTime)}, {sn.Hostname}, {strings.Join(sn.Tags, ",")}, sn.Paths, {size}}
		if phones {
			info := snapshot.Describe(sn)
			if info.Kind == snapshot.Receipt {
				size = ""
			}
			cells = [][]string{cells[0], cells[1], {phoneOf(info)}, {info.IOS}, {size}, {receipts{}.note(info)}}
		}
		if reasons != nil {
			cells = append(cells, reasons[sn.ID])
		}
		rows = append(rows, multiline(cells)...)
	}
	text, _ := table(dropEmptyColumns(rows))
	return text
}

// ofPhones tells whether all of these are of phones: then people know them by those.
func ofPhones(list []repository.Snapshot) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(sn repository.Snapshot) bool { return snapshot.Describe(sn).Kind == snapshot.Other })
}

// phoneOf is what people call the phone of a snapshot.
func phoneOf(info snapshot.Info) string {
	if info.Name == "" {
		return info.UDID
	}
	return info.Name
}

// multiline makes rows of cells of several lines each.
func multiline(cells [][]string) [][]string {
	lines := 1
	for _, c := range cells {
		lines = max(lines, len(c))
	}
	rows := make([][]string, lines)
	for i := range rows {
		rows[i] = make([]string, len(cells))
		for j, c := range cells {
			if i < len(c) {
				rows[i][j] = printable(c[i])
			}
		}
	}
	return rows
}

// dropEmptyColumns leaves out columns that say nothing.
func dropEmptyColumns(rows [][]string) [][]string {
	for column := len(rows[0]) - 1; column >= 0; column-- {
		if !slices.ContainsFunc(rows[1:], func(row []string) bool { return row[column] != "" }) {
			for i := range rows {
				rows[i] = slices.Delete(rows[i], column, column+1)
			}
		}
	}
	return rows
}

// printable shows control characters, which a label from a repository may hold,
// as escapes: they could rewrite what the terminal shows.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func countSnapshots(n int) string { return progress.Count(int64(n), "snapshot", "snapshots") }
