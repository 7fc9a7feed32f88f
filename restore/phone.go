package restore

import (
	"context"
	"net"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// Phone is what a restore needs of a device.Device.
type Phone interface {
	UDID() device.UDID
	Name() string
	Transport() device.Transport
	StartService(ctx context.Context, name string, opts ...device.ServiceOption) (net.Conn, error)
	Get(ctx context.Context, domain, key string) (any, error)
	Values(ctx context.Context, domain string) (map[string]any, error)
	Info(ctx context.Context) (device.Info, error)
	SetupState(ctx context.Context) (device.SetupState, error)
	FindMy(ctx context.Context) (on, known bool, err error)
	Supervised(ctx context.Context) (on, known bool, err error)
	DiskUsage(ctx context.Context) (device.DiskUsage, error)
	KeepAwake(ctx context.Context, warn func(error)) (release func())
}

// Options of FromFS and FromFolder.
type Options struct {
	// Source names the backup inside the folder; empty is the target's own UDID,
	// or the only backup there. Only FromFolder looks at it.
	Source string
	// Password of an encrypted backup.
	Password secret.BackupPassword
	// DryRun stops behind the pre-flight.
	DryRun bool

	// What the phone is told; nil is the default for its state, see the package comment.
	SystemFiles, PreserveSettings, RemoveItemsNotRestored, Reboot *bool
	// CopyFirst lets the phone copy the backup folder before it starts. It needs
	// a folder: see ErrNoPlace.
	CopyFirst bool

	// VerifyData reads every file in the pre-flight: its digest, and that it
	// decrypts as it should.
	VerifyData bool
	// What is left out, to rescue the rest of a damaged backup; see the package
	// comment. LeaveOutApps are bundle IDs, LeaveOutDomains whole domains by name.
	// SkipDamaged leaves out single files: those whose content is missing or
	// damaged, for which all are read.
	LeaveOutApps, LeaveOutDomains []string
	SkipDamaged                   bool
	// Limits are the patience of the phases; zero means the defaults.
	Limits mobilebackup2.Limits
}

// Choice is what the phone is told, with the defaults filled in.
type Choice struct {
	SystemFiles, PreserveSettings, RemoveItemsNotRestored, Reboot bool
}

// Choose fills in the defaults for a phone in the given state. A phone that
// does not tell its state is treated as one in use.
func (o Options) Choose(state device.SetupState) Choice {
	fresh := state == device.SetupNew || state == device.InSetup
	or := func(p *bool, d bool) bool {
		if p != nil {
			return *p
		}
		return d
	}
	return Choice{
		SystemFiles:            or(o.SystemFiles, true),
		PreserveSettings:       or(o.PreserveSettings, !fresh),
		RemoveItemsNotRestored: or(o.RemoveItemsNotRestored, fresh),
		Reboot:                 or(o.Reboot, true),
	}
}

// Report is what the pre-flight found.
type Report struct {
	Folder, Source string
	Choice         Choice
	Findings       []Finding
	Files          int64 // of the backup
	Bytes          int64
	Encrypted      bool
	Apps           []App // that were on the phone of the backup and are not left out
	LeftOut        LeftOut
}

// Finding is one thing to know before a restore.
type Finding struct {
	Check  string // constant word, such as "find_my"
	Level  Level
	Text   string
	Remedy string
}

// Level of a Finding.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Blocker Level = "blocker" // the restore is not started
)

// Blocked tells whether something keeps the restore from starting.
func (r *Report) Blocked() bool { return r.blocker() != nil }

func (r *Report) blocker() *Finding {
	for i, f := range r.Findings {
		if f.Level == Blocker {
			return &r.Findings[i]
		}
	}
	return nil
}

func (r *Report) add(check string, level Level, text, remedy string) {
	r.Findings = append(r.Findings, Finding{check, level, text, remedy})
}

// BlockedError says why a restore was not started. Cause is set when it has a
// type of its own, such as keybag.ErrWrongPassword.
type BlockedError struct {
	Finding
	Cause error
}

func (e *BlockedError) Error() string { return e.Text }
func (e *BlockedError) Unwrap() error { return e.Cause }

// Hint is the remedy of the finding.
func (e *BlockedError) Hint() string { return e.Remedy }
