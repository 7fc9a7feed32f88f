package service

import (
	"context"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
)

// idleRepository is how long an open repository that nobody uses stays open: to
// open one costs half a second by design.
const idleRepository = 10 * time.Minute

// vault keeps repositories open while they are used, and some time longer.
type vault struct {
	// open opens the repository of a key, or makes it if make says so.
	open func(ctx context.Context, key string, make bool) (*repository.Repository, error)
	now  func() time.Time

	mu     sync.Mutex
	opened map[string]*opened
	closed bool
}

// opened is one repository, or the attempt to open it.
type opened struct {
	ready chan struct{} // closed when repo or err is set
	repo  *repository.Repository
	err   error
	made  bool // it was to be made if it was not there
	gone  bool // who opened it went away meanwhile
	users int
	idle  time.Time // since when nobody uses it
	stale bool      // is to be closed as soon as nobody uses it
}

// take gives the repository of a key; give it back by calling release once.
func (v *vault) take(ctx context.Context, key string, make bool) (repo *repository.Repository, release func(), err error) {
	for {
		o, mine, err := v.claim(key, make)
		if err != nil {
			return nil, nil, err
		}
		if mine {
			v.fill(ctx, o, key, make)
		}
		select {
		case <-o.ready:
		case <-ctx.Done():
			v.release(key, o)
			return nil, nil, context.Cause(ctx)
		}
		if o.err == nil {
			return o.repo, sync.OnceFunc(func() { v.release(key, o) }), nil
		}
		v.release(key, o)
		if mine || !o.gone && (o.made || !make) {
			return nil, nil, o.err
		}
		// Somebody else gave up opening it, or did not want to make it; it is our turn.
	}
}

func (v *vault) claim(key string, made bool) (o *opened, mine bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil, false, errStopped
	}
	o, ok := v.opened[key]
	if !ok {
		o, mine = &opened{ready: make(chan struct{}), made: made}, true
		if v.opened == nil {
			v.opened = map[string]*opened{}
		}
		v.opened[key] = o
	}
	o.users++
	return o, mine, nil
}

func (v *vault) fill(ctx context.Context, o *opened, key string, make bool) {
	o.repo, o.err = v.open(ctx, key, make)
	o.gone = ctx.Err() != nil
	if o.err != nil {
		v.mu.Lock()
		if v.opened[key] == o {
			delete(v.opened, key)
		}
		v.mu.Unlock()
	}
	close(o.ready)
}

func (v *vault) release(key string, o *opened) {
	v.mu.Lock()
	o.users--
	o.idle = v.now()
	shut := o.users == 0 && (o.stale || v.closed) && o.repo != nil
	v.mu.Unlock()
	if shut {
		o.repo.Close() // nothing is written by closing
	}
}

// tidy closes what nobody has used for a while; with all also what was used just now,
// and what is in use as soon as it no longer is.
func (v *vault) tidy(all bool) {
	v.mu.Lock()
	var shut []*repository.Repository
	for key, o := range v.opened {
		old := o.users == 0 && v.now().Sub(o.idle) >= idleRepository
		if !old && !all {
			continue
		}
		delete(v.opened, key)
		if o.users == 0 && o.repo != nil {
			shut = append(shut, o.repo)
			continue
		}
		o.stale = true
	}
	v.mu.Unlock()
	for _, r := range shut {
		r.Close()
	}
}

// close closes all, those in use when they are given back, and opens no more.
func (v *vault) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.tidy(true)
}
