package rehearse_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/rehearse"
)

// snooper looks at everything on the disk whenever something begins.
type snooper struct {
	silent
	t      *testing.T
	dir    string
	words  []string
	mu     sync.Mutex
	phases int
	files  int
}

func (s *snooper) Phase(string, string)          { s.look() }
func (s *snooper) Say(_ progress.Kind, _ string) { s.look() }
func (s *snooper) Update(progress.Counters)      { s.look() }

func (s *snooper) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phases++
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		s.files++
		for _, word := range s.words {
			if bytes.Contains(data, []byte(word)) {
				s.t.Errorf("%s holds %.40q", path, word)
			}
		}
		return nil
	})
	if err != nil {
		s.t.Error(err)
	}
}

// Nothing of a phone lies in clear on a disk while it is rehearsed: no content, no
// name, no list of apps, no password.
func TestSnapshot_leavesNothingInClear(t *testing.T) {
	t.Parallel()
	st, info := phoneIn(t, phonePassword, false)
	x := st.begin(t)
	p := &planter{t, st, x, info}
	dir := t.TempDir()
	s := &snooper{t: t, dir: dir, words: []string{
		"SQLite format 3", "com.example.lumora", "fern-0004.cache", "CameraRollDomain", phonePassword.Reveal(),
		string(p.read(document)[:60]), string(p.read(other)[:60]), "ApplicationSINF", "iTunesMetadata",
	}}
	res, err := rehearse.Snapshot(t.Context(), openSnapshot(t, x, info), rehearse.Options{Password: phonePassword, Dir: dir}, s)
	if err != nil || !res.Passed {
		t.Fatal(err, res)
	}
	if s.phases < 5 || s.files == 0 {
		t.Errorf("looked %d times at %d files", s.phases, s.files)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
