//go:build unix

package afcd

import (
	"errors"

	"golang.org/x/sys/unix"
)

func isNoSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

func isNotEmpty(err error) bool { return errors.Is(err, unix.ENOTEMPTY) }
