package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

// onlyEncrypted names what the phone leaves out of a backup that is not
// encrypted.
const onlyEncrypted = "saved passwords, Wi-Fi networks, Health, call history and Safari history"

type encryptionMessage struct {
	MessageType string `json:"message_type"` // "encryption"
	UDID        string `json:"udid"`
	Name        string `json:"name"`
	Encrypted   bool   `json:"encrypted"`
	Required    bool   `json:"required"` // by the phone's administrator
	Changed     bool   `json:"changed"`
}

func newEncryption(a *app) *cobra.Command {
	codes := exits("0 done; 1 error; 12 wrong password; 20 no phone; 21 refused or locked; 130 interrupted")
	status := &cobra.Command{
		Use:         "status",
		Short:       "Say whether the phone encrypts its backups",
		Example:     "  keepsake encryption status",
		Args:        noArgs,
		Annotations: exits("0 told; 1 error; 20 no phone; 21 refused or locked"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.encryption(cmd.Context(), encryptionChange{})
		},
	}
	on := &cobra.Command{
		Use:   "on",
		Short: "Make the phone encrypt its backups",
		Long: `Make the iPhone encrypt its backups from now on, wherever they are made, with a backup password that
you choose. Only encrypted backups hold` + onlyEncrypted + `.

Keep the password: nobody can recover it. It is not the passcode.`,
		Example:     "  keepsake encryption on",
		Args:        noArgs,
		Annotations: codes,
	}
	off := &cobra.Command{
		Use:         "off",
		Short:       "Make the phone stop encrypting its backups",
		Long:        "Make the iPhone stop encrypting its backups. Backups made before stay encrypted. From now on they lack " + onlyEncrypted + ".",
		Example:     "  keepsake encryption off",
		Args:        noArgs,
		Annotations: codes,
	}
	change := &cobra.Command{
		Use:         "change",
		Short:       "Change the backup password",
		Long:        "Change the backup password. Backups made before keep the old one: keep that too.",
		Example:     "  keepsake encryption change",
		Args:        noArgs,
		Annotations: codes,
	}
	for c, what := range map[*cobra.Command]encryptionChange{
		on:     {fresh: newPassword(), needs: off.Name()},
		off:    {old: currentPassword(), needs: on.Name()},
		change: {old: currentPassword(), fresh: newPassword(), needs: on.Name()},
	} {
		if what.old != nil {
			what.old.addFlag(c)
		}
		if what.fresh != nil {
			what.fresh.addFlag(c)
		}
		c.RunE = func(cmd *cobra.Command, _ []string) error { return a.encryption(cmd.Context(), what) }
	}
	return group("encryption", "Say or change whether the phone encrypts its backups",
		`Say or change whether the iPhone encrypts its backups. It is the phone that
encrypts, with a backup password that it keeps. Only encrypted backups hold `+onlyEncrypted+`.`,
		status, on, off, change)
}

// encryptionChange says which passwords a change needs; none is no change.
type encryptionChange struct {
	old, fresh *passwordSource
	needs      string // "on" or "off": what must be so before
}

func (a *app) encryption(ctx context.Context, change encryptionChange) error {
	var m encryptionMessage
	err := a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, false)
		if err != nil {
			return err
		}
		defer d.Close()
		if err := trust(ctx, d, say); err != nil {
			return err
		}
		state, err := d.BackupState(ctx)
		if err != nil {
			return err
		}
		m = encryptionMessage{MessageType: "encryption", UDID: d.UDID().String(), Name: nameOf(ctx, d), Encrypted: state.WillEncrypt, Required: state.RequiresEncryption}
		if change.needs == "" {
			return nil
		}
		if err := change.possible(state); err != nil {
			return err
		}
		if err := change.apply(ctx, a, d, say); err != nil {
			return err
		}
		m.Changed, m.Encrypted = true, change.fresh != nil
		return nil
	})
	if err != nil {
		return err
	}
	if a.json {
		a.emit(m)
		return nil
	}
	switch {
	case m.Changed && change.old != nil && change.fresh != nil:
		a.printf("The backup password of %s is changed. Backups made before keep the old one.\n", m.Name)
	case m.Changed && m.Encrypted:
		a.printf("%s now encrypts its backups. Keep the password: nobody can recover it.\n", m.Name)
	case m.Changed:
		a.printf("%s no longer encrypts its backups.\n", m.Name)
	case m.Encrypted:
		a.printf("%s encrypts its backups.\n", m.Name)
	default:
		a.printf("%s does not encrypt its backups: they lack %s.\nTo change that: keepsake encryption on\n", m.Name, onlyEncrypted)
	}
	return nil
}

// possible refuses a change that would do nothing or that the phone would only
// call a wrong password.
func (c encryptionChange) possible(state device.BackupState) error {
	switch {
	case c.needs == "off" && state.WillEncrypt:
		return &hintError{err: errors.New("switch encryption on: it is on already"), hint: "to choose another password: keepsake encryption change"}
	case c.needs == "on" && !state.WillEncrypt && c.fresh == nil:
		return &hintError{err: errors.New("switch encryption off: it is off already"), hint: "nothing is left to do"}
	case c.needs == "on" && !state.WillEncrypt:
		return &hintError{err: errors.New("change the backup password: encryption is off"), hint: "to choose a password: keepsake encryption on"}
	case c.fresh == nil && state.RequiresEncryption:
		return &hintError{err: errors.New("switch encryption off: the phone is managed and must encrypt its backups"), hint: "ask its administrator", code: exitRefused}
	}
	return nil
}

// apply gets the passwords and tells the phone. It asks its owner for the
// passcode.
func (c encryptionChange) apply(ctx context.Context, a *app, d *device.Device, say progress.Reporter) error {
	var old, fresh secret.BackupPassword
	var err error
	say.Phase("", "")
	if c.old != nil {
		if old, err = c.old.get(ctx, a); err != nil {
			return err
		}
	}
	if c.fresh != nil {
		if fresh, err = c.fresh.choose(ctx, a); err != nil {
			return err
		}
	}
	return backup.SetEncryption(ctx, d, old, fresh, say)
}
