//go:build !linux && !darwin && !windows

package cli

// What this system's service for phones needs.
const (
	installMuxer       = "install and start usbmuxd"
	permitMuxer        = "this user may not use /var/run/usbmuxd"
	restartMuxer       = "restart usbmuxd"
	pairingStoreRemedy = "/var/lib/lockdown must exist and belong to the user usbmuxd runs as"
)

// pluggedIn cannot be told on this system.
func pluggedIn() int { return 0 }
