package cli

import (
	"os"
	"path/filepath"
	"strings"
)

// What this system's service for phones needs.
const (
	installMuxer       = "install and start it: sudo apt install usbmuxd (Debian, Ubuntu), sudo dnf install usbmuxd (Fedora), sudo pacman -S usbmuxd (Arch); then plug the iPhone in again. In a container, mount /var/run/usbmuxd from outside"
	permitMuxer        = "this user may not use its socket: look at the owner of /var/run/usbmuxd, or run keepsake with sudo"
	restartMuxer       = "sudo systemctl restart usbmuxd"
	pairingStoreRemedy = "/var/lib/lockdown must exist and belong to the user usbmuxd runs as (usually usbmux)"
)

// appleVendor is Apple's number on the USB.
const appleVendor = "05ac"

// pluggedIn counts the Apple devices on the USB that are no keyboards or mice.
func pluggedIn() int {
	vendors, err := filepath.Glob("/sys/bus/usb/devices/*/idVendor")
	if err != nil {
		return 0
	}
	n := 0
	for _, path := range vendors {
		vendor, err := os.ReadFile(path)
		if err != nil || strings.TrimSpace(string(vendor)) != appleVendor {
			continue
		}
		// Phones, tablets and players have product numbers 12xx (protocol.md 1.3).
		product, err := os.ReadFile(filepath.Join(filepath.Dir(path), "idProduct"))
		if err == nil && strings.HasPrefix(string(product), "12") {
			n++
		}
	}
	return n
}
