package virtualphone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/backupagent"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/vault"
)

// Notifications around backups (protocol.md 4.8).
const (
	notifyDomainChanged   = "com.apple.mobile.backup.domain_changed"
	notifyPromptPresented = "com.apple.LocalAuthentication.ui.presented"
	notifyPromptDismissed = "com.apple.LocalAuthentication.ui.dismissed"
)

// setupRestored is SetupState after a restore (protocol.md 11.7).
const setupRestored = "RestoredFromiTunesBackup"

func (p *Phone) serveBackup(ctx context.Context, conn net.Conn) error {
	return backupagent.Serve(ctx, conn, agentPhone{p})
}

// agentPhone is the phone as its backup agent sees it.
type agentPhone struct{ *Phone }

func (p agentPhone) Identity() backupagent.Identity {
	id, set := p.st.Identity(), p.st.Settings()
	return backupagent.Identity{
		UDID: id.UDID, DeviceName: set.DeviceName, ProductType: id.ProductType, ProductVersion: set.IOS,
		BuildVersion: set.Build, SerialNumber: id.SerialNumber, DeviceClass: set.Class(),
	}
}

func (p agentPhone) Policy() backupagent.Policy {
	set := p.st.Settings()
	_, passcode := set.PasscodePrompt()
	return backupagent.Policy{
		SetupDone: set.Setup == state.SetupDone, RequiresEncryption: set.RequiresEncryption, EncryptionLockedByMDM: set.EncryptionLocked,
		FindMy: set.FindMy, CloudRestoreRunning: set.CloudRestoreRunning, PasscodeSet: passcode, Locked: set.PasswordProtected(),
		KDFRounds: set.KDFRounds, FreeSpace: set.FreeSpace,
	}
}

func (p agentPhone) SetBackupPassword(pw secret.BackupPassword) error {
	if p.vault != nil {
		return nil // a phone that keeps nothing keeps no password
	}
	had := !p.st.BackupPassword().IsZero()
	if err := p.st.SetBackupPassword(pw); err != nil {
		return err
	}
	if had != !pw.IsZero() {
		p.Notify(notifyDomainChanged)
	}
	return nil
}

// Authenticate shows the passcode prompt (protocol.md 6).
func (p agentPhone) Authenticate(ctx context.Context) (entered bool, err error) {
	prompt, has := p.st.Settings().PasscodePrompt()
	if !has {
		return false, nil
	}
	p.events.add("passcode-prompt")
	p.Notify(notifyPromptPresented)
	defer p.Notify(notifyPromptDismissed)
	wait := time.NewTimer(min(prompt.After, p.srv.cfg.PasscodeTimeout))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		p.events.add("passcode-gone")
		return false, context.Cause(ctx)
	}
	switch {
	case prompt.After > p.srv.cfg.PasscodeTimeout:
		p.events.add("passcode-ignored")
		return false, backupagent.ErrTimeout
	case prompt.Kind == state.Refused:
		p.events.add("passcode-refused")
		return false, backupagent.ErrRefused
	}
	p.events.add("passcode-entered")
	return true, nil
}

func (p agentPhone) Reboot() { p.restartSoon(func(context.Context) error { return nil }) }

func (p agentPhone) Erase() { p.restartSoon(func(context.Context) error { return erase(p.st) }) }

func (p agentPhone) Hit(point string, n int64) (fault.Fault, bool) { return p.faults.Hit(point, n) }

func (p agentPhone) Vault() *vault.Vault { return p.vault }

func (p agentPhone) Waits(point string) bool { return p.faults.Waits(point) }

// agentFolder is where the backup agent keeps its state, below the phone's
// folder.
const agentFolder = "backup"

// commitRestore puts a staged restore in place. The phone then shows the
// set-up screens until its owner has gone through them (protocol.md 11.7).
func (p *Phone) commitRestore(ctx context.Context) error {
	if p.vault != nil {
		if ok, err := p.vault.Commit(ctx); !ok || err != nil {
			return err
		}
		return p.restored()
	}
	_, err := os.Stat(filepath.Join(p.Dir(), agentFolder, "staged", "restore.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := errors.Join(err, backupagent.CommitStaged(ctx, p.Dir())); err != nil {
		return err
	}
	if err := fetchApps(p.Dir()); err != nil {
		return fmt.Errorf("after restore: %w", err)
	}
	return p.restored()
}

// restored is how a phone comes up after a restore.
func (p *Phone) restored() error {
	err := p.st.Update(func(s *state.Settings) error {
		s.Setup, s.SetupState, s.Lock = state.SetupBusy, setupRestored, state.Unlocked
		return nil
	})
	if err != nil {
		return fmt.Errorf("after restore: %w", err)
	}
	p.events.add("restored")
	p.Notify("com.apple.purplebuddy.setuplaunched")
	return nil
}

// fetchApps installs the apps that a restore left as placeholders: this phone
// has the App Store at hand, and an account that bought everything. Apps without
// a licence stay away (protocol.md 13.2).
func fetchApps(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, agentFolder, "restored.json"))
	if err != nil {
		return fmt.Errorf("read what was restored: %w", err)
	}
	var restored backupagent.Restored
	if err := json.Unmarshal(data, &restored); err != nil {
		return fmt.Errorf("read what was restored: %w", err)
	}
	for _, a := range restored.Apps {
		if a.State != "placeholder" {
			continue
		}
		var store struct {
			Name    string `plist:"itemName"`
			Version string `plist:"bundleShortVersionString"`
		}
		if err := plist.Unmarshal(a.Metadata, &store); err != nil {
			return fmt.Errorf("read store data of %s: %w", a.BundleID, err)
		}
		app := contents.App{
			BundleID: a.BundleID, Name: orElse(store.Name, a.BundleID), Version: a.Version, ShortVersion: orElse(store.Version, a.Version),
			Path: a.Path, Container: "/var/mobile/Containers/Data/Application/" + a.BundleID, SINF: a.SINF, Metadata: a.Metadata, Icon: a.Icon,
		}
		if err := contents.AddApp(dir, app); err != nil {
			return err
		}
	}
	return nil
}
