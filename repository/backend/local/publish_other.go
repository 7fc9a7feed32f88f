//go:build !linux && !darwin

package local

import (
	"errors"
	"os"
)

func renameExclusive(*os.Root, string, string) error { return errors.ErrUnsupported }
