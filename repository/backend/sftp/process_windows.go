package sftp

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps Ctrl-C from the process: we still have files to clear up
// through it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// endGroup kills the process. That it is gone already is all right.
func endGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
