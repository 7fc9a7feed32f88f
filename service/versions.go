package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/targets"
)

// found is a version as the repository tells of it.
type found struct {
	Version
	id   format.ID
	tree format.ID
}

// versionsIn lists what a repository has of phones, newest first: of one, or with
// "" of all. Nothing but the lists of the repository is read.
func versionsIn(ctx context.Context, r *repository.Repository, udid string) (list []found, damaged int, err error) {
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, broken, err := s.ReadableSnapshots(s.Context())
	if err != nil {
		return nil, 0, err
	}
	return versionsAmong(all, udid), len(broken), nil
}

func versionsAmong(all []repository.Snapshot, udid string) []found {
	receipts := receipt.Among(all)
	var list []found
	for _, sn := range all {
		info := snapshot.Describe(sn)
		if info.Kind != snapshot.Backup && info.Kind != snapshot.Media || udid != "" && info.UDID != udid {
			continue
		}
		list = append(list, foundOf(info, receipts[sn.ID]))
	}
	slices.SortStableFunc(list, func(a, b found) int { return b.Time.Compare(a.Time) })
	return list
}

func foundOf(info snapshot.Info, receipts []receipt.Stored) found {
	f := found{id: info.ID, Version: Version{ID: info.ID.String(), UDID: info.UDID, Media: info.Kind == snapshot.Media, Time: info.Time, Name: info.Name, IOS: info.IOS, Sealed: info.Sealed}}
	if info.Tree != nil {
		f.tree = *info.Tree
	}
	if sum := info.Summary; sum != nil {
		f.Files, f.Size, f.Added = int64(sum.TotalFilesProcessed), int64(sum.TotalBytesProcessed), int64(sum.DataAddedPacked)
	}
	// A version is published when everything in it was compared with the phone's own
	// list. Of a sealed one that list cannot be read.
	if !f.Sealed && !f.Media {
		f.Verified = info.Time
	}
	if len(receipts) > 0 {
		f.Rehearsed, f.RehearsalOK = receipts[0].Time, receipts[0].Passed
		switch {
		case f.RehearsalOK:
			f.Verified = later(f.Verified, f.Time)
		default:
			f.Verified = time.Time{} // it was, and was proven wrong
		}
	}
	return f
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// holders gives, for each version of a phone, the names of the targets that hold it.
func holders(list []targets.Target, repo format.ID) map[format.ID][]string {
	held := map[format.ID][]string{}
	for _, t := range list {
		for _, c := range t.Copies {
			if c.Source != repo {
				continue
			}
			for _, h := range c.Held {
				held[h.From] = append(held[h.From], t.Name)
			}
		}
	}
	return held
}

// summary is what the page says of a phone's versions, so that it need not read
// them all each time.
type summary struct {
	count        int
	stored       int64
	first        time.Time // oldest backup
	last         time.Time // newest backup
	verified     time.Time // newest one that was verified
	media        time.Time // newest media copy
	rehearsal    time.Time
	rehearsalOK  bool
	newest       string // ID of the newest backup
	newestSealed bool
	encrypted    bool // the newest backup
	rehearsedYet bool // any version
	known        bool // versions were read since the start
}

func summarise(list []Version) summary {
	sum := summary{known: true}
	for _, v := range list {
		sum.count++
		sum.stored += v.Added
		if v.Media {
			sum.media = later(sum.media, v.Time)
			continue
		}
		sum.first = earlier(sum.first, v.Time)
		if v.Time.After(sum.last) {
			sum.last, sum.newest, sum.newestSealed, sum.encrypted = v.Time, v.ID, v.Sealed, v.Encrypted
		}
		if !v.Verified.IsZero() && v.Time.After(sum.verified) {
			sum.verified = v.Time
		}
		if v.Rehearsed.After(sum.rehearsal) {
			sum.rehearsal, sum.rehearsalOK, sum.rehearsedYet = v.Rehearsed, v.RehearsalOK, true
		}
	}
	return sum
}
