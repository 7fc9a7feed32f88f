package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/targets"
)

var errUnplugged = errors.New("the disk is not connected")

// disk is where the backups are: folders, and what can happen to a disk.
type disk struct {
	mu   sync.Mutex
	gone bool
	back time.Time // when it was plugged in again
	// room is how many bytes fit yet, -1 any number.
	room int64
}

func newDisk() *disk { return &disk{room: -1} }

// set changes what is wrong with the disk at a moment.
func (d *disk) set(now time.Time, gone bool, room int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone && !gone {
		d.back = now
	}
	d.gone, d.room = gone, room
}

func (d *disk) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		return errUnplugged
	}
	return nil
}

// away tells whether the service may think that the disk is away: it is, or is back
// for less time than the service takes to look twice.
func (d *disk) away(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone || now.Sub(d.back) < 2*paceOfLooks
}

// take takes room, if there is some.
func (d *disk) take(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.gone:
		return errUnplugged
	case d.room < 0:
		return nil
	case d.room < n:
		return backend.ErrFull
	}
	d.room -= n
	return nil
}

// initOptions make repositories whose keys cost nothing.
func initOptions() repository.InitOptions {
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	return o
}

// Look implements service.Places.
func (d *disk) Look(_ context.Context, where string) (service.Place, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	f := folder{disk: d, dir: where}
	entries, err := os.ReadDir(where)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, e := range entries {
		udid, err := device.ParseUDID(e.Name())
		if err != nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(where, e.Name(), "config")); err == nil {
			f.members = append(f.members, udid)
		}
	}
	return f, nil
}

// Keeper implements service.Places. Targets are other disks.
func (d *disk) Keeper(book *targets.Book, password func(context.Context, string) (secret.RepositoryPassword, error), _ func(context.Context, string) (map[string]string, error)) *targets.Keeper {
	return &targets.Keeper{Book: book, Init: initOptions(),
		Open: func(_ context.Context, _ targets.Target, where string, _ bool) (backend.Backend, error) {
			return local.Open(where, local.Options{})
		},
		Password: func(ctx context.Context, t targets.Target) (secret.RepositoryPassword, bool, error) {
			p, err := password(ctx, t.Name)
			return p, false, err
		},
		Mounts: func() ([]string, error) { return nil, nil },
	}
}

// folder implements service.Place: a repository for each phone.
type folder struct {
	disk    *disk
	dir     string
	members []device.UDID
}

func (f folder) String() string         { return "the disk" }
func (f folder) Shared() bool           { return false }
func (f folder) Members() []device.UDID { return f.members }
func (f folder) Empty() bool            { return len(f.members) == 0 }

func (f folder) Free() int64 {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return f.disk.room
}

func (f folder) Prove(ctx context.Context, password secret.RepositoryPassword) error {
	r, err := f.Open(ctx, f.members[0], password)
	if err != nil {
		return err
	}
	return r.Close()
}

func (f folder) backend(udid device.UDID) (backend.Backend, error) {
	if err := f.disk.err(); err != nil {
		return nil, err
	}
	be, err := local.Open(filepath.Join(f.dir, udid.String()), local.Options{})
	if err != nil {
		return nil, err
	}
	return moody{be, f.disk}, nil
}

func (f folder) Open(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, error) {
	be, err := f.backend(udid)
	if err != nil {
		return nil, err
	}
	r, err := repository.Open(ctx, be, password, repository.Options{})
	if err != nil {
		return nil, errors.Join(err, be.Close())
	}
	return r, nil
}

func (f folder) OpenOrMake(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, bool, error) {
	if _, err := os.Stat(filepath.Join(f.dir, udid.String(), "config")); err == nil {
		r, err := f.Open(ctx, udid, password)
		return r, false, err
	}
	be, err := f.backend(udid)
	if err != nil {
		return nil, false, err
	}
	r, err := repository.Init(ctx, be, password, initOptions())
	if err != nil {
		return nil, false, errors.Join(err, be.Close())
	}
	return r, true, nil
}

// Sheet implements service.Place; nobody prints one here.
func (f folder) Sheet(context.Context, secret.RepositoryPassword, secret.RepositoryPassword) ([]byte, error) {
	return nil, errors.New("no recovery sheet")
}

// moody is a backend on a disk that may be full or gone.
type moody struct {
	backend.Backend
	disk *disk
}

// Unwrap gives what lies below.
func (m moody) Unwrap() backend.Backend { return m.Backend }

func (m moody) wrap(do string, h backend.Handle, err error) error {
	return fmt.Errorf("%s %v: %w", do, h, err)
}

func (m moody) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	if err := m.disk.take(data.Size()); err != nil {
		return m.wrap("save", h, err)
	}
	return m.Backend.Save(ctx, h, data)
}

func (m moody) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	if err := m.disk.err(); err != nil {
		return m.wrap("load", h, err)
	}
	return m.Backend.Load(ctx, h, offset, length, fn)
}

func (m moody) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	if err := m.disk.err(); err != nil {
		return backend.FileInfo{}, m.wrap("stat", h, err)
	}
	return m.Backend.Stat(ctx, h)
}

func (m moody) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	if err := m.disk.err(); err != nil {
		return fmt.Errorf("list %v: %w", t, err)
	}
	return m.Backend.List(ctx, t, fn)
}

func (m moody) Remove(ctx context.Context, h backend.Handle) error {
	if err := m.disk.err(); err != nil {
		return m.wrap("remove", h, err)
	}
	return m.Backend.Remove(ctx, h)
}

// paceOfLooks is how often the service looks whether the place is there.
const paceOfLooks = 10 * time.Minute
