package itunesbackup

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Open opens the backup folder dir, named like the phone's UDID by those who
// made it. It works without the password: the property lists are read, and the
// index unless it is encrypted. Nothing in dir is changed, and nothing outside
// it is followed to.
func Open(ctx context.Context, dir string) (*Backup, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open backup: %w", err)
	}
	b, err := OpenFS(ctx, root.FS())
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	b.closers = append(b.closers, root.Close)
	return b, nil
}
