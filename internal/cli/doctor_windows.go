package cli

// What this system's service for phones needs.
const (
	installMuxer       = "install Apple Devices (or iTunes) from the Microsoft Store, open it once, and plug the iPhone in again: it brings the driver and the service"
	permitMuxer        = "a firewall stands between: allow connections to 127.0.0.1 port 27015"
	restartMuxer       = "restart \"Apple Mobile Device Service\" in Services, or Apple Devices"
	pairingStoreRemedy = "open Apple Devices once as administrator"
)

// pluggedIn cannot be told on this system.
func pluggedIn() int { return 0 }
