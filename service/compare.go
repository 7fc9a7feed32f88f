package service

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/changes"
	contents "github.com/keepsake-backup/keepsake/extract/kinds"
)

// maxComparisons is how many are kept, done or not: what has changed between two
// versions never changes.
const maxComparisons = 16

// comparisons are those that were asked for. They are made one after the other, since
// each may take some hundred MiB, and go on when nobody waits any more.
type comparisons struct {
	mu   sync.Mutex
	list []*comparison // the last asked for is the last
	turn sync.Mutex    // who compares
}

// comparison is one of two versions.
type comparison struct {
	udid, older, newer string
	done               chan struct{} // closed when c and err are there
	c                  *changes.Changes
	err                error
}

// CompareVersions tells what has changed on a phone between two of its versions, as
// people would say it. older "" is the backup before newer. Who waits no longer may ask
// again: it is made in the background.
func (s *Service) CompareVersions(ctx context.Context, who Who, udid, older, newer string) (*changes.Changes, error) {
	if _, err := s.may(ctx, who, toOpen, udid); err != nil {
		return nil, err
	}
	if older == "" {
		var err error
		if older, err = s.before(ctx, udid, newer); err != nil {
			return nil, err
		}
	}
	for _, id := range []string{older, newer} {
		v, err := s.version(ctx, udid, id)
		if err != nil {
			return nil, err
		}
		if v.Media {
			return nil, &HintError{errors.New("copies of music and pictures are not compared"), "Choose two backups."}
		}
	}
	x, err := s.compared.get(s, udid, older, newer)
	if err != nil {
		return nil, err
	}
	select {
	case <-x.done:
		return x.c, x.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// get gives a comparison that is there, or begins it.
func (l *comparisons) get(s *Service, udid, older, newer string) (*comparison, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.list, func(x *comparison) bool { return x.udid == udid && x.older == older && x.newer == newer }); i >= 0 {
		x := l.list[i]
		l.list = append(slices.Delete(l.list, i, i+1), x)
		return x, nil
	}
	if len(l.list) == maxComparisons {
		i := slices.IndexFunc(l.list, func(x *comparison) bool {
			select {
			case <-x.done:
				return true
			default:
				return false
			}
		})
		if i < 0 {
			return nil, &HintError{errors.New("many versions are being compared already"), "Try again in a few minutes."}
		}
		l.list = slices.Delete(l.list, i, i+1)
	}
	x := &comparison{udid: udid, older: older, newer: newer, done: make(chan struct{})}
	if !s.spawn(func(ctx context.Context) { l.make(ctx, s, x) }) {
		return nil, context.Canceled
	}
	l.list = append(l.list, x)
	return x, nil
}

// make compares. One that failed is not kept: the next to ask tries again.
func (l *comparisons) make(ctx context.Context, s *Service, x *comparison) {
	l.turn.Lock()
	x.c, x.err = s.compare(ctx, x.udid, x.older, x.newer)
	l.turn.Unlock()
	if x.err != nil {
		l.mu.Lock()
		l.list = slices.DeleteFunc(l.list, func(y *comparison) bool { return x == y })
		l.mu.Unlock()
	}
	close(x.done)
	s.tellPhone(x.udid)
}

func (s *Service) compare(ctx context.Context, udid, older, newer string) (c *changes.Changes, err error) {
	err = s.withContent(ctx, System, udid, older, func(_ *view, before *extract.Source, _ Version) error {
		return s.withContent(ctx, System, udid, newer, func(_ *view, after *extract.Source, _ Version) error {
			c, err = changes.Compare(ctx, before, after, contents.All(), nil)
			return err
		})
	})
	return c, err
}

// before is the backup before a version.
func (s *Service) before(ctx context.Context, udid, version string) (string, error) {
	list, err := s.searched(ctx, udid, "")
	if err != nil {
		return "", err
	}
	switch i := slices.IndexFunc(list, func(v Version) bool { return v.ID == version }); i {
	case -1:
		return "", fs.ErrNotExist
	case len(list) - 1:
		return "", &HintError{errors.New("it is the first version"), "Choose a later one."}
	default:
		return list[i+1].ID, nil
	}
}
