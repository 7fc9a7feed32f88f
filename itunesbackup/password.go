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
	if raw, err = rewrapList(ctx, raw, from, to); err != nil {
		return err
	}
	return replaceFile(root, ManifestListName, raw)
}

// NewManifestPassword is [ChangePassword] for those who hold the bytes of a
// Manifest.plist: it gives those of the same list under the password to.
func NewManifestPassword(ctx context.Context, list []byte, from, to secret.BackupPassword, rounds, iterations int) ([]byte, error) {
	list, err := rewrapList(ctx, list, from, keybag.Options{Encrypted: true, Password: to, Rounds: rounds, Iterations: iterations})
	if err != nil {
		return nil, fmt.Errorf("change backup password: %w", err)
	}
	return list, nil
}

func rewrapList(ctx context.Context, raw []byte, from secret.BackupPassword, to keybag.Options) ([]byte, error) {
	list, err := ParseManifestPlist(raw)
	if err != nil {
		return nil, err
	}
	if !list.IsEncrypted {
		return nil, errors.New("the backup is not encrypted")
	}
	bag, err := keybag.Parse(list.BackupKeyBag)
	if err != nil {
		return nil, err
	}
	if err := bag.Unlock(ctx, from); err != nil {
		return nil, err
	}
	if err := bag.Rewrap(ctx, to); err != nil {
		return nil, err
	}
	list.BackupKeyBag = bag.Marshal()
	return list.Marshal()
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
