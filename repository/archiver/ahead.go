package archiver

import "context"

// listAhead is how many folders of one folder are listed before the walk comes
// to them: enough to keep a disk busy, few enough that only names near the walk
// are in memory.
const listAhead = 2

// ahead lists the folders of one folder in their order.
type ahead struct {
	r     *run
	f     *folder
	l     *listing
	next  int // entry to look at
	begun []chan *listing
}

// fill begins listings until enough are under way.
func (a *ahead) fill(ctx context.Context) {
	for ; a.next < len(a.l.entries) && len(a.begun) < listAhead; a.next++ {
		e := a.l.entries[a.next]
		if !e.kind.IsDir() {
			continue
		}
		list := make(chan *listing, 1)
		a.begun = append(a.begun, list)
		path, old := join(a.f.path, e.name), subtree(find(a.l.old, e.name))
		a.r.background.Go(func() { list <- a.r.list(ctx, path, old) })
	}
}

// take gives the listing of the next folder.
func (a *ahead) take(ctx context.Context) *listing {
	a.fill(ctx)
	list := a.begun[0]
	a.begun = a.begun[1:]
	a.fill(ctx)
	select {
	case l := <-list:
		return l
	case <-ctx.Done():
		return &listing{fatal: context.Cause(ctx)}
	}
}
