package overlay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/storetest"
)

// store is a Store over a tree, with contents in memory.
type store struct {
	t        *testing.T
	tree     *Tree
	contents map[uint32][]byte
	parent   map[string][]byte
}

func (s *store) Open(_ context.Context, p string) (io.ReadCloser, int64, error) {
	f, err := s.tree.Stat(p)
	if err != nil {
		return nil, 0, err
	}
	data := s.contents[f.Object]
	if f.Object == 0 {
		data = s.parent[f.Origin]
	}
	if int64(len(data)) != f.Size {
		s.t.Errorf("%s: %+v has %d bytes", p, f, len(data))
	}
	return io.NopCloser(bytes.NewReader(data)), f.Size, nil
}

func (s *store) Put(_ context.Context, p string, r io.Reader) error {
	if err := s.tree.Room(p); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	n := uint32(len(s.contents) + 1)
	s.contents[n] = b
	old, err := s.tree.Put(p, n, int64(len(b)), time.Now().Unix())
	s.gone([]uint32{old})
	return err
}

// gone wants objects to be gone for good.
func (s *store) gone(list []uint32) {
	s.tree.Objects(func(o uint32) {
		if slices.Contains(list, o) {
			s.t.Errorf("object %d is said to be gone and is there", o)
		}
	})
	for _, o := range list {
		if o != 0 {
			s.contents[o] = nil
		}
	}
}

func (s *store) ReadDir(_ context.Context, p string) ([]mobilebackup2.Entry, error) {
	return s.tree.List(p)
}
func (s *store) Mkdir(_ context.Context, p string) error { return s.tree.Mkdir(p) }

func (s *store) Rename(_ context.Context, from, to string) error {
	gone, err := s.tree.Rename(from, to)
	s.gone(gone)
	return err
}

func (s *store) Remove(_ context.Context, p string) error {
	gone, err := s.tree.Remove(p)
	s.gone(gone)
	return err
}

func TestTree(t *testing.T) {
	storetest.Run(t, func(t *testing.T) mobilebackup2.Store {
		return &store{t: t, tree: New(storetest.UDID), contents: map[uint32][]byte{}}
	})
}

// Over a parent, whatever is done leads to what it would lead to in a folder.
func TestTree_parent(t *testing.T) {
	const udid = storetest.UDID
	s := &store{t: t, tree: New(udid), contents: map[uint32][]byte{}, parent: map[string][]byte{}}
	var model storetest.Memory
	put := func(p, content string) {
		s.parent[p] = []byte(content)
		if err := model.Put(t.Context(), udid+"/"+p, bytes.NewReader([]byte(content))); err != nil {
			t.Fatal(err)
		}
	}
	put("Manifest.db", "database")
	if err := s.tree.AddParent("Manifest.db", 8, 1); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 10 {
		id := ID{byte(i % 3), 19: byte(i)}
		name := fmt.Sprintf("%x", id)
		ids = append(ids, name[:2]+"/"+name)
		put(ids[i], fmt.Sprintf("content %d", i))
		if err := s.tree.AddParentFile(id, int64(len("content 0")), 1); err != nil {
			t.Fatal(err)
		}
		if f, ok := s.tree.Find("", id); !ok || f.Origin != ids[i] {
			t.Errorf("%+v, %v", f, ok)
		}
	}
	both := func(what string, do func(mobilebackup2.Store) error) {
		t.Helper()
		a, b := do(s), do(&model)
		if (a == nil) != (b == nil) {
			t.Errorf("%s: %v, in a folder %v", what, a, b)
		}
		for p, want := range model.Files {
			r, _, err := s.Open(t.Context(), p)
			if err != nil {
				t.Errorf("%s: %s: %v", what, p, err)
				continue
			}
			if got, _ := io.ReadAll(r); !bytes.Equal(got, want) {
				t.Errorf("%s: %s is %q, want %q", what, p, got, want)
			}
		}
		n := 0
		s.tree.root.each(func(ref) { n++ })
		if n != len(model.Files) {
			t.Errorf("%s: %d files, want %d", what, n, len(model.Files))
		}
	}
	at := func(i int) string { return udid + "/" + ids[i] }
	ctx := t.Context()
	both("nothing", func(mobilebackup2.Store) error { return nil })
	both("replace", func(s mobilebackup2.Store) error {
		return s.Put(ctx, udid+"/Snapshot/"+ids[0], bytes.NewReader([]byte("new")))
	})
	both("move", func(s mobilebackup2.Store) error { return s.Rename(ctx, udid+"/Snapshot/"+ids[0], at(0)) })
	both("rename", func(s mobilebackup2.Store) error { return s.Rename(ctx, at(1), udid+"/other") })
	both("rename to another ID", func(s mobilebackup2.Store) error { return s.Rename(ctx, at(2), at(1)) })
	both("remove", func(s mobilebackup2.Store) error { return s.Remove(ctx, at(3)) })
	both("move the index", func(s mobilebackup2.Store) error { return s.Rename(ctx, udid+"/Manifest.db", udid+"/old") })
	both("over a file of the parent", func(s mobilebackup2.Store) error { return s.Rename(ctx, udid+"/other", at(4)) })
	both("set all aside", func(s mobilebackup2.Store) error { return s.Rename(ctx, udid, udid+"-20260102-030405") })
	both("put beside", func(s mobilebackup2.Store) error { return s.Put(ctx, at(5), bytes.NewReader([]byte("again"))) })
	both("remove all", func(s mobilebackup2.Store) error { return s.Remove(ctx, udid+"-20260102-030405") })
}

func TestTree_drop(t *testing.T) {
	tree := New("U")
	for i, p := range []string{"U/Status.plist", fmt.Sprintf("U/ab/%x", ID{0xab}), fmt.Sprintf("U/Snapshot/ab/%x", ID{0xab})} {
		if _, err := tree.Put(p, uint32(i+1), 5, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := tree.AddParentFile(ID{0xcd}, 1, 1); err != nil {
		t.Fatal(err)
	}
	tree.Drop(map[uint32]bool{1: true, 3: true})
	var left []uint32
	tree.Objects(func(o uint32) { left = append(left, o) })
	if !slices.Equal(left, []uint32{2}) {
		t.Errorf("left: %v", left)
	}
	if _, ok := tree.Find("Snapshot", ID{0xab}); ok {
		t.Error("a lost file is still there")
	}
	n := 0
	tree.Files("", func(id ID, f File) bool { n++; return true })
	if n != 2 {
		t.Errorf("%d files, want 2", n)
	}
}
