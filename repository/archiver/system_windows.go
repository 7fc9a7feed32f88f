package archiver

import (
	"io"
	"io/fs"
	"os"
)

// lstat describes an entry without following a link.
func lstat(path string) (meta, error) { return metaOf(os.Lstat(path)) }

// stat describes what a path leads to.
func stat(path string) (meta, error) { return metaOf(os.Stat(path)) }

func metaOf(info fs.FileInfo, err error) (meta, error) {
	if err != nil {
		return meta{}, err
	}
	return meta{mode: info.Mode(), size: info.Size(), mtime: info.ModTime()}, nil
}

type file struct{ *os.File }

// open opens what should be a regular file or a folder.
func open(path string) (*file, meta, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, meta{}, err
	}
	m, err := metaOf(f.Stat())
	if err != nil {
		f.Close()
		return nil, meta{}, err
	}
	return &file{f}, m, nil
}

// list reads the names of an open folder and closes it.
func (f *file) list(each func(name string, t fs.FileMode)) error {
	defer f.Close()
	for {
		entries, err := f.ReadDir(4096)
		for _, e := range entries {
			each(e.Name(), e.Type())
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
