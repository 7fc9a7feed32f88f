package snapshot

import (
	"io/fs"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository/format"
)

const (
	// maxName is what file systems allow, in bytes.
	maxName = 255
	// maxEntries bounds a folder: every reader holds a whole tree in memory.
	maxEntries = 50_000
)

// trees stores all folders and gives the topmost, in which the phone's is.
func (b *builder) trees() (format.ID, error) {
	b.why = map[itunesbackup.FileID]Reason{}
	placed := len(b.rows.order)
	for placed > 0 && b.rows.at(placed-1).name == "" {
		placed--
	}
	nodes, err := b.folder(0, placed, 0)
	if err != nil {
		return format.ID{}, err
	}
	for i := placed; i < len(b.rows.order); i++ {
		why := WhyRow
		if b.rows.at(i).is(unlisted) {
			why = WhyUnlisted
		}
		b.exile(b.rows.at(i), why)
	}
	records, err := b.list()
	if err != nil {
		return format.ID{}, err
	}
	return b.finish(nodes, records)
}

// folder makes the nodes of a folder out of the rows from lo to hi in the order
// of the tree, which are all that is in it. The first skip bytes of their
// addresses are its own.
func (b *builder) folder(lo, hi, skip int) ([]format.Node, error) {
	var nodes []format.Node
	for lo < hi {
		name, _ := b.rows.part(b.rows.at(lo), skip)
		own, end := b.group(lo, hi, skip, name)
		switch {
		case len(name) > maxName || skip == 0 && name == iosDir:
			b.exileAll(lo, end, WhyName)
		case len(nodes) >= maxEntries:
			b.exileAll(lo, end, WhyCrowded)
		default:
			n, ok, err := b.entry(name, lo, own, end, skip)
			if err != nil {
				return nil, err
			}
			if ok {
				nodes = append(nodes, n)
			}
		}
		lo = end
	}
	return nodes, nil
}

// group finds the rows of a name: its own from lo to own, what is in it from own
// to end.
func (b *builder) group(lo, hi, skip int, name string) (own, end int) {
	for end = lo; end < hi; end++ {
		part, more := b.rows.part(b.rows.at(end), skip)
		if part != name {
			break
		}
		if !more {
			own = end + 1
		}
	}
	return max(own, lo), end
}

// entry makes the node of a name, and says whether there is one.
func (b *builder) entry(name string, lo, own, end, skip int) (format.Node, bool, error) {
	dir := own < end
	var self *row // who gets the name
	target := ""
	for i := lo; i < own; i++ {
		r := b.rows.at(i)
		if r.isDirectory() && (self == nil || !self.isDirectory()) {
			self, dir = r, true
		} else if self == nil && !dir {
			self, target = r, b.rows.targets[b.rows.order[i]]
		}
	}
	for i := lo; i < own; i++ {
		switch r := b.rows.at(i); {
		case r.kind == 0:
			b.exile(r, WhyRow)
		case r != self:
			b.exile(r, WhyTaken)
		}
	}
	if dir {
		n, err := b.directory(name, self, own, end, skip)
		return n, err == nil, err
	}
	switch {
	case self.isLink() && target != "":
		n := b.node(name, self, format.NodeSymlink)
		n.LinkTarget = target
		return n, true, nil
	case !self.isFile() || !self.is(found):
		return format.Node{}, false, nil
	case self.is(raw):
		b.exile(self, WhySeal)
		return format.Node{}, false, nil
	}
	b.report(1)
	return b.file(name, self), true, nil
}

func (b *builder) directory(name string, self *row, own, end, skip int) (format.Node, error) {
	below, err := b.folder(own, end, skip+len(name)+1)
	if err != nil {
		return format.Node{}, err
	}
	n := format.Node{Name: name, Type: format.NodeDir, Mode: fs.ModeDir | 0o755}
	if self != nil && self.isDirectory() {
		n = b.node(name, self, format.NodeDir)
	}
	n.Subtree, err = b.saveTree(below)
	return n, err
}

func (b *builder) saveTree(nodes []format.Node) (*format.ID, error) {
	id, err := b.w.SaveTree(b.ctx, &format.Tree{Nodes: nodes})
	return &id, err
}

// file makes the node of a file, whatever its name.
func (b *builder) file(name string, r *row) format.Node {
	n := b.node(name, r, format.NodeFile)
	n.Size = uint64(r.size)
	n.Content = b.rows.content(r)
	return n
}

// node makes a node without content. Inode and device are left out, because they
// say nothing and would make equal folders different; access and change time are
// the modification time for the same reason (engine.md 3.8). Extended attributes
// stay in Manifest.db: few systems but the phone's can set them, and stock restic
// would complain of each file that it restores.
func (b *builder) node(name string, r *row, t format.NodeType) format.Node {
	at := nodeTime(r.modTime)
	n := format.Node{Name: name, Type: t, Mode: fs.FileMode(r.mode & 0o777), UID: r.uid, GID: r.gid, ModTime: at, AccessTime: at, ChangeTime: at}
	for bit, mode := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if r.mode&bit != 0 {
			n.Mode |= mode
		}
	}
	switch t {
	case format.NodeDir:
		n.Mode |= fs.ModeDir
	case format.NodeSymlink:
		n.Mode |= fs.ModeSymlink
	}
	return n
}

// nodeTime takes what a node can hold: the years 0 to 9999.
func nodeTime(seconds int64) time.Time {
	const first, last = -62167219200, 253402300799
	return time.Unix(min(max(seconds, first), last), 0).UTC()
}

// exile makes the file an exception, if there is content.
func (b *builder) exile(r *row, why Reason) {
	if !r.is(found) {
		return
	}
	if r.is(raw) {
		why = WhySeal
		if r.is(keyFails) {
			why = WhyKey
		}
	}
	r.mark |= exiled
	b.why[r.id] = why
	b.report(1)
}

func (b *builder) exileAll(lo, hi int, why Reason) {
	for i := lo; i < hi; i++ {
		b.exile(b.rows.at(i), why)
	}
}

// list makes the records of the index, and lists the exceptions.
func (b *builder) list() ([]byte, error) {
	var records []byte
	n := 0
	for i := range b.rows.list {
		if b.rows.list[i].is(found) {
			n++
		}
	}
	records = make([]byte, 0, n*recordSize)
	for i := range b.rows.order {
		r := b.rows.at(i)
		if !r.is(found) {
			continue
		}
		records = appendRecord(records, r.entry())
		if r.is(exiled) {
			b.meta.Exceptions = append(b.meta.Exceptions, Exception{ID: r.id, Path: b.rows.path(r), Why: b.why[r.id], Raw: r.is(raw) || !r.isFile()})
		}
	}
	return records, nil
}

// exceptionTree stores the contents of exceptions, in folders as those of the
// iTunes folder, so that no folder gets large.
func (b *builder) exceptionTree() (*format.ID, error) {
	var shards []format.Node
	var shard []format.Node
	var ids []itunesbackup.FileID
	for _, x := range b.meta.Exceptions {
		ids = append(ids, x.ID)
	}
	slices.SortFunc(ids, func(a, b itunesbackup.FileID) int { return slices.Compare(a[:], b[:]) })
	for i, id := range ids {
		r, _ := b.rows.find(id)
		n := b.file(id.String(), r)
		n.Mode = 0o600
		shard = append(shard, n)
		if i+1 == len(ids) || ids[i+1][0] != id[0] {
			n, err := b.shard(id, shard)
			if err != nil {
				return nil, err
			}
			shards, shard = append(shards, n), nil
		}
	}
	return b.saveTree(shards)
}

// shard stores the folder that holds a file of that ID.
func (b *builder) shard(id itunesbackup.FileID, nodes []format.Node) (format.Node, error) {
	tree, err := b.saveTree(nodes)
	return format.Node{Name: id.Shard(), Type: format.NodeDir, Mode: fs.ModeDir | 0o700, Subtree: tree}, err
}
