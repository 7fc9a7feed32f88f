package rehearse_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/rehearse"
	"github.com/keepsake-backup/keepsake/rehearse/receipt"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/snapshot/importer"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if folders != "" {
			os.RemoveAll(folders)
		}
		os.Exit(code)
	}))
}

var (
	phonePassword      = secret.NewBackupPassword("the owner's")
	repositoryPassword = secret.NewRepositoryPassword("a repository")
)

type silent struct{}

func (silent) Phase(_, _ string)             {}
func (silent) Update(progress.Counters)      {}
func (silent) Say(_ progress.Kind, _ string) {}
func (silent) Close()                        {}

// folders holds an iTunes folder of a phone in clear, and one encrypted.
var folders string

var makeFolders = sync.OnceValue(func() (err error) {
	if folders, err = os.MkdirTemp("", "rehearse"); err != nil {
		return err
	}
	for _, password := range []secret.BackupPassword{{}, phonePassword} {
		if err := backUp(context.Background(), folders, password); err != nil {
			return err
		}
	}
	return nil
})

func folderOf(password secret.BackupPassword) string {
	if password.IsZero() {
		return folders + "/plain"
	}
	return folders + "/encrypted"
}

func backUp(ctx context.Context, dir string, password secret.BackupPassword) error {
	server, err := virtualphone.Start(ctx, virtualphone.Config{Dir: dir + "/phone" + time.Now().Format("150405.000"), Profile: "tiny", KDFRounds: 1})
	if err != nil {
		return err
	}
	defer server.Close()
	addr, err := usbmux.ParseAddress(server.Addr())
	if err != nil {
		return err
	}
	d, err := device.Open(ctx, device.Options{Mux: &usbmux.Client{Address: addr}})
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Pair(ctx, device.PairOptions{}); err != nil {
		return err
	}
	if !password.IsZero() {
		if err := backup.SetEncryption(ctx, d, secret.BackupPassword{}, password, silent{}); err != nil {
			return err
		}
	}
	if err := os.Mkdir(folderOf(password), 0o700); err != nil {
		return err
	}
	_, err = backup.ToFolder(ctx, d, folderOf(password), backup.Options{}, silent{})
	return err
}

// store is a repository in memory.
type store struct {
	be *memory.Backend
	r  *repository.Repository
}

func newStore(t testing.TB) *store {
	t.Helper()
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	be := memory.New()
	r, err := repository.Init(t.Context(), be, repositoryPassword, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return &store{be, r}
}

// copyOf is the same repository, to be damaged.
func (s *store) copyOf(t testing.TB) *store {
	t.Helper()
	be := s.be.Clone()
	return &store{be, open(t, be)}
}

func open(t testing.TB, be *memory.Backend) *repository.Repository {
	t.Helper()
	r, err := repository.Open(t.Context(), be, repositoryPassword, repository.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (s *store) begin(t testing.TB) *repository.Session {
	t.Helper()
	x, err := s.r.Begin(t.Context(), repository.Shared, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

// phoneIn imports the folder of a phone; sealed keeps an encrypted one as it is.
func phoneIn(t testing.TB, password secret.BackupPassword, sealed bool) (*store, snapshot.Info) {
	t.Helper()
	if err := makeFolders(); err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	var o importer.Options
	if !sealed {
		o.Password = func(context.Context, importer.Found, int) (secret.BackupPassword, error) { return password, nil }
	}
	res, err := importer.Folder(t.Context(), s.begin(t), folderOf(password), o, silent{})
	if err != nil || len(res.Backups) != 1 || res.Backups[0].Err != nil {
		t.Fatal(err, res)
	}
	return s, res.Backups[0].Snapshot
}

func (s *store) rehearse(t testing.TB, info snapshot.Info, password secret.BackupPassword) (*rehearse.Result, error) {
	t.Helper()
	return rehearse.Named(t.Context(), s.begin(t), info, rehearse.Options{Password: password, Program: "keepsake test", Dir: t.TempDir()}, silent{})
}

func TestSnapshot_passes(t *testing.T) {
	for _, test := range []struct {
		name            string
		password, given secret.BackupPassword
		sealed          bool
		proven          receipt.Password
	}{
		{name: "plain", proven: receipt.NoPassword},
		{name: "encrypted", password: phonePassword, given: phonePassword, proven: receipt.PasswordProven},
		{name: "password not known", password: phonePassword, proven: receipt.PasswordUnproven},
		{name: "sealed", password: phonePassword, given: phonePassword, sealed: true, proven: receipt.PasswordProven},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, info := phoneIn(t, test.password, test.sealed)
			res, err := s.rehearse(t, info, test.given)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range res.Findings {
				t.Errorf("%s: %v", f.Level, f)
			}
			if !res.Passed || res.Files < 20 || res.Databases < 3 || res.Digest == "" || res.Password != test.proven {
				t.Errorf("receipt: %+v", res.Receipt)
			}
			x := s.begin(t)
			list, err := receipt.Receipts(t.Context(), x)
			if err != nil || len(list[info.ID]) != 1 || !list[info.ID][0].Passed {
				t.Fatalf("receipts: %+v, %v", list, err)
			}
			got, err := list[info.ID][0].Load(t.Context(), x)
			if err != nil || got.Digest != res.Digest || got.Files != res.Files {
				t.Errorf("stored receipt: %+v, %v", got, err)
			}
			if id, ok, err := receipt.NewestRehearsed(t.Context(), x, info.UDID); id != info.ID || !ok || err != nil {
				t.Errorf("newest rehearsed: %v %t %v", id, ok, err)
			}
		})
	}
}

func openSnapshot(t testing.TB, x *repository.Session, info snapshot.Info) *snapshot.Snapshot {
	t.Helper()
	p, err := snapshot.Open(t.Context(), x, info.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What keeps a rehearsal from being made is no verdict on the snapshot.
func TestSnapshot_cannotBeMade(t *testing.T) {
	t.Parallel()
	s, info := phoneIn(t, phonePassword, true)
	if _, err := s.rehearse(t, info, secret.BackupPassword{}); !errors.Is(err, rehearse.ErrNeedsPassword) {
		t.Errorf("sealed, no password: %v", err)
	}
	if _, err := s.rehearse(t, info, secret.NewBackupPassword("wrong")); !errors.Is(err, keybag.ErrWrongPassword) {
		t.Errorf("wrong password: %v", err)
	}
	x := s.begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rehearse.Snapshot(ctx, openSnapshot(t, x, info), rehearse.Options{Password: phonePassword, Dir: t.TempDir()}, silent{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if list, err := receipt.Receipts(t.Context(), s.begin(t)); err != nil || len(list) != 0 {
		t.Errorf("receipts: %v, %v", list, err)
	}
}
