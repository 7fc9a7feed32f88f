package messages

import (
	"io/fs"

	"github.com/keepsake-backup/keepsake/extract"
)

func statDir(src *extract.Source, name string) (bool, error) {
	info, err := fs.Stat(src.FS, name)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}
