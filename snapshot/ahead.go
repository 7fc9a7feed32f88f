package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// ahead reads a file of small pieces at random. When neighbours are asked for, it
// fetches more and more of what follows at once: a scan of a database goes over
// its pages nearly in order, and the repository may be far away.
type ahead struct {
	ctx   context.Context
	s     *repository.Session
	name  string
	blobs []format.BlobHandle
	ends  []int64 // where each blob ends

	mu    sync.Mutex
	kept  map[int][]byte // blobs; guarded by mu
	order []int          // of kept, oldest first
	bytes int            // of kept
	run   int            // how many to fetch next
}

const (
	aheadKept  = 24 << 20 // bytes
	aheadMost  = 256      // blobs that are fetched at once
	aheadBytes = 4 << 20  // the same in bytes, beyond the first blob
)

func newAhead(ctx context.Context, s *repository.Session, n *format.Node) (*ahead, error) {
	a := &ahead{ctx: ctx, s: s, name: n.Name, ends: make([]int64, len(n.Content)), blobs: make([]format.BlobHandle, len(n.Content)), kept: map[int][]byte{}, run: 1}
	end := int64(0)
	for i, id := range n.Content {
		a.blobs[i] = format.BlobHandle{ID: id, Type: format.DataBlob}
		size, err := s.BlobSize(ctx, a.blobs[i])
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", n.Name, err)
		}
		end += int64(size)
		a.ends[i] = end
	}
	return a, nil
}

// Size is the number of bytes.
func (a *ahead) Size() int64 {
	if len(a.ends) == 0 {
		return 0
	}
	return a.ends[len(a.ends)-1]
}

// ReadAt reads from anywhere.
func (a *ahead) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s: negative offset", a.name)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at >= a.Size() {
			return done, io.EOF
		}
		i, _ := slices.BinarySearchFunc(a.ends, at, func(end, at int64) int { return cmp.Compare(end, at+1) })
		data, err := a.blobLocked(i)
		if err != nil {
			return done, fmt.Errorf("read %s: %w", a.name, err)
		}
		start := a.ends[i] - int64(len(data))
		done += copy(p[done:], data[at-start:])
	}
	return done, nil
}

func (a *ahead) blobLocked(i int) ([]byte, error) {
	if data, ok := a.kept[i]; ok {
		return data, nil
	}
	near := false
	for j := max(i-4, 0); j < i && !near; j++ {
		_, near = a.kept[j]
	}
	if a.run = min(a.run*2, aheadMost); !near {
		a.run = 1
	}
	to := i
	for to < len(a.blobs) && to < i+a.run && (to == i || a.kept[to] == nil && a.ends[to]-a.ends[i] <= aheadBytes) {
		to++
	}
	err := a.s.Fetch(a.ctx, a.blobs[i:to], func(j int, data []byte) error {
		want := a.ends[i+j]
		if i+j > 0 {
			want -= a.ends[i+j-1]
		}
		if int64(len(data)) != want {
			return fmt.Errorf("blob %s has %d bytes, and the index says %d", a.blobs[i+j].ID.Short(), len(data), want)
		}
		a.keepLocked(i+j, append([]byte(nil), data...))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.kept[i], nil
}

// keepLocked drops the oldest for the new, but never one of those just fetched.
func (a *ahead) keepLocked(i int, data []byte) {
	if _, ok := a.kept[i]; ok {
		return
	}
	a.kept[i] = data
	a.order = append(a.order, i)
	a.bytes += len(data)
	for a.bytes > aheadKept && len(a.order) > a.run {
		a.bytes -= len(a.kept[a.order[0]])
		delete(a.kept, a.order[0])
		a.order = a.order[1:]
	}
}
