package backupagent

import "strings"

// scope is what a restore may touch.
//
// What "system files" are is not documented word by word; the model here
// explains every report in protocol.md 11.5 and 13.2: without
// RestoreSystemFiles only the containers of apps come back, and those of apps
// that are not installed do not, so that on an erased phone nothing does.
type scope struct {
	system   bool // everything that is not a container of an app
	preserve bool // the phone's own settings stay as they are
}

// newScope applies the override of protocol.md 4.2: a backup that names a
// device class restores system files exactly to that class.
func newScope(o restoreOptions, lockdown map[string]any, ownClass string) scope {
	s := scope{system: o.SystemFiles, preserve: o.PreserveSettings}
	if class, ok := lockdown["DeviceClass"].(string); ok && class != "" {
		s.system = class == ownClass
	}
	return s
}

// isApp tells whether a domain is a container of an app, a group or an extension.
func isApp(domain string) bool { return strings.HasPrefix(domain, "AppDomain") }

// settings are the paths that RestorePreserveSettings keeps: preferences, home
// screen and wallpaper, network.
var settings = map[string][]string{
	"HomeDomain":               {"Library/Preferences", "Library/SpringBoard", "Library/Wallpapers"},
	"RootDomain":               {"Library/Preferences"},
	"WirelessDomain":           {"Library/Preferences"},
	"NetworkDomain":            {"Library/Preferences"},
	"SystemPreferencesDomain":  {""},
	"ManagedPreferencesDomain": {""},
}

// preserved tells whether the phone keeps its own version of a path.
func (s scope) preserved(domain, rel string) bool {
	if !s.preserve {
		return false
	}
	for _, p := range settings[domain] {
		if p == "" || rel == p || strings.HasPrefix(rel, p+"/") {
			return true
		}
	}
	return false
}
