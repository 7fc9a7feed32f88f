//go:build unix

package service

import (
	"context"
	"os/exec"
)

// shell runs a line as the user's shell would.
func shell(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "/bin/sh", "-c", line)
}
