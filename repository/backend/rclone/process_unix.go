//go:build unix

package rclone

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the terminal's Ctrl-C from the process: when this program is
// interrupted it still has to remove its locks. Without a terminal's group the
// process could only be stopped when it asked for a password, which is why it is
// told not to ask.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
