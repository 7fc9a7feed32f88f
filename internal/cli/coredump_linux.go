package cli

import "golang.org/x/sys/unix"

// noCoreDumps keeps the memory of this process, which holds keys, off disks, and from
// being looked at by other processes of the same user. It is done as far as the system
// lets us.
func noCoreDumps() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
