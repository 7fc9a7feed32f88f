package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

var concurrentChecks = []check{
	{"concurrent files", checkConcurrentFiles},
	{"concurrent saves of one file", checkConcurrentSame},
	{"concurrent configs", checkConcurrentConfigs},
}

const atOnce = 8

// together runs fn atOnce times at the same time.
func together(t testing.TB, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range atOnce {
		wg.Go(func() {
			<-start
			if err := fn(i); err != nil {
				t.Error(err)
			}
		})
	}
	close(start)
	wg.Wait()
}

func checkConcurrentFiles(t testing.TB, s *suite, b backend.Backend) {
	var mu sync.Mutex
	want := map[string]int64{}
	together(t, func(i int) error {
		for j := range 4 {
			f := newFile(backend.LockFile, 10_000+i*10+j, 0)
			if err := b.Save(t.Context(), f.Handle, f.content()); err != nil {
				return err
			}
			got, err := backend.ReadAll(t.Context(), b, f.Handle, 1<<20)
			if err != nil || !bytes.Equal(got, f.data) {
				return fmt.Errorf("load %v right after its save: %d bytes, %v", f.Handle, len(got), err)
			}
			err = b.List(t.Context(), f.Type, func(fi backend.FileInfo) error {
				if fi.Size < 10_000 {
					return fmt.Errorf("%s is half there: %d bytes", fi.Name, fi.Size)
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("list while others save: %w", err)
			}
			if j%2 == 1 {
				if err := b.Remove(t.Context(), f.Handle); err != nil {
					return err
				}
				continue
			}
			mu.Lock()
			want[f.Name] = int64(len(f.data))
			mu.Unlock()
		}
		return nil
	})
	if got := list(t, b, backend.LockFile); !maps.Equal(got, want) {
		t.Errorf("list after concurrent work: got %v, want %v", got, want)
	}
}

// checkConcurrentSame: who loads meanwhile gets the whole file or none.
func checkConcurrentSame(t testing.TB, _ *suite, b backend.Backend) {
	f := newFile(backend.PackFile, 1<<20, 0)
	var saving atomic.Int32
	saving.Store(atOnce / 2)
	together(t, func(i int) error {
		if i%2 == 0 {
			defer saving.Add(-1)
			return b.Save(t.Context(), f.Handle, f.content())
		}
		for saving.Load() > 0 {
			var got []byte
			err := b.Load(t.Context(), f.Handle, 0, 0, func(r io.Reader) (err error) {
				got, err = io.ReadAll(r)
				return err
			})
			if errors.Is(err, backend.ErrNotExist) {
				continue
			}
			if err != nil || !bytes.Equal(got, f.data) {
				return fmt.Errorf("load while it is being saved: %d bytes, %v", len(got), err)
			}
		}
		return nil
	})
	wantFile(t, b, f)
	if got := list(t, b, f.Type); len(got) != 1 {
		t.Errorf("list: %v, want one file", got)
	}
}

// checkConcurrentConfigs: two who make a repository in one place must not both
// believe that it is theirs.
func checkConcurrentConfigs(t testing.TB, s *suite, b backend.Backend) {
	var won atomic.Int32
	var winner atomic.Int32
	together(t, func(i int) error {
		err := b.Save(t.Context(), backend.Handle{Type: backend.ConfigFile}, newFile(backend.ConfigFile, 155, uint64(i)).content())
		if err == nil {
			won.Add(1)
			winner.Store(int32(i))
		} else if !errors.Is(err, backend.ErrExist) {
			return fmt.Errorf("save of the config among others: got %w, want ErrExist", err)
		}
		return nil
	})
	switch n := won.Load(); {
	case n == 0 || n > 1 && !s.RacyConfig:
		t.Errorf("%d of %d saves of the config succeeded, want one", n, atOnce)
	case n == 1:
		wantFile(t, b, newFile(backend.ConfigFile, 155, uint64(winner.Load())))
	}
}
