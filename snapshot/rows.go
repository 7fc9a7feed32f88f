package snapshot

import (
	"cmp"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// row is a row of the phone's list, as much of it as the tree and the index need.
type row struct {
	key      string // where it belongs: domain and parts of the path, NUL between them
	modTime  int64
	size     int64 // of its content in the repository
	stored   int64 // in the folder
	seal     seal
	first    uint32 // of its blobs in rows.blobs
	count    uint32
	uid, gid uint32
	mode     uint16
	id       itunesbackup.FileID
	kind     uint8 // an itunesbackup.Flags: what it is; 0: it cannot be read or is nothing
	mark     mark
}

// mark says more of a row.
type mark uint16

const (
	hasKey    mark = 1 << iota // its content is encrypted
	keyFails                   // and its key does not open
	faulty                     // the row cannot be read
	unlisted                   // there is no row, only a stored file
	found                      // its content is known
	isNew                      // and came in this run
	unchanged                  // it is the parent's, and so is its time
	raw                        // it is kept as it came though it has a key
	exiled                     // it is an exception, see builder.why
)

func (r *row) is(m mark) bool { return r.mark&m != 0 }

func (r *row) isFile() bool      { return r.kind == uint8(itunesbackup.FlagFile) }
func (r *row) isDirectory() bool { return r.kind == uint8(itunesbackup.FlagDirectory) }
func (r *row) isLink() bool      { return r.kind == uint8(itunesbackup.FlagSymlink) }

// path is the row's address for people: "domain/relative/path".
func (r *row) path() string { return strings.ReplaceAll(r.key, "\x00", "/") }

// entry is the row's record in the index.
func (r *row) entry() Entry {
	return Entry{ID: r.id, Stored: r.stored, ModTime: min(max(r.modTime, minModTime), maxModTime), seal: r.seal}
}

// rows are all rows, and what they refer to. For each there are some 90 bytes,
// the path and the names of the blobs.
type rows struct {
	list    []row
	order   []uint32 // in the order of the tree
	byID    []uint32
	blobs   []format.ID
	targets map[uint32]string // of links, by place in list
	texts   *strings.Builder  // the block that new keys go to
}

// Keys lie together in blocks: many small strings would cost half as much again.
const textBlock = 1 << 20

// text keeps a key.
func (r *rows) text(domain, path string) string {
	n := len(domain) + 1 + len(path)
	if r.texts == nil || r.texts.Cap()-r.texts.Len() < n {
		r.texts = &strings.Builder{}
		r.texts.Grow(max(n, textBlock))
	}
	start := r.texts.Len()
	r.texts.WriteString(domain)
	for more := path != ""; more; {
		var part string
		part, path, more = strings.Cut(path, "/")
		r.texts.WriteByte(0)
		r.texts.WriteString(part)
	}
	return r.texts.String()[start:]
}

// sort finds the order of the tree, in which a folder comes before what is in it
// and that before the next folder: NUL is below every byte of a name. Rows without
// a place come last, by ID.
func (r *rows) sort() {
	r.order = make([]uint32, len(r.list))
	for i := range r.order {
		r.order[i] = uint32(i)
	}
	slices.SortFunc(r.order, func(a, b uint32) int {
		x, y := &r.list[a], &r.list[b]
		if (x.key == "") != (y.key == "") {
			return cmp.Compare(len(y.key), len(x.key))
		}
		return cmp.Or(strings.Compare(x.key, y.key), slices.Compare(x.id[:], y.id[:]))
	})
	r.byID = sortByID(len(r.list), func(i int) []byte { return r.list[i].id[:] })
}

// find gives the row of an ID.
func (r *rows) find(id itunesbackup.FileID) (*row, bool) {
	i, ok := slices.BinarySearchFunc(r.byID, id, func(at uint32, id itunesbackup.FileID) int { return slices.Compare(r.list[at].id[:], id[:]) })
	if !ok {
		return nil, false
	}
	return &r.list[r.byID[i]], true
}

// at gives the i-th row in the order of the tree.
func (r *rows) at(i int) *row { return &r.list[r.order[i]] }

// set notes the content of a row.
func (r *rows) set(to *row, blobs []format.ID, size, stored int64) {
	to.first, to.count = uint32(len(r.blobs)), uint32(len(blobs))
	r.blobs = append(r.blobs, blobs...)
	to.size, to.stored = size, stored
	to.mark |= found
}

func (r *rows) content(of *row) []format.ID {
	return r.blobs[of.first : of.first+of.count : of.first+of.count]
}
