package targets

import (
	"fmt"
	"path/filepath"
)

// Mounts lists the folders at which disks are mounted now.
func Mounts() ([]string, error) {
	volumes, err := filepath.Glob("/Volumes/*")
	if err != nil {
		return nil, fmt.Errorf("list mounted disks: %w", err)
	}
	return volumes, nil
}
