package backupagent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// Restored is what a committed restore leaves for the phone to know, as
// backup/restored.json (protocol.md 11.7).
type Restored struct {
	Date       time.Time `json:"date"` // of the request
	SetupState string    `json:"setup_state"`
	Source     string    `json:"source"` // name of the backup folder
	UUID       string    `json:"uuid"`   // of the backup
	Encrypted  bool      `json:"encrypted"`

	// RestoreInfo of com.apple.MobileBackup.plist.
	BackupBuild   string `json:"backup_build"`
	BackupVersion string `json:"backup_version"`
	DeviceBuild   string `json:"device_build"`

	Options restoreOptions `json:"options"`
	Apps    []RestoredApp  `json:"apps"`
}

// RestoredApp is what becomes of an app that the backup names (protocol.md 13).
type RestoredApp struct {
	BundleID string `json:"bundle_id"`
	Version  string `json:"version"` // CFBundleVersion
	Path     string `json:"path"`
	// State is "installed", "placeholder" (will be fetched from the App Store) or
	// "missing".
	State string `json:"state"`
	// Of placeholders, from RestoreApplications.plist.
	SINF     []byte `json:"sinf,omitempty"`
	Metadata []byte `json:"metadata,omitempty"`
	Icon     []byte `json:"icon,omitempty"`
}

const setupStateRestored = "RestoredFromiTunesBackup"

// CommitStaged puts a staged restore in place; the phone calls it when it
// boots, before anything looks at its files. dir is the state folder. Without a
// staged restore it does nothing. When it is interrupted, the next call goes on.
func CommitStaged(ctx context.Context, dir string) error {
	return commitStaged(ctx, dir, phoneRules())
}

func commitStaged(ctx context.Context, dir string, rules Rules) error {
	staged := filepath.Join(dir, "backup", "staged")
	data, err := os.ReadFile(filepath.Join(staged, "restore.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("commit restore: %w", err)
	}
	c := &commit{dir: dir, staged: staged, rules: rules}
	if err := json.Unmarshal(data, &c.what); err != nil {
		return fmt.Errorf("commit restore: %w", err)
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("commit restore: %w", err)
	}
	return nil
}

// commit is one restore being put in place.
type commit struct {
	dir, staged string
	rules       Rules
	what        stagedRestore
	scope       scope
	apps        appFate
	root        *os.Root // the state folder
	payload     map[itunesbackup.FileID]struct{}
	folders     []folderRow
}

// folderRow is a directory whose mode and time are set when its contents are in.
type folderRow struct {
	at    string
	mode  fs.FileMode
	mtime int64
}

func (c *commit) run(ctx context.Context) (err error) {
	c.scope = scope{system: c.what.Options.SystemFiles, preserve: c.what.Options.PreserveSettings}
	if c.apps, err = c.judgeApps(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "fs"), 0o755); err != nil {
		return err
	}
	if c.root, err = os.OpenRoot(c.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.root.Close()) }()
	m, err := itunesbackup.OpenManifest(ctx, filepath.Join(c.staged, "Manifest.db"))
	if err != nil {
		return err
	}
	err = errors.Join(c.apply(ctx, m), m.Close())
	if err != nil {
		return err
	}
	if err := c.record(); err != nil {
		return err
	}
	return os.RemoveAll(c.staged)
}

func (c *commit) apply(ctx context.Context, m *itunesbackup.Manifest) error {
	c.payload = map[itunesbackup.FileID]struct{}{}
	for row, err := range m.Records(ctx) {
		if errors.Is(err, itunesbackup.ErrPlaceholder) {
			continue
		}
		if err != nil {
			return err
		}
		// Not row.ID: a phone may have hashed another form of the name.
		c.payload[itunesbackup.MakeFileID(row.Domain, row.RelativePath)] = struct{}{}
	}
	if err := c.removeLacking(ctx); err != nil {
		return err
	}
	for row, err := range m.Records(ctx) {
		if errors.Is(err, itunesbackup.ErrPlaceholder) {
			continue
		}
		if err != nil {
			return err
		}
		if !c.wanted(row.Domain, row.RelativePath) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.place(row); err != nil {
			return fmt.Errorf("%s: %w", row.Key(), err)
		}
	}
	// The deepest first: setting the time of a folder must come after changes in it.
	slices.SortFunc(c.folders, func(a, b folderRow) int { return strings.Compare(b.at, a.at) })
	for _, f := range c.folders {
		if err := errors.Join(c.root.Chmod(f.at, f.mode), c.root.Chtimes(f.at, time.Unix(f.mtime, 0), time.Unix(f.mtime, 0))); err != nil {
			return err
		}
	}
	return nil
}

// wanted tells whether a row of the backup comes back.
func (c *commit) wanted(domain, rel string) bool {
	if isApp(domain) {
		return c.apps.returns(domain)
	}
	return c.scope.system && !c.scope.preserved(domain, rel)
}

// place puts one row where it belongs.
func (c *commit) place(row itunesbackup.Record) error {
	at := path.Join("fs", row.Domain, row.RelativePath)
	mode := fs.FileMode(row.File.Mode & 0o777)
	if row.RelativePath != "" {
		if err := c.folder(path.Dir(at)); err != nil {
			return err
		}
	}
	switch row.Kind() {
	case itunesbackup.FlagDirectory:
		if err := c.folder(at); err != nil {
			return err
		}
		c.folders = append(c.folders, folderRow{at, mode, row.File.LastModified})
		return nil
	case itunesbackup.FlagSymlink:
		if err := c.root.RemoveAll(at); err != nil {
			return err
		}
		if err := c.root.Symlink(row.File.Target, at); err != nil {
			return err
		}
		return setLinkTime(filepath.Join(c.dir, filepath.FromSlash(at)), row.File.LastModified)
	case itunesbackup.FlagFile:
		return c.placeFile(row, at, mode)
	}
	return nil
}

func (c *commit) placeFile(row itunesbackup.Record, at string, mode fs.FileMode) error {
	from := "backup/staged/files/" + row.ID.String()
	if _, err := c.root.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		return nil // put in place before an interruption
	} else if err != nil {
		return err
	}
	if info, err := c.root.Lstat(at); err == nil && !info.Mode().IsRegular() {
		if err := c.root.RemoveAll(at); err != nil {
			return err
		}
	}
	if err := c.root.Rename(from, at); err != nil {
		return err
	}
	if err := c.dropLogs(row.Domain, at); err != nil {
		return err
	}
	t := time.Unix(row.File.LastModified, 0)
	return errors.Join(c.root.Chmod(at, mode), c.root.Chtimes(at, t, t))
}

// dropLogs removes what SQLite kept beside the database that was replaced;
// containers of apps bring their own.
func (c *commit) dropLogs(domain, at string) error {
	if isApp(domain) {
		return nil
	}
	for _, end := range []string{"-wal", "-shm", "-journal"} {
		if err := c.root.Remove(at + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// folder makes a directory and those above it, in the place of anything else
// that has the name.
func (c *commit) folder(at string) error {
	info, err := c.root.Lstat(at)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		if err := c.root.Remove(at); err != nil {
			return err
		}
	}
	if parent := path.Dir(at); parent != "." {
		if err := c.folder(parent); err != nil {
			return err
		}
	}
	return c.root.Mkdir(at, 0o755)
}

// removeLacking deletes what the phone has and the backup lacks, among the
// paths that backups hold ("annotating", protocol.md 13.2). From iOS 27 on, two
// domains are treated so whatever the option says (protocol.md 11.9).
func (c *commit) removeLacking(ctx context.Context) error {
	domains, err := os.ReadDir(filepath.Join(c.dir, "fs"))
	if err != nil {
		return err
	}
	for _, d := range domains {
		if !d.IsDir() || !c.annotated(d.Name()) {
			continue
		}
		if err := c.removeIn(ctx, d.Name(), ""); err != nil {
			return fmt.Errorf("remove what the backup of %s lacks: %w", d.Name(), err)
		}
	}
	return nil
}

func (c *commit) annotated(domain string) bool {
	if major(c.what.IOS) >= 27 && (domain == "HomeDomain" || domain == "CameraRollDomain") {
		return true
	}
	return c.what.Options.RemoveItemsNotRestored && (isApp(domain) || c.scope.system)
}

func (c *commit) removeIn(ctx context.Context, domain, rel string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !c.rules.Backed(domain, rel, c.what.Encrypted) || c.scope.preserved(domain, rel) {
		return nil
	}
	at := path.Join("fs", domain, rel)
	info, err := c.root.Lstat(at)
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := os.ReadDir(filepath.Join(c.dir, filepath.FromSlash(at)))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := c.removeIn(ctx, domain, path.Join(rel, e.Name())); err != nil {
				return err
			}
		}
	}
	if _, ok := c.payload[itunesbackup.MakeFileID(domain, rel)]; ok {
		return nil
	}
	if !info.IsDir() {
		return errors.Join(c.root.Remove(at), c.dropLogs(domain, at))
	}
	// A folder goes when nothing that no backup holds is left in it.
	entries, err := os.ReadDir(filepath.Join(c.dir, filepath.FromSlash(at)))
	if err != nil || len(entries) > 0 {
		return err
	}
	return c.root.Remove(at)
}

// record writes restored.json.
func (c *commit) record() error {
	text := func(key string) string { s, _ := c.what.Lockdown[key].(string); return s }
	data, err := json.MarshalIndent(Restored{
		Date:          c.what.Date,
		SetupState:    setupStateRestored,
		Source:        c.what.Source,
		UUID:          c.what.UUID,
		Encrypted:     c.what.Encrypted,
		BackupBuild:   text("BuildVersion"),
		BackupVersion: text("ProductVersion"),
		DeviceBuild:   c.what.Build,
		Options:       c.what.Options,
		Apps:          c.apps.list,
	}, "", "\t")
	if err != nil {
		return err
	}
	at := filepath.Join(c.dir, "backup", "restored.json")
	if err := os.WriteFile(at+".new", append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(at+".new", at)
}
