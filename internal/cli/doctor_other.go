//go:build !linux && !darwin && !windows

package cli

// What this system's service for phones needs.
const (
	installMuxer       = "install and start usbmuxd"
	permitted          = "this user may not use /var/run/usbmuxd"
	syncClock          = "run an NTP client"
	restartMuxer       = "restart usbmuxd"
	pairingStoreRemedy = "/var/lib/lockdown must exist and belong to the user usbmuxd runs as"
)

// pluggedIn cannot be told on this system.
func pluggedIn() int { return 0 }

// permitMuxer says how this user gets at the service.
func permitMuxer() string { return permitted }

// hiddenRemedy has nothing to add on this system.
func hiddenRemedy() string { return "" }

// clockUnsynced cannot be told on this system.
func clockUnsynced() bool { return false }

// wakeMuxer says how to get at a usbmuxd where nothing answers.
func wakeMuxer(func(string) string) string { return installMuxer }
