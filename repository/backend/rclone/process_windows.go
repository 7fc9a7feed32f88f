package rclone

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps the console's Ctrl-C from the process: when this program is
// interrupted it still has to remove its locks.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
