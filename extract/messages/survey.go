package messages

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// survey is what one pass over the table of messages finds out. The indexes have the
// same in parts, but their pages lie all over the file, and a version in a repository
// is read, decrypted and unpacked in pieces of a MiB: by them it takes three times as
// long.
type survey struct {
	seed     maphash.Seed
	entries  []entry  // in the order of their numbers
	guids    []uint64 // hashes of the GUIDs of entries; 0 is none
	about    []pointer
	reacts   []int64  // of about, which are reactions, in the order of their numbers
	answered []uint64 // hashes of GUIDs
	broken   []int64  // rows
	problems []*extract.Problem
}

// maxRoom is for how many messages room is made at once: for all, unless many were
// deleted. Beyond that lists grow by themselves.
const maxRoom = 4 << 20

// numbers are the first and the last number of a message; with none, the first one is
// behind the last one.
func (b *book) numbers(ctx context.Context) (first, last int64, err error) {
	var from, to sqlitefs.Int
	err = b.each(ctx, "SELECT (SELECT min(ROWID) FROM message), (SELECT max(ROWID) FROM message)", nil, func(scan func(...any) error) error { return scan(&from, &to) })
	if err == nil && !from.Valid {
		return 1, 0, nil
	}
	return from.Int, to.Int, err
}

// survey makes it. What cannot be read is a problem, and left out.
func (b *book) survey(ctx context.Context) (*survey, error) {
	first, last, err := b.numbers(ctx)
	if err != nil {
		return nil, err
	}
	all := &survey{seed: maphash.MakeSeed()}
	if first > last {
		return all, nil
	}
	// Both halves are read at once, into the halves of one list.
	half := min(uint64(last-first), maxRoom)/2 + 1
	entries, guids := make([]entry, 2*half), make([]uint64, 2*half)
	middle := between(first, last)
	var s [2]*survey
	var causes [2]error
	g, ctx := errgroup.WithContext(ctx)
	for i, r := range [2][2]int64{{first, middle}, {middle + 1, last}} {
		at := uint64(i) * half
		s[i] = &survey{seed: all.seed, entries: entries[at : at : at+half], guids: guids[at : at : at+half]}
		g.Go(func() error { return s[i].read(ctx, b, r[0], r[1], &causes[i]) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i := range s {
		s[i].report(causes[i])
	}
	all.entries, all.guids = joined(entries, s[0].entries, s[1].entries), joined(guids, s[0].guids, s[1].guids)
	all.about, all.reacts, all.answered = slices.Concat(s[0].about, s[1].about), slices.Concat(s[0].reacts, s[1].reacts), slices.Concat(s[0].answered, s[1].answered)
	all.problems = slices.Concat(s[0].problems, s[1].problems)
	return all, nil
}

// joined makes one list of two that lie in the halves of all, unless they have outgrown
// them.
func joined[T any](all, a, b []T) []T {
	if len(a) > len(all)/2 {
		return slices.Concat(a, b)
	}
	return append(all[:len(a)], b...)
}

// between is the middle of two numbers, and less than the second one if they differ.
func between(from, to int64) int64 { return from + int64(uint64(to-from)/2) }

// maxBroken is how many rows may be broken before the whole store is.
const maxBroken = 50_000

// read reads the rows from a number to another. When the database breaks among them,
// halves are tried, down to the row that is broken. cause becomes how it is broken.
func (s *survey) read(ctx context.Context, b *book, from, to int64, cause *error) error {
	if from > to {
		return nil
	}
	n := *s
	err := s.rows(ctx, b, from, to)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil || len(s.broken) >= maxBroken:
		return err
	}
	broken := s.broken
	*s = n
	if s.broken, *cause = broken, err; from == to {
		s.broken = append(s.broken, from)
		return nil
	}
	middle := between(from, to)
	if err := s.read(ctx, b, from, middle, cause); err != nil {
		return err
	}
	return s.read(ctx, b, middle+1, to, cause)
}

func (s *survey) rows(ctx context.Context, b *book, from, to int64) error {
	var id, date, kind sqlitefs.Int
	var guid, about, thread sqlitefs.Text
	query := fmt.Sprintf("SELECT m.ROWID, %s FROM message m WHERE m.ROWID BETWEEN %d AND %d",
		b.db.List("message", "m", "date", "guid", "associated_message_type", "associated_message_guid", "thread_originator_guid"), from, to)
	p := pointers{seed: s.seed}
	return b.each(ctx, query, nil, func(scan func(...any) error) error {
		if err := scan(&id, &date, &guid, &kind, &about, &thread); err != nil {
			return err
		}
		s.entries = append(s.entries, entry{id: id.Int, date: nanoseconds(date.Int)})
		s.guids = append(s.guids, s.hash(guid.String))
		if about.String != "" {
			s.about = append(s.about, p.pointer(about.String, id.Int))
			if kind.Int >= firstReaction && kind.Int <= lastRemoval {
				s.reacts = append(s.reacts, id.Int)
			}
		}
		if thread.String != "" {
			s.answered = append(s.answered, s.hash(thread.String))
		}
		return nil
	})
}

// hash is that of a GUID; 0 if there is none.
func (s *survey) hash(guid string) uint64 {
	if guid == "" {
		return 0
	}
	return maphash.String(s.seed, guid)
}

// report tells which rows are broken; those in a row are told once.
func (s *survey) report(cause error) {
	for i := 0; i < len(s.broken); {
		n := 1
		for i+n < len(s.broken) && s.broken[i+n] == s.broken[i]+int64(n) {
			n++
		}
		what := fmt.Sprintf("message in row %d", s.broken[i])
		if n > 1 {
			what = fmt.Sprintf("messages in rows %d to %d", s.broken[i], s.broken[i+n-1])
		}
		s.problems = append(s.problems, problem(what, cause))
		i += n
	}
}

// resolve finds out what points to messages, which messages are answered, and which
// rows are reactions to a message that is there, and so no records; those are sorted.
func (s *survey) resolve() (about, answers *pointers, hidden []int64) {
	const absent = math.MinInt64
	rows := make(map[uint64]int64, len(s.about)+len(s.answered)) // by the hash of the GUID
	for _, p := range s.about {
		rows[p.hash] = absent
	}
	for _, h := range s.answered {
		rows[h] = absent
	}
	for i, h := range s.guids {
		if _, ok := rows[h]; ok && h != 0 {
			rows[h] = s.entries[i].id
		}
	}
	reacts := s.reacts
	for _, p := range s.about {
		if len(reacts) == 0 || p.id != reacts[0] {
			continue
		}
		if reacts = reacts[1:]; rows[p.hash] != absent {
			hidden = append(hidden, p.id)
		}
	}
	answers = &pointers{seed: s.seed}
	for _, h := range s.answered {
		if id, ok := rows[h]; ok && id != absent {
			answers.list = append(answers.list, pointer{h, id})
			delete(rows, h) // once for all answers to it
		}
	}
	about = &pointers{seed: s.seed, list: s.about}
	about.sort()
	answers.sort()
	return about, answers, hidden
}
