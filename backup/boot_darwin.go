package backup

import "golang.org/x/sys/unix"

// bootID names this start of the machine: what was written before another one
// and not synced may be lost. Empty means unknown.
func bootID() string {
	id, err := unix.Sysctl("kern.bootsessionuuid")
	if err != nil {
		return ""
	}
	return id
}
