package targets

import (
	"fmt"
	"path/filepath"
	"slices"
)

// document is the name of the book among the station's documents; bookVersion is
// how it is written.
const (
	document    = "targets"
	bookVersion = 1
)

// Documents is where a station keeps small documents: JSON values that are read
// and written whole. *station.Station is one.
type Documents interface {
	// Load reads one into v; if there is none, v stays as it is.
	Load(name string, v any) error
	// Update loads one into v, lets change change it, and writes it back, alone and
	// at once or not at all.
	Update(name string, v any, change func() error) error
}

// Book is where this station remembers its targets. It can be used as Documents
// can: concurrently, by several processes too.
type Book struct{ in Documents }

// OpenBook gives the book that is kept in a station.
func OpenBook(in Documents) *Book { return &Book{in} }

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
func (b *Book) change(verb, name string, fn func(content *bookFile, i int) error) error {
	content := bookFile{Version: bookVersion}
	err := b.in.Update(document, &content, func() error {
		if err := content.check(); err != nil {
			return err
		}
		return fn(&content, slices.IndexFunc(content.Targets, func(t Target) bool { return t.Name == name }))
	})
	if err != nil {
		return fmt.Errorf("%s target %q: %w", verb, name, err)
	}
	return nil
}

func (b *Book) read() (bookFile, error) {
	content := bookFile{Version: bookVersion}
	if err := b.in.Load(document, &content); err != nil {
		return content, err
	}
	return content, content.check()
}

// check refuses what this package does not write: the file may have been edited.
func (c *bookFile) check() error {
	if c.Version != bookVersion {
		return fmt.Errorf("version %d, which a newer keepsake may have written; this one knows %d", c.Version, bookVersion)
	}
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
			for _, part := range copied.Suspect {
				if part < 0 || part >= Parts {
					return fmt.Errorf("target %q: there is no part %d of %d", t.Name, part, Parts)
				}
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
