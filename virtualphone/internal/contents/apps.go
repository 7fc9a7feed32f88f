package contents

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

const appsFile = "apps.json"

// App is one installed app.
type App struct {
	BundleID     string   `json:"bundle_id"`
	Name         string   `json:"name"`
	Version      string   `json:"version"`            // CFBundleVersion
	ShortVersion string   `json:"short_version"`      // CFBundleShortVersionString
	Path         string   `json:"path"`               // of the bundle on the phone
	Container    string   `json:"container"`          // of its data on the phone
	Groups       []string `json:"groups,omitempty"`   // ids of shared containers
	Plugins      []string `json:"plugins,omitempty"`  // bundle ids of extensions
	SINF         []byte   `json:"sinf,omitempty"`     // FairPlay licence atom, only of store apps
	Metadata     []byte   `json:"metadata,omitempty"` // iTunesMetadata property list, only of store apps
	Icon         []byte   `json:"icon,omitempty"`     // PNG
	System       bool     `json:"system,omitempty"`   // part of iOS
}

// Apps lists the installed apps of the phone in dir, those of iOS first, then
// by bundle id. The apps of iOS are always there.
func Apps(dir string) ([]App, error) {
	var own []App
	data, err := os.ReadFile(filepath.Join(dir, appsFile))
	if err == nil {
		err = json.Unmarshal(data, &own)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read installed apps: %w", err)
	}
	return append(systemApps(), own...), nil
}

// AddApp puts a into the list of installed apps, in place of one with the same
// bundle id. It makes no files: on a phone that is restored they are there.
func AddApp(dir string, a App) error {
	if a.BundleID == "" || a.System {
		return fmt.Errorf("add app %q: need a bundle id and no system app", a.BundleID)
	}
	return changeApps(dir, func(own []App) []App {
		own = slices.DeleteFunc(own, func(o App) bool { return o.BundleID == a.BundleID })
		return append(own, a)
	})
}

// RemoveApp takes an app off the phone with its domains: its container, those
// of its extensions, and its groups that no other app is in. An app that is not
// there gives an error that wraps os.ErrNotExist.
func RemoveApp(dir, bundleID string) error {
	apps, err := Apps(dir)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(apps, func(a App) bool { return a.BundleID == bundleID && !a.System })
	if at < 0 {
		return fmt.Errorf("remove app %s: %w", bundleID, os.ErrNotExist)
	}
	gone, domains := apps[at], []string{appData + bundleID}
	for _, p := range gone.Plugins {
		domains = append(domains, appPlugin+p)
	}
	for _, g := range gone.Groups {
		shared := slices.ContainsFunc(apps, func(a App) bool { return a.BundleID != bundleID && slices.Contains(a.Groups, g) })
		if !shared {
			domains = append(domains, appGroup+g)
		}
	}
	for _, d := range domains {
		if err := os.RemoveAll(hostPath(dir, d, "")); err != nil {
			return fmt.Errorf("remove app %s: %w", bundleID, err)
		}
	}
	return changeApps(dir, func(own []App) []App {
		return slices.DeleteFunc(own, func(o App) bool { return o.BundleID == bundleID })
	})
}

// changeApps rewrites the list of apps that are not part of iOS.
func changeApps(dir string, change func([]App) []App) error {
	apps, err := Apps(dir)
	if err != nil {
		return err
	}
	own := change(slices.DeleteFunc(apps, func(a App) bool { return a.System }))
	slices.SortFunc(own, func(a, b App) int { return strings.Compare(a.BundleID, b.BundleID) })
	if own == nil {
		own = []App{}
	}
	return writeJSON(filepath.Join(dir, appsFile), own)
}

// writeJSON replaces the file at path at once.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}

// factoryApps is how many of systemApps have a container on a new phone.
const factoryApps = 4

// systemApps are the apps of iOS that a backup names; equal on every phone.
func systemApps() []App {
	names := strings.Fields(`mobilesafari mobileslideshow Preferences mobilecal mobilenotes reminders MobileSMS mobilephone mobilemail Maps Health
		Music podcasts iBooks news stocks weather calculator compass camera facetime findmy AppStore Passbook shortcuts tips Translate Home
		DocumentsApp VoiceMemos Fitness Bridge MobileAddressBook MobileStore measure Magnifier journal freeform PosterBoard Keynote
		Numbers Pages iMovie clips mobilegarageband`)
	groups := map[string][]string{
		"mobilenotes": {"group.com.apple.notes"}, "VoiceMemos": {"group.com.apple.VoiceMemos.shared"},
		"reminders": {"group.com.apple.reminders"}, "podcasts": {"243LU875E5.groups.com.apple.podcasts"},
	}
	var apps []App
	for _, name := range names {
		id := "com.apple." + name
		apps = append(apps, App{
			BundleID: id, Name: title(name), Version: "1.0", ShortVersion: "1.0", System: true, Groups: groups[name],
			Path: "/Applications/" + title(name) + ".app", Container: containerPath("Data/Application", id),
		})
	}
	return apps
}

func containerPath(kind, id string) string {
	return "/var/mobile/Containers/" + kind + "/" + newChance(0, "container "+id).uuid()
}

// storeApp invents app number n: all that a phone knows of it.
func (t *tree) storeApp(n int) App {
	name := appNames[n%len(appNames)]
	if n >= len(appNames) {
		name = fmt.Sprintf("%s %d", name, n/len(appNames)+1)
	}
	short := strings.ToLower(strings.ReplaceAll(name, " ", ""))
	c := t.chance("app", short)
	a := App{
		BundleID: "com.example." + short, Name: name, Version: fmt.Sprint(c.between(100, 9999)),
		ShortVersion: fmt.Sprintf("%d.%d.%d", c.between(1, 12), c.IntN(10), c.IntN(10)),
		Icon:         t.icon(c, 60),
	}
	a.Path = "/var/containers/Bundle/Application/" + c.uuid() + "/" + strings.ReplaceAll(name, " ", "") + ".app"
	a.Container = containerPath("Data/Application", a.BundleID)
	if n%2 == 0 {
		a.Groups = append(a.Groups, "group."+a.BundleID)
	}
	for _, kind := range []string{"widget", "share", "notifications"}[:n%4%3+n%2] {
		a.Plugins = append(a.Plugins, a.BundleID+"."+kind)
	}
	t.license(&a, c)
	return a
}

// license adds what marks an app as bought in the store (protocol.md 13.1).
func (t *tree) license(a *App, c *chance) {
	a.SINF = append([]byte("\x00\x00\x04\x00sinf"), c.bytes(1016)...)
	meta, err := plist.Marshal(map[string]any{
		"itemId": 900_000_000 + c.IntN(99_999_999), "itemName": a.Name, "artistName": title(one(c, nouns)) + " Example Software",
		"artistId": c.IntN(1_000_000_000), "bundleShortVersionString": a.ShortVersion, "bundleVersion": a.Version, "softwareVersionBundleId": a.BundleID,
		"genre": "Utilities", "kind": "software", "purchaseDate": t.past("bought", a.BundleID).Format(time.RFC3339),
		"com.apple.iTunesStore.downloadInfo": map[string]any{"accountInfo": map[string]any{"AppleID": "mira.lindqvist@example.org", "DSPersonID": 1234567890}},
	}, plist.Binary)
	t.fail("encode", "", "iTunesMetadata", err)
	a.Metadata = meta
}

// messenger is the app that appdata keeps chats of.
func (t *tree) messenger() App {
	const id = "net.whatsapp.WhatsApp"
	c := t.chance("app", id)
	a := App{BundleID: id, Name: "WhatsApp", Version: "25.10.72", ShortVersion: "25.10.72", Icon: t.icon(c, 60), Groups: []string{"group." + id + ".shared"},
		Path: "/var/containers/Bundle/Application/" + c.uuid() + "/WhatsApp.app", Container: containerPath("Data/Application", id)}
	t.license(&a, c)
	return a
}
