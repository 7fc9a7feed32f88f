// Package segment keeps documents and the words in them, in one file that never
// changes once it is written.
//
// Documents are numbered from 0 in the order in which people get them: what has no
// time first (people, bookmarks, apps), then the newest first. So a list of numbers
// is a list of results, and the first results are found without the others.
//
//	documents   blocks: s2 of documents, each with its length in front
//	postings    for each word, in the order of the words: numbers of documents, as
//	            uvarints of how much more than the one before
//	columns     for each 4096 documents: the kind of each, 1 byte; the rank of each,
//	            as uvarints of how much less than the one before
//	words       blocks of words in their order: uvarints of how many bytes are those of
//	            the word before, how many follow, these, number of documents, length of
//	            the postings
//	digests     16 bytes and the document's number, 4 bytes little-endian, in the order
//	            of the digests
//	footer      where all that is (footer.go)
//	tail        length of the footer, 8 bytes little-endian
//
// Package sealed keeps the bytes from others; here they are still not trusted: every
// length is bounded by what is there.
package segment

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math"
	"time"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// ErrFormat is wrapped by errors about bytes that are no segment.
var ErrFormat = errors.New("not a segment of a search index")

func badf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// MaxDocs is how many documents a segment may have: a phone has some millions.
const MaxDocs = 1 << 26

// Bounds of what is kept of one document, in bytes: what is longer is cut. A book in a
// note is found by its first 250,000 letters.
const (
	maxText  = 256 << 10
	maxLine  = 8 << 10 // title, detail, key, group, table
	maxFiles = 64
)

// ID tells documents apart: 8 bytes of a digest of kind and key, and 8 of what the
// record is. The digests are keyed, so that nobody can make two the same.
type ID [16]byte

// Doc is a document.
type Doc struct {
	ID    ID
	Kind  string
	Entry extract.Entry
}

// Timeless is the rank of documents without a time.
const Timeless = math.MaxInt64

// Rank is by what documents are ordered, the greatest first: microseconds since 1970.
func Rank(t time.Time) int64 {
	if !hasTime(t) {
		return Timeless
	}
	return t.UnixMicro()
}

// hasTime tells whether a time is one of the years 1 to 9999: JSON has no others, and
// the microseconds of those do not overflow.
func hasTime(t time.Time) bool {
	return !t.IsZero() && t.Unix() >= minSeconds && t.Unix() <= maxSeconds
}

const (
	minSeconds = -62135596800
	maxSeconds = 253402300799
)

// Coder makes the form of documents in which they are kept, and their IDs. It is for
// one goroutine.
type Coder struct {
	secret []byte
	hash   hash.Hash
	buf    []byte
	sum    []byte
}

// NewCoder makes a Coder whose IDs depend on a secret.
func NewCoder(s secret.Bytes) *Coder { return &Coder{secret: s.Reveal(), hash: sha256.New()} }

// KeyID is the half of an ID that all forms of a record share.
func (c *Coder) KeyID(kind, key string) [8]byte {
	c.hash.Reset()
	c.hash.Write(c.secret)
	c.buf = append(append(append(c.buf[:0], 'k'), kind...), 0)
	c.buf = append(c.buf, key...)
	c.hash.Write(c.buf)
	c.sum = c.hash.Sum(c.sum[:0])
	return [8]byte(c.sum)
}

// Encode gives a document's ID and its bytes, which are valid until the next call.
func (c *Coder) Encode(kind string, e *extract.Entry) (ID, []byte) {
	var id ID
	key := c.KeyID(kind, e.Key)
	copy(id[:8], key[:])

	c.buf = append(c.buf[:0], id[:]...)
	whole := appendDoc(c.buf, kind, e, false)
	c.hash.Reset()
	c.hash.Write(c.secret)
	c.hash.Write(whole[8:])
	c.sum = c.hash.Sum(c.sum[:0])
	copy(id[8:], c.sum)
	if len(whole) > maxLine {
		whole = appendDoc(whole[:16], kind, e, true)
	}
	copy(whole, id[:])
	c.buf = whole
	return id, whole
}

const (
	flagTime = 1 << iota
	flagDeleted
	flagHidden
	flagVolatile
)

func appendDoc(b []byte, kind string, e *extract.Entry, bounded bool) []byte {
	var flags byte
	for _, f := range []struct {
		on   bool
		flag byte
	}{{hasTime(e.Time), flagTime}, {e.Deleted, flagDeleted}, {e.Hidden, flagHidden}, {e.Volatile, flagVolatile}} {
		if f.on {
			flags |= f.flag
		}
	}
	b = append(b, flags)
	if flags&flagTime != 0 {
		_, zone := e.Time.Zone()
		b = binary.AppendVarint(b, e.Time.Unix())
		b = binary.AppendUvarint(b, uint64(e.Time.Nanosecond()))
		b = binary.AppendVarint(b, int64(zone))
	}
	files := e.Files
	line, text := math.MaxInt, math.MaxInt
	if bounded {
		line, text = maxLine, maxText
		files = files[:min(len(files), maxFiles)]
	}
	for _, s := range []string{kind, e.Table, e.Key, e.Title, e.Detail, e.Group} {
		b = appendString(b, s, line)
	}
	b = appendString(b, e.Text, text)
	b = binary.AppendUvarint(b, uint64(len(files)))
	for _, f := range files {
		b = appendString(b, f, line)
	}
	return b
}

// bound cuts a text after at most limit bytes, between letters.
func bound(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func appendString(b []byte, s string, limit int) []byte {
	s = bound(s, limit)
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decoder takes values from bytes; after the first one that is not there all are zero.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = badf("%s is cut", what)
	}
	d.b = nil
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("a number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("a number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.fail("a text")
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes(d.uvarint())) }

// count is a number of things of which each takes a byte at least.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail("a list")
		return 0
	}
	return int(n)
}

// head is what orders documents.
type head struct {
	id   ID
	rank int64
}

// before tells the order of documents.
func (h head) before(o head) bool {
	if h.rank != o.rank {
		return h.rank > o.rank
	}
	return string(h.id[:]) < string(o.id[:])
}

func decodeHead(b []byte) (head, error) {
	d := decoder{b: b}
	var h head
	copy(h.id[:], d.bytes(16))
	t := decodeTime(&d)
	h.rank = Rank(t)
	return h, d.err
}

func decodeTime(d *decoder) time.Time {
	flags := d.bytes(1)
	if d.err != nil || flags[0]&flagTime == 0 {
		return time.Time{}
	}
	sec, nsec, zone := d.varint(), d.uvarint(), d.varint()
	if sec < minSeconds || sec > maxSeconds || nsec >= 1e9 || zone < -86400 || zone > 86400 {
		d.fail("a time")
		return time.Time{}
	}
	t := time.Unix(sec, int64(nsec)).UTC()
	if zone != 0 {
		t = t.In(time.FixedZone("", int(zone)))
	}
	return t
}

// Decode gives the document whose bytes Encode gave.
func Decode(b []byte) (*Doc, error) {
	if len(b) < 17 {
		return nil, badf("a document of %d bytes", len(b))
	}
	doc := &Doc{ID: ID(b)}
	flags := b[16]
	d := decoder{b: b[16:]}
	e := &doc.Entry
	e.Time = decodeTime(&d)
	e.Deleted, e.Hidden, e.Volatile = flags&flagDeleted != 0, flags&flagHidden != 0, flags&flagVolatile != 0
	for _, s := range []*string{&doc.Kind, &e.Table, &e.Key, &e.Title, &e.Detail, &e.Group, &e.Text} {
		*s = d.string()
	}
	for range min(d.count(), maxFiles) {
		e.Files = append(e.Files, d.string())
	}
	return doc, d.err
}
