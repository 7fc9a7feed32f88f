package whatsapp

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keepsake-backup/keepsake/extract"
)

var errWire = errors.New("no protocol buffer")

// fields calls f for each field of a protocol buffer: data of those that have a
// length, else the number.
func fields(b []byte, f func(num protowire.Number, number uint64, data []byte)) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		var number uint64
		var data []byte
		switch typ {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
			if data == nil {
				data = []byte{}
			}
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
			if n >= 0 {
				b = b[n:]
				continue
			}
		}
		if n < 0 {
			return errWire
		}
		b = b[n:]
		f(num, number, data)
	}
	return nil
}

// text is data as text, "" where it is none.
func text(data []byte) string {
	if !utf8.Valid(data) {
		return ""
	}
	return string(data)
}

// metadata is what a ZMETADATA of ZWAMEDIAITEM says:
//
//	5 stanza ID of the quoted message, 6 who wrote that, 19 {1 its text}
//	   else {3 picture {3 caption}, 4 contact, 5 place, 6 {1 text}, 7 document {8 its name}, 8 sound, 9 film {7 caption}, 26 sticker}
//	17 how often it was forwarded, 21 by whom
type metadata struct {
	quoted, author, quote string
	forwarded             bool
}

func parseMetadata(b []byte) metadata {
	var m metadata
	_ = fields(b, func(num protowire.Number, number uint64, data []byte) { // what comes before an error is as good
		switch num {
		case 5:
			m.quoted = text(data)
		case 6:
			m.author = text(data)
		case 17:
			m.forwarded = m.forwarded || number > 0
		case 19:
			m.quote = parseQuote(data)
		case 21:
			m.forwarded = m.forwarded || len(data) > 0
		}
	})
	return m
}

// quotable are the parts of a quoted message: how it is called without words, and where
// its words are, 0 = nowhere.
var quotable = map[protowire.Number]struct {
	name  string
	words protowire.Number
}{3: {"Photo", 3}, 4: {"Contact", 0}, 5: {"Place", 0}, 6: {"", 1}, 7: {"Document", 8}, 8: {"Audio", 0}, 9: {"Video", 7}, 26: {"Sticker", 0}}

// parseQuote reads the beginning of a quoted message, which is as the protocol has it.
func parseQuote(b []byte) (quote string) {
	_ = fields(b, func(num protowire.Number, _ uint64, data []byte) {
		part, known := quotable[num]
		switch {
		case num == 1:
			quote = text(data)
		case known && data != nil && quote == "":
			_ = fields(data, func(num protowire.Number, _ uint64, data []byte) {
				if num == part.words {
					quote = text(data)
				}
			})
			if quote == "" {
				quote = part.name
			}
		}
	})
	return quote
}

// more is what a ZMETADATA has of messages of shops, and of groups (IPED,
// ExtractorIOS.java):
//
//	24 {1 {2, 6, 7 lines of a template}}
//	26 {1 {1 {3 title, 4 description, 5 currency of a product}}}
//	28 {4 the name of a group to which somebody is invited}
//	36 seconds after which messages disappear, as text
type more struct{ template, product, invitation, timer string }

func parseMore(b []byte) (m more) {
	inside := func(b []byte, num protowire.Number, f func(data []byte)) {
		_ = fields(b, func(n protowire.Number, _ uint64, data []byte) {
			if n == num && data != nil {
				f(data)
			}
		})
	}
	lines := func(b []byte, wanted ...protowire.Number) string {
		var list []string
		_ = fields(b, func(num protowire.Number, _ uint64, data []byte) {
			if s := strings.TrimSpace(text(data)); s != "" && slices.Contains(wanted, num) {
				list = append(list, s)
			}
		})
		return strings.Join(list, "\n")
	}
	inside(b, 24, func(data []byte) { inside(data, 1, func(data []byte) { m.template = lines(data, 2, 6, 7) }) })
	inside(b, 26, func(data []byte) {
		inside(data, 1, func(data []byte) { inside(data, 1, func(data []byte) { m.product = lines(data, 3, 4) }) })
	})
	inside(b, 28, func(data []byte) { m.invitation = lines(data, 4) })
	inside(b, 36, func(data []byte) { m.timer = text(data) })
	return m
}

// reaction is one of a ZRECEIPTINFO.
type reaction struct {
	from  string // JID; "" is the owner
	emoji string
	at    time.Time
}

// receipts is what a ZRECEIPTINFO of ZWAMESSAGEINFO says:
//
//	3 Unix time of sending
//	2 {1 number, 4 seconds until it was delivered, 5 until it was read}   each recipient
//	7 {1 {1 stanza, 2 JID, 3 emoji, …}                                    others' reactions
//	   2 {1 stanza, 2 emoji, 3 Unix milliseconds, …}}                     the owner's
//
// A number is a byte 81 and its digits as nibbles, F at the end. The owner's own has
// no times.
type receipts struct {
	delivered, read time.Time // of a single recipient
	reactions       []reaction
}

func parseReceipts(b []byte) receipts {
	var r receipts
	var sent uint64
	type times struct {
		delivered, read int64 // −1 is unknown
	}
	var all []times
	_ = fields(b, func(num protowire.Number, number uint64, data []byte) {
		switch num {
		case 2:
			t := times{-1, -1}
			_ = fields(data, func(num protowire.Number, number uint64, data []byte) {
				if data != nil || number > 1<<31 {
					return
				}
				switch num {
				case 4:
					t.delivered = int64(number)
				case 5:
					t.read = int64(number)
				}
			})
			if t.delivered >= 0 || t.read >= 0 {
				all = append(all, t)
			}
		case 3:
			if data == nil {
				sent = number
			}
		case 7:
			r.reactions = append(r.reactions, parseReactions(data)...)
		}
	})
	if len(all) == 1 && sent > 0 && sent < 1<<33 {
		at := func(n int64) time.Time {
			if n < 0 {
				return time.Time{}
			}
			return extract.UnixTime(float64(int64(sent) + n))
		}
		r.delivered, r.read = at(all[0].delivered), at(all[0].read)
	}
	return r
}

// maxReactions of one message are kept.
const maxReactions = 5000

func parseReactions(b []byte) []reaction {
	var list []reaction
	_ = fields(b, func(num protowire.Number, _ uint64, data []byte) {
		if (num != 1 && num != 2) || data == nil || len(list) >= maxReactions {
			return
		}
		var r reaction
		_ = fields(data, func(f protowire.Number, number uint64, data []byte) {
			switch {
			case data == nil && number > 1e12 && number < 1e13: // milliseconds of 2001 to 2286
				r.at = time.UnixMilli(int64(number)).UTC()
			case num == 1 && f == 2:
				r.from = text(data)
			case num == 1 && f == 3, num == 2 && f == 2:
				r.emoji = text(data)
			}
		})
		// One that was taken back is there with no emoji.
		if r.emoji == "" || len(r.emoji) > 64 || num == 1 && r.from == "" {
			return
		}
		list = append(list, r)
	})
	return list
}

// pushName is the name that a sender has given to himself, as ZPUSHNAME had it once.
// Newer versions keep a protocol buffer in base64 there: {1 Unix time, 3 own JID if
// the owner sent it, 4 …}.
func pushName(s string) (name, own string) {
	if s == "" {
		return "", ""
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) == 0 {
		return s, ""
	}
	stamp := false
	err = fields(b, func(num protowire.Number, number uint64, data []byte) {
		if num == 1 && data == nil && number > 1e9 && number < 1e10 {
			stamp = true
		}
		if num == 3 {
			own = text(data)
		}
	})
	if err != nil || !stamp {
		return s, ""
	}
	return "", own
}
