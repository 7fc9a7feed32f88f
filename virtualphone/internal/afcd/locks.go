package afcd

import (
	"sync"

	"github.com/keepsake-backup/keepsake/afc"
)

// locks are the advisory locks of all connections, by path: one exclusive
// holder or any number of shared ones. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]map[*handle]bool // true: exclusive
}

// apply carries out a FileLock operation without waiting: a conflict is
// afc.StatusWouldBlock. Locking again changes the kind.
func (l *locks) apply(h *handle, op uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch op {
	case afc.LockUnlock:
		l.releaseLocked(h)
		return nil
	case afc.LockShared, afc.LockExclusive:
	default:
		return afc.StatusInvalidArgument
	}
	exclusive := op == afc.LockExclusive
	for other, theirs := range l.held[h.rel] {
		if other != h && (exclusive || theirs) {
			return afc.StatusWouldBlock
		}
	}
	if l.held == nil {
		l.held = map[string]map[*handle]bool{}
	}
	if l.held[h.rel] == nil {
		l.held[h.rel] = map[*handle]bool{}
	}
	l.held[h.rel][h] = exclusive
	return nil
}

func (l *locks) release(h *handle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.releaseLocked(h)
}

func (l *locks) releaseLocked(h *handle) {
	delete(l.held[h.rel], h)
	if len(l.held[h.rel]) == 0 {
		delete(l.held, h.rel)
	}
}
