package safari

import (
	"context"
	"iter"
	"slices"

	"github.com/keepsake-backup/keepsake/extract"
)

// bookmarkStore is Bookmarks.db, in memory.
type bookmarkStore struct {
	nodes []*node // those of people, in order
}

func openBookmarks(ctx context.Context, src *extract.Source, p, label string) (store, error) {
	db, err := src.Database(ctx, p)
	if err != nil {
		return nil, err
	}
	nodes, err := readTree(ctx, db, label)
	if err != nil {
		return nil, err
	}
	return &bookmarkStore{slices.DeleteFunc(nodes, func(n *node) bool {
		return n.isTop() || n.special == specialWebFilter || slices.ContainsFunc(n.above(), func(up *node) bool { return up.special == specialWebFilter })
	})}, nil
}

// article tells whether a node is one of the reading list.
func (n *node) article() bool {
	return !n.folder && (n.reading || slices.ContainsFunc(n.above(), func(up *node) bool { return up.special == specialReading }))
}

// groupOf is the folder that a node is shown in; nil for none.
func (n *node) groupOf() *node {
	if n.up == nil || n.up.isTop() {
		return nil
	}
	return n.up
}

func (s *bookmarkStore) groups(context.Context) ([]extract.Group, error) {
	counts := map[*node]int{}
	for _, n := range s.nodes {
		if up := n.groupOf(); up != nil && !n.folder {
			counts[up]++
		}
	}
	var list []extract.Group
	for _, n := range s.nodes {
		if !n.folder {
			continue
		}
		g := extract.Group{Key: "folder/" + n.key, Title: n.name(), Count: counts[n], Deleted: n.deleted}
		if up := n.groupOf(); up != nil {
			g.Parent = "folder/" + up.key
		}
		list = append(list, g)
	}
	return list, nil
}

func (s *bookmarkStore) records(_ context.Context, q extract.Query) iter.Seq2[record, error] {
	var bookmarks, articles []record
	for _, n := range s.nodes {
		switch {
		case n.folder:
		case n.article():
			articles = append(articles, n.asArticle())
		default:
			bookmarks = append(bookmarks, n.asBookmark())
		}
	}
	return inMemory(append(bookmarks, articles...), q)
}

func (n *node) group() string {
	if up := n.groupOf(); up != nil {
		return "folder/" + up.key
	}
	return ""
}

func (n *node) asBookmark() *Bookmark {
	b := &Bookmark{ID: "bookmark/" + n.key, Title: n.title, URL: n.url, Changed: n.changed, Hidden: n.hidden, Deleted: n.deleted, group: n.group()}
	for _, up := range n.above() {
		b.Deleted = b.Deleted || up.deleted
		if !up.isTop() {
			b.Folder = append(b.Folder, up.name())
		}
	}
	slices.Reverse(b.Folder)
	return b
}

func (n *node) asArticle() *Article {
	return &Article{ID: "bookmark/" + n.key, Title: n.title, URL: n.url, Preview: n.extra.preview, Added: n.extra.added, LastRead: n.extra.viewed, Read: n.read,
		Changed: n.changed, Deleted: n.deleted, group: n.group()}
}
