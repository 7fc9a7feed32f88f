package calls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// stores are where calls are listed, the list that counts first.
var stores = []string{
	"HomeDomain/Library/CallHistoryDB/CallHistory.storedata",
	"HomeDomain/Library/CallHistoryDB/CallHistoryTemp.storedata",
	"HomeDomain/Library/CallHistoryDB/call_history.db",
	"WirelessDomain/Library/CallHistory/call_history.db",
}

// Reader reads calls. It keeps nothing of any source.
type Reader struct{}

// New makes a reader.
func New() *Reader { return &Reader{} }

var _ extract.Extractor = (*Reader)(nil)

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	info := extract.Info{Kind: "calls", Title: "Calls", Needs: "an encrypted backup, since iOS 13",
		Tables: []extract.Table{{Name: tableName, Title: "Calls", Columns: columns}}}
	for _, s := range stores {
		info.Paths = append(info.Paths, s, s+"-wal")
	}
	return info
}

// Groups implements extract.Extractor: calls lie in nothing.
func (*Reader) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }

// chunk is how many calls are read at once.
const chunk = 500

// Read implements extract.Extractor, the oldest call first.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l, err := extract.Memo(src, "calls", func() (*list, error) { return open(ctx, src) })
	if err != nil {
		return fmt.Errorf("read calls: %w", err)
	}
	for _, p := range l.problems {
		out.Report(p)
	}
	chosen := l.choose(q)
	for len(chosen) > 0 {
		n := min(chunk, len(chosen))
		calls, err := l.load(ctx, src, chosen[:n], out)
		if err != nil {
			return fmt.Errorf("read calls: %w", err)
		}
		for _, c := range calls {
			if err := out.Emit(c); err != nil {
				return extract.Done(err)
			}
		}
		chosen = chosen[n:]
	}
	return nil
}

// list is which calls there are, in their order.
type list struct {
	stores   []*store
	calls    []place
	problems []*extract.Problem
}

// place is where a call is.
type place struct {
	at    float64 // seconds, of the epoch of all
	key   string
	store int
	row   int64
}

// open reads the places of all calls, those of a list that cannot be read left out.
func open(ctx context.Context, src *extract.Source) (*list, error) {
	l := &list{}
	var first error
	absent := 0
	for _, name := range stores {
		s, err := openStore(ctx, src, name)
		var found []place
		if err == nil {
			found, err = s.places(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.Is(err, extract.ErrAbsent):
			absent++
			continue
		case err != nil:
			l.problems = append(l.problems, &extract.Problem{What: name, Err: err})
			first = cmp.Or(first, err)
		}
		if err == nil || len(found) > 0 { // what a damaged list still gives
			for i := range found {
				found[i].store = len(l.stores)
			}
			l.stores, l.calls = append(l.stores, s), append(l.calls, found...)
		}
	}
	switch {
	case absent == len(stores):
		return nil, fmt.Errorf("list of calls: %w", extract.ErrAbsent)
	case len(l.stores) == 0:
		return nil, first
	}
	l.unite()
	return l, nil
}

// unite leaves out what two lists have, and sorts. What a phone had before it was
// updated it has kept: calls of the old list have no identifier, and are those that
// a newer list has of the same second.
func (l *list) unite() {
	newer := map[int64]bool{}
	second := func(p place) int64 { return int64(p.at / 1e6) }
	for _, p := range l.calls {
		if p.at != 0 && !l.stores[p.store].old() {
			for i := second(p) - 1; i <= second(p)+1; i++ { // one of the two may be rounded
				newer[i] = true
			}
		}
	}
	l.calls = slices.DeleteFunc(l.calls, func(p place) bool { return p.at != 0 && l.stores[p.store].old() && newer[second(p)] })
	kept := l.calls[:0]
	known := make(map[string]int, len(l.calls)) // store that has it
	for _, p := range l.calls {
		own := strconv.Itoa(p.store) + ":" + strconv.FormatInt(p.row, 10)
		if p.key == "" {
			p.key = "row " + own
		}
		if in, taken := known[p.key]; taken {
			if in != p.store {
				continue
			}
			p.key += "/" + own
		}
		known[p.key] = p.store
		kept = append(kept, p)
	}
	l.calls = kept
	slices.SortFunc(l.calls, func(a, b place) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.key, b.key)) })
}

func (l *list) choose(q extract.Query) []place {
	if q.Table != "" && q.Table != tableName || q.Group != "" {
		return nil
	}
	all := l.calls
	if q.Key != "" {
		i := slices.IndexFunc(all, func(p place) bool { return p.key == q.Key })
		if i < 0 {
			return nil
		}
		all = all[i : i+1]
	}
	from, to := min(max(q.Skip, 0), len(all)), len(all)
	if q.Limit > 0 {
		to = min(from+q.Limit, to)
	}
	if !q.Newest {
		return all[from:to]
	}
	chosen := slices.Clone(all[len(all)-to : len(all)-from])
	slices.Reverse(chosen)
	return chosen
}

// load reads calls of any of the stores, in the order of places.
func (l *list) load(ctx context.Context, src *extract.Source, places []place, rep extract.Reporter) ([]*Call, error) {
	rows := make([][]string, len(l.stores))
	for _, p := range places {
		rows[p.store] = append(rows[p.store], strconv.FormatInt(p.row, 10))
	}
	read := make([]map[int64]*Call, len(l.stores))
	for i, s := range l.stores {
		if len(rows[i]) == 0 {
			continue
		}
		var err error
		read[i], err = s.load(ctx, strings.Join(rows[i], ","))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			rep.Report(&extract.Problem{What: s.db.Name(), Err: err})
		}
	}
	calls := make([]*Call, 0, len(places))
	for _, p := range places {
		c := read[p.store][p.row]
		if c == nil {
			rep.Report(&extract.Problem{What: "call " + p.key, Err: fmt.Errorf("%s does not give it", l.stores[p.store].db.Name())})
			continue
		}
		c.Key = p.key
		c.name(ctx, src)
		calls = append(calls, c)
	}
	return calls, nil
}

// name looks up who the others are.
func (c *Call) name(ctx context.Context, src *extract.Source) {
	for i := range c.Participants {
		p := &c.Participants[i]
		p.Name = src.NameOf(ctx, p.Address)
		if p.Name == "" && p.Address == c.Address {
			p.Name = c.ShownAs
		}
	}
	if c.Address == "" && len(c.Participants) == 1 {
		c.Address = c.Participants[0].Address
	}
	c.Name = cmp.Or(src.NameOf(ctx, c.Address), c.ShownAs)
}
