package backup_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/syncsession"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// intact holds the last finished backup of an interrupted run against its index:
// nothing but Status.plist may speak of the interruption.
func intact(t *testing.T, dir string) {
	t.Helper()
	fsys, _, err := dirstore.Previous(dir)
	if err != nil {
		t.Error(err)
		return
	}
	defer fsys.Close()
	b, err := itunesbackup.OpenFS(t.Context(), fsys)
	if err != nil {
		t.Errorf("the last backup does not open: %v", err)
		return
	}
	defer b.Close()
	r, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true})
	if err != nil {
		t.Error(err)
		return
	}
	for _, p := range r.Problems {
		if p.Severity == itunesbackup.Failure && p.Path != "Status.plist" {
			t.Errorf("the last backup is damaged: %v", p)
		}
	}
}

func arm(t *testing.T, p *virtualphone.Phone, spec string) {
	t.Helper()
	faults, err := virtualphone.ParseFaults(spec)
	if err != nil {
		t.Fatal(err)
	}
	p.AddFaults(faults...)
}

// short is the patience with phones that go silent; patient that with all others,
// on a busy machine.
var (
	short   = mobilebackup2.Limits{First: 2 * time.Second, Silence: 2 * time.Second, Transfer: 500 * time.Millisecond, Farewell: 200 * time.Millisecond}
	patient = mobilebackup2.Limits{First: time.Minute, Silence: time.Minute, Transfer: time.Minute, Farewell: 200 * time.Millisecond}
)

// Whatever goes wrong, the person is told what to do, the last good backup is
// whole until the phone commits, and the next run finishes the job.
func TestToFolder_faults(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	dir, rep := t.TempDir(), &reporter{}
	if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep); err != nil {
		t.Fatal(err)
	}
	code := func(c mobilebackup2.Code) func(error) bool {
		return func(err error) bool { return errors.Is(err, &mobilebackup2.DeviceError{Code: c}) }
	}
	as := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	link := as(new(*mobilebackup2.LinkError))
	path := as(new(*mobilebackup2.PathError))
	const (
		early  = iota // nothing has arrived
		middle        // files arrive
		late          // the phone has begun to commit: what it replaced is set aside
	)
	for _, c := range []struct {
		spec string
		want func(error) bool
		when int
	}{
		{"cut@backup.start", link, early},
		{"error@backup.start=208", code(208), early},
		{"error@backup.start=3", code(3), early},
		{"cancel@backup.start", code(202), early},
		{"cut@status", link, early},
		{"cut@scan", link, early},
		{"cut@upload.file:1", link, middle},
		{"cut@upload.file:3", link, middle},
		{"cut@upload:1000", link, middle},
		{"truncate@upload.file:2", link, middle},
		{"huge@upload.file:2", link, middle},
		{"lock@upload.file:2", code(208), middle},
		{"cancel@upload.file:2", code(202), middle},
		{"path@upload.file:2=../../evil", path, middle},
		{"path@upload.file:2=/etc/evil", path, middle},
		{"cut@manifest", link, middle},
		{"error@manifest=104", code(104), middle},
		{"cut@move", link, late},
		{"cut@move:2", link, late},
		{"cut@remove", link, late},
		{"cut@verify", link, late},
		{"error@verify=205", code(205), late},
	} {
		t.Run(c.spec, func(t *testing.T) {
			if c.when != early {
				if _, err := phone.Use(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			arm(t, phone, c.spec)
			_, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{Limits: patient}, rep)
			phone.ClearFaults()
			if err == nil || !c.want(err) {
				t.Fatalf("error is %v", err)
			}
			if device.Hint(err) == "" {
				t.Errorf("no remedy for: %v", err)
			}
			intact(t, folder(dir, phone))
			if c.when == early {
				return // the runs below go on from here
			}
			if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{Limits: patient}, rep); err != nil {
				t.Fatalf("the next run: %v", err)
			}
			verify(t, folder(dir, phone))
			if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
				t.Errorf("left beside the backup: %v, %v", names, err)
			}
		})
	}
}

// A phone that goes silent is given up, each phase with its own patience.
func TestToFolder_stalls(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"stall@backup.start", "stall@scan", "stall@upload:1000"} {
		_, dev := start(t, virtualphone.Config{}, spec)
		_, err := backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{Limits: short}, &reporter{})
		var link *mobilebackup2.LinkError
		if !errors.As(err, &link) || device.Hint(err) == "" {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

func TestToFolder_unreadableFile(t *testing.T) {
	t.Parallel()
	_, dev := start(t, virtualphone.Config{}, "readerror@upload.file:3")
	res, err := backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{}, &reporter{})
	var refused *mobilebackup2.DeviceError
	switch {
	case errors.As(err, &refused):
		if refused.Hint() == "" {
			t.Errorf("no remedy: %v", err)
		}
	case err != nil:
		t.Error(err)
	case len(res.Unread) != 1 || len(res.Unread[0].FileID) != 40 || res.Unread[0].DevicePath == "" || res.Unread[0].Text == "":
		t.Errorf("unread: %+v", res.Unread)
	}
}

func TestToFolder_setup(t *testing.T) {
	t.Parallel()
	for _, state := range []string{"new", "setup"} {
		phone, dev := start(t, virtualphone.Config{}, "")
		if err := phone.Set("setup=" + state); err != nil {
			t.Fatal(err)
		}
		_, err := backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{}, &reporter{})
		var setup *backup.SetupError
		if !errors.As(err, &setup) || setup.Hint() == "" {
			t.Errorf("%s: %v", state, err)
		}
	}
}

func TestToFolder_encryptionDemanded(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	if err := phone.Set("requires-encryption=on"); err != nil {
		t.Fatal(err)
	}
	dir, rep := t.TempDir(), &reporter{}
	_, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep)
	var policy *backup.EncryptionPolicyError
	if !errors.As(err, &policy) {
		t.Fatal(err)
	}
	if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, secret.NewBackupPassword("pw"), rep); err != nil {
		t.Fatal(err)
	}
	res, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep)
	if err != nil || !res.Encrypted {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestToFolder_passcode(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]mobilebackup2.Code{"after=300ms": 0, "refuse": mobilebackup2.CodeLocked} {
		phone, dev := start(t, virtualphone.Config{}, "")
		if err := phone.Set("passcode=" + answer); err != nil { // after pairing, which asks too
			t.Fatal(err)
		}
		rep := &reporter{}
		_, err := backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{}, rep)
		if code == 0 && err != nil || code != 0 && !errors.Is(err, &mobilebackup2.DeviceError{Code: code}) {
			t.Errorf("%s: %v", answer, err)
		}
		// A refusal at once may overtake the notification.
		if !rep.heard("action: Enter the passcode on the iPhone") || code == 0 && !rep.heard("shows its passcode screen") {
			t.Errorf("%s: said %q", answer, rep.said)
		}
	}
}

// The owner presses cancel in the middle of a transfer.
func TestToFolder_cancelNotification(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "stall@upload.file:3")
	go func() {
		if phone.Await(t.Context(), "observe.com.apple.itunes-client.syncCancelRequest", 1) == nil && phone.Await(t.Context(), "service.com.apple.mobilebackup2", 1) == nil {
			time.Sleep(500 * time.Millisecond)
			phone.Notify("com.apple.itunes-client.syncCancelRequest")
		}
	}()
	_, err := backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{}, &reporter{})
	var cancelled *backup.CancelledError
	if !errors.As(err, &cancelled) || device.Hint(err) == "" || !errors.Is(err, &mobilebackup2.DeviceError{Code: mobilebackup2.CodeCancelled}) {
		t.Errorf("err = %v", err)
	}
}

func TestToFolder_contextCancelled(t *testing.T) {
	t.Parallel()
	_, dev := start(t, virtualphone.Config{}, "stall@scan")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun := time.Now()
	if _, err := backup.ToFolder(ctx, dev, t.TempDir(), backup.Options{}, &reporter{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if d := time.Since(begun); d > 8*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestToFolder_otherHostSyncs(t *testing.T) {
	t.Parallel()
	_, dev := start(t, virtualphone.Config{}, "")
	conn, err := dev.StartService(t.Context(), afc.Service)
	if err != nil {
		t.Fatal(err)
	}
	other := afc.New(conn)
	defer other.Close()
	f, err := other.OpenFile(t.Context(), "/com.apple.itunes.lock_sync", afc.ModeReadWriteCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The other one finishes while we wait.
	go func() {
		time.Sleep(time.Second)
		f.Close()
	}()
	if _, err := backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{}, &reporter{}); err != nil {
		t.Fatal(err)
	}
	f, err = other.OpenFile(t.Context(), "/com.apple.itunes.lock_sync", afc.ModeReadWriteCreate)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Lock(t.Context()); err != nil {
		t.Fatalf("the lock was not given back: %v", err)
	}
	defer f.Close()
	_, err = backup.ToFolder(t.Context(), dev, t.TempDir(), backup.Options{}, &reporter{})
	var busy *syncsession.BusyError
	if !errors.As(err, &busy) || device.Hint(err) == "" {
		t.Errorf("err = %v", err)
	}
}

func TestToFolder_folderInUse(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	dir := t.TempDir()
	s, err := dirstore.Open(dir, dirstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Lock(phone.UDID(), false); err != nil {
		t.Fatal(err)
	}
	_, err = backup.ToFolder(t.Context(), dev, dir, backup.Options{}, &reporter{})
	var locked *dirstore.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Hint() == "" {
		t.Errorf("err = %v", err)
	}
	if _, err := backup.ToFolder(t.Context(), dev, filepath.Join(dir, "none"), backup.Options{}, &reporter{}); !errors.Is(err, os.ErrNotExist) || device.Hint(err) == "" {
		t.Errorf("folder that is not there: %v", err)
	}
}

// A full backup that is interrupted harms the last one as little as any other.
func TestToFolder_fullInterrupted(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	dir := t.TempDir()
	if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, &reporter{}); err != nil {
		t.Fatal(err)
	}
	info, err := os.ReadFile(filepath.Join(folder(dir, phone), "Info.plist"))
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{"cut@status", "cut@scan", "cut@upload.file:100", "cut@manifest"} {
		arm(t, phone, spec)
		if _, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{Full: true, Limits: patient}, &reporter{}); err == nil {
			t.Fatalf("%s: no error", spec)
		}
		phone.ClearFaults()
		intact(t, folder(dir, phone))
		if now, err := os.ReadFile(filepath.Join(folder(dir, phone), "Info.plist")); err != nil || string(now) != string(info) {
			t.Errorf("%s: Info.plist changed: %v", spec, err)
		}
	}
	res, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{Full: true}, &reporter{})
	if err != nil || !res.Full {
		t.Fatalf("%+v, %v", res, err)
	}
	verify(t, folder(dir, phone))
}

func TestSetEncryption(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	pw, none := secret.NewBackupPassword, secret.BackupPassword{}
	var wish *backup.EncryptionError
	for _, c := range []struct {
		name     string
		old, new secret.BackupPassword
		want     func(error) bool
		after    string
	}{
		{"nothing", none, none, func(err error) bool { return errors.As(err, &wish) }, ""},
		{"off while off", pw("x"), none, func(err error) bool { return errors.As(err, &wish) }, ""},
		{"change while off", pw("x"), pw("y"), func(err error) bool { return errors.As(err, &wish) }, ""},
		{"on", none, pw("first"), nil, "first"},
		{"on while on", none, pw("x"), func(err error) bool { return errors.As(err, &wish) }, "first"},
		{"change, wrong", pw("wrong"), pw("x"), func(err error) bool { return errors.Is(err, &mobilebackup2.DeviceError{Code: 207}) }, "first"},
		{"change", pw("first"), pw("second"), nil, "second"},
		{"off, wrong", pw("first"), none, func(err error) bool { return errors.Is(err, &mobilebackup2.DeviceError{Code: 207}) }, "second"},
		{"off", pw("second"), none, nil, ""},
	} {
		err := backup.SetEncryption(t.Context(), dev, c.old, c.new, &reporter{})
		if c.want == nil && err != nil || c.want != nil && (err == nil || !c.want(err) || device.Hint(err) == "") {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "wrong") && !strings.Contains(err.Error(), "wrong or") || strings.Contains(err.Error(), "second")) {
			t.Errorf("%s: a password in %v", c.name, err)
		}
		if got := phone.BackupPassword().Reveal(); got != c.after {
			t.Errorf("%s: the phone has password %q, want %q", c.name, got, c.after)
		}
	}
}

func TestToFolder_encrypted(t *testing.T) {
	t.Parallel()
	phone, dev := start(t, virtualphone.Config{}, "")
	dir, rep := t.TempDir(), &reporter{}
	if err := backup.SetEncryption(t.Context(), dev, secret.BackupPassword{}, secret.NewBackupPassword("pw"), rep); err != nil {
		t.Fatal(err)
	}
	first, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep)
	if err != nil || !first.Encrypted {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := phone.Use(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	second, err := backup.ToFolder(t.Context(), dev, dir, backup.Options{}, rep)
	if err != nil || second.Full || second.Files >= first.Files {
		t.Fatalf("%+v, %v", second, err)
	}
	b, err := itunesbackup.Open(t.Context(), second.Folder)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Unlock(t.Context(), secret.NewBackupPassword("pw")); err != nil {
		t.Fatal(err)
	}
	if r, err := b.Verify(t.Context(), itunesbackup.VerifyOptions{Digests: true, Decrypt: true}); err != nil || !r.OK() {
		t.Errorf("%v, %v", r.Problems, err)
	}
	info, err := b.InfoPlist()
	if err != nil {
		t.Fatal(err)
	}
	if info.TargetIdentifier != phone.UDID() || info.UniqueIdentifier != strings.ToUpper(phone.UDID()) || len(info.GUID) != 32 || info.DeviceName == "" ||
		info.ProductVersion == "" || info.TargetType != "Device" || len(info.Applications) == 0 || !slices.IsSorted(info.InstalledApplications) {
		t.Errorf("Info.plist: %+v", info)
	}
	for id, entry := range info.Applications {
		m, _ := entry.(map[string]any)
		for _, key := range []string{"ApplicationSINF", "iTunesMetadata", "PlaceholderIcon"} {
			if b, _ := m[key].([]byte); len(b) == 0 {
				t.Errorf("%s has no %s", id, key)
			}
		}
	}
}
