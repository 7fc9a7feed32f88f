package export

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/snapshot"
)

const (
	// batchFiles and batchBytes bound what is written between two looks at whether
	// it is time to make it durable.
	batchFiles = 2048
	batchBytes = 256 << 20
	// defaultCheckpoint is how much an interruption may cost.
	defaultCheckpoint = 1 << 30
	// diskBlock is what a file takes more than its bytes, at most.
	diskBlock = 4096
	// spare is left free for folders and journals.
	spare = 4 << 20

	maxList = 256 << 20
)

// write fills the folder.
func (e *exporter) write(ctx context.Context) error {
	if e.source != nil {
		return e.writeConverted(ctx)
	}
	files, err := e.files(ctx)
	if err != nil {
		return err
	}
	top, err := e.top()
	if err != nil {
		return err
	}
	if err := e.makeRoom(ctx, files, top); err != nil {
		return err
	}
	e.rep.Phase("write", "Writing "+e.result.Folder)
	if err := e.makeShards(top); err != nil {
		return err
	}
	if err := e.writeFiles(ctx, files); err != nil {
		return err
	}
	for _, name := range top {
		if err := e.writeTop(ctx, name); err != nil {
			return err
		}
	}
	if !e.opts.Verify {
		return nil
	}
	return e.verify(ctx, files, top)
}

// top lists the lists and the index; Status.plist, which makes a folder a
// backup, comes last.
func (e *exporter) top() (names []string, err error) {
	entries, err := fs.ReadDir(e.folder, ".")
	if err != nil {
		return nil, err
	}
	last := ""
	for _, d := range entries {
		switch {
		case d.IsDir() || isStored(d.Name()):
		case d.Name() == itunesbackup.StatusName:
			last = d.Name()
		default:
			names = append(names, d.Name())
		}
	}
	if last != "" {
		names = append(names, last)
	}
	return names, nil
}

// isStored tells whether a name is that of a stored file.
func isStored(name string) bool {
	_, err := itunesbackup.ParseFileID(name)
	return err == nil
}

func (e *exporter) makeRoom(ctx context.Context, files []snapshot.Entry, top []string) error {
	needs := int64(spare)
	for i, f := range files {
		if i >= e.t.note.Durable {
			needs += roundUp(f.Stored)
		}
		e.result.Bytes += f.Stored
	}
	for _, name := range top {
		info, err := fs.Stat(e.folder, name)
		if err != nil {
			return err
		}
		needs += roundUp(info.Size())
		e.result.Bytes += info.Size()
	}
	e.result.Files = int64(len(files))
	return e.t.room(ctx, needs)
}

func roundUp(n int64) int64 { return (n + diskBlock - 1) / diskBlock * diskBlock }

// makeShards makes all 256 folders, as phones do whatever is in them (protocol.md
// 4.13). Beside the index of iOS 4 to 9 there are none.
func (e *exporter) makeShards(top []string) error {
	if !slices.Contains(top, itunesbackup.ManifestName) {
		return nil
	}
	for i := range 256 {
		if err := e.t.mkdir(fmt.Sprintf("%02x", i)); err != nil {
			return err
		}
	}
	return nil
}

// writeFiles writes the stored files, several at a time, batch after batch.
func (e *exporter) writeFiles(ctx context.Context, files []snapshot.Entry) error {
	done := min(e.t.note.Durable, len(files))
	c := &counter{rep: e.rep, total: progress.Counters{FilesTotal: int64(len(files)), BytesTotal: e.result.Bytes}}
	for i, f := range files[:done] {
		if !e.t.has(e.folder.Place(f.ID), f.Stored) {
			done = i // somebody has been at it
			break
		}
		c.add(f.Stored)
	}
	e.result.Resumed = int64(done)
	checkpoint := cmp.Or(e.opts.Checkpoint, defaultCheckpoint)
	unsynced := int64(0)
	for done < len(files) {
		batch := nextBatch(files[done:], min(batchBytes, checkpoint))
		if err := e.writeBatch(ctx, batch, c); err != nil {
			return err
		}
		done += len(batch)
		for _, f := range batch {
			unsynced += roundUp(f.Stored)
		}
		if unsynced >= checkpoint && done < len(files) {
			if err := e.t.checkpoint(done); err != nil {
				return err
			}
			unsynced = 0
		}
	}
	return nil
}

// nextBatch cuts off the first files, of about so many bytes.
func nextBatch(files []snapshot.Entry, most int64) []snapshot.Entry {
	bytes := int64(0)
	for i, f := range files {
		if bytes += f.Stored; i+1 == batchFiles || bytes >= most {
			return files[:i+1]
		}
	}
	return files
}

// writeBatch writes small files as the repository gives them, together, and then
// the large ones, several at a time.
func (e *exporter) writeBatch(ctx context.Context, batch []snapshot.Entry, c *counter) error {
	ids := make([]itunesbackup.FileID, len(batch))
	for i, f := range batch {
		ids[i] = f.ID
	}
	large, err := e.folder.FetchEach(ctx, ids, func(i int, from io.WriterTo) error {
		return e.writeFile(batch[i], c, func(w io.Writer) error {
			_, err := from.WriteTo(w)
			return err
		})
	})
	if err != nil {
		return err
	}
	workers := e.opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0) + 2
	}
	g, each := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for _, i := range large {
		if each.Err() != nil {
			break
		}
		g.Go(func() error {
			name := e.folder.Place(batch[i].ID)
			return e.writeFile(batch[i], c, func(w io.Writer) error { return e.copyTo(name, w) })
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (e *exporter) writeFile(f snapshot.Entry, c *counter, fill func(io.Writer) error) error {
	if err := e.put(e.folder.Place(f.ID), f.Stored, fill); err != nil {
		return err
	}
	c.add(f.Stored)
	return nil
}

// put writes a file, and remembers what it should hold if that will be asked.
func (e *exporter) put(name string, size int64, fill func(io.Writer) error) error {
	if !e.opts.Verify {
		return e.t.write(name, size, fill)
	}
	sum := sha256.New()
	err := e.t.write(name, size, func(w io.Writer) error { return fill(io.MultiWriter(w, sum)) })
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sums == nil {
		e.sums = map[string][sha256.Size]byte{}
	}
	e.sums[name] = [sha256.Size]byte(sum.Sum(nil))
	return nil
}

// copyTo writes a file of the snapshot's folder to w.
func (e *exporter) copyTo(name string, w io.Writer) error {
	f, err := e.folder.Open(name)
	if err != nil {
		return err
	}
	if from, ok := f.(io.WriterTo); ok {
		_, err = from.WriteTo(w)
	} else {
		_, err = io.Copy(w, f)
	}
	return errors.Join(err, f.Close())
}

func (e *exporter) writeTop(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if name == itunesbackup.ManifestListName && e.manifest != nil {
		return e.put(name, int64(len(e.manifest)), func(w io.Writer) error {
			_, err := w.Write(e.manifest)
			return err
		})
	}
	info, err := fs.Stat(e.folder, name)
	if err != nil {
		return err
	}
	return e.put(name, info.Size(), func(w io.Writer) error { return e.copyTo(name, w) })
}

// counter adds up what workers did.
type counter struct {
	rep   progress.Reporter
	mu    sync.Mutex
	total progress.Counters // guarded by mu
}

func (c *counter) add(bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total.Files++
	c.total.Bytes += bytes
	c.rep.Update(c.total)
}

// files lists the stored files in the order in which they are written.
func (e *exporter) files(ctx context.Context) ([]snapshot.Entry, error) {
	x, err := e.p.Index(ctx)
	if err != nil {
		return nil, err
	}
	files := make([]snapshot.Entry, 0, x.Len())
	for f := range x.TreeOrder() {
		files = append(files, f)
	}
	if len(files) == 0 && e.p.Meta().Files > 0 {
		return nil, fmt.Errorf("the index of the snapshot is empty")
	}
	return files, nil
}
