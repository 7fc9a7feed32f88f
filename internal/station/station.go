package station

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Station is an open state folder. It can be used concurrently, and by several
// processes at a time.
type Station struct{ dir string }

// Open opens the state folder dir, and makes it, and the folders above it, if
// they are missing. A relative dir is taken from the working folder. A folder
// that others can write into is refused: they could plant what is trusted here.
func Open(dir string) (*Station, error) {
	if dir == "" {
		return nil, errors.New("open state folder: no folder given")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	if err := makeFolder(abs); err != nil {
		return nil, fmt.Errorf("open state folder: %w", err)
	}
	return &Station{abs}, nil
}

// Dir is the absolute path of the folder.
func (s *Station) Dir() string { return s.dir }

// Folder makes the folder below the state folder that names lead to, one level
// each, and returns its absolute path. It is for those who keep more than a
// document: unfinished runs, for example.
func (s *Station) Folder(names ...string) (string, error) {
	path := s.dir
	for _, name := range names {
		if err := checkName(name); err != nil {
			return "", fmt.Errorf("make folder of the station's state: %w", err)
		}
		path = filepath.Join(path, name)
		if err := makeFolder(path); err != nil {
			return "", fmt.Errorf("make folder of the station's state: %w", err)
		}
	}
	return path, nil
}

// checkName wants a single, harmless element of a path: names come from IDs of
// repositories and phones.
func checkName(name string) error {
	if name == "" || len(name) > 128 || name[0] == '.' {
		return fmt.Errorf("%q is no name", name)
	}
	if i := strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}); i >= 0 {
		return fmt.Errorf("%q is no name: character %d", name, i+1)
	}
	return nil
}

func makeFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("it is no folder")}
	}
	return private(path, info)
}

// PermissionError says that others can write into the folder.
type PermissionError struct {
	Path string
	Mode fs.FileMode
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("use %s: others can write into it (%v)", e.Path, e.Mode)
}

// Hint says how to mend it.
func (e *PermissionError) Hint() string { return "make it yours alone: chmod 700 " + e.Path }
