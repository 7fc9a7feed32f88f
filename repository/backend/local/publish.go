package local

import (
	"errors"
	"io/fs"
	"os"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// A publisher gives the file temp the name final unless there is a file of
// that name: then it is fs.ErrExist, and the file there is untouched. Every one
// of them is atomic by itself, so that the next can be tried after any failure.
type publisher func(root *os.Root, temp, final string) error

// Not every file system knows every way: FAT and exFAT have no links, some
// network shares no exclusive renaming.
var publishers = []publisher{link, renameExclusive, reserve}

// publishNew is how the config gets its name.
func publishNew(ways []publisher, root *os.Root, temp, final string) error {
	var err error
	for _, way := range ways {
		err = way(root, temp, final)
		if err == nil {
			return nil
		}
		if errors.Is(err, fs.ErrExist) {
			return backend.ErrExist
		}
	}
	return err
}

func link(root *os.Root, temp, final string) error {
	if err := root.Link(temp, final); err != nil {
		return err
	}
	// The config is in place. Should its second name stay, nobody sees it, and
	// SweepTemp takes it away: no reason to call the Save failed.
	_ = root.Remove(temp)
	return nil
}

// reserve creates final and then renames over it. Readers may see an empty file
// for a moment, or after a crash, never half of one.
func reserve(root *os.Root, temp, final string) error {
	f, err := root.OpenFile(final, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = f.Close()
	if err == nil {
		err = root.Rename(temp, final)
	}
	if err != nil {
		return errors.Join(err, root.Remove(final))
	}
	return nil
}
