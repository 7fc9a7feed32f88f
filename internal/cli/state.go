package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/station"
)

// station opens this computer's own state: unfinished backups, remembered
// passwords, targets.
func (a *app) station() (*station.Station, error) {
	dir, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	return station.Open(dir)
}

// stateDir is KEEPSAKE_STATE, or where the system's conventions put state.
func (a *app) stateDir() (string, error) {
	if dir := a.Getenv("KEEPSAKE_STATE"); dir != "" {
		return dir, nil
	}
	if dir := a.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) { // relative ones are to be ignored
		return filepath.Join(dir, "keepsake"), nil
	}
	home := a.Getenv("HOME")
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", &hintError{err: fmt.Errorf("find the state folder: %w", err), hint: "say where it may be: KEEPSAKE_STATE"}
		}
	}
	return filepath.Join(home, ".local", "state", "keepsake"), nil
}
