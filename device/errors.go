package device

import (
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// What can be wrong with a phone, for errors.Is. Errors of this package that
// wrap one of these also carry a [Hint].
var (
	// ErrNoDevice: no phone matches, or the phone went away.
	ErrNoDevice = errors.New("no phone found")
	// ErrSeveral: more than one phone matches; none was touched.
	ErrSeveral = errors.New("several phones match")
	// ErrNotPaired: there is no pair record, or the phone no longer knows it.
	ErrNotPaired = errors.New("the phone does not trust this computer")
	// ErrLocked: the phone wants its passcode first.
	ErrLocked = errors.New("the phone is locked")
	// ErrRefused: the owner or the phone's rules said no.
	ErrRefused = errors.New("the phone refused")
	// ErrTrustPending: the trust dialog was not answered in time.
	ErrTrustPending = errors.New("the phone waits for an answer to \"Trust This Computer?\"")
	// ErrClosed: the Device was closed.
	ErrClosed = errors.New("device handle is closed")
)

// HintError is an error with a remedy. The remedy is a sentence for the
// person at the computer, without capital and full stop, to be printed on a line
// of its own.
type HintError struct {
	Err    error
	Remedy string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// Hint returns the remedy.
func (e *HintError) Hint() string { return e.Remedy }

// Hint returns the remedy that err or an error under it carries, or "".
// Any error with a method Hint() string carries one.
func Hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Remedies.
const (
	remedyNoDevice = "connect the phone with a cable and unlock it; a phone locked for more than an hour " +
		"hides from a newly plugged cable until it is unlocked (USB Restricted Mode)"
	remedyNetworkGone  = "wake the phone and check that it is on the same Wi-Fi, or connect it with a cable"
	remedySeveral      = "choose one with --udid: a UDID, the beginning of one, or the phone's name"
	remedyPair         = "connect the phone with a cable, unlock it, and run: keepsake pair"
	remedyUnlock       = "unlock the phone with its passcode, then try again"
	remedyFirstUnlock  = "enter the phone's passcode once: it was not unlocked since it started"
	remedyTrust        = "unlock the phone, tap Trust, enter the passcode, then run the command again"
	remedyDenied       = "the phone asks again when it is plugged in anew: tap Trust then"
	remedyPairByCable  = "pair over a cable first: phones refuse to pair over Wi-Fi"
	remedySupervised   = "the phone is managed, and its organisation does not allow this"
	remedyStarting     = "if the phone has just started, wait until it shows its lock screen, then try again"
	remedyServiceLimit = "too many connections to the phone are open: close other backup or sync programs, then try again"
)

// classify gives the kind of err and what to do about it; both may be missing.
func classify(err error) (remedy string, kind error) {
	var muxRefused *usbmux.ResultError
	var refused lockdown.Error
	switch {
	case errors.Is(err, usbmux.ErrNoPairRecord):
		return remedyPair, ErrNotPaired
	case errors.As(err, &refused):
		return classifyRefusal(refused)
	case errors.As(err, &muxRefused) && muxRefused.Code == usbmux.ResultBadDevice:
		return remedyNoDevice, ErrNoDevice
	case errors.As(err, &muxRefused) && muxRefused.Code == usbmux.ResultConnectionRefused:
		return remedyStarting, nil
	}
	return "", nil
}

func classifyRefusal(e lockdown.Error) (remedy string, kind error) {
	switch e {
	case lockdown.InvalidHostID, lockdown.MissingHostID, lockdown.MissingPairRecord, lockdown.InvalidPairRecord:
		return remedyPair, ErrNotPaired
	case lockdown.PasswordProtected:
		return remedyUnlock, ErrLocked
	case lockdown.EscrowLocked:
		return remedyFirstUnlock, ErrLocked
	case lockdown.PairingDialogResponsePending:
		return remedyTrust, ErrTrustPending
	case lockdown.UserDeniedPairing:
		return remedyDenied, ErrRefused
	case lockdown.PairingProhibitedOverThisConnection:
		return remedyPairByCable, ErrRefused
	case lockdown.MCProtected, lockdown.MCChallengeRequired:
		return remedySupervised, ErrRefused
	case lockdown.ServiceLimit:
		return remedyServiceLimit, ErrRefused
	}
	return "", nil
}

// fail names the phone in err and adds what kind of error it is.
func (d *Device) fail(err error) error {
	if err == nil {
		return nil
	}
	var done *HintError
	if errors.As(err, &done) {
		return err
	}
	remedy, kind := classify(err)
	switch {
	case kind == nil && remedy == "":
		return fmt.Errorf("%s: %w", d.Name(), err)
	case kind == nil:
		return &HintError{fmt.Errorf("%s: %w", d.Name(), err), remedy}
	}
	return &HintError{fmt.Errorf("%s: %w: %w", d.Name(), kind, err), remedy}
}
