package restore

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/installationproxy"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// App of a backup, and whether it comes back by itself.
type App struct {
	BundleID, Name, Developer, Version, Account string
	StoreID                                     int64  // in the App Store; 0 when unknown
	ByHand                                      bool   // the phone cannot fetch it by itself
	Why                                         string // it must be fetched by hand
}

// StoreLink is the app's page in the App Store, "" when its number is unknown.
func (a App) StoreLink() string {
	if a.StoreID <= 0 {
		return ""
	}
	return "https://apps.apple.com/app/id" + strconv.FormatInt(a.StoreID, 10)
}

// AppsToFetch lists the apps that were on the phone when the backup was made,
// by name (protocol.md 13.3). App programs are in no backup: the phone fetches
// those whose licence and store data the backup holds; the others are ByHand.
func AppsToFetch(info itunesbackup.InfoPlist) []App {
	ids := map[string]bool{}
	for _, id := range info.InstalledApplications {
		ids[id] = true
	}
	for id := range info.Applications {
		ids[id] = true
	}
	apps := make([]App, 0, len(ids))
	for id := range ids {
		entry, _ := info.Applications[id].(map[string]any)
		apps = append(apps, appFrom(id, entry))
	}
	slices.SortFunc(apps, func(a, b App) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.title()), strings.ToLower(b.title())), strings.Compare(a.BundleID, b.BundleID))
	})
	return apps
}

func (a App) title() string { return cmp.Or(a.Name, a.BundleID) }

func appFrom(id string, entry map[string]any) App {
	a := App{BundleID: id}
	sinf, _ := entry["ApplicationSINF"].([]byte)
	raw, _ := entry["iTunesMetadata"].([]byte)
	var meta map[string]any
	if len(raw) > 0 && plist.Unmarshal(raw, &meta) == nil {
		a.readMetadata(meta)
	}
	switch {
	case len(sinf) == 0 && len(raw) == 0:
		a.ByHand, a.Why = true, "it is not from the App Store, or the backup does not say so"
	case len(sinf) == 0:
		a.ByHand, a.Why = true, "the backup lacks its licence"
	case len(raw) == 0:
		a.ByHand, a.Why = true, "the backup lacks its App Store data"
	}
	return a
}

// readMetadata takes the keys that stores have used over the years.
func (a *App) readMetadata(meta map[string]any) {
	text := func(keys ...string) string {
		for _, k := range keys {
			if s, _ := meta[k].(string); s != "" {
				return s
			}
		}
		return ""
	}
	a.Name = text("itemName", "bundleDisplayName", "playlistName")
	a.Developer = text("artistName")
	a.Version = text("bundleShortVersionString", "bundleVersion")
	switch n := meta["itemId"].(type) {
	case uint64:
		a.StoreID = int64(min(n, 1<<62))
	case int64:
		a.StoreID = max(n, 0)
	}
	a.Account = text("appleId", "AppleID")
	if download, _ := meta["com.apple.iTunesStore.downloadInfo"].(map[string]any); a.Account == "" {
		account, _ := download["accountInfo"].(map[string]any)
		a.Account, _ = account["AppleID"].(string)
	}
}

// Progress compares the apps of a backup with those on the phone now.
type Progress struct {
	Present []App // installed, or on their way with a placeholder
	Missing []App // not there yet; those with ByHand will not come by themselves
}

// Compare sorts the apps of AppsToFetch by whether the phone has them; installed
// is what installation_proxy lists. A restored phone fetches its apps when it
// has network and the Apple Account that bought them.
func Compare(apps []App, installed []installationproxy.App) Progress {
	have := make(map[string]bool, len(installed))
	for _, a := range installed {
		have[a.BundleID] = true
	}
	var p Progress
	for _, a := range apps {
		if have[a.BundleID] {
			p.Present = append(p.Present, a)
		} else {
			p.Missing = append(p.Missing, a)
		}
	}
	return p
}
