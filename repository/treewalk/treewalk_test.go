package treewalk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/treewalk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trees is a repository in memory. The ID of a tree is the hash of its text.
type trees map[format.ID]*format.Tree

func (s trees) Tree(ctx context.Context, id format.ID) (*format.Tree, error) {
	if t, ok := s[id]; ok {
		return t, ctx.Err()
	}
	return nil, errors.New("it is missing")
}

// dir stores a folder with these entries: "name" is a file, "name/" a folder
// that follows in below.
func (s trees) dir(below map[string]format.ID, names ...string) format.ID {
	t := &format.Tree{}
	text := ""
	for _, name := range names {
		n := format.Node{Name: name, Type: format.NodeFile, Content: []format.ID{}}
		if id, ok := below[name]; ok {
			n = format.Node{Name: name, Type: format.NodeDir, Subtree: &id}
			text += id.String()
		}
		t.Nodes = append(t.Nodes, n)
		text += name + "\n"
	}
	id := format.Hash([]byte(text))
	s[id] = t
	return id
}

func walk(t *testing.T, s trees, root format.ID, v treewalk.Visitor) ([]string, error) {
	t.Helper()
	var got []string
	node, leave, broken := v.Node, v.Leave, v.Broken
	v.Node = func(path string, n *format.Node) error {
		got = append(got, path)
		if node != nil {
			return node(path, n)
		}
		return nil
	}
	v.Leave = func(path string, n *format.Node) error {
		got = append(got, path+" left")
		if leave != nil {
			return leave(path, n)
		}
		return nil
	}
	if broken != nil {
		v.Broken = func(path string, err error) error {
			got = append(got, fmt.Sprintf("%s broken: %v", path, err))
			return broken(path, err)
		}
	}
	err := treewalk.Walk(t.Context(), s, root, v)
	return got, err
}

func TestWalk(t *testing.T) {
	s := trees{}
	c := s.dir(nil, "x", "y")
	b := s.dir(map[string]format.ID{"c": c}, "a", "c", "z")
	below := map[string]format.ID{"b": b, "e": s.dir(nil), "missing": format.Hash([]byte("nothing"))}
	names := []string{"a", "b", "e", "missing"}
	for i := range 30 { // more than are loaded ahead
		name := fmt.Sprintf("n%02d", i)
		below[name] = c
		names = append(names, name)
	}
	root := s.dir(below, names...)
	goOn := func(string, error) error { return nil }

	got, err := walk(t, s, root, treewalk.Visitor{Broken: goOn})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/a", "/b", "/b/a", "/b/c", "/b/c/x", "/b/c/y", "/b/c left", "/b/z", "/b left", "/e", "/e left", "/missing", "/missing broken: load folder: it is missing", "/missing left"}
	for i := range 30 {
		name := fmt.Sprintf("/n%02d", i)
		want = append(want, name, name+"/x", name+"/y", name+" left")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("walk (-want +got):\n%s", diff)
	}

	got, err = walk(t, s, root, treewalk.Visitor{Descend: func(path string, _ *format.Node) bool { return path == "/b" }})
	if want := append([]string{"/a", "/b", "/b/a", "/b/c", "/b/z", "/b left", "/e", "/missing"}, got[8:]...); err != nil || !slices.Equal(got, want) {
		t.Errorf("descend: %q, %v", got, err)
	}
	if _, err = walk(t, s, root, treewalk.Visitor{}); err == nil || err.Error() != "/missing: load folder: it is missing" {
		t.Errorf("without Broken: %v", err)
	}
	got, err = walk(t, s, root, treewalk.Visitor{Node: func(path string, _ *format.Node) error {
		if path == "/b/c" {
			return treewalk.ErrSkipAll
		}
		return nil
	}})
	if err != nil || got[len(got)-1] != "/b/c" {
		t.Errorf("ErrSkipAll: %q, %v", got, err)
	}
	if err := treewalk.Walk(t.Context(), s, format.ID{}, treewalk.Visitor{}); err == nil {
		t.Error("a missing root is no error")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	err = treewalk.Walk(ctx, s, root, treewalk.Visitor{Node: func(string, *format.Node) error { cancel(why); return nil }})
	if !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWalk_hostileNames(t *testing.T) {
	s := trees{}
	inner := s.dir(nil, "inner")
	root := s.dir(map[string]format.ID{"..": inner, "d/e": inner, "fine": inner, "last": inner}, "", ".", "..", "/abs", "a\x00b", "d/e", "fine", "fine", "last", "nul")
	s[root].Nodes[9].Type = format.NodeDir // without a tree
	got, err := walk(t, s, root, treewalk.Visitor{Broken: func(string, error) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	var visited []string
	for _, line := range got {
		if !strings.Contains(line, "broken: ") {
			visited = append(visited, line)
		}
	}
	if !slices.Equal(visited, []string{"/fine", "/fine/inner", "/fine left", "/last", "/last/inner", "/last left"}) || len(got) != 14 {
		t.Errorf("visited %q of %q", visited, got)
	}
}

func TestFind(t *testing.T) {
	s := trees{}
	root := s.dir(map[string]format.ID{"b": s.dir(nil, "x")}, "a", "b")
	for path, want := range map[string]string{"": "", "/": "", "a": "a", "/b/x": "x", "b//x/": "x"} {
		n, err := treewalk.Find(t.Context(), s, root, path)
		if err != nil || n.Name != want {
			t.Errorf("find %q: %v, %v", path, n, err)
		}
	}
	for path, missing := range map[string]string{"c": "/c", "a/x": "/a/x", "b/y/z": "/b/y"} {
		_, err := treewalk.Find(t.Context(), s, root, path)
		var absent *treewalk.NotFoundError
		if !errors.As(err, &absent) || absent.Path != missing {
			t.Errorf("find %q: %v", path, err)
		}
	}
}

func TestDiff(t *testing.T) {
	s := trees{}
	same := s.dir(nil, "same")
	gone := s.dir(map[string]format.ID{"deep": s.dir(nil, "leaf")}, "deep")
	before := s.dir(map[string]format.ID{"gone": gone, "same": same, "turned": same}, "a", "gone", "mode", "same", "text", "turned")
	after := s.dir(map[string]format.ID{"new": gone, "same": same}, "a", "mode", "new", "same", "text", "turned")
	node := func(tree format.ID, name string) *format.Node {
		n, _ := s[tree].Find(name)
		return n
	}
	node(after, "text").Content = []format.ID{same}
	node(after, "text").ModTime = time.Unix(1, 0)
	node(after, "mode").Mode = 0o600
	node(after, "a").AccessTime = time.Unix(5, 0) // does not count
	var got []string
	err := treewalk.Diff(t.Context(), s, before, after, func(c treewalk.Change) error {
		line := c.Path
		for mark, is := range map[string]bool{" +": c.Old == nil, " -": c.New == nil, " type": c.Type} {
			if is {
				line += mark
			}
		}
		if c.Content {
			line += " content"
		}
		if c.Metadata && !c.Type {
			line += " metadata"
		}
		got = append(got, line)
		return nil
	})
	want := []string{"/gone -", "/gone/deep -", "/gone/deep/leaf -", "/mode metadata", "/new +", "/new/deep +", "/new/deep/leaf +", "/text content metadata", "/turned type", "/turned/same -"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := treewalk.Diff(t.Context(), s, before, before, func(treewalk.Change) error { return errors.New("called") }); err != nil {
		t.Errorf("equal trees: %v", err)
	}
	if err := treewalk.Diff(t.Context(), s, before, after, func(treewalk.Change) error { return treewalk.ErrSkipAll }); err != nil {
		t.Errorf("ErrSkipAll: %v", err)
	}
	if err := treewalk.Diff(t.Context(), s, before, format.ID{}, func(treewalk.Change) error { return nil }); err == nil {
		t.Error("a missing tree is no error")
	}
}
