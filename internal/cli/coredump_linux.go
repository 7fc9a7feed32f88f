package cli

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noCoreDumps keeps the memory of this process, which holds keys, off disks, and from
// being looked at by other processes of the same user.
func noCoreDumps() error {
	return errors.Join(unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}), unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}
