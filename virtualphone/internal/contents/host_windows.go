package contents

import (
	"os"
	"strings"
	"time"
)

// symlinks need a privilege on Windows that few accounts have.
const symlinks = false

// hostAllows tells whether this computer's file system keeps rel as it is.
func hostAllows(rel string) bool {
	return !strings.ContainsAny(rel, "\\:*?\"<>|\n\r\t") && !strings.Contains(rel, caseTwin) && !strings.HasSuffix(rel, ".") && !strings.HasSuffix(rel, " ")
}

// setTime sets the modification time of a file or a folder.
func setTime(path string, at time.Time) error { return os.Chtimes(path, at, at) }
