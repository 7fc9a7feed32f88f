package mobilebackup2

import (
	"github.com/keepsake-backup/keepsake/devicelink"
)

// listing is the payload that answers DLContentsOfDirectory (protocol.md 4.3).
func listing(entries []Entry) map[string]any {
	m := make(map[string]any, len(entries))
	for _, e := range entries {
		kind := devicelink.TypeRegular
		if e.Dir {
			kind = devicelink.TypeDirectory
		}
		m[e.Name] = map[string]any{
			devicelink.KeyFileType:         kind,
			devicelink.KeyFileSize:         e.Size,
			devicelink.KeyModificationDate: e.ModTime.UTC(),
		}
	}
	return m
}
