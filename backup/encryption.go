package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/syncsession"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/notificationproxy"
)

// EncryptionError says that the wish does not fit the phone's state.
type EncryptionError struct{ Text, Remedy string }

func (e *EncryptionError) Error() string { return e.Text }

// Hint says which wish would fit.
func (e *EncryptionError) Hint() string { return e.Remedy }

// settle is how long the phone may take to show the new state after it agreed.
const settle = 10 * time.Second

// SetEncryption changes how the phone encrypts its backups, for every computer:
// only new switches it on, only old switches it off, both change the password.
// The phone asks its owner for the passcode. A wish that does not fit the
// phone's state is an EncryptionError, before the phone is asked.
func SetEncryption(ctx context.Context, dev Phone, old, new secret.BackupPassword, rep progress.Reporter) error {
	op := "change the backup password of"
	switch {
	case old.IsZero() && new.IsZero():
		return &EncryptionError{"no backup password given", "Give the present password, a new one, or both."}
	case old.IsZero():
		op = "switch on backup encryption of"
	case new.IsZero():
		op = "switch off backup encryption of"
	}
	if err := setEncryption(ctx, dev, old, new, rep); err != nil {
		return fmt.Errorf("%s %s: %w", op, dev.Name(), err)
	}
	return nil
}

func setEncryption(ctx context.Context, dev Phone, old, new secret.BackupPassword, rep progress.Reporter) error {
	rep.Phase("connecting", "Talking to the iPhone")
	if err := fits(ctx, dev, old, new); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	session, err := syncsession.Listen(ctx, dev, func(name string) {
		switch name {
		case notificationproxy.AuthenticationPresented:
			rep.Say(progress.Action, "The iPhone shows its passcode screen: enter the passcode there.")
		case notificationproxy.SyncCancelRequest:
			cancel(&CancelledError{})
		}
	})
	if err != nil {
		return err
	}
	defer session.Close()
	client, err := openService(ctx, dev)
	if err != nil {
		return err
	}
	defer client.Close()
	if set, err := dev.PasscodeConfigured(ctx); set || err != nil {
		rep.Say(progress.Action, "Enter the passcode on the iPhone when it asks.")
	}
	if err := client.ChangePassword(ctx, mobilebackup2.Job{Target: dev.UDID().String()}, old, new, newObserver(rep)); err != nil {
		return err
	}
	return confirm(ctx, dev, !new.IsZero())
}

// fits compares the wish with what the phone says, so that nobody types a
// passcode for nothing.
func fits(ctx context.Context, dev Phone, old, new secret.BackupPassword) error {
	state, err := dev.BackupState(ctx)
	if err != nil {
		return err
	}
	switch {
	case old.IsZero() && state.WillEncrypt:
		return &EncryptionError{"the phone has a backup password already",
			"To change it, give the present one too. Forgotten: Settings → General → Transfer or Reset → Reset → Reset All Settings removes it and keeps your data; older encrypted backups still need it."}
	case !old.IsZero() && !state.WillEncrypt:
		return &EncryptionError{"the phone has no backup password", "Switch encryption on with a new password."}
	case new.IsZero() && state.RequiresEncryption:
		return &EncryptionError{"a profile on the phone demands encrypted backups", "Ask the phone's administrator, or remove the profile."}
	}
	return nil
}

// confirm waits until the phone says what it agreed to.
func confirm(ctx context.Context, dev Phone, want bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settle, errors.New("the phone agreed, but still says otherwise"))
	defer cancel()
	for {
		state, err := dev.BackupState(ctx)
		if err == nil && state.WillEncrypt == want {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}
