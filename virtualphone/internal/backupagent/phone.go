package backupagent

import (
	"context"
	"errors"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/vault"
)

var (
	// ErrRefused: the owner pressed "Cancel" where the phone asked for its
	// passcode. The host is told 208.
	ErrRefused = errors.New("passcode refused")
	// ErrTimeout: nobody answered the passcode prompt. The host is told 208, in
	// other words.
	ErrTimeout = errors.New("nobody entered the passcode")
)

// Phone is the phone that the agent works for. All methods may be called from
// several goroutines.
type Phone interface {
	// Dir is the state folder. Files of the phone lie in fs/<Domain>/<path>; the
	// agent keeps its own state in backup.
	Dir() string
	Identity() Identity
	// Policy is asked again whenever it matters, since it may change.
	Policy() Policy
	// BackupPassword is zero when backups are not encrypted.
	BackupPassword() secret.BackupPassword
	// SetBackupPassword stores a new one; the zero value switches encryption off.
	// The phone posts com.apple.mobile.backup.domain_changed when that switches.
	SetBackupPassword(secret.BackupPassword) error
	// Authenticate shows the passcode prompt and waits for the owner. It returns
	// nil, ErrRefused, ErrTimeout or ctx's error; nil at once, and not entered, on one that
	// has no passcode.
	Authenticate(ctx context.Context) (entered bool, err error)
	// Reboot restarts the phone: all connections drop, CommitStaged is called.
	// It may return before that happens.
	Reboot()
	// Erase deletes everything and restarts.
	Erase()
	// Notify posts a notification to observers.
	Notify(name string)
	// Hit counts n at a point and tells whether a fault is due (package fault).
	Hit(point string, n int64) (fault.Fault, bool)
	// Waits tells whether any fault is armed for point.
	Waits(point string) bool
	// Vault is where a phone that keeps no files takes a restore; nil for every
	// other phone. What it holds, [vault.Vault.Commit] puts in place at the next
	// boot instead of CommitStaged.
	Vault() *vault.Vault
}

// Identity is what Manifest.plist says about the phone.
type Identity struct {
	UDID           string
	DeviceName     string
	ProductType    string // "iPhone12,1"
	ProductVersion string // "17.3"
	BuildVersion   string // "21D50"
	SerialNumber   string
	DeviceClass    string // "iPhone"
}

// Policy is what decides whether a request is refused.
type Policy struct {
	SetupDone             bool
	RequiresEncryption    bool // a profile allows encrypted backups only
	EncryptionLockedByMDM bool // a profile forbids switching encryption off
	FindMy                bool
	CloudRestoreRunning   bool
	PasscodeSet           bool
	Locked                bool

	// KDFRounds is DPIC of new keybags; 0 means the phone's 10,000,000.
	KDFRounds int
	// FreeSpace is the room left on the phone in bytes; 0 means plenty.
	FreeSpace int64
}
