package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// Names below /<UDID>.
const (
	iosDir        = "_ios"
	metaName      = "keepsake.json"
	indexName     = "index"
	manifestRaw   = "Manifest.db.raw"
	exceptionsDir = "exceptions"
	sealedDir     = "sealed"
)

var (
	// ErrNotPhone: the snapshot holds no phone's backup.
	ErrNotPhone = errors.New("the snapshot is no phone's backup")
	// ErrSealed: the contents are encrypted as the phone sent them, and nobody has
	// given the backup password yet.
	ErrSealed = errors.New("the snapshot is sealed: the backup password is needed")
)

// Snapshot is a phone at one moment. Its methods can be used concurrently, as
// long as the session lasts.
type Snapshot struct {
	s    *repository.Session
	info Info
	meta *Meta
	root format.ID // the tree of /<UDID>
	ios  *format.Tree

	exceptions map[itunesbackup.FileID]Exception

	indexOnce onceValue[*Index]
	mu        sync.Mutex
	unlocked  *itunesbackup.Backup // guarded by mu; of a sealed snapshot
}

// Open opens a snapshot: it reads keepsake.json and nothing more. Error:
// [ErrNotPhone].
func Open(ctx context.Context, s *repository.Session, sn repository.Snapshot) (*Snapshot, error) {
	p := &Snapshot{s: s, info: Describe(sn), exceptions: map[itunesbackup.FileID]Exception{}}
	if err := p.open(ctx); err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", sn.ID.Short(), err)
	}
	return p, nil
}

func (p *Snapshot) open(ctx context.Context) error {
	if p.info.Kind != Backup {
		return ErrNotPhone
	}
	top, err := p.s.Tree(ctx, *p.info.Tree)
	if err != nil {
		return err
	}
	phone, ok := top.Find(p.info.UDID)
	if !ok || phone.Subtree == nil {
		return fmt.Errorf("%w: there is no folder %q", ErrNotPhone, p.info.UDID)
	}
	p.root = *phone.Subtree
	tree, err := p.s.Tree(ctx, p.root)
	if err != nil {
		return err
	}
	ios, ok := tree.Find(iosDir)
	if !ok || ios.Subtree == nil {
		return fmt.Errorf("%w: there is no folder %q", ErrNotPhone, iosDir)
	}
	if p.ios, err = p.s.Tree(ctx, *ios.Subtree); err != nil {
		return err
	}
	data, err := p.readSmall(ctx, metaName, maxMeta)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNotPhone, err)
	}
	if err != nil {
		return err
	}
	if p.meta, err = decodeMeta(data); err != nil {
		return err
	}
	if p.meta.UDID != p.info.UDID {
		return fmt.Errorf("it is of the phone %s and labelled %s", p.meta.UDID, p.info.UDID)
	}
	for _, x := range p.meta.Exceptions {
		p.exceptions[x.ID] = x
	}
	return nil
}

// Meta is keepsake.json.
func (p *Snapshot) Meta() Meta { return p.meta.clone() }

// Info is what the tags tell.
func (p *Snapshot) Info() Info { return p.info }

// Session is the one that the snapshot was opened in.
func (p *Snapshot) Session() *repository.Session { return p.s }

// Tree is the ID of the folder /<UDID>.
func (p *Snapshot) Tree() format.ID { return p.root }

// iosNode finds an entry of _ios; the error wraps fs.ErrNotExist.
func (p *Snapshot) iosNode(name string) (*format.Node, error) {
	n, ok := p.ios.Find(name)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: iosDir + "/" + name, Err: fs.ErrNotExist}
	}
	return n, nil
}

// iosFile opens a file of _ios.
func (p *Snapshot) iosFile(ctx context.Context, name string) (*repository.File, error) {
	n, err := p.iosNode(name)
	if err != nil {
		return nil, err
	}
	if n.Type != format.NodeFile {
		return nil, fmt.Errorf("open %s/%s: it is no file", iosDir, name)
	}
	f, err := p.s.FS(ctx, p.root).OpenNode(n)
	if err != nil {
		return nil, fmt.Errorf("open %s/%s: %w", iosDir, name, err)
	}
	return f, nil
}

// readSmall reads a file of _ios of at most limit bytes.
func (p *Snapshot) readSmall(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, err := p.iosFile(ctx, name)
	if err != nil {
		return nil, err
	}
	if f.Size() > limit {
		return nil, fmt.Errorf("read %s/%s: %d bytes, more than %d", iosDir, name, f.Size(), limit)
	}
	data := make([]byte, f.Size())
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", iosDir, name, err)
	}
	return data, nil
}

// Index loads what is stored of each file. It is loaded once. One that is damaged
// is rebuilt: repository.Session.Check tells of it.
func (p *Snapshot) Index(ctx context.Context) (*Index, error) {
	return p.indexOnce.get(func() (*Index, error) {
		x, err := p.loadIndex(ctx)
		if err != nil && isDamage(err) {
			var again error
			if x, again = p.RebuildIndex(ctx); again == nil {
				return x, nil
			}
			err = errors.Join(err, again)
		}
		if err != nil {
			return nil, fmt.Errorf("load index of snapshot %s: %w", p.info.ID.Short(), err)
		}
		return x, nil
	})
}

func (p *Snapshot) loadIndex(ctx context.Context) (*Index, error) {
	f, err := p.iosFile(ctx, indexName)
	if err != nil {
		return nil, err
	}
	if f.Size() > maxIndex {
		return nil, fmt.Errorf("%d bytes, more than %d", f.Size(), int64(maxIndex))
	}
	records := &collector{data: make([]byte, 0, f.Size())}
	if _, err := f.WriteTo(records); err != nil {
		return nil, err
	}
	return newIndex(records.data)
}

// collector keeps what is written to it.
type collector struct{ data []byte }

func (c *collector) Write(p []byte) (int, error) {
	c.data = append(c.data, p...)
	return len(p), nil
}

// onceValue computes a value once; an error is no value, and the next one to ask
// tries again.
type onceValue[T any] struct {
	mu   sync.Mutex
	done bool
	v    T
}

func (o *onceValue[T]) get(compute func() (T, error)) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return o.v, nil
	}
	v, err := compute()
	if err == nil {
		o.v, o.done = v, true
	}
	return v, err
}
