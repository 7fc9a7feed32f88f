package muxer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// records are the muxer's files, laid out as usbmuxd's own (protocol.md 1.6):
// SystemConfiguration.plist with the SystemBUID, <UDID>.plist per pair record.
type records struct {
	dir  string
	buid string

	mu sync.Mutex
}

const systemFile = "SystemConfiguration.plist"

type systemConfiguration struct {
	SystemBUID string `plist:"SystemBUID"`
}

func openRecords(dir string) (*records, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open pair records: %w", err)
	}
	path := filepath.Join(dir, systemFile)
	var sys systemConfiguration
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := plist.Unmarshal(b, &sys); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if sys.SystemBUID == "" {
		sys.SystemBUID = strings.ToUpper(uuid.NewString())
		b, err := plist.Marshal(sys, plist.XML)
		if err != nil {
			return nil, err
		}
		if err := state.WriteFile(path, b, 0o600); err != nil {
			return nil, err
		}
	}
	return &records{dir: dir, buid: sys.SystemBUID}, nil
}

// idPattern holds UDIDs old and new, and what else names a device; nothing in
// it can leave the folder or hide in it.
var idPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z-]{0,63}$`)

// path is the file of a record; ok is false for an id that is none.
func (r *records) path(id string) (path string, ok bool) {
	if !idPattern.MatchString(id) || id == "SystemConfiguration" {
		return "", false
	}
	if len(id) == 24 && !strings.Contains(id, "-") { // as the USB serial has it
		id = id[:8] + "-" + id[8:]
	}
	return filepath.Join(r.dir, id+".plist"), true
}

func (r *records) read(id string) ([]byte, usbmux.ResultCode) {
	path, ok := r.path(id)
	if !ok {
		return nil, usbmux.ResultInvalidArgument
	}
	b, err := os.ReadFile(path)
	return b, code(err)
}

func (r *records) save(id string, data []byte) usbmux.ResultCode {
	path, ok := r.path(id)
	if !ok || len(data) == 0 {
		return usbmux.ResultInvalidArgument
	}
	var record map[string]any
	if err := plist.Unmarshal(data, &record); err != nil {
		return usbmux.ResultInvalidArgument
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return code(state.WriteFile(path, data, 0o600))
}

func (r *records) delete(id string) usbmux.ResultCode {
	path, ok := r.path(id)
	if !ok {
		return usbmux.ResultInvalidArgument
	}
	return code(os.Remove(path))
}

const errnoEIO usbmux.ResultCode = 5

// code is the errno that the daemon would answer: ENOENT is 2, as
// ResultBadDevice.
func code(err error) usbmux.ResultCode {
	switch {
	case err == nil:
		return usbmux.ResultOK
	case errors.Is(err, fs.ErrNotExist):
		return usbmux.ResultBadDevice
	}
	return errnoEIO
}
