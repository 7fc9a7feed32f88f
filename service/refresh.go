package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// versions are those of a phone in the catalog, newest first.
func (s *Service) versions(ctx context.Context, udid string) ([]Version, error) {
	list, err := s.db.Versions(ctx, udid)
	if err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	return versionsOf(list, s.upkeepOf(udid).Pinned), nil
}

func versionsOf(list []catalog.Version, pinned []string) []Version {
	out := make([]Version, len(list))
	for i, v := range list {
		out[i] = Version{ID: v.ID, UDID: v.UDID, Media: v.Media, Time: v.Time, Name: v.Name, IOS: v.IOS, Files: v.Files, Size: v.Size, Added: v.Added, Encrypted: v.Encrypted,
			Sealed: v.Sealed, Verified: v.Verified, Rehearsed: v.Rehearsed, RehearsalOK: v.RehearsalOK, Pinned: slices.Contains(pinned, v.ID), Copies: v.Copies}
	}
	slices.SortStableFunc(out, func(a, b Version) int { return b.Time.Compare(a.Time) })
	return out
}

// refresh reads the versions of a phone anew from its repository: the catalog is
// only a copy.
func (s *Service) refresh(ctx context.Context, r *repository.Repository, udid string) error {
	turn, _ := s.refreshing.LoadOrStore(udid, &sync.Mutex{})
	turn.(*sync.Mutex).Lock()
	defer turn.(*sync.Mutex).Unlock()
	list, _, err := versionsIn(ctx, r, udid)
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	old, err := s.db.Versions(ctx, udid)
	if err != nil {
		return fmt.Errorf("read versions: %w", err)
	}
	if err := s.lookInto(ctx, r, list, old); err != nil {
		return err
	}
	book, err := s.book.All()
	if err != nil {
		return err
	}
	held := holders(book, r.ID())
	rows := make([]catalog.Version, len(list))
	for i, f := range list {
		v := f.Version
		rows[i] = catalog.Version{UDID: udid, ID: v.ID, Time: v.Time, Repository: r.ID().String(), Tree: f.tree.String(), Media: v.Media, Name: v.Name, IOS: v.IOS, Files: v.Files, Size: v.Size,
			Added: v.Added, Encrypted: v.Encrypted, Sealed: v.Sealed, Verified: v.Verified, Rehearsed: v.Rehearsed, RehearsalOK: v.RehearsalOK, Copies: held[f.id]}
	}
	if err := s.db.ReplaceVersions(ctx, udid, rows); err != nil {
		return fmt.Errorf("keep the list of versions: %w", err)
	}
	s.mu.Lock()
	s.sums[udid] = summarise(versionsOf(rows, nil), s.o.Now())
	s.have = nil
	s.mu.Unlock()
	s.tellPhone(udid)
	return nil
}

// lookInto finds out what the lists of a repository do not tell, for the versions that
// the catalog did not have: whether the phone had encrypted them.
func (s *Service) lookInto(ctx context.Context, r *repository.Repository, list []found, old []catalog.Version) (err error) {
	var session *repository.Session
	defer func() {
		if session != nil {
			err = errors.Join(err, session.Close())
		}
	}()
	known := map[string]catalog.Version{}
	for _, v := range old {
		known[v.ID] = v
	}
	for i := range list {
		f := &list[i]
		if v, ok := known[f.ID]; ok {
			f.Encrypted = v.Encrypted
			continue
		}
		if f.Media {
			continue
		}
		if session == nil {
			if session, err = r.Begin(ctx, repository.Unlocked, 0); err != nil {
				return err
			}
		}
		info, err := snapshot.Find(session.Context(), session, f.ID)
		if err != nil {
			return err
		}
		p, err := snapshot.Open(session.Context(), session, info.Snapshot)
		if err != nil {
			s.log.Warn("a version cannot be opened", "version", f.ID, "err", err)
			f.Encrypted = f.Sealed
			continue
		}
		f.Encrypted = p.Meta().Encrypted
		if f.Files == 0 {
			f.Files, f.Size = p.Meta().Files, p.Meta().ContentBytes
		}
		if err := p.Close(); err != nil {
			return err
		}
	}
	return nil
}
