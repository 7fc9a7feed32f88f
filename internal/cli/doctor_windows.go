package cli

import (
	"os"
	"path/filepath"
)

// What this system's service for phones needs.
const (
	installMuxer       = "install Apple Devices (or iTunes) from the Microsoft Store, open it once, and plug the iPhone in again: it brings the driver and the service"
	permitted          = "a firewall stands between: allow connections to 127.0.0.1 port 27015"
	syncClock          = "Settings, Time & language: set the time automatically"
	restartMuxer       = "restart \"Apple Mobile Device Service\" in Services, or Apple Devices"
	pairingStoreRemedy = "open Apple Devices once as administrator"
)

// pluggedIn cannot be told on this system.
func pluggedIn() int { return 0 }

// permitMuxer says how this user gets at the service.
func permitMuxer() string { return permitted }

// hiddenRemedy has nothing to add on this system.
func hiddenRemedy() string { return "" }

// clockUnsynced cannot be told on this system.
func clockUnsynced() bool { return false }

// wakeMuxer tells whether Apple's service is not there or does not run.
func wakeMuxer(getenv func(string) string) string {
	support := filepath.Join(getenv("CommonProgramFiles"), "Apple", "Mobile Device Support")
	if _, err := os.Stat(support); err == nil {
		return "Apple's service is installed and does not answer at 127.0.0.1 port 27015: " + restartMuxer
	}
	return installMuxer
}
