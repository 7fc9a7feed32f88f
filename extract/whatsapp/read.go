package whatsapp

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/chat"
)

// Read implements extract.Extractor: messages first, then calls. Calls lie in no
// conversation.
func (r *Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	reading := &reading{ctx: ctx, src: src, out: out, q: q}
	err := reading.all()
	if err == extract.ErrStop { //nolint:errorlint // it is given as it is
		reading.found, err = true, nil
	}
	if err != nil {
		return err
	}
	return reading.end()
}

func (r *reading) all() error {
	if r.q.Table == "" || r.q.Table == chat.Table.Name {
		if err := r.messages(); err != nil {
			return err
		}
	}
	if r.q.Table != "" && r.q.Table != Calls.Name || r.q.Group != "" || r.q.Key != "" && !strings.Contains(r.q.Key, "call/") {
		return nil
	}
	return r.calls()
}

// reading is one Read.
type reading struct {
	ctx    context.Context
	src    *extract.Source
	out    extract.Emitter
	q      extract.Query // what is still to come: Skip and Limit go down
	found  bool          // a store that can be read
	failed []error
}

// end reports the stores that failed, or gives the error if none could be read.
func (r *reading) end() error {
	if !r.found {
		if len(r.failed) > 0 {
			return r.failed[0]
		}
		if !r.other() {
			return absent()
		}
	}
	for _, err := range r.failed {
		r.out.Report(&extract.Problem{Kind: kind, What: "a store of WhatsApp", Err: err})
	}
	return nil
}

// other tells whether there is any store: then there are no records of those that were
// asked for, which is another thing than no WhatsApp.
func (r *reading) other() bool {
	for _, c := range containers {
		for _, name := range append(slices.Clone(c.chats), c.domain+"/CallHistory.sqlite") {
			if r.src.Has(name) {
				return true
			}
		}
	}
	return false
}

func (r *reading) messages() error {
	books, failed, err := open(r.ctx, r.src)
	if err != nil {
		return err
	}
	r.failed = append(r.failed, failed...)
	opened, lost := len(books), len(r.failed)
	books = slices.DeleteFunc(books, func(b *book) bool {
		if b.dir.problem != nil {
			r.out.Report(&extract.Problem{Kind: kind, What: "names of " + b.app, Err: b.dir.problem})
			b.dir.problem = nil
		}
		return r.q.Key != "" && b.prefix != "" && !strings.HasPrefix(r.q.Key, b.prefix)
	})
	if err := r.merge(books); err != nil {
		return err
	}
	r.found = r.found || opened > len(r.failed)-lost
	if r.q.Table == "" && r.q.Group == "" && r.q.Key == "" && r.q.Skip > 0 {
		// What was left out was among the messages, or is all of them and more.
		r.q.Skip = max(0, r.q.Skip-count(books))
	}
	return nil
}

// merge gives the messages of all books in one order.
func (r *reading) merge(books []*book) (err error) {
	limit, skip := r.q.Limit, r.q.Skip
	if len(books) != 1 { // each may have all of those that are wanted
		if limit > 0 {
			limit += skip
		}
		skip = 0
	}
	var open []*cursor
	defer func() {
		for _, c := range open {
			if e := c.close(); e != nil && err == nil {
				err = c.b.db.Err(r.ctx, e)
			}
		}
	}()
	for _, b := range books {
		if r.q.Group != "" && b.byKey(r.q.Group) == nil {
			continue
		}
		c, err := b.cursor(r.ctx, r.q, limit, skip)
		if err != nil {
			if err := r.lose(err); err != nil {
				return err
			}
			continue
		}
		if c == nil {
			continue
		}
		open = append(open, c)
		if err := r.step(c); err != nil {
			return err
		}
	}
	left := 0
	if len(books) != 1 {
		left = r.q.Skip
	}
	given := 0
	for {
		c := first(open, r.q.Newest)
		if c == nil {
			break
		}
		if left > 0 {
			left--
		} else {
			if err := r.out.Emit(c.Message); err != nil {
				return err
			}
			if given++; r.q.Limit > 0 && given >= r.q.Limit {
				return extract.ErrStop
			}
		}
		if err := r.step(c); err != nil {
			return err
		}
	}
	if r.q.Limit > 0 {
		r.q.Limit -= given
	}
	return nil
}

// step takes the next message of a book.
func (r *reading) step(c *cursor) error {
	_, err := c.next(r.out)
	if err == nil {
		return nil
	}
	c.done = true
	return r.lose(err)
}

// lose notes that a store cannot be read on, unless all ends with it.
func (r *reading) lose(err error) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	r.failed = append(r.failed, err)
	return nil
}

// first is the book whose message comes next.
func first(open []*cursor, newest bool) *cursor {
	var best *cursor
	for _, c := range open {
		if c.done {
			continue
		}
		if best == nil || newest && c.Time.After(best.Time) || !newest && c.Time.Before(best.Time) {
			best = c
		}
	}
	return best
}

func count(books []*book) int {
	n := 0
	for _, b := range books {
		for _, s := range b.byPK {
			n += s.Messages
		}
	}
	return n
}

func (r *reading) calls() error {
	list, err := callsOf(r.ctx, r.src)
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if err != nil && !errors.Is(err, extract.ErrAbsent) {
		r.failed = append(r.failed, err)
	}
	r.found = r.found || err == nil || len(list) > 0
	if r.q.Newest {
		slices.Reverse(list)
	}
	page := extract.Page{Query: r.q}
	for _, c := range list {
		if r.q.Key != "" && r.q.Key != c.Key {
			continue
		}
		if err := page.Emit(r.out, c); err != nil {
			return err
		}
	}
	return nil
}
