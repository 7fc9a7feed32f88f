package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/keybag"
)

// ChangePassword gives the encrypted backup in dir another password. Only
// Manifest.plist changes, replaced in one step: no key that files are encrypted
// with does (backup-format.md 3.5). rounds and iterations are those of
// [keybag.Options]. The phone goes on with its own password: its next backup into
// the folder will be a full one.
func ChangePassword(ctx context.Context, dir string, from, to secret.BackupPassword, rounds, iterations int) error {
	if err := changePassword(ctx, dir, from, keybag.Options{Encrypted: true, Password: to, Rounds: rounds, Iterations: iterations}); err != nil {
		return fmt.Errorf("change backup password: %w", err)
	}
	return nil
}

func changePassword(ctx context.Context, dir string, from secret.BackupPassword, to keybag.Options) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	raw, err := readFile(root.FS(), ManifestListName, maxPlist)
	if err != nil {
		return err
	}
	list, err := ParseManifestPlist(raw)
	if err != nil {
		return err
	}
	if !list.IsEncrypted {
		return errors.New("the backup is not encrypted")
	}
	bag, err := keybag.Parse(list.BackupKeyBag)
	if err != nil {
		return err
	}
	if err := bag.Unlock(ctx, from); err != nil {
		return err
	}
	if err := bag.Rewrap(ctx, to); err != nil {
		return err
	}
	list.BackupKeyBag = bag.Marshal()
	if raw, err = list.Marshal(); err != nil {
		return err
	}
	return replaceFile(root, ManifestListName, raw)
}

// replaceFile puts new content in the place of a file: all of it or nothing,
// whenever the power fails.
func replaceFile(root *os.Root, name string, content []byte) error {
	temp := name + ".new"
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, filePerm)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}
