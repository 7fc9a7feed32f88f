//go:build !linux && !darwin && !windows

package targets

// Mounts does not know where this system mounts disks: paths have to be named.
func Mounts() ([]string, error) { return nil, nil }
