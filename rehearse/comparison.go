package rehearse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// Names below /<UDID>/_ios of a snapshot.
const (
	iosDir        = "/_ios"
	exceptionsDir = "exceptions"
)

// comparison goes through the snapshot. x is nil when nobody can say what there
// should be; then everything is only read.
type comparison struct {
	ctx  context.Context // of the work; ends with it
	r    *rehearsal
	x    *expectations
	meta *snapshot.Meta
	odd  map[itunesbackup.FileID]snapshot.Exception
	work *errgroup.Group

	mu       sync.Mutex // guards what follows, and r.out while files are read
	sums     [][sha256.Size]byte
	counters progress.Counters
	told     time.Time
}

func newComparison(ctx context.Context, r *rehearsal, x *expectations, meta *snapshot.Meta) *comparison {
	c := &comparison{r: r, x: x, meta: meta, odd: map[itunesbackup.FileID]snapshot.Exception{}}
	c.work, c.ctx = errgroup.WithContext(ctx)
	// Most of the time goes into waiting for the repository.
	c.work.SetLimit(max(4, runtime.GOMAXPROCS(0)))
	c.counters.FilesTotal, c.counters.BytesTotal = meta.Files, meta.ContentBytes
	for _, e := range meta.Exceptions {
		c.odd[e.ID] = e
	}
	if x != nil && len(c.odd) > 0 {
		for i, e := range x.list {
			if _, ok := c.odd[e.id]; ok {
				x.byID[e.id] = int32(i)
			}
		}
	}
	return c
}

// tree goes through the phone's folders and the exceptions.
func (c *comparison) tree() error {
	err := c.walk(c.r.p.Tree(), iosDir)
	if err == nil {
		err = c.exceptions()
	}
	// The first error of the work is what ended the walk.
	if werr := c.work.Wait(); werr != nil {
		return werr
	}
	return err
}

// read goes through a tree, for what cannot be read.
func (c *comparison) read(root format.ID) error {
	err := c.walk(root, "")
	if werr := c.work.Wait(); werr != nil {
		return werr
	}
	return err
}

// walk goes through a tree, but for one folder.
func (c *comparison) walk(root format.ID, except string) error {
	s := c.r.s
	fsys := s.FS(c.ctx, root)
	return treewalk.Walk(c.ctx, s, root, treewalk.Visitor{
		Descend: func(at string, _ *format.Node) bool { return at != except },
		Node: func(at string, n *format.Node) error {
			if at == except {
				return nil
			}
			node := *n
			return c.entry(entry{key: strings.TrimPrefix(at, "/"), mode: n.Mode, mtime: n.ModTime.Unix(), target: n.LinkTarget, open: func() (fs.File, error) {
				f, err := fsys.OpenNode(&node)
				if err == nil && f.Size() != int64(node.Size) {
					return nil, fmt.Errorf("%w: its parts have %d bytes, and its folder says %d", errContent, f.Size(), node.Size)
				}
				return f, err
			}})
		},
		Broken: func(at string, err error) error {
			if !isDamage(err) {
				return err
			}
			c.fail(strings.TrimPrefix(at, "/"), err.Error())
			return nil
		},
	})
}

// errContent: a file's parts do not make what its entry says.
var errContent = errors.New("it is not whole")

func (c *comparison) fail(path, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.fail(path, text)
}

// entry compares one entry, a file's content in the background.
func (c *comparison) entry(e entry) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	want := &expected{}
	if c.x != nil {
		found := c.x.find(e.key)
		switch {
		case found == nil && e.mode.IsDir():
			c.fail(e.key, "is a folder that the phone's list lacks")
		case found == nil:
			c.fail(e.key, "is not in the phone's list, so that it does not come back")
		default:
			want = found
			want.seen = true
			c.mu.Lock()
			c.attributes(e, want)
			c.mu.Unlock()
		}
	}
	if !e.mode.IsRegular() {
		c.add(e, 0, nil)
		return nil
	}
	c.work.Go(func() error { return c.content(e, *want) })
	return nil
}

// content reads a file of the snapshot and compares it with the phone's.
func (c *comparison) content(e entry, want expected) error {
	size, sum, err := c.hash(e)
	switch {
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case err != nil && !isDamage(err) && !errors.Is(err, errContent):
		return fmt.Errorf("read %s: %w", e.key, err)
	case err != nil:
		c.fail(e.key, err.Error())
	case want.content && want.size != size:
		c.fail(e.key, fmt.Sprintf("has %d bytes in the snapshot and %d on the phone", size, want.size))
	case want.content && want.sum != sum:
		c.fail(e.key, "has another content in the snapshot than on the phone")
	}
	c.add(e, size, sum[:])
	return nil
}

func (c *comparison) hash(e entry) (int64, [sha256.Size]byte, error) {
	f, err := e.open()
	if err != nil {
		return 0, [sha256.Size]byte{}, err
	}
	size, sum, err := hashFile(f)
	return size, sum, errors.Join(err, f.Close())
}

// add counts an entry, and takes it into the digest.
func (c *comparison) add(e entry, size int64, sum []byte) {
	line := e.line(size, sum)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums = append(c.sums, line)
	if !e.mode.IsRegular() {
		return
	}
	c.counters.Files++
	c.counters.Bytes += size
	if now := time.Now(); now.Sub(c.told) >= 50*time.Millisecond {
		c.told = now
		c.r.rep.Update(c.counters)
	}
}

// digest stands for everything that was compared.
func (c *comparison) digest() string {
	slices.SortFunc(c.sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	h := sha256.New()
	for _, sum := range c.sums {
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// exceptions compares the files that cannot stand in their folders.
func (c *comparison) exceptions() error {
	for _, x := range c.meta.Exceptions {
		if err := c.exception(x); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) exception(x snapshot.Exception) error {
	at := strings.TrimPrefix(iosDir, "/") + "/" + exceptionsDir + "/" + x.ID.Path()
	key := x.Path
	if key == "" {
		key = at
	}
	fsys := c.r.s.FS(c.ctx, c.r.p.Tree())
	n, err := fsys.Node(at)
	if err != nil {
		if !isDamage(err) {
			return err
		}
		c.fail(key, fmt.Sprintf("its content is missing: %v", err))
		return nil
	}
	want := expected{}
	e := entry{key: key, mode: n.Mode, mtime: n.ModTime.Unix(), open: func() (fs.File, error) { return fsys.OpenNode(n) }}
	if c.x != nil {
		if i, ok := c.x.byID[x.ID]; ok {
			c.x.list[i].seen = true
			want = c.x.list[i]
			e.mode = want.mode
		} else if x.Why != snapshot.WhyUnlisted && x.Why != snapshot.WhyRow {
			c.fail(key, "is not in the phone's list, so that it does not come back")
		}
	}
	if x.Raw && c.meta.Encrypted {
		want.content = false // what the phone has decrypts, if at all, to something else
	}
	c.work.Go(func() error { return c.content(e, want) })
	return nil
}

// index looks whether the snapshot's index has every file, of the right length,
// and no other. It is what a phone gets to see as the listing of the folder.
func (c *comparison) index(ctx context.Context) error {
	x, err := c.r.p.Index(ctx)
	if err != nil {
		return c.r.blame("_ios/index", err)
	}
	files := 0
	for i := range c.x.list {
		want := &c.x.list[i]
		if !want.mode.IsRegular() {
			continue
		}
		files++
		e, ok := x.Get(want.id)
		switch {
		case !ok:
			c.r.fail("_ios/index", fmt.Sprintf("lacks the file %s", want.id))
		case want.content && e.Stored != want.size && e.Stored != keybag.EncryptedSize(want.size) && c.odd[want.id].Why == "":
			c.r.fail("_ios/index", fmt.Sprintf("says that the file %s has %d bytes, and the phone got %d", want.id, e.Stored, want.size))
		case !c.meta.Sealed && e.ModTime != want.modTime:
			// The next backup trusts it: of a file without a digest nothing else tells
			// whether it has changed.
			c.r.fail("_ios/index", fmt.Sprintf("says that the file %s is of %d, and the phone of %d (seconds since 1970)", want.id, e.ModTime, want.modTime))
		}
	}
	if x.Len() == files {
		return nil
	}
	known := make(map[itunesbackup.FileID]bool, files)
	for _, e := range c.x.list {
		known[e.id] = true
	}
	for e := range x.All() {
		if known[e.ID] {
			continue
		}
		if odd, ok := c.odd[e.ID]; ok {
			c.r.warn(odd.Path, fmt.Sprintf("the file %s is kept and does not come back to a phone: its row is missing or cannot be read", e.ID))
		} else {
			c.r.fail("_ios/index", fmt.Sprintf("has a file %s that the phone's list lacks", e.ID))
		}
	}
	return nil
}
