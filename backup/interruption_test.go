package backup_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/fault"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// bench is a phone and a repository, and what the phone sent.
type bench struct {
	t      *testing.T
	phone  *virtualphone.Phone
	dev    *device.Device
	repo   *repository.Repository
	opt    backup.RepositoryOptions
	mirror *backup.Mirror
	rep    *reporter
}

func newBench(t *testing.T, be backend.Backend, encrypted bool) *bench {
	t.Helper()
	phone, dev := start(t, virtualphone.Config{}, "")
	b := &bench{t: t, phone: phone, dev: dev, repo: newRepo(t, be), mirror: &backup.Mirror{}, rep: &reporter{}}
	b.opt = backup.WithMirror(backup.RepositoryOptions{State: t.TempDir(), Limits: patient}, b.mirror)
	if encrypted {
		b.encrypt("", "pw")
	}
	return b
}

func (b *bench) encrypt(old, new string) {
	b.t.Helper()
	if err := backup.SetEncryption(b.t.Context(), b.dev, secret.NewBackupPassword(old), secret.NewBackupPassword(new), b.rep); err != nil {
		b.t.Fatal(err)
	}
	b.opt.Passwords = password(new)
}

func (b *bench) run(ctx context.Context) (*backup.RepositoryResult, error) {
	return backup.ToRepository(ctx, b.dev, b.repo, b.opt, b.rep)
}

// must wants a version that is what the phone sent.
func (b *bench) must() *backup.RepositoryResult {
	b.t.Helper()
	res, err := b.run(b.t.Context())
	if err != nil {
		b.t.Fatalf("back up: %v", err)
	}
	sameFolder(b.t, b.repo, res.Snapshot.ID, b.mirror)
	empty(b.t, b.opt.State)
	return res
}

func (b *bench) versions() (n int) {
	within(b.t, b.repo, func(s *repository.Session) {
		list, err := snapshot.List(b.t.Context(), s)
		if err != nil {
			b.t.Fatal(err)
		}
		n = len(list)
	})
	return n
}

// interrupted wants do to fail, no version to appear, and the next run to receive
// nothing again but what again says.
func (b *bench) interrupted(do func() error, again func(twice int) bool) error {
	b.t.Helper()
	versions, before := b.versions(), len(b.mirror.Received)
	err := do()
	b.phone.ClearFaults()
	if err == nil {
		b.t.Fatal("nothing went wrong")
	}
	if device.Hint(err) == "" && !errors.Is(err, context.Canceled) {
		b.t.Errorf("no remedy for: %v", err)
	}
	if n := b.versions(); n != versions {
		b.t.Errorf("there are %d versions, there were %d: %v", n, versions, err)
	}
	first := map[string]bool{}
	for _, p := range b.mirror.Received[before:] {
		first[p] = true
	}
	middle := len(b.mirror.Received)
	b.must()
	twice := 0
	for _, p := range b.mirror.Received[middle:] {
		if first[p] {
			twice++
		}
	}
	if !again(twice) {
		b.t.Errorf("%d of %d files were received twice, after: %v", twice, len(first), err)
	}
	return err
}

func never(twice int) bool { return twice == 0 }

// Wherever the phone, its owner or the cable end a run, the next one goes on.
func TestToRepository_interrupted(t *testing.T) {
	for name, encrypted := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, memory.New(), encrypted)
			fault := func(spec string) func() error {
				return func() error {
					arm(t, b.phone, spec)
					_, err := b.run(t.Context())
					return err
				}
			}
			first := "cut@upload.file:150"
			if encrypted {
				first = "cut@move"
			}
			b.interrupted(fault(first), never) // a first backup, which has no version below it
			specs := []string{"cut@backup.start", "cut@upload.file:1", "cut@upload:100000", "truncate@upload.file:5", "lock@upload.file:7",
				"cancel@upload.file:9", "path@upload.file:3=../../evil", "error@manifest=104", "cut@move:2", "cut@verify"}
			if encrypted {
				specs = []string{"cut@scan", "cut@upload.file:20", "cut@manifest", "cut@move", "cut@move:3", "cut@remove", "error@verify=205"}
			}
			for _, spec := range specs {
				use(t, b.phone, 1)
				t.Log(spec)
				b.interrupted(fault(spec), never)
				if t.Failed() {
					t.Fatalf("at %s", spec)
				}
			}
		})
	}
}

func TestToRepository_cancelled(t *testing.T) {
	t.Parallel()
	for _, files := range []int{0, 40, 200} {
		b := newBench(t, memory.New(), files == 40)
		err := b.interrupted(func() error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b.opt = backup.AtPut(b.opt, b.mirror, files, cancel)
			_, err := b.run(ctx)
			b.opt = backup.WithMirror(b.opt, b.mirror)
			return err
		}, func(twice int) bool { return twice <= 1 })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d files: %v", files, err)
		}
	}
}

// A repository that fails for a while ends the run, and nothing that arrived is
// lost; a disk without room is told as such.
func TestToRepository_repositoryFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		encrypted bool
		fault     fault.Fault
	}{
		{"pack", false, fault.Fault{Op: fault.Save, Type: backend.PackFile, Times: fault.Always, Err: backend.ErrFull}},
		{"index", true, fault.Fault{Op: fault.Save, Type: backend.IndexFile, Times: fault.Always}},
		{"snapshot", true, fault.Fault{Op: fault.Save, Type: backend.SnapshotFile, Times: fault.Always}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := fault.New(memory.New())
			b := newBench(t, store, c.encrypted)
			err := b.interrupted(func() error {
				store.Inject(c.fault)
				_, err := b.run(t.Context())
				store.Clear()
				return err
			}, never)
			var host *mobilebackup2.HostError
			if !errors.As(err, &host) {
				t.Errorf("no error of this computer: %v", err)
			}
		})
	}
}

// What the phone has finished becomes a version without it.
func TestFinishPending(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		store := fault.New(memory.New())
		b := newBench(t, store, encrypted)
		b.must()
		use(t, b.phone, 1)
		if list, err := backup.FinishPending(t.Context(), b.repo, b.opt, b.rep); len(list) != 0 || err != nil {
			t.Errorf("nothing was pending: %v, %v", list, err)
		}
		for _, f := range []fault.Fault{{Op: fault.Save, Type: backend.SnapshotFile}, {Op: fault.Save, Type: backend.PackFile, Times: fault.Always}} {
			store.Inject(f)
			_, err := b.run(t.Context())
			store.Clear()
			if err == nil {
				t.Fatal("nothing went wrong")
			}
			if f.Type == backend.PackFile && !encrypted {
				break // the phone did not finish
			}
			received := len(b.mirror.Received)
			list, err := backup.FinishPending(t.Context(), b.repo, b.opt, b.rep)
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			if list[0].Files == 0 || len(b.mirror.Received) != received {
				t.Errorf("%+v", list[0])
			}
			sameFolder(t, b.repo, list[0].Snapshot.ID, b.mirror)
			empty(t, b.opt.State)
			use(t, b.phone, 1)
		}
		b.must()
	}
}

// Once the password was given, whatever comes after the keys needs it no more.
func TestFinishPending_withoutPassword(t *testing.T) {
	t.Parallel()
	store := fault.New(memory.New())
	b := newBench(t, store, true)
	store.Inject(fault.Fault{Op: fault.Save, Type: backend.SnapshotFile, Times: fault.Always})
	if _, err := b.run(t.Context()); err == nil {
		t.Fatal("nothing went wrong")
	}
	store.Clear()
	b.opt.Passwords = nil
	list, err := backup.FinishPending(t.Context(), b.repo, b.opt, b.rep)
	if err != nil || len(list) != 1 || list[0].Sealed {
		t.Fatalf("%+v, %v", list, err)
	}
	sameFolder(t, b.repo, list[0].Snapshot.ID, b.mirror)
}

// A prune takes what an unfinished run has in the repository: that comes again,
// and nothing else.
func TestToRepository_pruned(t *testing.T) {
	t.Parallel()
	for name, prune := range map[string]func(t *testing.T, b *bench, dir string){
		"ours": func(t *testing.T, b *bench, _ string) {
			if _, err := b.repo.Prune(t.Context(), repository.PruneOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		"restic": func(t *testing.T, _ *bench, dir string) {
			cmd := exec.CommandContext(t.Context(), "restic", "--no-cache", "-r", dir, "prune", "--max-unused", "0")
			cmd.Env = append(cmd.Environ(), "RESTIC_PASSWORD="+repoPassword)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		},
	} {
		for _, spec := range []string{"cut@upload.file:200", "cut@move:2"} {
			t.Run(name+" "+spec, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "repo")
				be, err := local.Open(dir, local.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer be.Close()
				b := newBench(t, be, false)
				b.opt.SpoolLimit = 1 << 20 // so that much is in the repository
				b.interrupted(func() error {
					arm(t, b.phone, spec)
					_, err := b.run(t.Context())
					prune(t, b, dir)
					return err
				}, func(twice int) bool {
					told := 0
					for _, s := range b.rep.said {
						if strings.HasSuffix(s, "of the interrupted run are gone and are received again.") {
							told++
						}
					}
					return twice > 0 && told == 1
				})
			})
		}
	}
}

// Another station begins at the last version and harms nothing.
func TestToRepository_secondStation(t *testing.T) {
	t.Parallel()
	b := newBench(t, memory.New(), true)
	b.must()
	use(t, b.phone, 1)
	arm(t, b.phone, "cut@upload.file:20")
	if _, err := b.run(t.Context()); err == nil {
		t.Fatal("nothing went wrong")
	}
	b.phone.ClearFaults()
	first, firstMirror := b.opt, b.mirror
	b.mirror = finishedPart(firstMirror)
	b.opt = backup.WithMirror(backup.RepositoryOptions{State: t.TempDir(), Passwords: password("pw"), Limits: patient}, b.mirror)
	b.must()
	use(t, b.phone, 1)
	b.opt = backup.WithMirror(first, b.mirror)
	b.must()
	if !b.rep.heard("it begins anew") {
		t.Errorf("nobody said what became of the interrupted run: %q", b.rep.said)
	}
}

// finishedPart is what the last finished run left.
func finishedPart(m *backup.Mirror) *backup.Mirror {
	var n backup.Mirror
	n.Files, n.Dirs = map[string][]byte{}, map[string]bool{}
	for name, data := range m.Files {
		if !strings.Contains(name, "/Snapshot/") {
			n.Files[name] = data
		}
	}
	for name := range m.Dirs {
		if !strings.Contains(name, "/Snapshot") {
			n.Dirs[name] = true
		}
	}
	return &n
}

// The phone re-encrypts everything with a new password; versions are unsealed with
// the one that fits, and a sealed one does no harm to those before and after.
func TestToRepository_passwordChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t, memory.New(), true)
	first := b.must()
	b.encrypt("pw", "new")
	asked := 0
	b.opt.Passwords = func(context.Context, [16]byte) (secret.BackupPassword, error) {
		asked++
		return secret.NewBackupPassword("new"), nil
	}
	b.opt = backup.WithMirror(b.opt, b.mirror)
	second := b.must()
	if !second.Full || second.Sealed || second.Files < first.Files || asked != 1 {
		t.Errorf("%+v, asked %d times", second, asked)
	}
	if second.Added.DataAdded > first.Added.DataAdded/4 {
		t.Errorf("a new password added %d bytes to %d", second.Added.DataAdded, first.Added.DataAdded)
	}
	use(t, b.phone, 1)
	if res := b.must(); res.Full || res.Sealed || asked != 1 {
		t.Errorf("%+v, asked %d times", res, asked)
	}
	b.encrypt("new", "newer")
	b.opt.Passwords = nil
	b.opt = backup.WithMirror(b.opt, b.mirror)
	if res := b.must(); !res.Sealed {
		t.Errorf("%+v", res)
	}
	use(t, b.phone, 1)
	b.opt.Passwords = password("newer")
	b.opt = backup.WithMirror(b.opt, b.mirror)
	if res := b.must(); res.Sealed || res.Full {
		t.Errorf("%+v", res)
	}
}

// A spool that is too small for an encrypted phone stores files as they come, and
// they are decrypted afterwards where there is room.
func TestToRepository_smallSpool(t *testing.T) {
	t.Parallel()
	for name, sealed := range map[string]bool{"room": false, "none known": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var be backend.Backend = memory.New()
			if !sealed {
				var err error
				if be, err = local.Open(filepath.Join(t.TempDir(), "repo"), local.Options{}); err != nil {
					t.Fatal(err)
				}
				defer be.Close()
			}
			b := newBench(t, be, true)
			b.opt.SpoolLimit = 2 << 20
			res := b.must()
			if res.Sealed != sealed || !b.rep.heard("as they come") || res.SpoolPeak > b.opt.SpoolLimit+1<<20 {
				t.Errorf("%+v, said %q", res, b.rep.said)
			}
			use(t, b.phone, 1)
			if res := b.must(); res.Full {
				t.Errorf("%+v", res)
			}
		})
	}
}

// What is not what the phone's list says is never published, and the next run
// mends it by itself.
func TestToRepository_incomplete(t *testing.T) {
	t.Parallel()
	b := newBench(t, memory.New(), true)
	b.must()
	use(t, b.phone, 1)
	b.opt = backup.WithDamage(b.opt, b.mirror, "Put")
	_, err := b.run(t.Context())
	var incomplete *snapshot.IncompleteError
	if !errors.As(err, &incomplete) || len(incomplete.Files) == 0 || device.Hint(err) == "" {
		t.Fatalf("err = %v", err)
	}
	if n := b.versions(); n != 1 {
		t.Errorf("%d versions", n)
	}
	b.mirror = &backup.Mirror{}
	b.opt = backup.WithMirror(b.opt, b.mirror)
	arm(t, b.phone, "cut@upload.file:100")
	if res, err := b.run(t.Context()); err == nil {
		t.Fatalf("%+v", res)
	}
	b.phone.ClearFaults()
	if res, err := b.run(t.Context()); err != nil || !res.Full || res.Kept < 90 {
		t.Fatalf("%+v, %v", res, err)
	}

	// A list that the phone cannot read.
	b.opt = backup.WithDamage(b.opt, b.mirror, "Open")
	if _, err := b.run(t.Context()); !errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCorruptBackup}) {
		t.Fatalf("err = %v", err)
	}
	b.opt = backup.WithMirror(b.opt, b.mirror)
	if res, err := b.run(t.Context()); err != nil || !res.Full {
		t.Fatalf("%+v, %v", res, err)
	}
	if res, err := b.run(t.Context()); err != nil || res.Full {
		t.Fatalf("%+v, %v", res, err)
	}
}

func TestToRepository_unreadableFile(t *testing.T) {
	t.Parallel()
	b := newBench(t, memory.New(), false)
	arm(t, b.phone, "readerror@upload.file:3")
	res := b.must()
	if len(res.Unread) != 1 || res.Unread[0].Text == "" || res.Unread[0].DevicePath == "" {
		t.Errorf("unread: %+v", res.Unread)
	}
}

// A file may be longer than the spool: it goes into the repository while it
// arrives. In flight it counts as not arrived.
func TestToRepository_longFile(t *testing.T) {
	t.Parallel()
	for name, encrypted := range map[string]bool{"plain": false, "encrypted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, memory.New(), encrypted)
			b.opt.SpoolLimit = 2 << 20
			b.must()
			long := make([]byte, 9<<20)
			rnd := rand.New(rand.NewPCG(1, 2))
			for i := range long {
				long[i] = byte(rnd.Uint32())
			}
			if err := os.WriteFile(filepath.Join(b.phone.Dir(), "fs", "CameraRollDomain", "Media", "DCIM", "long.bin"), long, 0o644); err != nil {
				t.Fatal(err)
			}
			b.interrupted(func() error {
				arm(t, b.phone, "cut@upload:5000000")
				_, err := b.run(t.Context())
				return err
			}, never)
			if !slices.ContainsFunc(slices.Collect(maps.Values(b.mirror.Files)), func(f []byte) bool { return len(f) >= len(long) }) {
				t.Error("the long file was not sent")
			}
		})
	}
}
