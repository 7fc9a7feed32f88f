package cli

// What this system's service for phones needs.
const (
	installMuxer       = "usbmuxd is part of macOS and starts by itself: restart the Mac"
	permitMuxer        = "this user may not use /var/run/usbmuxd: restart the Mac, which sets its permissions right"
	restartMuxer       = "sudo killall usbmuxd (macOS starts it again)"
	pairingStoreRemedy = "restart the Mac; if that does not help, update macOS"
)

// pluggedIn cannot be told on this system.
func pluggedIn() int { return 0 }
