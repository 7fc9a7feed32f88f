//go:build unix

package shell

import "testing"

func TestCommand(t *testing.T) {
	c := Command(t.Context(), `printf '%s-' a "b c" | cat; exit 3`)
	out, err := c.Output()
	if string(out) != "a-b c-" || err == nil || c.ProcessState.ExitCode() != 3 {
		t.Errorf("got %q, %v", out, err)
	}
}
