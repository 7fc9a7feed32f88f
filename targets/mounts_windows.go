package targets

import (
	"fmt"

	"golang.org/x/sys/windows"
)

// Mounts lists the roots of the drives that are there now.
func Mounts() ([]string, error) {
	drives, err := windows.GetLogicalDrives()
	if err != nil {
		return nil, fmt.Errorf("list drives: %w", err)
	}
	var roots []string
	for i := range 26 {
		if drives&(1<<i) != 0 {
			roots = append(roots, string(rune('A'+i))+`:\`)
		}
	}
	return roots, nil
}
