package virtualphone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/muxer"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// Server is a usbmuxd with its phones.
type Server struct {
	cfg     Config
	mux     *muxer.Muxer
	muxLn   net.Listener
	faults  fault.Set // of the muxer: points "mux.…"
	phones  []*Phone
	locks   []*state.FolderLock
	control *controlServer

	cancel context.CancelCauseFunc
	wg     sync.WaitGroup
	failed chan error // what ended Serve of the muxer
}

var errClosed = errors.New("virtual phone closed")

// Start makes or loads the phones and serves them until ctx ends or Close is
// called. It returns when hosts can connect. The error wraps state.ErrInUse
// when another process owns the folder.
func Start(ctx context.Context, cfg Config) (_ *Server, err error) {
	cfg = cfg.withDefaults()
	if cfg.Dir == "" {
		return nil, errors.New("start virtual phone: no state folder")
	}
	s := &Server{cfg: cfg, failed: make(chan error, 1)}
	ctx, s.cancel = context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.shut(err))
		}
	}()
	if err := s.openFolders(ctx); err != nil {
		s.phones = nil
		return nil, fmt.Errorf("start virtual phone: %w", err)
	}
	s.faults.Add(cfg.Faults...)
	if s.mux, err = muxer.New(filepath.Join(cfg.Dir, "muxer"), &s.faults, cfg.Log); err != nil {
		return nil, fmt.Errorf("start virtual phone: %w", err)
	}
	if s.muxLn, err = net.Listen("tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("start virtual phone: %w", err)
	}
	for _, p := range s.phones {
		p.start(ctx)
	}
	s.wg.Go(func() {
		if err := s.mux.Serve(ctx, s.muxLn); err != nil {
			s.failed <- err
		}
	})
	s.wg.Go(func() {
		<-ctx.Done()
		for _, p := range s.phones {
			p.stop(context.Cause(ctx))
		}
	})
	if s.control, err = startControl(ctx, s); err != nil {
		return nil, fmt.Errorf("start virtual phone: %w", err)
	}
	return s, nil
}

// openFolders locks the folder, then loads the phones in it and makes those
// that are missing.
func (s *Server) openFolders(ctx context.Context) error {
	top, err := state.Acquire(s.cfg.Dir)
	if err != nil {
		return err
	}
	s.locks = append(s.locks, top)
	single, err := state.Exists(s.cfg.Dir)
	if err != nil {
		return err
	}
	if single && s.cfg.Count > 1 {
		return fmt.Errorf("%s holds a single phone: give another folder for %d phones", s.cfg.Dir, s.cfg.Count)
	}
	if s.cfg.Count == 1 {
		if !single {
			if several, err := phoneFolders(s.cfg.Dir); err != nil || len(several) > 0 {
				return errors.Join(err, fmt.Errorf("%s holds %d phones: give their number, or the folder of one", s.cfg.Dir, len(several)))
			}
		}
		p, err := s.openPhone(ctx, s.cfg.Dir, single, s.cfg.Seed)
		s.phones = []*Phone{p}
		return err
	}
	return s.openMany(ctx)
}

// openMany opens the phones of Dir/<UDID>; new ones are made side by side.
func (s *Server) openMany(ctx context.Context) error {
	s.phones = make([]*Phone, s.cfg.Count)
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i := range s.cfg.Count {
		seed := s.cfg.Seed + uint64(i)
		dir := filepath.Join(s.cfg.Dir, state.NewIdentity(seed).UDID)
		lock, err := state.Acquire(dir)
		if err != nil {
			return errors.Join(err, work.Wait())
		}
		s.locks = append(s.locks, lock)
		work.Go(func() error {
			exists, err := state.Exists(dir)
			if err != nil {
				return err
			}
			s.phones[i], err = s.openPhone(ctx, dir, exists, seed)
			return err
		})
	}
	return work.Wait()
}

// phoneFolders lists the phones of a folder made with Count > 1.
func phoneFolders(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var udids []string
	for _, e := range entries {
		if e.IsDir() && state.ValidUDID(e.Name()) {
			udids = append(udids, e.Name())
		}
	}
	return udids, nil
}

func (s *Server) openPhone(ctx context.Context, dir string, exists bool, seed uint64) (*Phone, error) {
	st, err := openState(ctx, s.cfg, dir, exists, seed)
	if err != nil {
		return nil, err
	}
	return newPhone(s, st), nil
}

func openState(ctx context.Context, cfg Config, dir string, exists bool, seed uint64) (*state.Phone, error) {
	if exists {
		st, err := state.Load(dir)
		if err != nil {
			return nil, err
		}
		return st, st.Update(cfg.apply)
	}
	settings := state.DefaultSettings(seed)
	if !cfg.Empty {
		settings.Profile = cfg.Profile
	}
	if err := cfg.apply(&settings); err != nil {
		return nil, err
	}
	if err := state.Begin(dir); err != nil {
		return nil, err
	}
	if !cfg.Empty {
		if err := generate(ctx, dir, cfg, settings); err != nil {
			return nil, err
		}
	}
	return state.Create(dir, state.NewIdentity(seed), settings)
}

// Addr is the address of the usbmuxd socket, for USBMUXD_SOCKET_ADDRESS.
func (s *Server) Addr() string { return s.muxLn.Addr().String() }

// Phones lists the phones in the order of their seeds.
func (s *Server) Phones() []*Phone { return slices.Clone(s.phones) }

// Ready is the line that a process prints when hosts can connect.
type Ready struct {
	MessageType string        `json:"message_type"` // "ready"
	Socket      string        `json:"socket"`       // for USBMUXD_SOCKET_ADDRESS
	Devices     []ReadyDevice `json:"devices"`
}

// ReadyDevice is one phone of a Ready line.
type ReadyDevice struct {
	UDID string `json:"udid"`
}

// Ready describes the server.
func (s *Server) Ready() Ready {
	r := Ready{MessageType: "ready", Socket: s.Addr(), Devices: []ReadyDevice{}}
	for _, p := range s.phones {
		r.Devices = append(r.Devices, ReadyDevice{p.UDID()})
	}
	return r
}

// Wait returns when the server fails or ctx ends.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case err := <-s.failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close drops every connection, waits until all of them are done and gives the
// folder back.
func (s *Server) Close() error { return s.shut(errClosed) }

func (s *Server) shut(cause error) error {
	s.cancel(cause)
	var errs []error
	if s.control != nil {
		errs = append(errs, s.control.close())
	}
	for _, p := range s.phones { // also those of a Start that failed half-way
		p.stop(cause)
	}
	if s.muxLn != nil {
		if err := s.muxLn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	s.wg.Wait()
	for _, p := range s.phones {
		p.wg.Wait()
		if p.vault != nil {
			errs = append(errs, p.vault.Close())
		}
	}
	for _, l := range s.locks {
		errs = append(errs, l.Release())
	}
	s.locks = nil
	return errors.Join(errs...)
}
