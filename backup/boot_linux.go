package backup

import (
	"os"
	"strings"
)

// bootID names this start of the machine: what was written before another one
// and not synced may be lost. Empty means unknown.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
