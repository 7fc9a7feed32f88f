package sealed

import "os"

// SyncFolder does nothing: the names are with the files.
func SyncFolder(*os.Root) error { return nil }
