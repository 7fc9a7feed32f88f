package backup_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
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

// order is what a child process is to do, and where it is to die.
type order struct {
	Mux, Repo, State string
	Password         string
	Operation        string // of the store, or "step" of the repository's files
	Number           int
}

// victim backs the phone up and dies at a point, by the signal that cannot be
// caught. It tells what has arrived.
func victim(ctx context.Context, text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	var steps atomic.Int64
	at := func(operation string) {
		if operation == o.Operation && steps.Add(1) == int64(o.Number) {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			fmt.Fprintln(os.Stderr, err)
			select {} // until the signal is there
		}
	}
	be, err := local.Open(o.Repo, local.Options{Step: func(string) error { at("step"); return nil }})
	if err != nil {
		return err
	}
	defer be.Close()
	repo, err := repository.Open(ctx, be, secret.NewRepositoryPassword(repoPassword), repository.Options{})
	if err != nil {
		return err
	}
	addr, err := usbmux.ParseAddress(o.Mux)
	if err != nil {
		return err
	}
	dev, err := device.Open(ctx, device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		return err
	}
	defer dev.Close()
	opt := backup.RepositoryOptions{State: o.State, Passwords: password(o.Password), Limits: patient, SpoolLimit: 4 << 20}
	opt = backup.WithSteps(opt, at, func(path string) { fmt.Println(path) })
	_, err = backup.ToRepository(ctx, dev, repo, opt, &reporter{})
	return err
}

// sent runs a child process and gives what had arrived when it died.
func (o order) sent(t *testing.T) map[string]bool {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	const bySignal = -1
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != bySignal && runtime.GOOS != "windows" {
		t.Fatalf("%+v: the child ended by itself: %v\n%.500s", o, err, out)
	}
	arrived := map[string]bool{}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		arrived[lines.Text()] = true
	}
	return arrived
}

// A process that is killed loses the file in flight and nothing else, wherever
// that happens.
func TestToRepository_killed(t *testing.T) {
	for name, pw := range map[string]string{"plain": "", "encrypted": "pw"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "repo")
			be, err := local.Open(dir, local.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer be.Close()
			server, phone, dev := serve(t, virtualphone.Config{})
			b := &bench{t: t, phone: phone, dev: dev, repo: newRepo(t, be), mirror: &backup.Mirror{}, rep: &reporter{}}
			b.opt = backup.WithMirror(backup.RepositoryOptions{State: t.TempDir(), Limits: patient, Passwords: password(pw), SpoolLimit: 4 << 20}, b.mirror)
			if pw != "" {
				b.encrypt("", pw)
				b.opt = backup.WithMirror(b.opt, b.mirror)
			}
			all := map[string]bool{} // arrived in this run, over all processes
			once := func(when string, path string) {
				t.Helper()
				if all[path] {
					t.Errorf("%s: %s was received twice", when, path)
				}
				all[path] = true
			}
			for i, o := range []order{
				{Operation: "put", Number: 1}, {Operation: "reading", Number: 100}, {Operation: "put", Number: 60}, {Operation: "step", Number: 20},
				{Operation: "moving", Number: 1}, {Operation: "rename", Number: 20}, {Operation: "removing", Number: 1}, {Operation: "finished", Number: 1}, {Operation: "step", Number: 30},
			} {
				if i > 4 {
					use(t, phone, 1)
				}
				o.Mux, o.Repo, o.State, o.Password = server.Addr(), dir, b.opt.State, pw
				versions := b.versions()
				when := fmt.Sprintf("%s %d", o.Operation, o.Number)
				for path := range o.sent(t) {
					if i != 3 {
						once("until "+when, path)
					}
				}
				if n := b.versions(); n != versions {
					if o.Operation != "step" {
						t.Fatalf("%s: there are %d versions, there were %d", when, n, versions)
					}
					clear(all)
					continue // it died after its version was there
				}
				before := len(b.mirror.Received)
				if i == 1 || i == 2 {
					// Killed once more, without an end between. A virtual phone that
					// does not know how much of an unconfirmed batch came sends that
					// twice in the end.
					clear(all)
					continue
				}
				res, err := b.run(t.Context())
				if err != nil {
					t.Fatalf("after %s: %v", when, err)
				}
				for _, path := range b.mirror.Received[before:] {
					once("after "+when, path)
				}
				clear(all)
				b.whole(res)
				empty(t, b.opt.State)
				if i == 0 { // the versions go, for another first backup
					b.forget()
				}
			}
		})
	}
}

// whole holds a version against the phone's list and its digests.
func (b *bench) whole(res *backup.RepositoryResult) {
	b.t.Helper()
	within(b.t, b.repo, func(s *repository.Session) {
		p, err := snapshot.Open(b.t.Context(), s, res.Snapshot)
		if err != nil {
			b.t.Fatal(err)
		}
		folder, err := p.Folder(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		it, err := itunesbackup.OpenFS(b.t.Context(), folder)
		if err != nil {
			b.t.Fatal(err)
		}
		defer it.Close()
		if it.Encrypted() {
			if err := it.Unlock(b.t.Context(), secret.NewBackupPassword("pw")); err != nil {
				b.t.Fatal(err)
			}
		}
		r, err := it.Verify(b.t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
		if err != nil || !r.OK() {
			b.t.Errorf("the version is damaged: %v, %v", r.Problems, err)
		}
	})
}

// forget removes all versions.
func (b *bench) forget() {
	b.t.Helper()
	s, err := b.repo.Begin(b.t.Context(), repository.Exclusive, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.Close()
	list, err := s.Snapshots(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, sn := range list {
		if err := s.Forget(b.t.Context(), []format.ID{sn.ID}); err != nil {
			b.t.Fatal(err)
		}
	}
}
