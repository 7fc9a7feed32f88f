//go:build unix

package sftp

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the process a group of its own: Ctrl-C on the terminal is for
// us, who still have files to clear up through it, and with the group go the
// helpers that it started.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// endGroup kills the group. That it is gone already is all right.
func endGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
