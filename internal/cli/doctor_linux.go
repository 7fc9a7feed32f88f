package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What this system's service for phones needs.
const (
	installMuxer       = "install and start it: sudo apt install usbmuxd (Debian, Ubuntu), sudo dnf install usbmuxd (Fedora), sudo pacman -S usbmuxd (Arch); then plug the iPhone in again. In a container, mount /var/run/usbmuxd from outside"
	muxerSocket        = "/var/run/usbmuxd"
	syncClock          = "sudo timedatectl set-ntp true"
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

// permitMuxer says how this user gets at the socket.
func permitMuxer() string { return permitSocket(muxerSocket) }

func permitSocket(path string) string {
	const general = "this user may not use its socket: look at the owner of " + muxerSocket
	info, err := os.Stat(path)
	if err != nil {
		return general
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || info.Mode().Perm()&0o060 != 0o060 {
		return general + "; it is open to nobody else"
	}
	group := strconv.FormatUint(uint64(stat.Gid), 10)
	if g, err := user.LookupGroupId(group); err == nil {
		group = g.Name
	}
	return fmt.Sprintf("its socket is for the group %s: sudo usermod -aG %s \"$USER\", then sign in anew", group, group)
}

// wakeMuxer says how to get at a usbmuxd where nothing answers.
func wakeMuxer(getenv func(string) string) string {
	_, err := os.Stat(muxerSocket)
	switch there := err == nil; {
	case there && inContainer(getenv):
		return "the socket that is mounted here belongs to a usbmuxd that has ended: start it outside (sudo systemctl start usbmuxd), then start this container anew"
	case there:
		return "its socket is there and nobody listens: " + restartMuxer + ". usbmuxd ends by itself when the last phone is unplugged: plug one in"
	case !errors.Is(err, fs.ErrNotExist):
		return permitMuxer()
	case inContainer(getenv):
		return "mount the socket of the computer into this container: -v /var/run/usbmuxd:/var/run/usbmuxd; if usbmuxd is missing there: sudo apt install usbmuxd"
	}
	return installMuxer
}

// inContainer tells whether an engine says so.
func inContainer(getenv func(string) string) bool {
	for _, mark := range []string{"/run/.containerenv", "/.dockerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return getenv("container") != ""
}

// hiddenRemedy adds what to do where nothing gives usbmuxd the device.
func hiddenRemedy() string {
	for _, dir := range []string{"/usr/lib/udev/rules.d", "/lib/udev/rules.d", "/etc/udev/rules.d"} {
		for _, pattern := range []string{"*usbmuxd*.rules", "*keepsake*.rules"} {
			if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
				return ""
			}
		}
	}
	return "; and no udev rule gives it phones: install the one of packaging/udev"
}

// clockUnsynced asks the kernel whether anything corrects its clock.
func clockUnsynced() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err == nil && state == unix.TIME_ERROR
}
