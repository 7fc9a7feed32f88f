package shell

import (
	"context"
	"os/exec"
	"syscall"
)

// Command runs a line as the user's shell would, until ctx ends. cmd takes the line as it is,
// without the quoting that other programs expect.
func Command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "cmd")
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `cmd /S /C "` + line + `"`}
	return cmd
}
