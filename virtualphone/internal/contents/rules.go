package contents

import (
	"path"
	"strings"
)

// Domains whose name goes on with a bundle or group id.
const (
	appDomain       = "AppDomain"
	appData         = "AppDomain-"
	appGroup        = "AppDomainGroup-"
	appPlugin       = "AppDomainPlugin-"
	systemContainer = "SysContainerDomain-"
	systemGroup     = "SysSharedContainerDomain-"
)

// rule is what the phone's rules say of one domain: a backup takes the include
// paths and all below them, the folders on the way to them, and nothing else.
// In a pattern, * stands for any part of one name.
type rule struct {
	include   []pattern
	encrypted []pattern // as include, in encrypted backups only
	exclude   []pattern // stronger than both
}

// pattern is a path split at its slashes.
type pattern []string

func patterns(paths ...string) []pattern {
	var out []pattern
	for _, p := range paths {
		out = append(out, elements(p))
	}
	return out
}

func elements(rel string) []string {
	if rel == "" {
		return nil
	}
	return strings.Split(rel, "/")
}

// compare tells whether rel is at or below the pattern, or on the way to it.
func (p pattern) compare(rel []string) (inside, above bool) {
	for i, name := range rel[:min(len(rel), len(p))] {
		if ok, err := path.Match(p[i], name); err != nil || !ok {
			return false, false
		}
	}
	return len(rel) >= len(p), len(rel) < len(p)
}

func anyInside(list []pattern, rel []string) bool {
	for _, p := range list {
		if inside, _ := p.compare(rel); inside {
			return true
		}
	}
	return false
}

func anyMatch(list []pattern, rel []string) bool {
	for _, p := range list {
		if inside, above := p.compare(rel); inside || above {
			return true
		}
	}
	return false
}

// containerRule holds for the containers of apps, groups, extensions and system
// services: everything but what can be made again.
var containerRule = rule{
	include: []pattern{nil},
	exclude: patterns("Library/Caches", "Library/Saved Application State", "Library/SyncedPreferences", "tmp"),
}

// systemRules are the allow-lists of backup-format.md 4.1 and 4.2.
var systemRules = map[string]rule{
	"HomeDomain": homeRule,
	"CameraRollDomain": {
		include: patterns("Media/DCIM", "Media/PhotoData", "Media/Memories/Library/PersistedMemories", "Media/MediaAnalysis/.backup", "Media/Deferred"),
		exclude: patterns("Media/PhotoData/Caches", "Media/PhotoData/changes*", "Media/PhotoData/PhotoCloudSharingData",
			"Media/PhotoData/Sync", "Media/PhotoData/OutgoingTemp"),
	},
	"MediaDomain": {include: patterns("Library/SMS/Attachments", "Library/SMS/Parts", "Library/SMS/StickerCache", "Library/SMS/Recents",
		"Media/Recordings", "Library/Recordings", "Media/PhotoStreamsData", "Media/Vibrations")},
	"KeyboardDomain":           {include: patterns("Library/Keyboard"), exclude: patterns("Library/Keyboard/user_model_database.sqlite*")},
	"HealthDomain":             {encrypted: patterns("Health", "MedicalID", "locationd/user.plist")},
	"HomeKitDomain":            {encrypted: patterns("Library/homed")},
	"KeychainDomain":           {include: patterns("keychain-backup.plist", "TrustStore.sqlite3")},
	"WirelessDomain":           {include: patterns("Library/Databases", "Library/CallHistory", "Library/Preferences")},
	"ProtectedDomain":          {include: patterns("trustd/private")},
	"NetworkDomain":            {include: patterns("Library/Preferences")},
	"BooksDomain":              {},
	"TonesDomain":              {include: patterns("Media/iTunes_Control/iTunes/Ringtones.plist")},
	"InstallDomain":            {include: patterns("Library/MobileInstallation/BackedUpState")},
	"DatabaseDomain":           {include: patterns("lsd/com.apple.lsdidentifiers.plist", "timezone/localtime", "com.apple.xpc.launchd")},
	"MobileDeviceDomain":       {include: patterns("ProvisioningProfiles")},
	"ManagedPreferencesDomain": {include: patterns("mobile")},
	"RootDomain": {include: patterns("Library/Preferences", "Library/Caches/locationd/clients.plist",
		"Library/Caches/locationd/consolidated.db", "Library/Caches/Backup/properties.plist")},
	"SystemPreferencesDomain": {
		include: patterns("SystemConfiguration", "com.apple.networkextension*.plist"),
		encrypted: patterns("com.apple.wifi.known-networks.plist", "com.apple.wifi-private-mac-networks.plist",
			"SystemConfiguration/com.apple.wifi.plist"),
	},
}

var homeRule = rule{
	include: patterns("Library/Accessibility", "Library/Accounts", "Library/AddressBook", "Library/Application Support/CloudDocs",
		"Library/Application Support/FileProvider", "Library/Application Support/com.apple.remotemanagementd", "Library/Avatar",
		"Library/Calendar", "Library/ConfigurationProfiles", "Library/Cookies", "Library/DataAccess", "Library/DeviceRegistry",
		"Library/Fonts", "Library/Mail/Accounts.plist", "Library/Messages", "Library/MessagesMetaData", "Library/Mobile Documents",
		"Library/MobileBluetooth", "Library/NickNameCache", "Library/Notes", "Library/Passes", "Library/Photos/Libraries",
		"Library/Preferences", "Library/Recents", "Library/Reminders", "Library/RemoteNotification", "Library/SMS/Drafts",
		"Library/SMS/sms.db", "Library/Safari/Bookmarks.db", "Library/Safari/BrowserState.db", "Library/Shortcuts",
		"Library/Spotlight", "Library/SpringBoard", "Library/TCC", "Library/UserConfigurationProfiles", "Library/UserNotifications",
		"Library/VoiceShortcuts", "Library/Voicemail", "Library/Wallpapers", "Library/WebClips", "Library/com.apple.itunesstored"),
	// Apple's support pages name website and call history as encrypted only,
	// against the phone's own rules (backup-format.md 4.2); the pages win.
	encrypted: patterns("Library/CallHistoryDB", "Library/CallHistoryTransactions", "Library/CoreDuet/People/interactionC.db",
		"Library/DoNotDisturb", "Library/PersonalizationPortrait", "Library/Safari/History.db", "Library/Safari/Profiles",
		"Library/Safari/SafariTabs.db", "Library/VoiceTrigger/SAT", "Library/com.apple.geod", "Library/com.apple.siri.remembers"),
	exclude: patterns("Library/Maps", "Library/Voicemail/OfflineCache", "Library/Calendar/Attachments",
		"Library/SpringBoard/PushStore", "Library/SplashBoard"),
}

// ruleOf gives the rule of a domain; ok is false for names that are no domain.
func ruleOf(domain string) (r rule, ok bool) {
	if r, ok = systemRules[domain]; ok {
		return r, true
	}
	for _, prefix := range []string{appData, appGroup, appPlugin, systemContainer, systemGroup} {
		if strings.HasPrefix(domain, prefix) && len(domain) > len(prefix) {
			return containerRule, true
		}
	}
	return rule{}, false
}

func isDomain(name string) bool {
	_, ok := ruleOf(name)
	return ok
}

// Backed tells whether a backup takes the file, link or folder rel of domain
// ("" is the domain's root), by the rules of backup-format.md 4. What is not
// encrypted leaves out Health, HomeKit, known Wi-Fi networks, website and call
// history and a few more. Outside the containers of apps, the -wal, -shm and
// -journal beside a database are left out too: see [SnapshotFile].
func Backed(domain, rel string, encrypted bool) bool {
	r, ok := ruleOf(domain)
	if !ok {
		return false
	}
	parts := elements(rel)
	if anyInside(r.exclude, parts) {
		return false
	}
	if !strings.HasPrefix(domain, appDomain) && isSidecar(rel) {
		return false
	}
	if domain == "HomeDomain" && strings.HasSuffix(rel, ".notbackedup.plist") {
		return false
	}
	if anyInside(r.encrypted, parts) {
		return encrypted
	}
	return anyMatch(r.include, parts) || encrypted && anyMatch(r.encrypted, parts)
}

// isSidecar tells whether rel is named like a file that SQLite keeps beside a
// database.
func isSidecar(rel string) bool {
	for _, end := range []string{"-wal", "-shm", "-journal"} {
		name, ok := strings.CutSuffix(rel, end)
		if !ok {
			continue
		}
		switch path.Ext(name) {
		case ".db", ".sqlite", ".sqlite3", ".sqlitedb", ".storedata":
			return true
		}
	}
	return false
}

// HasDigest tells whether the manifest rows of a domain's files carry a digest
// (backup-format.md 1.5).
func HasDigest(domain string) bool {
	switch domain {
	case "CameraRollDomain", "MediaDomain", "TonesDomain":
		return false
	}
	return !strings.HasPrefix(domain, appDomain)
}

// Protection classes of files (backup-format.md 3.1).
const (
	classComplete           = 1 // readable while unlocked
	classCompleteUnlessOpen = 2
	classFirstUnlock        = 3 // readable since the first unlock after a start
	classNone               = 4
)

// ProtectionClass gives the protection class of a regular file, 1 to 4. Most
// have 3. Which have others is not published in full: Health is 1, growing
// recordings 2, what the phone needs before its first unlock 4; some apps ask
// for 1 for what their owner wrote.
func ProtectionClass(domain, rel string) uint32 {
	switch domain {
	case "HealthDomain", "HomeKitDomain":
		return classComplete
	case "SystemPreferencesDomain", "WirelessDomain", "RootDomain", "DatabaseDomain", "NetworkDomain", "KeychainDomain", "InstallDomain":
		return classNone
	}
	switch {
	case domain == appGroup+"group.com.apple.VoiceMemos.shared" && strings.HasPrefix(rel, "Recordings/"):
		return classCompleteUnlessOpen
	case domain == "HomeDomain" && strings.HasPrefix(rel, "Library/SpringBoard/"):
		return classNone
	case strings.HasPrefix(domain, appData) && strings.HasPrefix(rel, "Documents/Private/"):
		return classComplete
	}
	return classFirstUnlock
}
