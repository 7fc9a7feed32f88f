package archiver

import (
	"path/filepath"
	"strings"
)

// split gives the root of the tree, which has no path here, and the way from
// there to an absolute path. A drive is a folder named by its letter; a share
// is one named by server and share.
func split(path string) (start string, steps []step) {
	volume := filepath.VolumeName(path)
	name := strings.Trim(strings.NewReplacer(`\`, "_", ":", "").Replace(strings.Trim(volume, `\`)), "_")
	drive := volume + `\`
	steps = []step{{name, drive}}
	return "", append(steps, below(drive, components(strings.Trim(path[len(volume):], `\`)))...)
}
