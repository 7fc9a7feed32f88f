//go:build !linux && !darwin

package archiver

import "github.com/keepsake-backup/keepsake/repository/format"

// Extended attributes are read on Linux and macOS only.
func (f *file) xattrs() ([]format.Xattr, error)      { return nil, nil }
func linkXattrs(path string) ([]format.Xattr, error) { return nil, nil }
