package search

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/search/internal/words"
)

// Query chooses documents. The zero value is all of them.
type Query struct {
	// Text is words that all have to be in a record's title, detail or text, without
	// regard to case and accents; "in quotes" next to each other; with a minus in front
	// they must not be there. The last word may be the beginning of one, unless a space
	// follows it; so may any with * behind it. Phone numbers are found however they are
	// written.
	Text  string
	Kinds []string // only these; none = all
	// Versions are those in which to look; none = all. Unknown ones have nothing.
	Versions []string
	Latest   bool // only in the newest version, instead of Versions
	// From and To bound the time of records: from From on, before To. Records without
	// a time are then left out.
	From, To time.Time
	Limit    int    // of Search: at most so many; 0 = DefaultLimit
	After    string // Result.Next of what came before, for the same query
}

// DefaultLimit is how many hits Search gives unless it is told.
const DefaultLimit = 50

// ErrQuery is wrapped by errors about queries that cannot be answered.
var ErrQuery = errors.New("cannot search for this")

// Bounds of a query's text: people write a line.
const (
	maxQueryText  = 4 << 10 // bytes
	maxQueryTerms = 64
)

// term is a word that is looked for.
type term struct {
	text   string
	prefix bool
	pos    int // in its sequence
}

// sequence is words next to each other.
type sequence []term

// clause is ways to be found: one of them, all of whose sequences.
type clause [][]sequence

// parsed is a query's text: all of must, none of not.
type parsed struct {
	must []clause
	not  []sequence
	// verify: words next to each other have to be looked for in the text itself.
	verify bool
}

// chunk is a word of a query, or what is in quotes.
type chunk struct {
	text       string
	start, end int // in the query, without quotes and minus
	quoted     bool
	not        bool
	last       bool // the end of the query, and the owner may still be writing it
}

func parse(text string) (*parsed, error) {
	if len(text) > maxQueryText {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrQuery, maxQueryText)
	}
	p := &parsed{}
	chunks := split(text)
	phones := words.Phones(blank(text, chunks))
	total := 0
	for i := 0; i < len(chunks); {
		c := chunks[i]
		if phone, n := phoneOf(phones, chunks[i:]); n > 0 {
			var plain []sequence
			for _, c := range chunks[i : i+n] {
				if s := sequenceOf(c); len(s) > 0 {
					plain = append(plain, s)
				}
			}
			last := chunks[i+n-1].last
			p.must = append(p.must, phoneClause(plain, phone, last))
			i += n
			total += n
			continue
		}
		i++
		s := sequenceOf(c)
		if len(s) == 0 {
			continue
		}
		total += len(s)
		if c.not {
			p.not = append(p.not, s)
		} else {
			p.must = append(p.must, clause{{s}})
		}
		p.verify = p.verify || len(s) > 1 && !c.not
	}
	if total > maxQueryTerms {
		return nil, fmt.Errorf("%w: more than %d words", ErrQuery, maxQueryTerms)
	}
	for _, c := range p.must {
		for _, way := range c {
			for _, s := range way {
				p.verify = p.verify || len(s) > 1
			}
		}
	}
	return p, nil
}

func phoneClause(plain []sequence, phone words.Phone, last bool) clause {
	c := clause{plain}
	if len(plain) == 0 {
		c = nil
	}
	for i, t := range phone.Terms() {
		c = append(c, []sequence{{term{text: t, prefix: i == 0 && last}}})
	}
	return c
}

// phoneOf gives the number that begins with the first chunk, and how many chunks it
// takes; 0 when there is none.
func phoneOf(phones []words.Phone, chunks []chunk) (words.Phone, int) {
	for _, p := range phones {
		// A plus or a bracket may be in front of its first digit.
		if p.Start < chunks[0].start || p.Start > chunks[0].start+3 || p.Start >= chunks[0].end {
			continue
		}
		for n, c := range chunks {
			if c.not || c.quoted {
				break
			}
			if c.end >= p.End {
				return p, n + 1
			}
		}
	}
	return words.Phone{}, 0
}

// blank is the text without what is in quotes or not wanted, at the same places.
func blank(text string, chunks []chunk) string {
	b := []byte(text)
	for _, c := range chunks {
		if c.not || c.quoted {
			for i := c.start; i < c.end; i++ {
				b[i] = '"' // in no number
			}
		}
	}
	return string(b)
}

// split cuts a query's text at spaces and quotes. A quote that nothing closes goes to
// the end.
func split(text string) []chunk {
	var list []chunk
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		c := chunk{start: i}
		if (r == '-' || r == '−') && i+n < len(text) && !startsWithSpace(text[i+n:]) {
			c.not = true
			i += n
			c.start = i
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		if closing := quotes[r]; closing != "" {
			c.quoted = true
			c.start = i + n
			c.end = len(text)
			i = len(text)
			if j := strings.IndexAny(text[c.start:], closing); j >= 0 {
				c.end = c.start + j
				_, n := utf8.DecodeRuneInString(text[c.end:])
				i = c.end + n
			}
		} else {
			c.end = len(text)
			if j := strings.IndexFunc(text[c.start:], func(r rune) bool { return unicode.IsSpace(r) || r == '"' }); j >= 0 {
				c.end = c.start + j
			}
			i = c.end
			c.last = c.end == len(text)
		}
		c.text = text[c.start:c.end]
		list = append(list, c)
	}
	return list
}

func startsWithSpace(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsSpace(r)
}

// quotes that open, and what closes them: keyboards of phones make them round.
var quotes = map[rune]string{'"': "\"", '“': "”“\"", '„': "“”\"", '«': "»\"", '»': "«\""}

// sequenceOf are the words of a chunk, next to each other.
func sequenceOf(c chunk) sequence {
	var s sequence
	var cutter words.Cutter
	prefix := c.last && !c.not
	text := c.text
	if !c.quoted && strings.HasSuffix(text, "*") {
		prefix = true
	}
	cutter.Each(text, func(t words.Token) {
		if !t.Extra {
			s = append(s, term{text: string(t.Term), pos: t.Pos})
		}
	})
	s = pairsOnly(s)
	if len(s) > 0 && prefix {
		s[len(s)-1].prefix = true
	}
	return s
}

// pairsOnly leaves out single letters of scripts without spaces where pairs say it all.
func pairsOnly(s sequence) sequence {
	paired := map[int]bool{} // places that a pair covers
	for i := 1; i < len(s); i++ {
		if s[i].pos == s[i-1].pos { // a letter, and the pair that begins with it
			paired[s[i].pos], paired[s[i].pos+1] = true, true
		}
	}
	out := s[:0]
	for i, t := range s {
		pair := i > 0 && s[i-1].pos == t.pos
		if pair || !paired[t.pos] {
			out = append(out, t)
		}
	}
	return out
}
