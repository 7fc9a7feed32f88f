package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// examineMuxer looks at the service for phones, and through it at the phones.
func (a *app) examineMuxer(ctx context.Context, tell teller) {
	mux, err := a.mux()
	if err != nil {
		tell("usbmuxd", stateMissing, err.Error(), remedy(err, exitUsage))
		return
	}
	phones, err := device.Discover(ctx, mux)
	if err != nil {
		tell("usbmuxd", stateMissing, err.Error(), muxerRemedy(err, a.Getenv))
		return
	}
	tell("usbmuxd", stateOK, "usbmuxd answers at "+mux.Address.String(), "")
	if _, err := mux.ReadBUID(ctx); err != nil {
		tell("pairing_store", stateMissing, "usbmuxd cannot keep pairings: "+err.Error(), pairingStoreRemedy)
	} else {
		tell("pairing_store", stateOK, "usbmuxd keeps pairings", "")
	}
	if len(phones) == 0 {
		examineCable(tell)
	}
	for _, d := range phones {
		examinePhone(ctx, d, tell)
		d.Close()
	}
}

// muxerRemedy says how to get the service of this system going.
func muxerRemedy(err error, getenv func(string) string) string {
	custom := getenv("USBMUXD_SOCKET_ADDRESS") != ""
	var daemon *usbmux.DaemonError
	switch {
	case !errors.As(err, &daemon):
		return "restart it: " + restartMuxer
	case custom:
		return "is usbmuxd listening there? Unset USBMUXD_SOCKET_ADDRESS to use the system's own"
	case errors.Is(err, fs.ErrPermission):
		return permitMuxer()
	default:
		return wakeMuxer(getenv)
	}
}

// examineCable looks for a phone that is plugged in and hides.
func examineCable(tell teller) {
	switch plugged := pluggedIn(); {
	case plugged > 0:
		tell("phone", stateNote, "an Apple device is plugged in, but usbmuxd does not show it", "unlock it, and tap Trust if it asks; if that does not help, restart usbmuxd: "+restartMuxer+hiddenRemedy())
	default:
		tell("phone", stateNote, "no phone is connected", "connect one by a cable that carries data, not only power, and unlock it: one locked for more than an hour hides from a new cable")
	}
}

func examinePhone(ctx context.Context, d *device.Device, tell teller) {
	m := describe(ctx, d)
	who := fmt.Sprintf("%s (%s, iOS %s, by %s)", m.Name, m.Model, m.IOS, wayWord(m.Transport))
	switch {
	case m.Error != "" && !m.Paired:
		tell("phone", stateNote, fmt.Sprintf("%s does not answer: %s", m.Name, m.Error), "unlock it, and plug it in again")
		return
	case m.Setup == "new" || m.Setup == "in_setup":
		tell("phone", stateOK, who+" is being set up: a backup can be restored onto it now, but it cannot be backed up yet", "")
		return
	case !m.Paired:
		tell("phone", stateNote, who+" does not trust this computer yet", "run \"keepsake pair\", and tap Trust on the iPhone")
		return
	}
	tell("phone", stateOK, who+" trusts this computer", "")
	if m.Encrypted != nil && !*m.Encrypted {
		tell("encryption", stateNote, fmt.Sprintf("backups of %s are not encrypted: they lack %s", m.Name, onlyEncrypted), "to change that: keepsake encryption on")
	}
}
