package virtualphone_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// TestBackupAndRestore: the phone around its backup agent. Prompts, encryption,
// set-up and the restart after a restore, with idevicebackup2 as the host.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel() // the tools wait more than they work
	dir, folder := tinyPhone(t), t.TempDir()
	s := start(t, func(c *virtualphone.Config) { c.Dir = dir })
	p := s.Phones()[0]
	x := tools{t, s.Addr()}
	x.ok("SUCCESS", "idevicepair", "pair")

	check(t, p.Set("passcode=refuse"))
	x.fails("208", "idevicebackup2", "backup", folder)
	check(t, p.Set("passcode=after=10ms"))
	x.ok("Backup Successful", "idevicebackup2", "backup", "--full", folder)
	for _, event := range []string{
		"passcode-prompt", "notify.com.apple.LocalAuthentication.ui.presented", "notify.com.apple.LocalAuthentication.ui.dismissed",
	} {
		if p.Count(event) != 2 {
			t.Errorf("%s: %d", event, p.Count(event))
		}
	}
	if _, err := os.Stat(filepath.Join(folder, p.UDID(), "Manifest.db")); err != nil {
		t.Error(err)
	}

	check(t, p.Set("setup=setup"))
	x.fails("212", "idevicebackup2", "backup", folder)
	check(t, p.Set("setup=done", "find-my=on"))
	x.fails("211", "idevicebackup2", "restore", "--system", folder)
	check(t, p.Set("find-my=off"))

	x.ok("", "idevicebackup2", "encryption", "on", "geheim", folder)
	if p.BackupPassword().Reveal() != "geheim" || p.Count("notify.com.apple.mobile.backup.domain_changed") != 1 {
		t.Error("encryption is not on")
	}
	x.ok("true", "ideviceinfo", "-q", "com.apple.mobile.backup", "-k", "WillEncrypt")
	x.ok("", "idevicebackup2", "encryption", "off", "geheim", folder)
	if !p.BackupPassword().IsZero() {
		t.Error("encryption is still on")
	}

	c, err := virtualphone.OpenControl(dir, "")
	check(t, err)
	before := digest(t, c)
	check(t, p.Erase(within(t)))
	x.ok("SUCCESS", "idevicepair", "pair")
	x.ok("Restore Successful", "idevicebackup2", "restore", "--system", "--settings", "--reboot", folder)
	await(t, p, "restored", 1)
	await(t, p, "up", 3)
	if d := strings.Join(digest(t, c), ""); d != strings.Join(before, "") {
		t.Error("the restored phone differs")
	}
	if st := p.Status(); st.Setup != "setup" {
		t.Errorf("%+v", st)
	}
	x.ok("RestoredFromiTunesBackup", "ideviceinfo", "-q", "com.apple.purplebuddy")
	check(t, p.FinishSetup())
	x.ok("Backup Successful", "idevicebackup2", "backup", folder)
}

func TestPasscodeTimeout(t *testing.T) {
	t.Parallel() // the tools wait more than they work
	dir := tinyPhone(t)
	s := start(t, func(c *virtualphone.Config) {
		c.Dir, c.PasscodeTimeout = dir, 10*time.Millisecond
		c.Passcode = &virtualphone.Prompt{Kind: 1, After: time.Hour}
	})
	x := tools{t, s.Addr()}
	check(t, s.Phones()[0].Set("passcode=none"))
	x.ok("SUCCESS", "idevicepair", "pair")
	check(t, s.Phones()[0].Set("passcode=after=1h"))
	x.fails("208", "idevicebackup2", "backup", t.TempDir())
}
