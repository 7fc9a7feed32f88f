package storetest

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// RunReadOnly holds a store that cannot be changed, and that open makes of files
// (by path), against what of the contract is left: it is read as any other, and
// every wish to change it is refused without effect. What the contract calls no
// error is none: to make what is there, to remove what is not.
func RunReadOnly(t *testing.T, open func(t *testing.T, files map[string]string) mobilebackup2.Store) {
	file, other := UDID+"/ab/"+id("ab", 1), UDID+"/ab/"+id("ab", 2)
	files := map[string]string{
		UDID + "/Status.plist": "status", UDID + "/Manifest.db": strings.Repeat("db", 300<<10), file: "one", other: "",
	}
	s := &suite{T: t, s: open(t, files)}
	same := func() {
		s.Helper()
		for p, content := range files {
			s.want(p, content)
		}
	}
	same()
	if e, ok := s.s.(mobilebackup2.Expecter); ok {
		e.Expect(t.Context(), []string{file, UDID + "/Manifest.db", UDID + "/none", other, UDID + "/Status.plist"})
		s.want(file, "one")
		s.want(UDID+"/Manifest.db", files[UDID+"/Manifest.db"])
		s.absent(UDID + "/none")
		s.want(UDID+"/Status.plist", "status") // out of turn
		s.want(other, "")
	}
	s.absent(UDID + "/none")
	s.absent("another")
	s.wantNames(UDID, "Manifest.db", "Status.plist", "ab")
	s.wantNames(UDID+"/ab", id("ab", 1), id("ab", 2))
	if _, err := s.s.ReadDir(t.Context(), UDID+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("list of nothing: %v", err)
	}
	if _, _, err := s.s.Open(t.Context(), UDID+"/ab"); err == nil {
		t.Error("a folder was opened as a file")
	}
	for what, err := range map[string]error{
		"put":            s.s.Put(t.Context(), UDID+"/Status.plist", strings.NewReader("new")),
		"put of another": s.s.Put(t.Context(), UDID+"/x", strings.NewReader("new")),
		"mkdir":          s.s.Mkdir(t.Context(), UDID+"/Snapshot"),
		"rename":         s.s.Rename(t.Context(), file, UDID+"/x"),
		"remove":         s.s.Remove(t.Context(), UDID+"/ab"),
	} {
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v, want a refusal", what, err)
		}
	}
	if err := s.s.Mkdir(t.Context(), UDID+"/ab"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("mkdir of what is there: %v, want fs.ErrExist", err)
	}
	if err := s.s.Rename(t.Context(), UDID+"/none", UDID+"/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename of nothing: %v, want fs.ErrNotExist", err)
	}
	if err := s.s.Remove(t.Context(), UDID+"/none"); err != nil {
		t.Errorf("remove of nothing: %v", err)
	}
	same()
}

func (t *suite) wantNames(path string, want ...string) {
	t.Helper()
	entries, err := t.s.ReadDir(t.Context(), path)
	t.must("list "+path, err)
	names := map[string]bool{}
	for _, e := range entries {
		names[e.Name] = true
	}
	for _, name := range want {
		if !names[name] {
			t.Errorf("list %s lacks %s", path, name)
		}
	}
	if len(names) != len(want) || len(entries) != len(want) {
		t.Errorf("list %s has %d entries, want %d", path, len(entries), len(want))
	}
}
