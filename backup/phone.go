package backup

import (
	"context"
	"fmt"
	"net"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// Phone is what a backup needs of a device.Device.
type Phone interface {
	UDID() device.UDID
	Name() string
	Transport() device.Transport
	StartService(ctx context.Context, name string, opts ...device.ServiceOption) (net.Conn, error)
	Get(ctx context.Context, domain, key string) (any, error)
	Values(ctx context.Context, domain string) (map[string]any, error)
	SetupState(ctx context.Context) (device.SetupState, error)
	BackupState(ctx context.Context) (device.BackupState, error)
	DiskUsage(ctx context.Context) (device.DiskUsage, error)
	PasscodeConfigured(ctx context.Context) (bool, error)
	KeepAwake(ctx context.Context, warn func(error)) (release func())
}

// openService starts the backup service. The escrow bag lets the phone read
// protected files when it locks during the run.
func openService(ctx context.Context, phone Phone) (*mobilebackup2.Client, error) {
	conn, err := phone.StartService(ctx, mobilebackup2.Service, device.WithEscrow())
	if err != nil {
		return nil, err
	}
	return mobilebackup2.New(ctx, conn)
}

// asksForPasscode tells whether the phone will want its passcode before it
// begins. When it does not say, it is taken to.
func asksForPasscode(ctx context.Context, phone Phone, version string) bool {
	if !device.AsksForPasscode(version) {
		return false
	}
	set, err := phone.PasscodeConfigured(ctx)
	return set || err != nil
}

// SetupError says that the phone is not set up; it would answer 212.
type SetupError struct{ State device.SetupState }

func (e *SetupError) Error() string {
	return fmt.Sprintf("the phone is still being set up (%s) and makes no backups before that is finished", e.State)
}

// Hint says what is possible instead.
func (e *SetupError) Hint() string {
	return "Finish the set-up on the phone, then back it up. If it is to receive a backup, restore now: that works during set-up."
}

// EncryptionPolicyError says that the phone makes only encrypted backups and
// has no backup password; it would answer 207.
type EncryptionPolicyError struct{}

func (e *EncryptionPolicyError) Error() string {
	return "the phone must encrypt its backups, but has no backup password"
}

// Hint names the command.
func (e *EncryptionPolicyError) Hint() string {
	return "A profile on the phone demands encrypted backups: set a backup password with \"keepsake encryption on\" first."
}

// CancelledError says that the owner stopped the run on the phone.
type CancelledError struct{}

func (e *CancelledError) Error() string { return "cancelled on the phone" }

// Hint says that nothing is lost.
func (e *CancelledError) Hint() string {
	return "Start again when you like: what has arrived is kept, and the last finished backup is untouched."
}

// Is makes it equal to the phone's own answer to the same wish.
func (e *CancelledError) Is(target error) bool {
	d, ok := target.(*mobilebackup2.DeviceError)
	return ok && d.Code == mobilebackup2.CodeCancelled
}
