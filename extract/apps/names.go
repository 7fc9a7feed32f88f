package apps

import (
	"regexp"
	"strings"
)

// appleNames are apps of the system under the names that people know. Lists of a
// backup do not tell them.
var appleNames = map[string]string{
	"com.apple.AppStore":                    "App Store",
	"com.apple.Bridge":                      "Watch",
	"com.apple.DocumentsApp":                "Files",
	"com.apple.Fitness":                     "Fitness",
	"com.apple.Health":                      "Health",
	"com.apple.Home":                        "Home",
	"com.apple.Magnifier":                   "Magnifier",
	"com.apple.Maps":                        "Maps",
	"com.apple.MobileAddressBook":           "Contacts",
	"com.apple.MobileSMS":                   "Messages",
	"com.apple.MobileStore":                 "iTunes Store",
	"com.apple.Music":                       "Music",
	"com.apple.Passbook":                    "Wallet",
	"com.apple.PosterBoard":                 "Wallpapers",
	"com.apple.Preferences":                 "Settings",
	"com.apple.Translate":                   "Translate",
	"com.apple.VoiceMemos":                  "Voice Memos",
	"com.apple.calculator":                  "Calculator",
	"com.apple.camera":                      "Camera",
	"com.apple.clips":                       "Clips",
	"com.apple.compass":                     "Compass",
	"com.apple.facetime":                    "FaceTime",
	"com.apple.findmy":                      "Find My",
	"com.apple.freeform":                    "Freeform",
	"com.apple.iBooks":                      "Books",
	"com.apple.iMovie":                      "iMovie",
	"com.apple.journal":                     "Journal",
	"com.apple.measure":                     "Measure",
	"com.apple.mobilecal":                   "Calendar",
	"com.apple.mobilegarageband":            "GarageBand",
	"com.apple.mobilemail":                  "Mail",
	"com.apple.mobilenotes":                 "Notes",
	"com.apple.mobilephone":                 "Phone",
	"com.apple.mobilesafari":                "Safari",
	"com.apple.mobileslideshow":             "Photos",
	"com.apple.mobiletimer":                 "Clock",
	"com.apple.news":                        "News",
	"com.apple.podcasts":                    "Podcasts",
	"com.apple.reminders":                   "Reminders",
	"com.apple.shortcuts":                   "Shortcuts",
	"com.apple.stocks":                      "Stocks",
	"com.apple.tips":                        "Tips",
	"com.apple.tv":                          "TV",
	"com.apple.weather":                     "Weather",
	"com.apple.springboard":                 "Home Screen",
	"com.apple.webapp":                      "Web apps",
	"com.apple.Passwords":                   "Passwords",
	"com.apple.store.Jolly":                 "Apple Store",
	"com.apple.ScreenTimeUnlock":            "Screen Time",
	"com.apple.InCallService":               "Calls",
	"com.apple.AccountAuthenticationDialog": "Sign-in",
}

// aliases are apps of the system whose groups and extensions go by another name.
var aliases = map[string]string{
	"com.apple.notes":    "com.apple.mobilenotes",
	"com.apple.mail":     "com.apple.mobilemail",
	"com.apple.safari":   "com.apple.mobilesafari",
	"com.apple.Safari":   "com.apple.mobilesafari",
	"com.apple.calendar": "com.apple.mobilecal",
	"com.apple.photos":   "com.apple.mobileslideshow",
	"com.apple.camera":   "com.apple.camera",
}

var team = regexp.MustCompile(`^[A-Z0-9]{10}\.`)

// owner finds the app that a group or extension belongs to, of those for which has
// answers; "" is none.
func owner(id string, has func(string) bool) string {
	id = team.ReplaceAllString(id, "")
	id = strings.TrimPrefix(strings.TrimPrefix(id, "groups."), "group.")
	for strings.Contains(id, ".") {
		if other := aliases[id]; other != "" && has(other) {
			return other
		}
		if has(id) {
			return id
		}
		id = id[:strings.LastIndexByte(id, '.')]
	}
	return ""
}

// plainName makes a name of a bundle ID: what is behind its last dot.
func plainName(id string) string {
	if name := appleNames[id]; name != "" {
		return name
	}
	if i := strings.LastIndexByte(id, '.'); i >= 0 && i < len(id)-1 {
		return id[i+1:]
	}
	return id
}
