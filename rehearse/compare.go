package rehearse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// phoneContents is what the phone has after the restore, nil when there was none.
type phoneContents = *virtualphone.Received

func (p *phone) contents() phoneContents { return p.got }

// expected is what the phone has in one place, or what its list promises. It is
// kept small: there may be a million.
type expected struct {
	id      itunesbackup.FileID
	sum     [sha256.Size]byte
	size    int64
	modTime int64
	target  uint64 // hash of a link's
	mode    fs.FileMode
	content bool // size and sum are known
	seen    bool
}

// expectations are all of them, by the hash of their place.
type expectations struct {
	seed  maphash.Seed
	list  []expected
	place map[uint64]int32
	byID  map[itunesbackup.FileID]int32 // of exceptions only
}

func newExpectations() *expectations {
	return &expectations{seed: maphash.MakeSeed(), place: map[uint64]int32{}, byID: map[itunesbackup.FileID]int32{}}
}

func (x *expectations) hash(s string) uint64 { return maphash.String(x.seed, s) }

func (x *expectations) add(e virtualphone.Entry, content bool) {
	x.list = append(x.list, expected{id: e.ID, sum: e.SHA256, size: e.Size, modTime: e.ModTime.Unix(), target: x.hash(e.Target), mode: e.Mode, content: content && e.Mode.IsRegular()})
	x.place[x.hash(e.Key())] = int32(len(x.list) - 1)
}

// find gives what is expected at "Domain/path", nil when nothing is.
func (x *expectations) find(key string) *expected {
	at, ok := x.place[x.hash(key)]
	if !ok {
		return nil
	}
	return &x.list[at]
}

// fromPhone takes what the phone has, and what it noticed.
func (r *rehearsal) fromPhone(ctx context.Context, got phoneContents) (*expectations, error) {
	x := newExpectations()
	for e, err := range got.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		x.add(e, true)
		switch {
		case e.Mode.IsRegular() && e.Size != e.Recorded && !e.Database && !besideDatabase(e.Path):
			r.warn(e.Key(), fmt.Sprintf("has %d bytes, and had %d when the phone looked at it", e.Size, e.Recorded))
		case e.Damage != "":
			r.fail(e.Key(), "the database is damaged: "+e.Damage)
		case e.Unchecked != "":
			r.out.DatabasesUnchecked++
			r.warn(e.Key(), "a part of the database could not be checked, it needs its app: "+e.Unchecked)
		}
	}
	for _, p := range got.Problems {
		r.fail(p.Path, p.Text)
	}
	r.out.Files, r.out.Directories, r.out.Links, r.out.Bytes, r.out.Databases = got.Files, got.Directories, got.Links, got.Bytes, got.Databases
	return x, nil
}

// besideDatabase tells whether a file belongs to a database. Sizes of those are
// often noted before their last change (backup-format.md 1.7).
func besideDatabase(p string) bool {
	return slices.ContainsFunc([]string{"-wal", "-shm", "-journal"}, func(end string) bool { return strings.HasSuffix(p, end) })
}

// fromList takes what the phone's list promises, when there was no restore. nil
// when it cannot be read.
func (r *rehearsal) fromList(ctx context.Context) (*expectations, error) {
	m, err := r.p.Manifest(ctx)
	if err != nil {
		return nil, r.blame(itunesbackup.ManifestName, err)
	}
	defer m.Close() // only reads
	if err := m.QuickCheck(ctx); err != nil {
		return nil, r.blame(itunesbackup.ManifestName, err)
	}
	x := newExpectations()
	for row, err := range m.Records(ctx) {
		if err != nil {
			if err := r.blame(itunesbackup.ManifestName, err); err != nil {
				return nil, err
			}
			continue
		}
		x.add(promised(row))
	}
	return x, nil
}

// promised is a row as an entry.
func promised(row itunesbackup.Record) (e virtualphone.Entry, content bool) {
	e = virtualphone.Entry{ID: row.ID, Domain: row.Domain, Path: row.RelativePath, Mode: fs.FileMode(row.File.Mode & 0o777),
		ModTime: time.Unix(row.File.LastModified, 0), Target: row.File.Target}
	for bit, is := range specialBits {
		if row.File.Mode&bit != 0 {
			e.Mode |= is
		}
	}
	switch row.Kind() {
	case itunesbackup.FlagDirectory:
		e.Mode |= fs.ModeDir
	case itunesbackup.FlagSymlink:
		e.Mode |= fs.ModeSymlink
	case itunesbackup.FlagFile:
	default:
		e.Mode |= fs.ModeIrregular
	}
	return e, false
}

// specialBits of an st_mode, and what Go calls them.
var specialBits = map[uint32]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky}

// entry is one thing that the snapshot keeps.
type entry struct {
	key    string // "Domain/path"
	mode   fs.FileMode
	mtime  int64
	target string
	open   func() (fs.File, error) // of files
}

// compare compares what the phone has with what the snapshot keeps, which is read
// here from beginning to end. Without a phone it names what is damaged.
func (r *rehearsal) compare(ctx context.Context, meta *snapshot.Meta, got phoneContents) error {
	var x *expectations
	var err error
	switch {
	case got != nil:
		x, err = r.fromPhone(ctx, got)
	case !meta.Sealed:
		x, err = r.fromList(ctx)
	}
	if err != nil {
		return err
	}
	r.rep.Phase("compare", "Comparing every file with the snapshot")
	c := newComparison(ctx, r, x, meta)
	if meta.Sealed {
		err = c.sealed()
	} else {
		err = c.tree()
	}
	if err != nil {
		return err
	}
	if got == nil {
		return r.verify(ctx)
	}
	if err := c.index(ctx); err != nil {
		return err
	}
	if !meta.Sealed {
		r.counts(meta, got)
	}
	if r.out.Passed {
		r.out.Digest = c.digest()
	}
	return c.unseen(got.Entries(ctx))
}

// counts compares the counts of keepsake.json.
func (r *rehearsal) counts(meta *snapshot.Meta, got phoneContents) {
	for _, x := range []struct {
		what      string
		here, has int64
	}{{"files", meta.Files, got.Files}, {"folders", meta.Directories, got.Directories}, {"links", meta.Links, got.Links}} {
		if x.here != x.has && len(meta.Unread) == 0 {
			r.fail("keepsake.json", fmt.Sprintf("counts %d %s, and the phone has %d", x.here, x.what, x.has))
		}
	}
}

// attributes compares all but the content.
func (c *comparison) attributes(e entry, want *expected) {
	if kind := want.mode.Type(); kind != e.mode.Type() {
		c.r.fail(e.key, fmt.Sprintf("is a %s in the snapshot and a %s on the phone", kindOf(e.mode), kindOf(want.mode)))
		return
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	if want.mode&bits != e.mode&bits {
		c.r.fail(e.key, fmt.Sprintf("has the mode %v in the snapshot and %v on the phone", e.mode, want.mode))
	}
	if want.modTime != e.mtime {
		c.r.fail(e.key, fmt.Sprintf("has the time %d in the snapshot and %d on the phone (seconds since 1970)", e.mtime, want.modTime))
	}
	if e.mode.Type() == fs.ModeSymlink && c.x.hash(e.target) != want.target {
		c.r.fail(e.key, "is a link to another place in the snapshot than on the phone")
	}
}

func kindOf(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return "file"
	case fs.ModeDir:
		return "folder"
	case fs.ModeSymlink:
		return "link"
	}
	return "thing of another kind"
}

// unseen names what the phone has and the snapshot's tree does not.
func (c *comparison) unseen(entries iter.Seq2[virtualphone.Entry, error]) error {
	left := slices.ContainsFunc(c.x.list, func(e expected) bool { return !e.seen })
	if !left {
		return nil
	}
	for e, err := range entries {
		if err != nil {
			return err
		}
		if want := c.x.find(e.Key()); want == nil || !want.seen {
			c.r.fail(e.Key(), "is not in the snapshot's folders, and came to the phone all the same")
		}
	}
	return nil
}

// line is what an entry adds to the digest.
func (e entry) line(size int64, sum []byte) [sha256.Size]byte {
	mode := uint32(e.mode.Perm())
	for bit, is := range specialBits {
		if e.mode&is != 0 {
			mode |= bit
		}
	}
	switch e.mode.Type() {
	case fs.ModeDir:
		mode |= 0o040000
	case fs.ModeSymlink:
		mode |= 0o120000
	default:
		mode |= 0o100000
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\x00%o %d", e.key, mode, e.mtime)
	switch {
	case e.mode.IsRegular():
		fmt.Fprintf(&b, " %d %s", size, hex.EncodeToString(sum))
	case e.mode.Type() == fs.ModeSymlink:
		b.WriteString(" " + e.target)
	}
	return sha256.Sum256([]byte(b.String()))
}

// hashFile reads a file to its end.
func hashFile(f fs.File) (size int64, sum [sha256.Size]byte, err error) {
	h := sha256.New()
	if to, ok := f.(io.WriterTo); ok {
		size, err = to.WriteTo(h)
	} else {
		size, err = io.Copy(h, f)
	}
	h.Sum(sum[:0])
	return size, sum, err
}
