package service

import (
	"strings"

	"github.com/keepsake-backup/keepsake/snapshot"
)

// domainNames say in plain words what the phone keeps in a domain. Those of apps
// are named by the phone's list of apps.
var domainNames = map[string]string{
	"CameraRollDomain":                "Photos and videos",
	"HomeDomain":                      "Messages, contacts, calendars, calls, notes",
	"MediaDomain":                     "Voice memos, attachments of messages",
	"HomeKitDomain":                   "Home",
	"HealthDomain":                    "Health",
	"KeychainDomain":                  "Passwords (locked by the phone)",
	"KeyboardDomain":                  "Keyboard",
	"WirelessDomain":                  "Mobile network",
	"SystemPreferencesDomain":         "System settings",
	"ManagedPreferencesDomain":        "Settings of an organisation",
	"MobileDeviceDomain":              "Profiles",
	"RootDomain":                      "System",
	"DatabaseDomain":                  "System databases",
	"InstallDomain":                   "Installation",
	"NetworkDomain":                   "Network",
	"ProtectedDomain":                 "Protected files",
	"TonesDomain":                     "Ringtones",
	"BooksDomain":                     "Books",
	"WalletDomain":                    "Wallet",
	"SysContainerDomain":              "System containers",
	"SysSharedContainerDomain":        "System groups",
	"AppDomain":                       "Apps",
	"AppDomainGroup":                  "Shared by apps",
	"AppDomainPlugin":                 "Extensions of apps",
	"_ios":                            "Lists of the backup",
	"DCIM":                            "Photos and videos",
	"iTunes_Control":                  "Music and other synced media",
	"AppDomain-com.apple.mobilenotes": "Notes",
}

// systemApps are apps of the system that people know under other names.
var systemApps = map[string]string{
	"com.apple.mobilenotes":     "Notes",
	"com.apple.mobilesafari":    "Safari",
	"com.apple.MobileSMS":       "Messages",
	"com.apple.mobilemail":      "Mail",
	"com.apple.Maps":            "Maps",
	"com.apple.podcasts":        "Podcasts",
	"com.apple.iBooks":          "Books",
	"com.apple.DocumentsApp":    "Files",
	"com.apple.Health":          "Health",
	"com.apple.reminders":       "Reminders",
	"com.apple.mobilecal":       "Calendar",
	"com.apple.VoiceMemos":      "Voice Memos",
	"com.apple.shortcuts":       "Shortcuts",
	"com.apple.weather":         "Weather",
	"com.apple.Passbook":        "Wallet",
	"com.apple.mobileslideshow": "Photos",
	"com.apple.Preferences":     "Settings",
	"com.apple.Music":           "Music",
	"com.apple.facetime":        "FaceTime",
	"com.apple.notes":           "Notes",
}

// domainName says what a domain is to people, and whose app's it is; app is a
// bundle ID or "".
func domainName(domain string, apps map[string]string) (name, app string) {
	if name, ok := domainNames[domain]; ok {
		return name, ""
	}
	app = snapshot.App(domain)
	if app == "" {
		return domain, ""
	}
	kind := ""
	switch {
	case strings.HasPrefix(domain, "AppDomainGroup-"):
		kind = " (shared)"
	case strings.HasPrefix(domain, "AppDomainPlugin-"):
		kind = " (extension)"
	}
	id := strings.TrimPrefix(app, "group.")
	for try := id; try != ""; {
		for _, names := range []map[string]string{apps, systemApps} {
			if n := names[try]; n != "" {
				return n + kind, app
			}
		}
		cut := strings.LastIndexByte(try, '.')
		if cut < 0 {
			break
		}
		try = try[:cut]
	}
	return id + kind, app
}
