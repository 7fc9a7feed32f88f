package snapshot

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// row is a row of the phone's list, as much of it as the tree and the index need.
type row struct {
	name     string // its last part; "" if it has no place
	modTime  int64
	size     int64 // of its content in the repository
	seal     seal
	dir      uint32 // where it is: rows.dirs
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
	unchanged                  // it is the parent's, and so is its time
	raw                        // it is kept as it came though it has a key
	lost                       // the parent has it, and the repository does not
	exiled                     // it is an exception, see builder.why
	digested                   // the row has a digest: it tells whether a content is the right one
)

func (r *row) is(m mark) bool { return r.mark&m != 0 }

func (r *row) isFile() bool      { return r.kind == uint8(itunesbackup.FlagFile) }
func (r *row) isDirectory() bool { return r.kind == uint8(itunesbackup.FlagDirectory) }
func (r *row) isLink() bool      { return r.kind == uint8(itunesbackup.FlagSymlink) }

// stored is the size of the content in the folder.
func (r *row) stored() int64 {
	if r.is(hasKey) && !r.is(raw) {
		return keybag.EncryptedSize(r.size)
	}
	return r.size
}

// entry is the row's record in the index.
func (r *row) entry() Entry {
	return Entry{ID: r.id, Stored: r.stored(), ModTime: min(max(r.modTime, minModTime), maxModTime), seal: r.seal}
}

// rows are all rows, and what they refer to. For each there are some 90 bytes, the
// name, and the names of the blobs.
type rows struct {
	list    []row
	order   []uint32 // in the order of the tree
	byID    []uint32
	blobs   []format.ID
	targets map[uint32]string // of links, by place in list

	dirs   []string          // domain and parts of the path, NUL after each; the first is ""
	dirIDs map[dirKey]uint32 // only while rows are added
	texts  *strings.Builder  // the block that new names go to
}

type dirKey struct{ domain, path string }

// Names lie together in blocks: many small strings would cost half as much again.
const textBlock = 1 << 20

func newRows(n int64) rows {
	return rows{list: make([]row, 0, n), blobs: make([]format.ID, 0, n), targets: map[uint32]string{}, dirs: []string{""}, dirIDs: map[dirKey]uint32{}}
}

// text keeps a name.
func (r *rows) text(name string) string {
	if r.texts == nil || r.texts.Cap()-r.texts.Len() < len(name) {
		r.texts = &strings.Builder{}
		r.texts.Grow(max(len(name), textBlock))
	}
	start := r.texts.Len()
	r.texts.WriteString(name)
	return r.texts.String()[start:]
}

// locate notes where a row belongs. The root of a domain is a folder in the one
// that holds all domains.
func (r *rows) locate(to *row, domain, path string) {
	if path == "" {
		to.dir, to.name = 0, r.text(domain)
		return
	}
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	id, ok := r.dirIDs[dirKey{domain, dir}]
	if !ok {
		id = uint32(len(r.dirs))
		full := domain + "\x00"
		if dir != "" {
			full += strings.ReplaceAll(dir, "/", "\x00") + "\x00"
		}
		r.dirs = append(r.dirs, full)
		r.dirIDs[dirKey{full[:len(domain)], strings.Clone(dir)}] = id
	}
	to.dir, to.name = id, r.text(name)
}

// path is the row's address for people: "domain/relative/path".
func (r *rows) path(of *row) string { return strings.ReplaceAll(r.dirs[of.dir], "\x00", "/") + of.name }

// part gives the part of a row's address that begins after skip bytes, and whether
// more follow.
func (r *rows) part(of *row, skip int) (name string, more bool) {
	dir := r.dirs[of.dir]
	if skip >= len(dir) {
		return of.name, false
	}
	name, _, _ = strings.Cut(dir[skip:], "\x00")
	return name, true
}

// compare orders addresses as if their parts were joined by NUL.
func (r *rows) compare(a, b *row) int {
	if a.dir == b.dir {
		return strings.Compare(a.name, b.name)
	}
	x, y := r.dirs[a.dir], r.dirs[b.dir]
	n := min(len(x), len(y))
	if c := strings.Compare(x[:n], y[:n]); c != 0 {
		return c
	}
	// One folder is in the other, and its path goes on with a NUL, which no name has.
	if len(x) > n {
		return strings.Compare(x[n:], b.name)
	}
	return strings.Compare(a.name, y[n:])
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
		if (x.name == "") != (y.name == "") {
			return cmp.Compare(len(y.name), len(x.name))
		}
		return cmp.Or(r.compare(x, y), bytes.Compare(x.id[:], y.id[:]))
	})
	r.dirIDs, r.texts = nil, nil
	r.byID = sortByID(len(r.list), func(i int) []byte { return r.list[i].id[:] })
}

// find gives the row of an ID.
func (r *rows) find(id itunesbackup.FileID) (*row, bool) {
	i, ok := slices.BinarySearchFunc(r.byID, id, func(at uint32, id itunesbackup.FileID) int { return bytes.Compare(r.list[at].id[:], id[:]) })
	if !ok {
		return nil, false
	}
	return &r.list[r.byID[i]], true
}

// at gives the i-th row in the order of the tree.
func (r *rows) at(i int) *row { return &r.list[r.order[i]] }

// set notes the content of a row.
func (r *rows) set(to *row, blobs []format.ID, size int64) {
	to.first, to.count = uint32(len(r.blobs)), uint32(len(blobs))
	r.blobs = append(r.blobs, blobs...)
	to.size = size
	to.mark |= found
}

func (r *rows) content(of *row) []format.ID {
	return r.blobs[of.first : of.first+of.count : of.first+of.count]
}
