package notes

import (
	"context"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/thumbnail"
)

const kind = "notes"

// Reader reads notes. It implements extract.Exporter, Filer and Previewer.
type Reader struct{ maker *thumbnail.Maker }

// New makes a Reader.
func New() *Reader { return &Reader{thumbnail.New()} }

// Info implements extract.Extractor.
func (*Reader) Info() extract.Info {
	return extract.Info{Kind: kind, Title: "Notes", Groups: "folders", Tables: []extract.Table{Notes}, Paths: []string{storePath, legacyPath}}
}

// silent is told of problems that are told of elsewhere.
type silent struct{}

// Report implements extract.Reporter.
func (silent) Report(*extract.Problem) {}

// Groups implements extract.Extractor: accounts, and in them the folders. Of an account
// the count is of all notes in it.
func (*Reader) Groups(ctx context.Context, src *extract.Source) ([]extract.Group, error) {
	a, err := open(ctx, src)
	if err != nil {
		return nil, err
	}
	heads, err := a.heads(ctx, extract.Query{}, silent{})
	if err != nil {
		return nil, err
	}
	byShelf := map[*shelf]*extract.Group{}
	var order []*extract.Group
	seen := map[string]bool{}
	for _, lib := range a.libs {
		for _, s := range lib.shelves() {
			if seen[s.key] {
				continue
			}
			seen[s.key] = true
			g := &extract.Group{Key: s.key, Title: s.title, Deleted: s.deleted}
			switch {
			case s.parent != nil:
				g.Parent = s.parent.key
			case s.account != nil:
				g.Parent = s.account.key
			}
			if s.query != "" {
				g.Detail = "smart folder: " + s.query
			} else if s.shared {
				g.Detail = "shared"
			}
			byShelf[s] = g
			order = append(order, g)
		}
	}
	count := func(s *shelf, h *head) {
		if g := byShelf[s]; g != nil {
			g.Count++
			if t := h.time(); t.After(g.Time) {
				g.Time = t
			}
		}
	}
	for _, h := range heads {
		count(h.in(), h)
		if h.folder != nil && h.account != nil {
			count(h.account, h)
		}
	}
	groups := make([]extract.Group, len(order))
	for i, g := range order {
		groups[i] = *g
	}
	return groups, nil
}

// Read implements extract.Extractor: by account, folder and title, pinned ones first. A
// locked note is opened with the Source's passwords; one that stays shut is given with
// what is known of it.
func (*Reader) Read(ctx context.Context, src *extract.Source, q extract.Query, out extract.Emitter) error {
	return extract.Done(read(ctx, src, q, out, func(n *Note) error { return out.Emit(n) }))
}

func read(ctx context.Context, src *extract.Source, q extract.Query, rep extract.Reporter, give func(*Note) error) error {
	if q.Table != "" && q.Table != Notes.Name {
		return nil
	}
	a, err := open(ctx, src)
	if err != nil {
		return err
	}
	a.report(rep)
	heads, err := a.heads(ctx, q, rep)
	if err != nil {
		return err
	}
	return a.read(ctx, heads, rep, give)
}
