package interop

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// A second backup brings only what changed, and nothing at all when nothing did.
func TestIdevicebackup2_incremental(t *testing.T) {
	p := start(t)
	dir := t.TempDir()
	full := p.backup(dir, "--full")
	changes := p.use(1)
	partial := p.backup(dir)
	unchanged := p.backup(dir)

	// Status.plist five times (uploading, moving, removing, finished and the
	// one downloaded), Manifest.plist and Manifest.db are counted too.
	const plumbing = 6
	if unchanged > plumbing {
		t.Errorf("an unchanged phone sent %d files, want at most the %d of the protocol itself", unchanged, plumbing)
	}
	atMost := len(changes.Added) + len(changes.Modified) + plumbing
	if partial <= unchanged || partial > atMost || partial >= full {
		t.Errorf("after a day %d files came; want more than %d, at most %d that changed, and fewer than the %d of all", partial, unchanged, atMost, full)
	}
}

func TestIdevicebackup2_encryptionOnChangeOff(t *testing.T) {
	p := start(t)
	dir := t.TempDir()
	p.run("idevicebackup2", "encryption", "on", "first secret", dir)
	if p.BackupPassword().Reveal() != "first secret" {
		t.Fatal("encryption on: the phone does not have the password")
	}
	first := p.backup(dir)
	if n := p.backup(dir); n > 6 {
		t.Errorf("second encrypted backup of an unchanged phone: %d files", n)
	}
	if out, err := p.try("idevicebackup2", "changepw", "wrong", "next", dir); err == nil || !strings.Contains(out, "nvalid password") {
		t.Errorf("changepw with a wrong password: %v\n%s", err, tail(out))
	}
	p.run("idevicebackup2", "changepw", "first secret", "next secret", dir)
	if p.BackupPassword().Reveal() != "next secret" {
		t.Fatal("changepw: the phone has another password")
	}
	if n := p.backup(dir); n < first-10 {
		t.Errorf("after a change of password %d files came, want all %d: the phone makes a new keybag", n, first)
	}
	p.run("idevicebackup2", "encryption", "off", "next secret", dir)
	if !p.BackupPassword().IsZero() {
		t.Error("encryption off: the phone still has a password")
	}
	if n := p.backup(dir); n < 50 {
		t.Errorf("after encryption went off %d files came, want all", n)
	}
}

// An interrupted backup goes on where it was: what had arrived is not sent again.
func TestIdevicebackup2_interruptedAndContinued(t *testing.T) {
	for _, how := range []struct {
		name   string
		signal os.Signal
	}{{"SIGINT", os.Interrupt}, {"SIGKILL", os.Kill}} {
		for _, percent := range []int64{2, 40, 95} {
			t.Run(name(how.name, " at ", percent, "%"), func(t *testing.T) {
				t.Parallel()
				interruptAt(t, how.signal, percent)
			})
		}
	}
}

func interruptAt(t *testing.T, signal os.Signal, percent int64) {
	p := start(t)
	want := p.digest()
	whole := t.TempDir()
	all := p.backup(whole)
	total, _ := size(t, whole)
	for _, index := range []string{"Info.plist", "Manifest.plist", "Manifest.db", "Status.plist"} {
		n, _ := size(t, filepath.Join(whole, p.UDID(), index))
		total -= n // the fault counts bytes of the phone's own files
	}

	// The phone stops for a moment at the chosen byte, so that the signal meets
	// it there.
	at := max(total*percent/100, 1)
	p.AddFaults(virtualphone.Fault{Action: "stall", Point: "upload", At: at, Times: 1})
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := p.command(ctx, "idevicebackup2", "backup", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForBytes(t, dir, at*9/10)
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	// Ctrl-C is noticed at the next message only; the stalled phone sends none.
	time.AfterFunc(2*time.Second, func() { cmd.Process.Kill() })
	if err := cmd.Wait(); err == nil {
		t.Fatal("the interrupted backup ended well")
	}
	p.ClearFaults()

	_, arrived := size(t, filepath.Join(dir, p.UDID(), "Snapshot"))
	if percent >= 90 && arrived < all/2 {
		t.Fatalf("only %d of %d files had arrived", arrived, all)
	}
	// The file at which it broke comes again, and the protocol's own.
	const spare = 8
	if rest := p.backup(dir); rest > all-arrived+spare {
		t.Errorf("%d of %d files had arrived, yet %d were sent afterwards", arrived, all, rest)
	}
	p.erase()
	p.run("idevicepair", "pair")
	p.restore(dir, "restore", "--system", "--settings", "--remove")
	sameDigest(t, want, p.digest())
}

func waitForBytes(t *testing.T, dir string, want int64) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if n, _ := size(t, dir); n >= want {
			return
		}
	}
	t.Fatalf("%d bytes never arrived in %s", want, dir)
}

// A restore brings back all that the digest named at backup time.
func TestIdevicebackup2_restore(t *testing.T) {
	everything := []string{"--system", "--settings", "--remove"}
	for _, tc := range []struct {
		name      string
		encrypted bool
		other     bool // onto another phone
		args      []string
		exact     bool // the phone is as it was, byte for byte
	}{
		{"plain, erased phone, all options", false, false, everything, true},
		{"encrypted, erased phone, all options", true, false, everything, true},
		{"plain, other phone, all options", false, true, everything, true},
		{"encrypted, other phone, all options", true, true, everything, true},
		{"plain, erased phone, with a copy first", false, false, append([]string{"--copy"}, everything...), true},
		{"plain, erased phone, without removing", false, false, []string{"--system", "--settings"}, true},
		{"plain, erased phone, without apps", false, false, append([]string{"--skip-apps"}, everything...), false},
		{"plain, erased phone, no restart", false, false, append([]string{"--no-reboot"}, everything...), true},
		{"plain, erased phone, settings kept", false, false, []string{"--system", "--remove"}, false},
		{"plain, erased phone, system files left out", false, false, []string{"--settings", "--remove"}, false},
		{"plain, erased phone, no options", false, false, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := start(t)
			dir := t.TempDir()
			args := []string{"restore"}
			if tc.encrypted {
				p.run("idevicebackup2", "encryption", "on", "restore me", dir)
				args = []string{"--password", "restore me", "restore"}
			}
			p.backup(dir)
			want := p.digest()

			target := p
			if tc.other {
				target = start(t, seed(99))
				args = append(args, "--source", p.UDID())
			} else {
				p.use(1)
			}
			target.erase()
			target.run("idevicepair", "pair")
			fresh := target.digest2()
			target.restore(dir, append(args, tc.args...)...)
			if strings.Contains(strings.Join(tc.args, " "), "--no-reboot") {
				if got := target.digest2(); got != fresh {
					t.Error("without a restart the phone changed: a restore is only staged until then")
				}
				if err := target.Reboot(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			got := target.digest2()
			if tc.exact {
				sameDigest(t, want, got)
			} else if got == want || got == fresh {
				t.Errorf("options that keep something of the phone made it equal to the backup (%v) or left it untouched (%v)", got == want, got == fresh)
			}
			if !tc.other && tc.encrypted && target.BackupPassword().Reveal() != "restore me" {
				t.Error("the backup password did not come back with the encrypted backup")
			}
		})
	}
}

// digest2 is digest of a phone that may be nearly empty.
func (p *phone) digest2() string {
	p.t.Helper()
	var b strings.Builder
	if err := p.Digest(context.Background(), &b); err != nil {
		p.t.Fatal(err)
	}
	return b.String()
}

// What the tools say when the phone says no.
func TestIdevicebackup2_refusals(t *testing.T) {
	t.Run("Find My", func(t *testing.T) {
		p := start(t)
		dir := t.TempDir()
		p.backup(dir)
		if err := p.Set("find-my=true"); err != nil {
			t.Fatal(err)
		}
		want := p.digest()
		out, err := p.try("idevicebackup2", "restore", "--system", "--settings", "--remove", dir)
		if err == nil || !strings.Contains(out, "MBErrorDomain/211") {
			t.Errorf("got %v, want error 211\n%s", err, tail(out))
		}
		sameDigest(t, want, p.digest())
	})
	t.Run("set-up", func(t *testing.T) {
		p := start(t)
		p.erase()
		p.run("idevicepair", "pair")
		out, err := p.try("idevicebackup2", "backup", t.TempDir())
		if err == nil || !strings.Contains(out, "MBErrorDomain/212") {
			t.Errorf("got %v, want error 212\n%s", err, tail(out))
		}
	})
	t.Run("passcode refused", func(t *testing.T) {
		p := start(t)
		if err := p.Set("passcode=refuse"); err != nil {
			t.Fatal(err)
		}
		out, err := p.try("idevicebackup2", "backup", t.TempDir())
		if err == nil || !strings.Contains(out, "MBErrorDomain/208") {
			t.Errorf("got %v, want error 208\n%s", err, tail(out))
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		p := start(t)
		dir := t.TempDir()
		p.run("idevicebackup2", "encryption", "on", "right", dir)
		p.backup(dir)
		out, err := p.try("idevicebackup2", "--password", "wrong", "restore", "--system", dir)
		if err == nil || !strings.Contains(out, "MBErrorDomain/207") {
			t.Errorf("got %v, want error 207\n%s", err, tail(out))
		}
	})
}
