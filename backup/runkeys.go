package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/backup/internal/journal"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// PasswordNeededError says that a run was decrypted in part, and that the keys for
// the rest are not to be had.
type PasswordNeededError struct{ Why string }

func (e *PasswordNeededError) Error() string {
	return "a part of the backup has been decrypted already, and " + e.Why
}

// Hint says to give it.
func (e *PasswordNeededError) Hint() string {
	return "Give the backup password and start again: everything that has arrived is kept."
}

// findKeys gets the keys of an encrypted backup: from the last version if the
// keybag is still the same, from an earlier process, else with the password.
// Without them it says why.
func (in *ingester) findKeys(ctx context.Context, props itunesbackup.ManifestPlist) (keys snapshot.Keys, why string, err error) {
	known := []map[keybag.Class]keybag.Key{in.u.classKeys()}
	if in.parent != nil {
		known = append(known, in.parent.Meta().Keys.Classes())
	}
	for _, classes := range known {
		bag, err := keybag.Parse(props.BackupKeyBag)
		if err != nil {
			return keys, "", fmt.Errorf("read the keybag of the backup: %w", err)
		}
		if len(classes) == 0 || bag.UseKeys(classes) != nil {
			continue
		}
		if keys, err := snapshot.KeysOf(bag, props.ManifestKey); err == nil {
			return keys, "", nil
		}
	}
	return in.askForKeys(ctx, props)
}

func (in *ingester) askForKeys(ctx context.Context, props itunesbackup.ManifestPlist) (keys snapshot.Keys, why string, err error) {
	const unknown = "the backup password is not known"
	if in.opt.Passwords == nil {
		return keys, unknown, nil
	}
	bag, err := keybag.Parse(props.BackupKeyBag)
	if err != nil {
		return keys, "", fmt.Errorf("read the keybag of the backup: %w", err)
	}
	password, err := in.opt.Passwords(ctx, bag.UUID())
	switch {
	case ctx.Err() != nil:
		return keys, "", context.Cause(ctx)
	case err != nil:
		return keys, fmt.Sprintf("the backup password is not to be had (%v)", err), nil
	case password.IsZero():
		return keys, unknown, nil
	}
	switch err := bag.Unlock(ctx, password); {
	case errors.Is(err, keybag.ErrWrongPassword):
		return keys, "the backup password is wrong", nil
	case err != nil:
		return keys, "", err
	}
	if keys, err = snapshot.KeysOf(bag, props.ManifestKey); err != nil {
		return keys, "", err
	}
	return keys, "", in.u.rememberKeys(keys.Classes())
}

// rememberKeys keeps the class keys in the journal, so that the next process does
// not need the password. They reveal nothing that the version will not: it keeps
// them, too, under the same key of the repository.
func (u *unfinished) rememberKeys(classes map[keybag.Class]keybag.Key) error {
	plain := map[keybag.Class][]byte{}
	for c, k := range classes {
		plain[c] = k.Reveal()
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.append(journal.Record{Kind: journal.Keys, Text: string(text)})
}

// classKeys are those that an earlier process knew; nil if none did.
func (u *unfinished) classKeys() map[keybag.Class]keybag.Key {
	u.mu.Lock()
	text := u.keys.Reveal()
	u.mu.Unlock()
	var plain map[keybag.Class][]byte
	if len(text) == 0 || json.Unmarshal(text, &plain) != nil {
		return nil
	}
	classes := map[keybag.Class]keybag.Key{}
	for c, b := range plain {
		k, err := keybag.NewKey(b)
		if err != nil {
			return nil
		}
		classes[c] = k
	}
	return classes
}

// anyUnsealed tells whether a file of the run was decrypted.
func (u *unfinished) anyUnsealed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.placed() {
		if c := u.object(p.object).content; c != nil && c.Unsealed {
			return true
		}
	}
	return false
}
