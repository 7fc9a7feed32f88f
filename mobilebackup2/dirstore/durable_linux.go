package dirstore

import (
	"time"

	"golang.org/x/sys/unix"
)

// flushesAll: flush needs no list of files.
const flushesAll = true

// unsynced is not needed where one call flushes the whole file system.
type unsynced struct{}

func (unsynced) noteUnsynced(string) {}

// flush writes the file system of the folder out; since Linux 5.8 it reports
// errors of earlier writes too.
// Each descriptor is told of an error once, so it is one for the whole run: what
// another program's flush was told reaches this one too.
func (s *Store) flush() error { return again(func() error { return unix.Syncfs(s.top.fd) }) }

// aheadStep is how many bytes are written before they are flushed in the background.
const aheadStep = 128 << 20

// ahead flushes now and then while files still arrive, so that the disk works
// along instead of at the end alone, and a power failure costs less.
type ahead struct {
	pending int64
	done    chan error // of the flush under way, nil when there is none
	since   time.Time  // when that began
	err     error      // of an earlier one; everything after it fails
}

// wrote counts and begins a flush when one is due.
func (a *ahead) wrote(s *Store, size int64) error {
	a.pending += size
	if a.done != nil {
		select {
		case err := <-a.done:
			a.finished(s, err)
		default:
		}
	}
	if a.err == nil && a.done == nil && a.pending >= aheadStep {
		done := make(chan error, 1)
		a.pending, a.done, a.since = 0, done, time.Now()
		go func() { done <- s.flush() }()
	}
	return a.err
}

// wait ends the flush under way.
func (a *ahead) wait(s *Store) error {
	if a.done != nil {
		a.finished(s, <-a.done)
	}
	return a.err
}

func (a *ahead) finished(s *Store, err error) {
	a.done, a.pending = nil, max(a.pending, 0)
	if err == nil && s.lock != nil && !s.lock.shared && !s.lock.Unsynced.IsZero() {
		// Older files are safe now. Should this note be lost, it was stricter.
		s.lock.Unsynced = a.since
		err = s.lock.write()
	}
	if err != nil {
		err = s.lose(err)
	}
	a.err = err
}
