package device

import (
	"errors"
	"fmt"
	"testing"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

func TestCompareVersions(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{
		{"17.2.1", "17.2.1", 0},
		{"17.2", "17.2.0", 0},
		{"9.3", "10.0", -1},
		{"17.10", "17.9", 1},
		{"16.1", "16.0.3", 1},
		{"18.0b2", "18", 0},
		{"", "", 0},
		{"", "0", 0},
		{"nonsense", "1", -1},
		{"99999999999999999999", "1", -1},
	} {
		if got := CompareVersions(tc.a, tc.b); got != tc.want {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
		if got := CompareVersions(tc.b, tc.a); got != -tc.want {
			t.Errorf("CompareVersions(%q, %q) = %d, want %d", tc.b, tc.a, got, -tc.want)
		}
	}
}

func TestAsksForPasscode(t *testing.T) {
	for version, want := range map[string]bool{
		"14.8": false, "15.7": false, "15.7.1": true, "15.8.3": true, "16.0": false, "16.0.3": false, "16.1": true, "26.3.1": true, "": false,
	} {
		if got := AsksForPasscode(version); got != want {
			t.Errorf("AsksForPasscode(%q) = %v", version, got)
		}
	}
}

func TestModelName(t *testing.T) {
	for in, want := range map[string]string{"iPhone15,2": "iPhone 14 Pro", "iPhone99,1": "iPhone99,1", "": ""} {
		if got := ModelName(in); got != want {
			t.Errorf("ModelName(%q) = %q", in, got)
		}
	}
}

func TestDevice_fail(t *testing.T) {
	d := newDevice(&usbmux.Client{}, usbmux.Device{})
	d.setName("Anna's iPhone")
	for _, tc := range []struct {
		err  error
		kind error
	}{
		{lockdown.PasswordProtected, ErrLocked},
		{lockdown.EscrowLocked, ErrLocked},
		{lockdown.InvalidHostID, ErrNotPaired},
		{usbmux.ErrNoPairRecord, ErrNotPaired},
		{lockdown.UserDeniedPairing, ErrRefused},
		{lockdown.PairingProhibitedOverThisConnection, ErrRefused},
		{lockdown.MCProtected, ErrRefused},
		{lockdown.ServiceLimit, ErrRefused},
		{lockdown.PairingDialogResponsePending, ErrTrustPending},
		{&usbmux.ResultError{Request: "Connect", Code: usbmux.ResultBadDevice}, ErrNoDevice},
		{&usbmux.ResultError{Request: "Connect", Code: usbmux.ResultConnectionRefused}, nil},
	} {
		err := d.fail(fmt.Errorf("do something: %w", tc.err))
		if !errors.Is(err, tc.err) || tc.kind != nil && !errors.Is(err, tc.kind) || Hint(err) == "" {
			t.Errorf("%v: got %v with hint %q", tc.err, err, Hint(err))
		}
		if again := d.fail(err); again != err {
			t.Errorf("said twice: %v", again)
		}
	}
	err := d.fail(lockdown.MissingValue)
	if err.Error() != "Anna's iPhone: MissingValue" || Hint(err) != "" || !errors.Is(err, lockdown.MissingValue) {
		t.Errorf("got %v with hint %q", err, Hint(err))
	}
	if got := d.fail(lockdown.PasswordProtected).Error(); got != "Anna's iPhone: the phone is locked: PasswordProtected" {
		t.Errorf("got %q", got)
	}
	if d.fail(nil) != nil || Hint(nil) != "" {
		t.Error("nil is an error")
	}
}

func TestDevice_Close_twice(t *testing.T) {
	d := newDevice(&usbmux.Client{}, usbmux.Device{})
	d.Close()
	d.Close()
	if _, err := d.Get(t.Context(), "", "DeviceName"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	d.KeepAwake(t.Context(), nil)()
}
