package cli

// What this system's service for phones needs.
const (
	installMuxer       = "usbmuxd is part of macOS and starts by itself: restart the Mac"
	permitted          = "this user may not use /var/run/usbmuxd: restart the Mac, which sets its permissions right"
	syncClock          = "System Settings, General, Date & Time: set automatically"
	restartMuxer       = "sudo killall usbmuxd (macOS starts it again)"
	pairingStoreRemedy = "restart the Mac; if that does not help, update macOS"
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
