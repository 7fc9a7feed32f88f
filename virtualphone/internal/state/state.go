// Package state keeps a virtual phone in a folder, so that it survives its
// process and anything can look at it:
//
//	DIR/phone.json     identity and settings
//	DIR/device.pem     the phone's RSA key (0600)
//	DIR/pairings.json  the hosts it trusts, with their escrow bags (0600)
//	DIR/secrets.json   the backup password (0600)
//	DIR/lock           held by the process that owns the phone
//	DIR/fs, DIR/media  its files (package contents)
//
// Every file is replaced whole: a crash leaves the old one or the new one.
package state

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

const (
	phoneFile    = "phone.json"
	keyFile      = "device.pem"
	pairingsFile = "pairings.json"
	secretsFile  = "secrets.json"
	// unfinishedFile stands in a folder whose phone is still being made.
	unfinishedFile = "unfinished"

	formatName    = "keepsake virtual phone"
	formatVersion = 1
	maxFile       = 4 << 20
)

// ErrForeign says that a folder holds something that is no phone of ours, or a
// broken one. Nothing in it was changed.
var ErrForeign = errors.New("not the state of a virtual phone")

// Phone is the state of one phone. Its methods may be used by several
// goroutines.
type Phone struct {
	dir      string
	identity Identity
	key      *rsa.PrivateKey

	mu       sync.Mutex
	settings Settings
	pairings []Pairing
	secrets  secrets
}

type document struct {
	Format   string   `json:"format"`
	Version  int      `json:"version"`
	Identity Identity `json:"identity"`
	Settings Settings `json:"settings"`
}

type secrets struct {
	BackupPassword string `json:"backup_password,omitempty"`
}

// Exists tells whether dir holds a phone's state, sound or not.
func Exists(dir string) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, phoneFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a phone: %w", err)
	}
	return true, nil
}

// Begin prepares dir for a new phone, whose files are made before Create: the
// folder is created if need be and must be empty. A folder in which a phone was
// begun but never created is emptied first.
func Begin(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create phone: %w", err)
	}
	marker := filepath.Join(dir, unfinishedFile)
	_, err := os.Stat(marker)
	begun := err == nil
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("create phone: %w", err)
	}
	for _, e := range entries {
		// What a server keeps beside its phones may be there already.
		n := e.Name()
		if n == lockFile || n == "muxer" || n == "control.json" || n == unfinishedFile {
			continue
		}
		if !begun {
			return fmt.Errorf("create phone in %s: %w: it holds %q", dir, ErrForeign, n)
		}
		if err := os.RemoveAll(filepath.Join(dir, n)); err != nil {
			return fmt.Errorf("remove unfinished phone: %w", err)
		}
	}
	return WriteFile(marker, nil, 0o600)
}

// Create completes what Begin began: from now on the folder holds a phone.
func Create(dir string, id Identity, s Settings) (*Phone, error) {
	p := &Phone{dir: dir, identity: id, settings: s}
	var err error
	if p.key, err = loadOrMakeKey(dir); err != nil {
		return nil, err
	}
	if err := p.saveLocked(); err != nil {
		return nil, err
	}
	if err := os.Remove(filepath.Join(dir, unfinishedFile)); err != nil {
		return nil, fmt.Errorf("create phone: %w", err)
	}
	return p, nil
}

// Load reads the state in dir. The error wraps ErrForeign when phone.json is
// not ours or is damaged.
func Load(dir string) (*Phone, error) {
	var doc document
	if err := readJSON(filepath.Join(dir, phoneFile), &doc); err != nil {
		return nil, fmt.Errorf("load phone: %w", err)
	}
	switch {
	case doc.Format != formatName:
		return nil, fmt.Errorf("load phone from %s: %w: format is %q", dir, ErrForeign, doc.Format)
	case doc.Version != formatVersion:
		return nil, fmt.Errorf("load phone from %s: %w: version %d, this program writes %d", dir, ErrForeign, doc.Version, formatVersion)
	}
	if err := doc.Identity.validate(); err != nil {
		return nil, fmt.Errorf("load phone from %s: %w: %w", dir, ErrForeign, err)
	}
	p := &Phone{dir: dir, identity: doc.Identity, settings: doc.Settings}
	var err error
	if p.key, err = loadOrMakeKey(dir); err != nil {
		return nil, err
	}
	if err := readOptional(filepath.Join(dir, pairingsFile), &p.pairings); err != nil {
		return nil, fmt.Errorf("load pairings: %w", err)
	}
	if err := readOptional(filepath.Join(dir, secretsFile), &p.secrets); err != nil {
		return nil, fmt.Errorf("load secrets: %w", err)
	}
	return p, nil
}

// Dir is the folder.
func (p *Phone) Dir() string { return p.dir }

// Identity never changes, except for what Settings hold.
func (p *Phone) Identity() Identity { return p.identity }

// Key is the phone's RSA key; hosts make its certificate from the public half.
func (p *Phone) Key() *rsa.PrivateKey { return p.key }

// Settings returns a copy.
func (p *Phone) Settings() Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.settings.clone()
}

// Update changes the settings and saves them; an error of change or of saving
// leaves them as they were.
func (p *Phone) Update(change func(*Settings) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.settings
	p.settings = before.clone()
	if err := change(&p.settings); err != nil {
		p.settings = before
		return err
	}
	if err := p.saveLocked(); err != nil {
		p.settings = before
		return err
	}
	return nil
}

func (p *Phone) saveLocked() error {
	return p.write(phoneFile, document{formatName, formatVersion, p.identity, p.settings}, 0o600)
}

// BackupPassword is zero when backups are not encrypted.
func (p *Phone) BackupPassword() secret.BackupPassword {
	p.mu.Lock()
	defer p.mu.Unlock()
	return secret.NewBackupPassword(p.secrets.BackupPassword)
}

// SetBackupPassword keeps pw; zero switches encryption off.
func (p *Phone) SetBackupPassword(pw secret.BackupPassword) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.secrets
	s.BackupPassword = pw.Reveal()
	if err := p.write(secretsFile, s, 0o600); err != nil {
		return err
	}
	p.secrets = s
	return nil
}

// Forget drops every pairing and the backup password, as erasing the phone does.
func (p *Phone) Forget() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.write(pairingsFile, []Pairing{}, 0o600); err != nil {
		return err
	}
	p.pairings = nil
	if err := p.write(secretsFile, secrets{}, 0o600); err != nil {
		return err
	}
	p.secrets = secrets{}
	return nil
}

func (p *Phone) write(name string, v any, mode fs.FileMode) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return WriteFile(filepath.Join(p.dir, name), append(b, '\n'), mode)
}

// WriteFile replaces the file whole and durably.
func WriteFile(path string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", filepath.Base(path), errors.Join(err, f.Close(), os.Remove(f.Name())))
		}
	}()
	if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	name := f.Name()
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(name, path)
}

func readOptional(path string, v any) error {
	err := readJSON(path, v)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func readJSON(path string, v any) error {
	b, err := readBounded(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w: %w", path, ErrForeign, err)
	}
	return nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: %w: %d bytes", path, ErrForeign, info.Size())
	}
	return os.ReadFile(path)
}
