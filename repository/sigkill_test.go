package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
)

const victimVariable = "KEEPSAKE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if order := os.Getenv(victimVariable); order != "" {
		if err := victim(context.Background(), order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// order is what a child process is to do.
type order struct {
	Operation string
	Dir       string
	Second    string // another repository
	KillAt    int64  // the step of the store at which it kills itself; 0 is never
}

// victim works on a folder and dies at a step of a change of a file, by the signal
// that cannot be caught. It tells the step, or how many there were.
func victim(ctx context.Context, text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	var steps atomic.Int64
	be, err := local.Open(o.Dir, local.Options{Step: func(step string) error {
		if steps.Add(1) != o.KillAt {
			return nil
		}
		fmt.Println(step)
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		if err := self.Kill(); err != nil {
			return err
		}
		select {} // until the signal is there
	}})
	if err != nil {
		return err
	}
	defer be.Close()
	if err := o.run(ctx, be); err != nil {
		return err
	}
	fmt.Println(steps.Load())
	return nil
}

const otherPassword = "battery staple"

// run does the operation, in the child and as the next run in the test.
func (o order) run(ctx context.Context, be backend.Backend) error {
	password := testPassword
	if o.Operation == "key change" { // whichever opens now becomes the other one
		if _, err := openTiny(ctx, be); errors.Is(err, ErrWrongPassword) {
			password = otherPassword
		}
	}
	r, err := Open(ctx, be, secret.NewRepositoryPassword(password), Options{})
	if err != nil {
		return err
	}
	tiny(r)
	switch o.Operation {
	case "write":
		return within(ctx, r, Shared, func(s *Session) error {
			_, err := backupFiles(ctx, s, tinyFiles(5), time.Now())
			return err
		})
	case "prune":
		_, err := r.Prune(ctx, PruneOptions{})
		return err
	case "copy":
		second, err := local.Open(o.Second, local.Options{})
		if err != nil {
			return err
		}
		defer second.Close()
		from, err := openTiny(ctx, second)
		if err != nil {
			return err
		}
		return copyAll(ctx, r, from)
	case "key change":
		other := otherPassword
		if password == otherPassword {
			other = testPassword
		}
		return within(ctx, r, Shared, func(*Session) error {
			_, err := r.changePassword(ctx, secret.NewRepositoryPassword(other), "test", "test", free)
			return err
		})
	}
	return fmt.Errorf("there is no operation %q", o.Operation)
}

// sent runs a child process. It gives what it said, and whether it was killed.
func (o order) sent(t *testing.T) (string, bool) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	said := strings.TrimSpace(string(out))
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		const bySignal = -1
		if exit.ExitCode() != bySignal && runtime.GOOS != "windows" {
			t.Fatalf("%s: the child ended by itself: %v, %s", o.Operation, err, said)
		}
		return said, true
	} else if err != nil {
		t.Fatal(err)
	}
	return said, false
}

// TestSigkill kills a process that works in a folder, at steps spread over the
// operation: when a file was created, written, synced, renamed, removed. Whatever
// the step: all data are whole, to us and to restic; old versions restore; the
// dead one's lock goes by itself; and the next run finishes.
func TestSigkill(t *testing.T) {
	base := newTinyBase(t)
	more, err := openTiny(t.Context(), base.second) // one version that only the second has
	if err != nil {
		t.Fatal(err)
	}
	err = within(t.Context(), more, Shared, func(s *Session) error {
		_, err := backupFiles(t.Context(), s, tinyFiles(8), time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	second := dump(t, base.second)
	pruned := base.m.Clone()
	pruned.Put(backend.Handle{Type: backend.SnapshotFile, Name: base.ids[0].String()}, nil)
	var mu sync.Mutex
	hit := map[string]int{}
	t.Run("group", func(t *testing.T) {
		for _, tt := range []struct {
			operation string
			start     *memory.Backend
			gone      int
		}{{"write", base.m, 0}, {"prune", pruned, 1}, {"copy", base.m, 0}, {"key change", base.m, 0}} {
			t.Run(tt.operation, func(t *testing.T) {
				t.Parallel()
				o := order{Operation: tt.operation, Dir: dump(t, tt.start), Second: second}
				said, killed := o.sent(t)
				var steps int64
				if _, err := fmt.Sscan(said, &steps); err != nil || killed {
					t.Fatalf("%q, killed: %v, %v", said, killed, err)
				}
				const kills = 20
				last := int64(0)
				for i := range int64(kills) {
					o.Dir, o.KillAt = dump(t, tt.start), 1+i*steps/kills
					if o.KillAt == last {
						continue // there are fewer steps
					}
					last = o.KillAt
					step, killed := o.sent(t)
					if !killed { // the number of packs is left to chance
						continue
					}
					mu.Lock()
					hit[step]++
					mu.Unlock()
					o.survived(t, base, tt.gone, fmt.Sprintf("killed at step %d of %d, %s", o.KillAt, steps, step))
				}
			})
		}
	})
	t.Logf("killed when a file was %v", hit)
	for _, step := range []string{"created", "written", "synced", "renamed", "dir synced", "removed"} {
		if hit[step] == 0 {
			t.Errorf("nothing was killed when a file was %s: %v", step, hit)
		}
	}
}

// survived looks at what a killed process left.
func (o order) survived(t *testing.T, base *tinyBase, gone int, when string) {
	t.Helper()
	before := t.Failed()
	be, err := local.Open(o.Dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	password := testPassword
	r, err := openTiny(t.Context(), be)
	if errors.Is(err, ErrWrongPassword) && o.Operation == "key change" {
		password = otherPassword
		r, err = Open(t.Context(), be, secret.NewRepositoryPassword(otherPassword), Options{})
	}
	if err != nil {
		t.Fatalf("%s: open: %v", when, err)
	}
	tiny(r)
	locks, temps := leftovers(t, o.Dir)
	// One who needs to be alone does not wait for the dead.
	if err := within(t.Context(), r, Exclusive, func(*Session) error { return nil }); err != nil {
		t.Errorf("%s: beside the lock of the dead: %v", when, err)
	}
	if locks, _ := leftovers(t, o.Dir); locks != 0 {
		t.Errorf("%s: %d locks are left", when, locks)
	}
	base.whole(t, r, gone, when)
	resticWhole(t, o.Dir, password, when) // with its lock beside none of ours
	if err := o.run(t.Context(), be); err != nil {
		t.Errorf("%s: the next run: %v", when, err)
	}
	if r, err = openTiny(t.Context(), be); errors.Is(err, ErrWrongPassword) {
		r, err = Open(t.Context(), be, secret.NewRepositoryPassword(otherPassword), Options{})
	}
	if err != nil {
		t.Fatalf("%s: open after the next run: %v", when, err)
	}
	base.whole(t, tiny(r), gone, when+", after the next run")
	// What was half-written is nobody's, until it is swept up.
	if n, err := be.SweepTemp(t.Context(), -time.Hour); err != nil || n != temps {
		t.Errorf("%s: %d temporary files were swept up, of %d: %v", when, n, temps, err)
	}
	if t.Failed() && !before {
		t.Fatalf("%s: %d locks, %d temporary files", when, locks, temps)
	}
}

// leftovers counts lock files and temporary files.
func leftovers(t *testing.T, dir string) (locks, temps int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
		case strings.Contains(d.Name(), "-tmp-"):
			temps++
		case filepath.Base(filepath.Dir(path)) == "locks":
			locks++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return locks, temps
}

// resticWhole lets restic check everything, under its own lock.
func resticWhole(t *testing.T, dir, password, when string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "restic", "--no-cache", "-r", dir, "check", "--read-data")
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+password)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "no errors were found") {
		t.Errorf("%s: restic: %v\n%s", when, err, out)
	}
}

// Both of us know a lock that a dead process of the other left: ours do not stop
// restic's unlock, and restic's are shown as stale to our Unlock.
func TestLocksOfTheDead(t *testing.T) {
	base := newTinyBase(t)
	o := order{Operation: "write", Dir: dump(t, base.m), KillAt: 8} // the lock takes five steps
	if _, killed := o.sent(t); !killed {
		t.Fatal("the child lives")
	}
	if locks, _ := leftovers(t, o.Dir); locks != 1 {
		t.Fatalf("the dead one left %d locks", locks)
	}
	be, err := local.Open(o.Dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	r, err := openTiny(t.Context(), be)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := r.Locks(t.Context())
	if err != nil || len(locks) != 1 || !locks[0].Stale || locks[0].PID == os.Getpid() {
		t.Errorf("locks %v, %v", locks, err)
	}
	// A writer does not mind it; it stays until somebody has to be alone or asks.
	if err := o.run(t.Context(), be); err != nil {
		t.Error(err)
	}
	removed, err := r.Unlock(t.Context(), false)
	if err != nil || len(removed) != 1 {
		t.Errorf("unlock removed %v, %v", removed, err)
	}
	// restic does not know our machine's name: it needs to be told.
	if _, killed := o.sent(t); !killed {
		t.Fatal("the child lives")
	}
	cmd := exec.CommandContext(t.Context(), "restic", "--no-cache", "-r", o.Dir, "unlock", "--remove-all")
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+testPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("restic unlock: %v\n%s", err, out)
	}
	if locks, _ := leftovers(t, o.Dir); locks != 0 {
		t.Errorf("restic left %d locks", locks)
	}
	resticWhole(t, o.Dir, testPassword, "afterwards")
}
