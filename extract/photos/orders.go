package photos

import (
	"context"
	"fmt"
	"sync"

	"github.com/keepsake-backup/keepsake/extract"
)

// maxOrders bounds how many orders of a source are remembered; each takes eight bytes
// for a photo.
const maxOrders = 8

// orders are those in which pages of a source were asked for: the numbers of all
// assets of a group, sorted. The first page of one is cheaper without it; from the
// second on it is made once, and a page costs its own rows only.
type orders struct {
	mu    sync.Mutex
	asked map[string]bool
	lists map[string][]int64
}

// page is choose, which remembers what is asked again.
func (l *library) page(ctx context.Context, src *extract.Source, q extract.Query) (list []int64, skipped int, err error) {
	if q.Limit == 0 || q.Key != "" {
		return l.choose(ctx, q)
	}
	all, err := extract.Memo(src, "photos/orders", func() (*orders, error) {
		return &orders{asked: map[string]bool{}, lists: map[string][]int64{}}, nil
	})
	if err != nil {
		return nil, 0, err
	}
	key := fmt.Sprintf("%s/%t/%s", l.store.prefix, q.Newest, q.Group)
	all.mu.Lock()
	defer all.mu.Unlock()
	whole, known := all.lists[key]
	if !known {
		if !all.asked[key] || len(all.lists) >= maxOrders {
			all.asked[key] = len(all.asked) < 1000 || all.asked[key]
			return l.choose(ctx, q)
		}
		if whole, _, err = l.choose(ctx, extract.Query{Group: q.Group, Newest: q.Newest}); err != nil {
			return nil, 0, err
		}
		all.lists[key] = whole
	}
	skipped = min(q.Skip, len(whole))
	return whole[skipped:min(len(whole), skipped+q.Limit)], skipped, nil
}
