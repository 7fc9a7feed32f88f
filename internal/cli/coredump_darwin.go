package cli

import "golang.org/x/sys/unix"

// noCoreDumps keeps the memory of this process, which holds keys, off disks.
func noCoreDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
