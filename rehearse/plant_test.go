package rehearse_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// planter damages a copy of a snapshot.
type planter struct {
	testing.TB
	s    *store
	x    *repository.Session
	info snapshot.Info
}

func newPlanter(t testing.TB, s *store, info snapshot.Info) *planter {
	c := s.copyOf(t)
	return &planter{t, c, c.begin(t), info}
}

// edit changes nodes of the phone's tree, by their paths below /<UDID>: fn gets
// the nodes of the folder that path names, and gives them back changed.
func (p *planter) edit(folder string, fn func([]format.Node) []format.Node) {
	p.Helper()
	w, err := p.x.Writer(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	defer w.Close()
	tree := p.rewrite(w, *p.info.Tree, strings.Split(p.info.UDID+"/"+folder, "/"), fn)
	sn := p.info.Snapshot.Snapshot
	sn.Tree = &tree
	id, err := w.Commit(p.Context(), &sn)
	if err != nil {
		p.Fatal(err)
	}
	p.info = snapshot.Describe(repository.Snapshot{ID: id, Snapshot: sn})
}

func (p *planter) rewrite(w *repository.Writer, id format.ID, way []string, fn func([]format.Node) []format.Node) format.ID {
	p.Helper()
	tree, err := p.x.Tree(p.Context(), id)
	if err != nil {
		p.Fatal(err)
	}
	nodes := slices.Clone(tree.Nodes)
	if len(way) == 0 || way[0] == "" {
		nodes = fn(nodes)
	} else {
		i := slices.IndexFunc(nodes, func(n format.Node) bool { return n.Name == way[0] })
		if i < 0 {
			p.Fatalf("there is no folder %q", way[0])
		}
		sub := p.rewrite(w, *nodes[i].Subtree, way[1:], fn)
		nodes[i].Subtree = &sub
	}
	slices.SortFunc(nodes, func(a, b format.Node) int { return strings.Compare(a.Name, b.Name) })
	if id, err = w.SaveTree(p.Context(), &format.Tree{Nodes: nodes}); err != nil {
		p.Fatal(err)
	}
	return id
}

// node changes one node.
func (p *planter) node(name string, fn func(*format.Node)) {
	p.Helper()
	p.edit(folderName(name), func(nodes []format.Node) []format.Node {
		i := slices.IndexFunc(nodes, func(n format.Node) bool { return n.Name == filepath.Base(name) })
		if i < 0 {
			p.Fatalf("there is no %q", name)
		}
		fn(&nodes[i])
		return nodes
	})
}

func (p *planter) remove(name string) {
	p.Helper()
	p.edit(folderName(name), func(nodes []format.Node) []format.Node {
		return slices.DeleteFunc(nodes, func(n format.Node) bool { return n.Name == filepath.Base(name) })
	})
}

func folderName(name string) string {
	if dir := filepath.ToSlash(filepath.Dir(name)); dir != "." {
		return dir
	}
	return ""
}

func (p *planter) find(name string) *format.Node {
	p.Helper()
	n, err := p.x.FS(p.Context(), *p.info.Tree).Node(p.info.UDID + "/" + name)
	if err != nil {
		p.Fatal(err)
	}
	return n
}

func (p *planter) read(name string) []byte {
	p.Helper()
	f, err := p.x.FS(p.Context(), *p.info.Tree).OpenNode(p.find(name))
	if err != nil {
		p.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		p.Fatal(err)
	}
	return data
}

// save stores data in packs of its own.
func (p *planter) save(name string, data []byte) []format.ID {
	p.Helper()
	w, err := p.x.Writer(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	defer w.Close()
	c, err := w.SaveFile(p.Context(), bytes.NewReader(data), name, int64(len(data)))
	if err != nil {
		p.Fatal(err)
	}
	ids, err := c.IDs(p.Context())
	if err == nil {
		err = w.Flush(p.Context())
	}
	if err != nil {
		p.Fatal(err)
	}
	return ids
}

// write gives a file another content, its node included.
func (p *planter) write(name string, data []byte) {
	p.Helper()
	ids := p.save(name, data)
	p.node(name, func(n *format.Node) { n.Content, n.Size = ids, uint64(len(data)) })
}

// change edits a file in memory.
func (p *planter) change(name string, fn func([]byte) []byte) {
	p.Helper()
	p.write(name, fn(p.read(name)))
}

// sql changes Manifest.db.
func (p *planter) sql(query string, args ...any) {
	p.Helper()
	at := filepath.Join(p.TempDir(), "Manifest.db")
	if err := os.WriteFile(at, p.read("_ios/Manifest.db"), 0o600); err != nil {
		p.Fatal(err)
	}
	db, err := sql.Open("sqlite", at)
	if err != nil {
		p.Fatal(err)
	}
	res, err := db.Exec(query, args...)
	if err != nil {
		p.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		p.Fatalf("%s: %d rows, %v", query, n, err)
	}
	if err := db.Close(); err != nil {
		p.Fatal(err)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		p.Fatal(err)
	}
	p.write("_ios/Manifest.db", data)
}

// row changes what the phone's list says of a file.
func (p *planter) row(domain, path string, fn func(*itunesbackup.Record)) {
	p.Helper()
	m, err := itunesbackup.OpenManifestAt(p.Context(), bytes.NewReader(p.read("_ios/Manifest.db")), int64(p.find("_ios/Manifest.db").Size))
	if err != nil {
		p.Fatal(err)
	}
	r, ok, err := m.Find(p.Context(), domain, path)
	if err != nil || !ok {
		p.Fatalf("row of %s/%s: %t, %v", domain, path, ok, err)
	}
	if err := m.Close(); err != nil {
		p.Fatal(err)
	}
	fn(&r)
	data, err := r.File.Marshal()
	if err != nil {
		p.Fatal(err)
	}
	p.sql("UPDATE Files SET file = ? WHERE fileID = ?", data, r.ID.String())
}

// list changes Manifest.plist.
func (p *planter) list(fn func(*itunesbackup.ManifestPlist)) {
	p.Helper()
	p.change("_ios/Manifest.plist", func(data []byte) []byte {
		l, err := itunesbackup.ParseManifestPlist(data)
		if err != nil {
			p.Fatal(err)
		}
		fn(&l)
		if data, err = l.Marshal(); err != nil {
			p.Fatal(err)
		}
		return data
	})
}

// meta changes keepsake.json.
func (p *planter) meta(fn func(map[string]any)) {
	p.Helper()
	p.change("_ios/keepsake.json", func(data []byte) []byte {
		var m map[string]any
		if err := json.Unmarshal(data, &m); err != nil {
			p.Fatal(err)
		}
		fn(m)
		data, err := json.Marshal(m)
		if err != nil {
			p.Fatal(err)
		}
		return data
	})
}

// own gives a file a pack of its own, by changing a byte that nothing guards.
func (p *planter) own(name string) backend.Handle {
	p.Helper()
	data := p.read(name)
	data[len(data)-1] ^= 1
	before := p.s.be.Handles()
	ids := p.save(name, data)
	var pack backend.Handle
	for _, h := range p.s.be.Handles() {
		if h.Type == backend.PackFile && !slices.Contains(before, h) {
			pack = h
		}
	}
	p.node(name, func(n *format.Node) { n.Content = ids })
	return pack
}

// file changes a file of the repository.
func (p *planter) file(h backend.Handle, fn func([]byte) []byte) {
	p.Helper()
	data := p.s.be.Bytes(h)
	if err := p.s.be.Remove(p.Context(), h); err != nil {
		p.Fatal(err)
	}
	if data = fn(data); data != nil {
		if err := p.s.be.Save(p.Context(), h, bytes.NewReader(data)); err != nil {
			p.Fatal(err)
		}
	}
}
