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

// summarise sums up versions. Those that a wrong clock has dated far into the future
// are not the newest: until that day nothing would be backed up, and all would seem
// well.
func summarise(list []Version, now time.Time) summary {
	sum := summary{known: true}
	for _, v := range list {
		sum.count++
		sum.stored += v.Added
		if toCome(v.Time, now) {
			continue
		}
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

// ahead is how far a time may lie in the future and still count: a clock that is set
// right by hours, or a summer's end, makes nothing wrong of what was done before.
const ahead = 24 * time.Hour

// toCome tells whether a moment is later than any right clock can have told.
func toCome(at, now time.Time) bool { return at.Sub(now) > ahead }

// sumOf is the summary of a phone. It is made anew when the clock was put back behind
// what it tells.
func (s *Service) sumOf(ctx context.Context, udid string, now time.Time) summary {
	s.mu.Lock()
	sum := s.sums[udid]
	s.mu.Unlock()
	if !toCome(sum.last, now) && !toCome(sum.media, now) {
		return sum
	}
	list, err := s.db.Versions(ctx, udid)
	if err != nil {
		s.log.Error("the versions of a phone were not read", "phone", udid, "err", err)
		return sum
	}
	sum = summarise(versionsOf(list, nil), now)
	s.mu.Lock()
	s.sums[udid] = sum
	s.mu.Unlock()
	return sum
}
