package targets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	bookVersion = 1
	// A version held takes 150 bytes: this is room for 400,000 of them.
	maxBook = 64 << 20
)

// Book is the file in which this station remembers its targets. It can be used
// concurrently, also by several processes: each change reads the file anew, under
// a lock.
type Book struct{ file string }

// OpenBook gives the book in file, which need not exist; its folder is made at the
// first change.
func OpenBook(file string) *Book { return &Book{file} }

type bookFile struct {
	Version int      `json:"version"`
	Targets []Target `json:"targets"`
}

// All lists the targets in the order in which they were added.
func (b *Book) All() ([]Target, error) {
	content, err := b.read()
	if err != nil {
		return nil, fmt.Errorf("read targets: %w", err)
	}
	return content.Targets, nil
}

// Find gives the target of that name; the error is ErrUnknown if there is none.
func (b *Book) Find(name string) (Target, error) {
	all, err := b.All()
	if err != nil {
		return Target{}, err
	}
	i := slices.IndexFunc(all, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return Target{}, fmt.Errorf("find target %q: %w", name, ErrUnknown)
	}
	return all[i], nil
}

// Add remembers a new target; the error is ErrExists if the name is taken.
func (b *Book) Add(t Target) error {
	if err := CheckName(t.Name); err != nil {
		return err
	}
	return b.change("add", t.Name, func(content *bookFile, i int) error {
		if i >= 0 {
			return ErrExists
		}
		content.Targets = append(content.Targets, t.clone())
		return nil
	})
}

// Remove forgets a target; what lies on it stays.
func (b *Book) Remove(name string) error {
	return b.change("remove", name, func(content *bookFile, i int) error {
		if i < 0 {
			return ErrUnknown
		}
		content.Targets = slices.Delete(content.Targets, i, i+1)
		return nil
	})
}

// Update lets fn change what is known of a target, and stores it if fn returns
// nil.
func (b *Book) Update(name string, fn func(*Target) error) error {
	return b.change("update", name, func(content *bookFile, i int) error {
		if i < 0 {
			return ErrUnknown
		}
		return fn(&content.Targets[i])
	})
}

// change does one thing to the book, alone. i is the place of the target, or -1.
func (b *Book) change(verb, name string, fn func(content *bookFile, i int) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s target %q: %w", verb, name, err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(b.file), 0o700); err != nil {
		return err
	}
	unlock, err := lockFile(b.file + ".lock")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	content, err := b.read()
	if err != nil {
		return err
	}
	if err := fn(&content, slices.IndexFunc(content.Targets, func(t Target) bool { return t.Name == name })); err != nil {
		return err
	}
	return b.write(content)
}

func (b *Book) read() (bookFile, error) {
	none := bookFile{Version: bookVersion}
	f, err := os.Open(b.file)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	defer f.Close() // read only
	data, err := io.ReadAll(io.LimitReader(f, maxBook+1))
	if err != nil {
		return none, err
	}
	if len(data) > maxBook {
		return none, fmt.Errorf("%s: more than %d bytes", b.file, maxBook)
	}
	var content bookFile
	if err := json.Unmarshal(data, &content); err != nil {
		return none, fmt.Errorf("%s: %w", b.file, err)
	}
	if content.Version != bookVersion {
		return none, fmt.Errorf("%s: version %d, which a newer keepsake may have written; this one knows %d", b.file, content.Version, bookVersion)
	}
	return content, content.check()
}

// check refuses what this package does not write: the file may have been edited.
func (c *bookFile) check() error {
	seen := map[string]bool{}
	for _, t := range c.Targets {
		if err := CheckName(t.Name); err != nil {
			return err
		}
		if seen[t.Name] {
			return fmt.Errorf("target %q is there twice", t.Name)
		}
		seen[t.Name] = true
		if filepath.IsAbs(t.Inside) || t.Inside != "" && !filepath.IsLocal(t.Inside) {
			return fmt.Errorf("target %q: folder %q leads out of its disk", t.Name, t.Inside)
		}
		for _, copied := range t.Copies {
			if copied.Phone != "" && !isPhone(copied.Phone) {
				return fmt.Errorf("target %q: %q is no UDID", t.Name, copied.Phone)
			}
			if n := len(copied.PartsRead); n != 0 && n != Parts {
				return fmt.Errorf("target %q: %d parts, not %d", t.Name, n, Parts)
			}
		}
	}
	return nil
}

// isPhone tells whether s can be the name of one phone's folder: hexadecimal
// digits and a dash.
func isPhone(s string) bool {
	if len(s) < 8 || len(s) > 64 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') && c != '-' {
			return false
		}
	}
	return true
}

// write replaces the file as a whole: a loss of power leaves the old one or the
// new one.
func (b *Book) write(content bookFile) (err error) {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(b.file), filepath.Base(b.file)+"-*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(append(data, '\n')); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), b.file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(b.file))
}
