package contacts

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/sqlitefs"
)

// ReadNames knows the people of the phone by their numbers and e-mail addresses; it
// is what [extract.Source.ReadNames] is for. A phone without contacts knows nobody,
// which is [extract.ErrAbsent].
func ReadNames(ctx context.Context, src *extract.Source) (extract.Names, error) {
	b, err := open(ctx, src, quiet{})
	if err != nil {
		return nil, err
	}
	n := &names{mails: map[string]string{}, numbers: map[string]string{}, tails: map[string][]known{}}
	if err := n.read(ctx, b); err != nil {
		return nil, fmt.Errorf("read names of contacts: %w", err)
	}
	return n, nil
}

// tail is how many last digits two spellings of a number have in common.
const tail = 8

// names are the people of a phone by their addresses.
type names struct {
	mails   map[string]string  // by address in small letters
	numbers map[string]string  // by all digits
	tails   map[string][]known // by the last digits
}

type known struct{ number, name string }

func (n *names) read(ctx context.Context, b *book) error {
	if !b.db.Has("ABMultiValue", "record_id", "property", "value") {
		return nil
	}
	type place struct {
		unit *unit
		at   int
	}
	units := make(map[int64]place, len(b.units))
	for at, u := range b.units {
		for _, id := range u.cards {
			units[id] = place{u, at}
		}
	}
	rows, err := b.db.QueryContext(ctx, fmt.Sprintf(`SELECT +v.record_id, +v.property, substr(v.value, 1, 500) FROM ABMultiValue v
		WHERE v.property IN (%d, %d) ORDER BY v.ROWID`, propPhone, propEmail))
	if err != nil {
		return b.db.Err(ctx, err)
	}
	defer rows.Close()
	// Two people with the same address: it is that of the first in the list.
	first := map[string]int{}
	for rows.Next() {
		var id, property sqlitefs.Int
		var value sqlitefs.Text
		if err := rows.Scan(&id, &property, &value); err != nil {
			return b.db.Err(ctx, err)
		}
		p := units[id.Int]
		address := text(value)
		if p.unit == nil || p.unit.name == noName || p.unit.name == address {
			continue
		}
		into, key := n.mails, strings.ToLower(address)
		if property.Int == propPhone {
			into, key = n.numbers, dialled(address)
		}
		if key == "" {
			continue
		}
		if at, taken := first[key]; taken && at <= p.at {
			continue
		}
		first[key] = p.at
		into[key] = p.unit.name
	}
	if err := b.db.Err(ctx, rows.Err()); err != nil {
		return err
	}
	for number, name := range n.numbers {
		if last := lastDigits(number); last != "" {
			n.tails[last] = append(n.tails[last], known{number, name})
		}
	}
	return nil
}

// Name implements extract.Names: by the whole number, else by its last eight digits,
// where the rest of the digits does not speak against it and only one name is left.
func (n *names) Name(address string) string {
	address = strings.TrimSpace(address)
	for _, scheme := range []string{"tel:", "mailto:", "sip:"} {
		address = strings.TrimPrefix(address, scheme)
	}
	if number, ok := strings.CutSuffix(address, "@s.whatsapp.net"); ok {
		address = "+" + number
	}
	if strings.Contains(address, "@") {
		return n.mails[strings.ToLower(address)]
	}
	number := dialled(address)
	if name := n.numbers[number]; name != "" {
		return name
	}
	var name string
	for _, k := range n.tails[lastDigits(number)] {
		if !sameNumber(k.number, number) {
			continue
		}
		if name != "" && name != k.name {
			return "" // whose it is cannot be told
		}
		name = k.name
	}
	return name
}

// lastDigits is what numbers are looked up by; "" of a short one, which means what it
// says.
func lastDigits(number string) string {
	number = strings.TrimPrefix(number, "+")
	if len(number) < tail {
		return ""
	}
	return number[len(number)-tail:]
}

// sameNumber tells of two numbers with the same last digits whether they may be one:
// not when both name a country, and not the same. Beyond that the digits in front may
// differ, as those of Mexico, Brazil and Argentina do between apps.
func sameNumber(a, b string) bool {
	a, aAbroad := country(a)
	b, bAbroad := country(b)
	if aAbroad && bAbroad {
		return a[:2] == b[:2]
	}
	// A national number is the end of the international one, without its zero.
	if !aAbroad {
		a = strings.TrimLeft(a, "0")
	}
	if !bAbroad {
		b = strings.TrimLeft(b, "0")
	}
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

// country takes the sign of an international number away.
func country(number string) (digits string, abroad bool) {
	if rest, ok := strings.CutPrefix(number, "+"); ok && len(rest) > 2 {
		return rest, true
	}
	if rest, ok := strings.CutPrefix(number, "00"); ok && len(rest) > tail {
		return rest, true
	}
	return number, false
}

// dialled is a phone number as it is dialled: digits, and + in front; letters are
// those on the keys. What follows a pause or an extension is left out.
func dialled(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && b.Len() == 0:
			b.WriteByte('+')
		case r == '*' || r == '#':
			b.WriteRune(r)
		case r == ',' || r == ';', (r == 'x' || r == 'X') && b.Len() >= 7 && extension(s[i+1:]):
			return b.String()
		case r < 0x80 && unicode.IsLetter(r) && b.Len() > 0:
			const keys = "22233344455566677778889999"
			b.WriteByte(keys[unicode.ToLower(r)-'a'])
		case r >= 0x80 && unicode.Is(unicode.Nd, r):
			b.WriteByte('0' + digitOf(r))
		}
	}
	return b.String()
}

// extension tells whether an x begins an extension: only digits follow.
func extension(s string) bool {
	s = strings.TrimSpace(s)
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// digitOf is the value of a digit of any script: they come in runs of ten, zero first.
func digitOf(r rune) byte {
	for _, t := range unicode.Nd.R16 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	for _, t := range unicode.Nd.R32 {
		if r >= rune(t.Lo) && r <= rune(t.Hi) {
			return byte((r - rune(t.Lo)) % 10)
		}
	}
	return 0
}
