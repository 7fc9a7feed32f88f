package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// receipts are what rehearsals have found, newest first, by the snapshot that was
// rehearsed.
type receipts map[format.ID][]receipt.Stored

// add takes the receipts among the snapshots of a repository.
func (r receipts) add(list []repository.Snapshot) { maps.Copy(r, receipt.Among(list)) }

// proven is when a snapshot last passed a rehearsal, unless it failed one since.
func (r receipts) proven(id format.ID) (at time.Time, ok bool) {
	list := r[id]
	if len(list) == 0 || !list[0].Passed {
		return at, false
	}
	return list[0].Snapshot.Time, true
}

// json is a snapshot as restic prints it, and what is special about a phone's.
func (r receipts) json(sn repository.Snapshot) snapshotJSON {
	m := newSnapshotJSON(sn)
	info := snapshot.Describe(sn)
	if info.Kind != snapshot.Other {
		m.Kind, m.UDID, m.PhoneName, m.IOS, m.Sealed = info.Kind.String(), info.UDID, info.Name, info.IOS, info.Sealed
	}
	if at, ok := r.proven(sn.ID); ok {
		at = at.UTC()
		m.Rehearsed = &at
	}
	return m
}

// tables lays out snapshots, oldest first: first those of phones, then others.
// Receipts stand beside what they are about; by themselves they are shown with
// everything.
func (r receipts) tables(list []repository.Snapshot, everything bool) string {
	var phones, others []repository.Snapshot
	for _, sn := range list {
		switch snapshot.Describe(sn).Kind {
		case snapshot.Other:
			others = append(others, sn)
		case snapshot.Receipt:
			if everything {
				phones = append(phones, sn)
			}
		default:
			phones = append(phones, sn)
		}
	}
	var b strings.Builder
	if len(phones) > 0 {
		b.WriteString(r.phoneTable(phones))
		fmt.Fprintf(&b, "%s\n", countPhoneSnapshots(phones))
	}
	if len(phones) > 0 && len(others) > 0 {
		b.WriteString("\n")
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, "%s%s\n", snapshotTable(others, nil), countSnapshots(len(others)))
	}
	return b.String()
}

func (r receipts) phoneTable(list []repository.Snapshot) string {
	rows := [][]string{{"ID", "TIME", "PHONE", "IOS", "SIZE", ""}}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b repository.Snapshot) int { return a.Time.Compare(b.Time) })
	for _, sn := range list {
		info := snapshot.Describe(sn)
		size := ""
		if sn.Summary != nil && info.Kind != snapshot.Receipt {
			size = progress.Size(int64(sn.Summary.TotalBytesProcessed))
		}
		rows = append(rows, []string{sn.ID.Short(), sn.Time.Local().Format(time.DateTime), printable(phoneOf(info)), printable(info.IOS), size, r.note(info)})
	}
	text, _ := table(dropEmptyColumns(rows))
	return text
}

// note is what there is to say about a phone's snapshot.
func (r receipts) note(info snapshot.Info) string {
	var notes []string
	switch info.Kind {
	case snapshot.Media:
		notes = append(notes, "media: pictures and music, no backup")
	case snapshot.Receipt:
		notes = append(notes, "receipt of a rehearsal")
	}
	if info.Sealed {
		notes = append(notes, "sealed")
	}
	if at, ok := r.proven(info.ID); ok {
		notes = append(notes, "rehearsed on the virtual phone, "+at.Local().Format(time.DateOnly))
	} else if list := r[info.ID]; len(list) > 0 {
		notes = append(notes, "FAILED a rehearsal, "+list[0].Snapshot.Time.Local().Format(time.DateOnly))
	}
	return strings.Join(notes, "; ")
}

func countPhoneSnapshots(list []repository.Snapshot) string {
	count := map[snapshot.Kind]int64{}
	for _, sn := range list {
		count[snapshot.Describe(sn).Kind]++
	}
	var parts []string
	for _, k := range []struct {
		kind      snapshot.Kind
		one, more string
	}{{snapshot.Backup, "backup", "backups"}, {snapshot.Media, "copy of media", "copies of media"}, {snapshot.Receipt, "receipt", "receipts"}} {
		if n := count[k.kind]; n > 0 {
			parts = append(parts, progress.Count(n, k.one, k.more))
		}
	}
	return strings.Join(parts, ", ")
}
