package media

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// state is the station's file about an unfinished copy:
//
//	<State>/<ID of the repository>/<UDID>.media
//	{"version":1,"trees":["<64 hexadecimal digits>", …]}
//
// Each tree blob of the repository names files that were stored, under the paths
// of AFC. The file tells nothing of the phone but its UDID.
type state struct {
	dir, file string // file is "" when nothing is kept
}

const (
	stateVersion = 1
	maxState     = 1 << 20 // bytes
)

type stateFile struct {
	Version int         `json:"version"`
	Trees   []format.ID `json:"trees"`
}

func openState(dir string, repository format.ID, udid string) (state, error) {
	if dir == "" {
		return state{}, nil
	}
	if !filepath.IsLocal(udid) || filepath.Base(udid) != udid {
		return state{}, fmt.Errorf("keep what is unfinished: UDID %.60q cannot name a file", udid)
	}
	dir = filepath.Join(dir, repository.String())
	return state{dir, filepath.Join(dir, udid+".media")}, nil
}

// read gives the trees of the last, unfinished copy. A file that makes no sense
// only costs that some things are read again.
func (s state) read() (trees []format.ID, err error) {
	if s.file == "" {
		return nil, nil
	}
	f, err := os.Open(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was unfinished: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return nil, fmt.Errorf("read what was unfinished: %w", err)
	}
	var kept stateFile
	if json.Unmarshal(data, &kept) != nil || kept.Version != stateVersion {
		return nil, nil
	}
	return kept.Trees, nil
}

// write replaces the file, so that there is always a whole one.
func (s state) write(trees []format.ID) error {
	data, err := json.Marshal(stateFile{stateVersion, trees})
	if err == nil {
		err = s.replace(data)
	}
	if err != nil {
		return fmt.Errorf("note what is stored: %w", err)
	}
	return nil
}

func (s state) replace(data []byte) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(s.dir, filepath.Base(s.file)+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), s.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// remove forgets an unfinished copy.
func (s state) remove() error {
	if s.file == "" {
		return nil
	}
	if err := os.Remove(s.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget what was unfinished: %w", err)
	}
	_ = os.Remove(s.dir) // if nothing else is in it
	return nil
}
