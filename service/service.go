package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/station"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/targets"
)

// Service is the running service. It implements server.Service; all its methods
// may be called at the same time, before, while and after Run runs.
type Service struct {
	o       Options
	db      *catalog.DB
	log     *slog.Logger
	station *station.Station
	book    *targets.Book

	hub   hub
	vault vault
	views views
	wake  chan struct{} // somebody wants the loop to look again

	// ctx lives as long as the service; what outlives a request runs under it.
	ctx  context.Context
	stop context.CancelCauseFunc
	work sync.WaitGroup // everything that runs under ctx

	// rights of phones in the catalog by UDID, for watchers.
	rights sync.Map

	// indexes are the *indexing of phones by UDID.
	indexes  sync.Map
	compared comparisons

	// refreshing are *sync.Mutexes by UDID, held while the versions of a phone are
	// read anew: who has read an older list must not be the one that writes it last.
	refreshing sync.Map

	// turn is held while a job comes into the queue, leaves it, or begins to run, so
	// that the catalog and what this process knows of the job say the same. mu may be
	// taken meanwhile.
	turn sync.Mutex

	// mu may be held while live.mu is taken, and not the other way round.
	mu       sync.Mutex
	near     map[string]*near // phones that were met since the start, by UDID
	sums     map[string]summary
	past     map[string]past
	running  map[int64]*running
	args     map[int64]any // of jobs, what is not for the catalog
	upkeeps  map[string]upkeep
	said     map[string]time.Time             // what people were told, and when
	targets  []Target                         // as they were when last looked at
	have     map[string][]repository.Snapshot // of the main repositories; nil is not known
	home     home
	atOnce   int // phones; 0 is not read yet
	pulse    pulse
	queue    map[string]Job // by phone, what waits for it
	placeErr error          // why the place could not be reached when it was last tried
	free     int64          // bytes on the disk of the place; -1 unknown
	shared   bool           // the place is one repository for all phones
	looked   looked
	counts   Counts
	ended    bool
}

// looked are when things were last looked at; zero is never.
type looked struct {
	targets, far, place, upkeep, trim time.Time
	placing, targeting                bool // somebody looks now
}

// Open opens the service over its database. Close it, or end the context of Run.
func Open(ctx context.Context, o Options) (*Service, error) {
	if o.DB == nil || o.Phones == nil || o.Places == nil || o.Data == "" {
		return nil, errors.New("open service: Data, DB, Phones and Places are needed")
	}
	o.fill()
	st, err := station.Open(filepath.Join(o.Data, "state"))
	if err != nil {
		return nil, fmt.Errorf("open service: %w", err)
	}
	s := &Service{o: o, db: o.DB, log: o.Log, station: st, book: targets.OpenBook(st), wake: make(chan struct{}, 1),
		near: map[string]*near{}, sums: map[string]summary{}, past: map[string]past{}, upkeeps: map[string]upkeep{}, said: map[string]time.Time{}, running: map[int64]*running{}, args: map[int64]any{},
		free: -1, counts: newCounts()}
	s.ctx, s.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	s.vault = vault{now: o.Now, open: s.openRepository}
	s.views = views{now: o.Now, open: s.openView}
	if err := s.restart(ctx); err != nil {
		s.stop(errStopped)
		return nil, fmt.Errorf("open service: %w", err)
	}
	return s, nil
}

// restart reads what was known when the service ended.
func (s *Service) restart(ctx context.Context) error {
	if err := s.readPlace(ctx); err != nil {
		return err
	}
	if err := s.get(ctx, pulseKey, &s.pulse); err != nil {
		return err
	}
	if err := s.interrupted(ctx); err != nil {
		return err
	}
	if err := s.readQueue(ctx); err != nil {
		return err
	}
	phones, err := s.db.Phones(ctx)
	if err != nil {
		return err
	}
	for _, p := range phones {
		list, err := s.db.Versions(ctx, p.UDID)
		if err != nil {
			return err
		}
		s.remember(p)
		s.mu.Lock()
		s.sums[p.UDID] = summarise(versionsOf(list, nil), s.o.Now())
		s.mu.Unlock()
		if err := s.readPast(ctx, p.UDID); err != nil {
			return err
		}
	}
	return nil
}

// Close ends all that runs, in a way that it goes on at the next start, and waits
// for it. It may be called twice.
func (s *Service) Close() {
	s.mu.Lock()
	s.ended = true
	for _, r := range s.running {
		r.live.stop(errStopped)
	}
	s.mu.Unlock()
	s.stop(errStopped)
	s.work.Wait()
	s.hub.close()
	s.views.close()
	s.vault.close()
}

// spawn runs fn under the context of the service, unless that has ended.
func (s *Service) spawn(fn func(ctx context.Context)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.work.Go(func() { fn(s.ctx) })
	return true
}

// nudge makes the loop look at everything again soon.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// openView opens a version for looking.
func (s *Service) openView(_ context.Context, v *view) error {
	r, release, err := s.repository(s.ctx, v.key.udid, false)
	if err != nil {
		return err
	}
	v.release = release
	return v.openSnapshot(s.ctx, r, s.o.Pace.Lock) // what is open after an error is closed with the view
}

// repository gives the repository of a phone; call release when it is no longer
// needed.
func (s *Service) repository(ctx context.Context, udid string, make bool) (r *repository.Repository, release func(), err error) {
	s.mu.Lock()
	known := s.home.place != nil
	s.mu.Unlock()
	if !known { // whether all phones share one is not known either
		if _, err := s.reach(ctx); err != nil {
			return nil, nil, err
		}
	}
	return s.vault.take(ctx, s.repositoryKey(udid), make)
}

// repositoryKey names the repository of a phone: its UDID, or "" where all phones
// share one.
func (s *Service) repositoryKey(udid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shared {
		return ""
	}
	return udid
}
