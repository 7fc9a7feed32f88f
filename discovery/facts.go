package discovery

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Failure is the kind of thing that keeps a phone that was looked for on Wi-Fi
// from being reached.
type Failure string

// The kinds of failures.
const (
	NoFailure  Failure = ""           // it answered, or was not tried
	NoRecord   Failure = "no-record"  // no pairing is known here: by cable first
	NotFound   Failure = "not-found"  // nothing that is advertised may be it, and no address is known
	NoAnswer   Failure = "no-answer"  // nobody answers there: it sleeps, or left
	Closed     Failure = "closed"     // somebody is there without lockdown: the Wi-Fi switch is off, or it is no phone
	NotPaired  Failure = "not-paired" // it does not know this computer any more
	Locked     Failure = "locked"     // it wants its passcode first, as after a restart
	WrongPhone Failure = "wrong-phone"
	Other      Failure = "other"
)

// Facts are what is known about reaching one phone, so that somebody can put
// into words why it cannot be reached. Times are zero for "never since the
// watcher runs".
type Facts struct {
	UDID     usbmux.UDID
	Sighting Sighting // as it is now

	Known     bool // it is one of Options.Known
	HasRecord bool // a pairing is known here

	LastCable time.Time // when it was last there by cable
	LastWiFi  time.Time // when it last answered over Wi-Fi
	LastHow   How       // by what it was recognised then
	LastAddr  netip.AddrPort

	// Advertised: an advertisement that is, or may be, this phone's is on the air.
	Advertised bool
	// Instance of that advertisement, and when it was last heard of.
	Instance     string
	LastHeard    time.Time
	AdvertisedOn string // network interface
	// PrivateAddress: the advertisement carries another Wi-Fi address than the
	// phone's own: "Private Wi-Fi Address" is on.
	PrivateAddress bool

	// Tried is when it was last tried over Wi-Fi, Failure why that failed, Err the
	// same in full.
	Tried   time.Time
	Failure Failure
	Err     error

	// MuxErr is why cables cannot be heard, BrowseErr why networks cannot; nil if
	// they can, or are not asked.
	MuxErr, BrowseErr error
	// Strangers counts advertisements that belong to no phone known here.
	Strangers int
}

// failureOf sorts the errors of a try.
func failureOf(err error) Failure {
	var refused *net.OpError
	switch {
	case err == nil:
		return NoFailure
	case errors.Is(err, usbmux.ErrNoPairRecord):
		return NoRecord
	case errors.Is(err, device.ErrLocked):
		return Locked
	case errors.Is(err, lockdown.ErrWrongPhone): // which a failed handshake makes "not paired", too
		return WrongPhone
	case errors.Is(err, device.ErrNotPaired):
		return NotPaired
	case errors.Is(err, errNowhere):
		return NotFound
	case isRefused(err):
		return Closed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, device.ErrNoDevice), errors.As(err, &refused):
		return NoAnswer
	}
	return Other
}
