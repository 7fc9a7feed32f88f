package backupagent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// appFate says which apps there will be after a restore. App programs are never
// in a backup: an app is there already, or the host has left its licence in
// /iTunesRestore/RestoreApplications.plist and the phone fetches it, or its data
// does not come back (protocol.md 13).
type appFate struct {
	list   []RestoredApp
	apps   map[string]bool // installed or placeholder
	groups map[string]bool // of installed apps
	all    bool            // placeholders are made: groups come back whoever uses them
}

// restoreApplications is where the host leaves licences: AFC's root is
// /var/mobile/Media, whose part outside the domains lies in media.
const restoreApplications = "media/iTunesRestore/RestoreApplications.plist"

// judgeApps compares what is installed with what the backup and the host name.
func (c *commit) judgeApps() (appFate, error) {
	fate := appFate{apps: map[string]bool{}, groups: map[string]bool{}, all: c.what.Options.RemoveItemsNotRestored}
	installed, err := c.rules.Apps(c.dir)
	if err != nil {
		return fate, fmt.Errorf("list apps: %w", err)
	}
	for _, app := range installed {
		fate.apps[app.BundleID] = true
		for _, g := range app.Groups {
			fate.groups[g] = true
		}
	}
	licences := map[string]map[string]any{}
	if c.what.Options.RemoveItemsNotRestored {
		// Without "annotating" no placeholders appear.
		if licences, err = c.licences(); err != nil {
			return fate, err
		}
	}
	for id, v := range c.what.Applications {
		entry, _ := v.(map[string]any)
		if class, _ := entry["ContainerContentClass"].(string); class != "" && class != "Data/Application" {
			continue
		}
		fate.list = append(fate.list, fate.judge(id, entry, licences))
	}
	slices.SortFunc(fate.list, func(a, b RestoredApp) int { return strings.Compare(a.BundleID, b.BundleID) })
	for _, app := range fate.list {
		fate.apps[app.BundleID] = app.State != "missing"
	}
	return fate, nil
}

func (f *appFate) judge(id string, entry map[string]any, licences map[string]map[string]any) RestoredApp {
	app := RestoredApp{BundleID: id, State: "missing"}
	app.Version, _ = entry["CFBundleVersion"].(string)
	app.Path, _ = entry["Path"].(string)
	licence, ok := licences[id]
	switch {
	case f.apps[id]:
		app.State = "installed"
	case ok:
		app.State = "placeholder"
		app.SINF, _ = licence["ApplicationSINF"].([]byte)
		app.Metadata, _ = licence["iTunesMetadata"].([]byte)
		app.Icon, _ = licence["PlaceholderIcon"].([]byte)
	}
	return app
}

func (c *commit) licences() (map[string]map[string]any, error) {
	data, err := os.ReadFile(filepath.Join(c.dir, filepath.FromSlash(restoreApplications)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read apps to restore: %w", err)
	}
	var dict map[string]map[string]any
	if err := plist.Unmarshal(data, &dict); err != nil {
		return nil, nil // the host's mistake: no app comes back
	}
	return dict, nil
}

// returns tells whether a container comes back. Containers of the system's own
// apps always do.
func (f *appFate) returns(domain string) bool {
	if id, ok := strings.CutPrefix(domain, "AppDomain-"); ok {
		return f.apps[id] || strings.HasPrefix(id, "com.apple.")
	}
	if id, ok := strings.CutPrefix(domain, "AppDomainGroup-"); ok {
		return f.all || f.groups[id] || strings.Contains(id, ".com.apple.") || strings.Contains(id, ".apple.") || strings.HasPrefix(id, "243LU875E5.")
	}
	id, _ := strings.CutPrefix(domain, "AppDomainPlugin-")
	if f.all || strings.HasPrefix(id, "com.apple.") {
		return true
	}
	for app, there := range f.apps {
		if there && strings.HasPrefix(id, app+".") {
			return true
		}
	}
	return false
}
