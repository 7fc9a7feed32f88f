package virtualphone

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// own is what even a phone without a file of its owner's uses.
const own = 1 << 20

// heldFor is how long a count of what the phone holds is good: phones count now
// and then as well, not at every question.
const heldFor = time.Minute

// held counts what a phone holds.
type held struct {
	mu    sync.Mutex
	bytes int64
	until time.Time
}

// Held is how many bytes of the phone's own disk are used: its files, and a tenth
// more for what it keeps beside them (lists, caches).
func (p lockdownPhone) Held() int64 {
	p.held.mu.Lock()
	defer p.held.mu.Unlock()
	if at := time.Now(); at.After(p.held.until) {
		n := sizeBelow(filepath.Join(p.Dir(), "fs")) + sizeBelow(filepath.Join(p.Dir(), "media"))
		p.held.bytes, p.held.until = n+n/10+own, at.Add(heldFor)
	}
	return p.held.bytes
}

// sizeBelow adds up the files below dir. What goes away meanwhile, or cannot be
// looked at, is not counted: it is a figure for people.
func sizeBelow(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}
