package station

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxDocument bounds a document, in bytes: thousands of entries.
const maxDocument = 16 << 20

// CorruptError says that a document is not what was written. It is left as it
// is.
type CorruptError struct {
	Path string
	Err  error
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("read %s: it is damaged: %v", e.Path, e.Err)
}

// Unwrap gives what is wrong with it.
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *CorruptError) Hint() string {
	return "nothing was changed: mend the file by hand, or move it away and begin anew; no backup depends on it"
}

// Load reads the document called name into v, a pointer. If there is none, v
// stays as it is. A damaged one is a *CorruptError.
func (s *Station) Load(name string, v any) error {
	path, err := s.document(name)
	if err != nil {
		return err
	}
	return load(path, v)
}

// Update loads the document called name into v, a pointer, calls change, which
// is to change what v points to, and writes it back. Nothing else changes the
// document meanwhile, on this computer. An error of change is returned, and
// nothing is written.
func (s *Station) Update(name string, v any, change func() error) (err error) {
	path, err := s.document(name)
	if err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(s.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("lock the station's state: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := lockFile(lock); err != nil {
		return fmt.Errorf("lock the station's state: %w", err)
	}
	if err := load(path, v); err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	return store(path, v)
}

func (s *Station) document(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("open document of the station: %w", err)
	}
	return filepath.Join(s.dir, name+".json"), nil
}

func load(path string, v any) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the station's state: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return fmt.Errorf("read the station's state: %w", err)
	}
	if len(data) > maxDocument {
		return &CorruptError{path, fmt.Errorf("longer than %d bytes", maxDocument)}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(v); err != nil {
		return &CorruptError{path, err}
	}
	if _, err := d.Token(); err != io.EOF {
		return &CorruptError{path, errors.New("there is more behind its end")}
	}
	return nil
}

// store replaces the document at once, durably.
func store(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*") // 0600
	if err != nil {
		return fmt.Errorf("write the station's state: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write the station's state: %w", err), os.Remove(f.Name()))
	}
	return syncFolder(dir)
}

// syncFolder makes a rename durable, where folders can be synced.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}
