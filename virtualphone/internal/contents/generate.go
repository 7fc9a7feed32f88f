package contents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	defaultIOS  = "18.6"
	stateFile   = "contents.json"
	defaultName = "iPhone"
)

// Options say what [Generate] makes. Equal options give equal files.
type Options struct {
	Seed       uint64
	Profile    Profile   // "" means Small
	IOS        string    // version such as "17.3", 13 or newer; "" means "18.6"
	Now        time.Time // the phone's present, to the second; zero means the noon of 1 June 2026, UTC
	DeviceName string    // "" means "iPhone"
	// Only makes nothing but what it names: "photos", "media", and the stores of package
	// appdata by their names. Their files are those of a whole phone. Empty makes everything.
	Only []string
}

// state is what contents.json keeps.
type state struct {
	Seed       uint64    `json:"seed"`
	Profile    Profile   `json:"profile"`
	IOS        string    `json:"ios"`
	Now        time.Time `json:"now"` // the phone's present
	Days       int       `json:"days"`
	DeviceName string    `json:"device_name"`
}

func readState(dir string) (s state, err error) {
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read the phone's state: %w", err)
	}
	return s, nil
}

func (s state) write(dir string) error { return writeJSON(filepath.Join(dir, stateFile), s) }

func (o Options) state() state {
	s := state{Seed: o.Seed, Profile: o.Profile, IOS: o.IOS, Now: o.Now, DeviceName: o.DeviceName}
	if s.Profile == "" {
		s.Profile = Small
	}
	if s.IOS == "" {
		s.IOS = defaultIOS
	}
	if s.Now.IsZero() {
		s.Now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	}
	if s.DeviceName == "" {
		s.DeviceName = defaultName
	}
	s.Now = s.Now.UTC().Truncate(time.Second)
	return s
}

// Generate makes the files of a phone that has been used, below dir, which is
// made when it is missing. A folder that already holds a phone gives an error
// that wraps os.ErrExist; after any other error what was made so far is left.
func Generate(ctx context.Context, dir string, o Options) error {
	s := o.state()
	p, ok := plans[s.Profile]
	if !ok {
		return fmt.Errorf("generate contents: unknown profile %q", s.Profile)
	}
	r, err := parseRelease(s.IOS)
	if err != nil {
		return fmt.Errorf("generate contents: %w", err)
	}
	if err := makeRoom(dir); err != nil {
		return fmt.Errorf("generate contents: %w", err)
	}
	t := newTree(ctx, dir, s.Seed, s.Now)
	if len(o.Only) > 0 {
		return t.part(o.Only, s, p, r)
	}
	t.factory(r)
	apps := t.containers(p)
	t.settings(p.settings, s.DeviceName)
	t.home(p, r, apps)
	t.services(p, r)
	t.photos(p, r)
	t.mediaFiles(p)
	if t.err == nil {
		t.err = createRecords(ctx, dir, s, p.scale, nil)
	}
	t.settle(time.Time{})
	if t.err != nil {
		return fmt.Errorf("generate contents: %w", t.err)
	}
	err = changeApps(dir, func([]App) []App { return apps[len(systemApps()):] })
	if err == nil {
		err = s.write(dir)
	}
	if err != nil {
		return fmt.Errorf("generate contents: %w", err)
	}
	return nil
}

// part makes a few kinds of content: every file depends on the seed and its own name
// alone.
func (t *tree) part(only []string, s state, p plan, r release) error {
	only = slices.Clone(only)
	for name, create := range map[string]func(){"photos": func() { t.photos(p, r) }, "media": func() { t.mediaFiles(p) }} {
		if i := slices.Index(only, name); i >= 0 {
			only = slices.Delete(only, i, i+1)
			create()
		}
	}
	if t.err == nil && len(only) > 0 {
		t.err = createRecords(t.ctx, t.dir, s, p.scale, only)
	}
	t.settle(time.Time{})
	if t.err != nil {
		return fmt.Errorf("generate contents: %w", t.err)
	}
	return nil
}

// makeRoom makes dir, and sees that no phone is in it.
func makeRoom(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{fsFolder, mediaFolder, stateFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, name), os.ErrExist)
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Erase takes everything off the phone in dir and leaves what a new phone has:
// a few dozen files of the system, no app, nothing of its owner. The phone keeps
// its seed, its version and its day.
func Erase(dir string) error {
	s, err := readState(dir)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	r, err := parseRelease(s.IOS)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	for _, name := range []string{fsFolder, mediaFolder} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("erase: %w", err)
		}
	}
	t := newTree(context.Background(), dir, s.Seed, s.Now)
	t.factory(r)
	t.settle(time.Time{})
	if t.err != nil {
		return fmt.Errorf("erase: %w", t.err)
	}
	if err := changeApps(dir, func([]App) []App { return nil }); err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	return nil
}
