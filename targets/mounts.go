package targets

import (
	"path/filepath"
	"strings"
)

// insideOf tells the mount point of path, the longest of mounts that leads to it,
// and the rest of it; "" where that is the root, which nobody pulls out.
func insideOf(mounts []string, path string) string {
	best, inside := "", ""
	for _, m := range mounts {
		rel, err := filepath.Rel(m, path)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) || len(m) <= len(best) {
			continue
		}
		best, inside = m, rel
	}
	if best == string(filepath.Separator) {
		return ""
	}
	return inside
}
