//go:build !linux && !darwin

package cli

// noCoreDumps has nothing to do: this system writes none unless it is told to.
func noCoreDumps() error { return nil }
