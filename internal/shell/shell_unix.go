//go:build unix

package shell

import (
	"context"
	"os/exec"
)

// Command runs a line as the user's shell would, until ctx ends.
func Command(ctx context.Context, line string) *exec.Cmd {
	return exec.CommandContext(ctx, "/bin/sh", "-c", line)
}
