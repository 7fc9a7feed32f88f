package service

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/diagnostics"
	"github.com/keepsake-backup/keepsake/discovery"
)

// contactTime is how long a phone may take to tell about itself.
const contactTime = 30 * time.Second

// contact is what a phone says when it is met.
type contact struct {
	at      time.Time
	info    device.Info
	paired  bool
	setup   device.SetupState
	battery device.Battery
	usage   device.DiskUsage
	backup  device.BackupState
	// backupKnown: a session told of backup.
	backupKnown   bool
	wifi          bool
	wifiKnown     bool
	passcode      bool // it has one
	passcodeKnown bool
	known         discovery.Known // by what it is recognised on Wi-Fi
	cable         bool
}

// meet asks a phone about itself. What it does not say is left as it is; the
// error is that of a connection that broke.
func meet(ctx context.Context, d *device.Device, now time.Time) (c contact, err error) {
	ctx, cancel := context.WithTimeout(ctx, contactTime)
	defer cancel()
	c = contact{at: now, battery: device.Battery{Percent: -1}, cable: d.Transport() == device.USB}
	if c.info, err = d.Info(ctx); err != nil {
		return c, err
	}
	c.paired = c.info.Paired
	if c.setup, err = setupOf(ctx, d, c); err != nil || !c.paired {
		return c, err
	}
	if c.battery, err = d.Battery(ctx); err != nil {
		return c, err
	}
	if c.usage, err = d.DiskUsage(ctx); err != nil {
		return c, err
	}
	if c.backup, err = d.BackupState(ctx); err != nil {
		return c, err
	}
	c.backupKnown = true
	if c.wifi, c.wifiKnown, err = d.WiFiEnabled(ctx); err != nil {
		return c, err
	}
	if c.passcode, c.passcodeKnown, err = passcodeOf(ctx, d); err != nil {
		return c, err
	}
	if c.cable {
		c.known, err = discovery.Learn(ctx, d)
	}
	return c, err
}

// setupOf reads how far a phone is set up. One that trusts nobody tells at most
// whether it was ever activated.
func setupOf(ctx context.Context, d *device.Device, c contact) (device.SetupState, error) {
	if c.paired {
		return d.SetupState(ctx)
	}
	if state, ok := c.info.Values["ActivationState"].(string); ok && state == "Unactivated" {
		return device.SetupNew, nil
	}
	return device.SetupUnknown, nil
}

// passcodeOf tells whether the phone has a passcode; some do not say.
func passcodeOf(ctx context.Context, d *device.Device) (has, known bool, err error) {
	has, err = d.PasscodeConfigured(ctx)
	var status *diagnostics.StatusError
	switch {
	case err == nil:
		return has, true, nil
	case errors.As(err, &status), errors.Is(err, device.ErrLocked):
		return false, false, nil
	}
	return false, false, err
}

// color is what a drawing of the phone may be filled with: old phones tell their
// colour as "#rrggbb", newer ones a number that means nothing by itself.
func (c contact) color() string {
	for _, key := range []string{"DeviceEnclosureColor", "DeviceColor"} {
		text, _ := c.info.Values[key].(string)
		if len(text) == 7 && text[0] == '#' && strings.Trim(strings.ToLower(text[1:]), "0123456789abcdef") == "" {
			return strings.ToLower(text)
		}
	}
	return ""
}

// looksReset tells whether a phone that was known here has forgotten this computer
// and its own name, which it tells even strangers: as after a factory reset. How far
// it is set up it tells only those whom it trusts.
func (c contact) looksReset(p catalog.Phone) bool {
	name := c.info.Name
	return !c.paired && !p.LastContact.IsZero() && (name == "iPhone" || name == "iPad") && (p.Name != name || p.InSetup)
}

// inSetup tells whether it shows the set-up screens.
func (c contact) inSetup() bool { return c.setup == device.SetupNew || c.setup == device.InSetup }
