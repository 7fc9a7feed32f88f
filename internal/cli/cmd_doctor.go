package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// lowSpace is the room below which a backup folder is pointed out, in bytes:
// few phones fit in less.
const lowSpace = 20e9

// symptom is what the doctor found about one thing.
type symptom struct {
	MessageType string `json:"message_type"` // "check"
	Check       string `json:"check"`        // constant word
	State       string `json:"state"`        // "ok", "note" or "missing"
	Text        string `json:"text"`
	Remedy      string `json:"remedy,omitempty"`
}

const (
	stateOK      = "ok"
	stateNote    = "note"    // backups work, but
	stateMissing = "missing" // backups do not work
)

func newDoctor(a *app) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing on this computer, and the remedy",
		Long: `Look at everything that a backup needs: the service that talks to phones, the permission to use it,
the phones that are there and whether they trust this computer, and, with --folder, the disk. For
whatever is missing it says what to do.`,
		Example:     "  keepsake doctor\n  keepsake doctor --folder /mnt/disk/backups",
		Args:        noArgs,
		Annotations: exits("0 all that is needed is there; 1 something is missing"),
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), folder) },
	}
	c.Flags().StringVar(&folder, "folder", "", "look at the `DIR` of the backups too")
	return c
}

func (a *app) doctor(ctx context.Context, folder string) error {
	missing := 0
	tell := func(check, state, text, remedy string) {
		if state == stateMissing {
			missing++
		}
		if a.json {
			a.emit(symptom{"check", check, state, text, remedy})
			return
		}
		if a.quiet && state == stateOK {
			return
		}
		a.printf("%-7s  %s\n", state, sentence(text))
		if remedy != "" {
			a.printf("         %s\n", sentence(remedy))
		}
	}
	tell("program", stateOK, fmt.Sprintf("keepsake %s on %s/%s", version(), runtime.GOOS, runtime.GOARCH), "")
	a.examineLocale(tell)
	a.examineMuxer(ctx, tell)
	if folder != "" {
		examineFolder(ctx, folder, tell)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if missing > 0 {
		a.printf("%s missing: do the above, then run \"keepsake doctor\" again.\n", progress.Count(int64(missing), "thing is", "things are"))
		return reported{exitError}
	}
	a.printf("All that is needed is here.\n")
	return nil
}

type teller func(check, state, text, remedy string)

// examineLocale warns where names of phones and files would not be shown right.
func (a *app) examineLocale(tell teller) {
	if runtime.GOOS == "windows" {
		return
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		v := a.Getenv(name)
		if v == "" {
			continue
		}
		if upper := strings.ToUpper(v); strings.Contains(upper, "UTF-8") || strings.Contains(upper, "UTF8") {
			tell("locale", stateOK, "names with accents and emoji can be shown", "")
			return
		}
		tell("locale", stateNote, fmt.Sprintf("%s=%s is not UTF-8: names with accents and emoji may look wrong here, the backup itself is right", name, v), "set LANG=C.UTF-8")
		return
	}
	tell("locale", stateNote, "no language is set: names with accents and emoji may look wrong here, the backup itself is right", "set LANG=C.UTF-8")
}

// examineMuxer looks at the service for phones, and through it at the phones.
func (a *app) examineMuxer(ctx context.Context, tell teller) {
	mux, err := a.mux()
	if err != nil {
		tell("usbmuxd", stateMissing, err.Error(), remedy(err, exitUsage))
		return
	}
	phones, err := device.Discover(ctx, mux)
	if err != nil {
		tell("usbmuxd", stateMissing, err.Error(), muxerRemedy(err, a.Getenv("USBMUXD_SOCKET_ADDRESS") != ""))
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
func muxerRemedy(err error, custom bool) string {
	var daemon *usbmux.DaemonError
	switch {
	case !errors.As(err, &daemon):
		return "restart it: " + restartMuxer
	case custom:
		return "is usbmuxd listening there? Unset USBMUXD_SOCKET_ADDRESS to use the system's own"
	case errors.Is(err, fs.ErrPermission):
		return permitMuxer
	default:
		return installMuxer
	}
}

// examineCable looks for a phone that is plugged in and hides.
func examineCable(tell teller) {
	switch plugged := pluggedIn(); {
	case plugged > 0:
		tell("phone", stateNote, "an Apple device is plugged in, but usbmuxd does not show it", "unlock it, and tap Trust if it asks; if that does not help, restart usbmuxd: "+restartMuxer)
	default:
		tell("phone", stateNote, "no phone is connected", "connect one by a cable that carries data, not only power, and unlock it: one locked for more than an hour hides from a new cable")
	}
}

func examinePhone(ctx context.Context, d *device.Device, tell teller) {
	m := describe(ctx, d)
	who := fmt.Sprintf("%s (%s, iOS %s, by %s)", m.Name, m.Model, m.IOS, map[string]string{"usb": "cable", "wifi": "Wi-Fi"}[m.Transport])
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
	if year := time.Now().Year(); year < 2025 {
		tell("clock", stateMissing, fmt.Sprintf("this computer's clock says %d", year), "set the clock: pairings made in the past or future are refused")
	}
}

// freeSpace is the room in a folder, in bytes.
func freeSpace(ctx context.Context, folder string) (n int64, err error) {
	store, err := dirstore.Open(folder, dirstore.Options{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.FreeSpace(ctx)
}

// examineFolder looks at the disk of the backups. It leaves nothing behind.
func examineFolder(ctx context.Context, folder string, tell teller) {
	existing := folder
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		existing = filepath.Dir(folder)
	}
	f, err := os.CreateTemp(existing, ".keepsake-doctor-*")
	if err != nil {
		tell("folder", stateMissing, "cannot write: "+err.Error(), "is the disk connected, and does the folder belong to you?")
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	free, err := freeSpace(ctx, existing)
	switch {
	case err != nil:
		tell("folder", stateNote, fmt.Sprintf("%s can be written to; how much room there is could not be found out: %v", folder, err), "")
	case free < lowSpace:
		tell("folder", stateNote, fmt.Sprintf("%s has only %s free", folder, progress.Size(free)), "a backup needs about as much room as is used on the iPhone, without apps and music")
	default:
		tell("folder", stateOK, fmt.Sprintf("%s can be written to and has %s free", folder, progress.Size(free)), "")
	}
}
