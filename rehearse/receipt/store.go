package receipt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// Tags of receipts, beside those of package snapshot.
const (
	TagOf     = "of:"   // and the ID of the snapshot that was rehearsed
	TagTree   = "tree:" // and the ID of its tree: the same in every copy of it, and in nothing else
	TagPassed = "rehearsal:passed"
	TagFailed = "rehearsal:failed"

	tagUDID  = "udid:"
	tagName  = "name:"
	folder   = "receipts"
	fileName = "receipt.json"
)

// Stored is a receipt as its tags tell it; [Stored.Load] reads the rest.
type Stored struct {
	repository.Snapshot           // the receipt's own
	Of                  format.ID // the snapshot that was rehearsed
	OfTree              format.ID // its tree; zero in receipts that do not name it
	UDID                string    // of the phone
	Passed              bool
}

// Title is [Receipt.Title].
func (r Stored) Title() string { return title(r.Passed, r.Time) }

// Describe reads the tags of a snapshot; ok is false when it is no receipt.
func Describe(sn repository.Snapshot) (r Stored, ok bool) {
	if !slices.Contains(sn.Tags, snapshot.TagReceipt) {
		return Stored{}, false
	}
	r = Stored{Snapshot: sn}
	failed := false
	for _, tag := range sn.Tags {
		if id, is := strings.CutPrefix(tag, TagOf); is {
			of, err := format.ParseID(id)
			if err != nil {
				return Stored{}, false
			}
			r.Of, ok = of, true
		}
		if id, is := strings.CutPrefix(tag, TagTree); is {
			tree, err := format.ParseID(id)
			if err != nil {
				return Stored{}, false
			}
			r.OfTree = tree
		}
		if udid, is := strings.CutPrefix(tag, tagUDID); is {
			r.UDID = udid
		}
		r.Passed = r.Passed || tag == TagPassed
		failed = failed || tag == TagFailed
	}
	r.Passed = r.Passed && !failed
	return r, ok
}

// Save stores a receipt and gives its snapshot.
func Save(ctx context.Context, w *repository.Writer, r *Receipt) (repository.Snapshot, error) {
	sn, err := save(ctx, w, r)
	if err != nil {
		return repository.Snapshot{}, fmt.Errorf("store receipt: %w", err)
	}
	return sn, nil
}

func save(ctx context.Context, w *repository.Writer, r *Receipt) (repository.Snapshot, error) {
	data, err := r.Encode()
	if err != nil {
		return repository.Snapshot{}, err
	}
	c, err := w.SaveFile(ctx, bytes.NewReader(data), fileName, int64(len(data)))
	if err != nil {
		return repository.Snapshot{}, err
	}
	blobs, err := c.IDs(ctx)
	if err != nil {
		return repository.Snapshot{}, err
	}
	at := r.Ended.UTC()
	node := format.Node{Name: fileName, Type: format.NodeFile, Mode: 0o600, ModTime: at, AccessTime: at, ChangeTime: at, Size: uint64(len(data)), Content: blobs}
	var tree format.ID
	for _, name := range []string{r.UDID, folder, ""} {
		if tree, err = w.SaveTree(ctx, &format.Tree{Nodes: []format.Node{node}}); err != nil {
			return repository.Snapshot{}, err
		}
		sub := tree
		node = format.Node{Name: name, Type: format.NodeDir, Mode: fs.ModeDir | 0o700, ModTime: at, AccessTime: at, ChangeTime: at, Subtree: &sub}
	}
	sn := format.Snapshot{Time: at, Tree: &tree, Paths: []string{"/" + folder + "/" + r.UDID}, Hostname: snapshot.HostName, Tags: r.tags(), ProgramVersion: r.Program}
	id, err := w.Commit(ctx, &sn)
	return repository.Snapshot{ID: id, Snapshot: sn}, err
}

func (r *Receipt) tags() []string {
	tags := []string{snapshot.TagKeepsake, snapshot.TagReceipt, tagUDID + r.UDID, TagOf + r.Snapshot.String(), TagTree + r.Tree.String()}
	if r.Name != "" {
		tags = append(tags, tagName+r.Name)
	}
	if r.Passed {
		return append(tags, TagPassed)
	}
	return append(tags, TagFailed)
}

// Load reads the receipt.
func (r Stored) Load(ctx context.Context, s *repository.Session) (*Receipt, error) {
	got, err := r.load(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("read receipt %s: %w", r.ID.Short(), err)
	}
	return got, nil
}

func (r Stored) load(ctx context.Context, s *repository.Session) (*Receipt, error) {
	f, err := s.FS(ctx, *r.Tree).Open(folder + "/" + r.UDID + "/" + fileName)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	got, err := Decode(data)
	if err != nil {
		return nil, err
	}
	if got.Snapshot != r.Of || got.Passed != r.Passed || r.OfTree != (format.ID{}) && got.Tree != r.OfTree {
		return nil, errors.New("its tags tell something else than the receipt")
	}
	return got, nil
}

// Receipts gives the receipts of each snapshot of the repository, newest first.
// It reads no receipt.json.
func Receipts(ctx context.Context, s *repository.Session) (map[format.ID][]Stored, error) {
	all, err := s.Snapshots(ctx)
	if err != nil {
		return nil, fmt.Errorf("list receipts: %w", err)
	}
	return Among(all), nil
}

// Among is [Receipts] for a list of snapshots that is there already.
func Among(all []repository.Snapshot) map[format.ID][]Stored {
	byID := map[format.ID][]Stored{}
	for _, r := range all {
		r, ok := Describe(r)
		if !ok {
			continue
		}
		for _, sn := range all {
			if r.isOf(sn) {
				byID[sn.ID] = append(byID[sn.ID], r)
			}
		}
	}
	for _, list := range byID {
		slices.SortStableFunc(list, func(a, b Stored) int { return b.Time.Compare(a.Time) })
	}
	return byID
}

// isOf tells whether the receipt is about sn. A copy in another repository has
// another ID and names its origin; but so does a version that was unsealed, of
// which nothing was rehearsed, and the origin of its copies is not the one that was
// rehearsed either. The tree tells them apart.
func (r Stored) isOf(sn repository.Snapshot) bool {
	if slices.Contains(sn.Tags, snapshot.TagReceipt) {
		return false
	}
	if r.OfTree != (format.ID{}) {
		return sn.Tree != nil && *sn.Tree == r.OfTree
	}
	return sn.ID == r.Of || sn.Original != nil && *sn.Original == r.Of
}

// NewestRehearsed finds the newest backup of a phone whose last rehearsal has
// passed: the one that is not to be forgotten. ok is false when there is none.
func NewestRehearsed(ctx context.Context, s *repository.Session, udid string) (id format.ID, ok bool, err error) {
	all, err := s.Snapshots(ctx)
	if err != nil {
		return format.ID{}, false, fmt.Errorf("find rehearsed snapshot: %w", err)
	}
	id, ok = NewestAmong(all)[udid]
	return id, ok, nil
}

// NewestAmong is [NewestRehearsed] for all phones, by UDID, and a list of
// snapshots that is there already.
func NewestAmong(all []repository.Snapshot) map[string]format.ID {
	receipts := Among(all)
	newest, at := map[string]format.ID{}, map[string]time.Time{}
	for _, sn := range all {
		info := snapshot.Describe(sn)
		if info.Kind != snapshot.Backup {
			continue
		}
		list := receipts[sn.ID]
		if len(list) == 0 || !list[0].Passed {
			continue
		}
		if _, ok := newest[info.UDID]; !ok || !sn.Time.Before(at[info.UDID]) {
			newest[info.UDID], at[info.UDID] = sn.ID, sn.Time
		}
	}
	return newest
}
