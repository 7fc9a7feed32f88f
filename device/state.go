package device

import (
	"context"
	"fmt"

	"github.com/keepsake-backup/keepsake/lockdown"
)

// SetupState tells how far the owner got with setting the phone up.
type SetupState int

// Set-up states (protocol.md 11.1).
const (
	SetupUnknown SetupState = iota // the phone does not say: go on, it refuses what it must
	SetupNew                       // not activated yet
	InSetup                        // activated, still shows the set-up screens
	SetUp                          // in use
)

func (s SetupState) String() string {
	switch s {
	case SetupUnknown:
		return "unknown"
	case SetupNew:
		return "new"
	case InSetup:
		return "in set-up"
	case SetUp:
		return "set up"
	}
	return fmt.Sprintf("set-up state %d", int(s))
}

// SetupState reads how far the phone is set up. In set-up it refuses backups
// (MBErrorDomain 212) and takes restores. Values that it does not tell never
// give an error: SetupUnknown then.
func (d *Device) SetupState(ctx context.Context) (SetupState, error) {
	activation, ok, err := d.optional(ctx, "", "ActivationState")
	if err != nil {
		return SetupUnknown, err
	}
	if ok && activation == "Unactivated" {
		return SetupNew, nil
	}
	// Both spellings are in use, and clients disagree which is the real one.
	for _, domain := range []string{lockdown.DomainSetup, lockdown.DomainSetupOldSpelling} {
		for _, key := range []string{"SetupDone", "SetupFinishedAllSteps"} {
			v, ok, err := d.optional(ctx, domain, key)
			if err != nil {
				return SetupUnknown, err
			}
			if !ok {
				continue
			}
			if done, _ := (lockdown.Values{key: v}).Bool(key); done {
				return SetUp, nil
			}
			return InSetup, nil
		}
	}
	return d.setupByTraces(ctx)
}

// setupByTraces decides for phones that have no SetupDone: it is absent before
// set-up ends, and perhaps not told at all by some. A domain that has values
// but not that one belongs to a phone in set-up.
func (d *Device) setupByTraces(ctx context.Context) (SetupState, error) {
	for _, domain := range []string{lockdown.DomainSetup, lockdown.DomainSetupOldSpelling} {
		values, err := d.optionalValues(ctx, domain)
		if err != nil {
			return SetupUnknown, err
		}
		if len(values) > 0 {
			return InSetup, nil
		}
	}
	return SetupUnknown, nil
}

// BackupState tells how the phone makes backups.
type BackupState struct {
	WillEncrypt        bool // a backup password is set
	RequiresEncryption bool // its organisation demands one: without, a backup fails (207)
}

// BackupState reads it; what the phone does not tell is false, as phones that
// never had a backup password have no such value.
func (d *Device) BackupState(ctx context.Context) (BackupState, error) {
	values := lockdown.Values{}
	for _, key := range []string{"WillEncrypt", "RequiresEncryption"} {
		v, _, err := d.optional(ctx, lockdown.DomainBackup, key)
		if err != nil {
			return BackupState{}, err
		}
		values[key] = v
	}
	var s BackupState
	s.WillEncrypt, _ = values.Bool("WillEncrypt")
	s.RequiresEncryption, _ = values.Bool("RequiresEncryption")
	return s, nil
}

// FindMy tells whether Find My is on, which makes the phone refuse a restore
// (211); known is false when it does not say. An active Find My was reported
// missed once (protocol.md 11.5): the phone's refusal stays the real check.
func (d *Device) FindMy(ctx context.Context) (on, known bool, err error) {
	return d.flag(ctx, lockdown.DomainFindMy, "IsAssociated")
}

// Supervised tells whether an organisation manages the phone; known is false
// when it does not say.
func (d *Device) Supervised(ctx context.Context) (on, known bool, err error) {
	return d.flag(ctx, lockdown.DomainChaperone, "DeviceIsChaperoned")
}

func (d *Device) flag(ctx context.Context, domain, key string) (on, known bool, err error) {
	v, _, err := d.optional(ctx, domain, key)
	on, known = lockdown.Values{key: v}.Bool(key)
	return on, known, err
}

// Battery is the state of the phone's battery.
type Battery struct {
	Percent  int  // -1 when the phone does not say
	Charging bool // it takes charge
	External bool // it hangs on a charger or a computer
}

// Battery reads the state of the battery.
func (d *Device) Battery(ctx context.Context) (Battery, error) {
	v, err := d.optionalValues(ctx, lockdown.DomainBattery)
	b := Battery{Percent: -1}
	if n, ok := v.Uint("BatteryCurrentCapacity"); ok && n <= 100 {
		b.Percent = int(n)
	}
	b.Charging, _ = v.Bool("BatteryIsCharging")
	b.External, _ = v.Bool("ExternalConnected")
	return b, err
}

// DiskUsage is the phone's storage in bytes; 0 is "does not say".
type DiskUsage struct {
	TotalCapacity uint64 // as sold
	DataCapacity  uint64 // of the data volume
	DataAvailable uint64 // free there
}

// DiskUsage reads how full the phone is.
func (d *Device) DiskUsage(ctx context.Context) (DiskUsage, error) {
	v, err := d.optionalValues(ctx, lockdown.DomainDiskUsage)
	var u DiskUsage
	u.TotalCapacity, _ = v.Uint("TotalDiskCapacity")
	u.DataCapacity, _ = v.Uint("TotalDataCapacity")
	u.DataAvailable, _ = v.Uint("TotalDataAvailable")
	return u, err
}

// EnableWiFi switches connections over Wi-Fi on or off ("Show this iPhone when
// on Wi-Fi", protocol.md 5.1).
func (d *Device) EnableWiFi(ctx context.Context, on bool) error {
	return d.Set(ctx, lockdown.DomainWirelessLockdown, "EnableWifiConnections", on)
}

// WiFiEnabled tells whether connections over Wi-Fi are on; known is false when
// the phone does not say.
func (d *Device) WiFiEnabled(ctx context.Context) (on, known bool, err error) {
	return d.flag(ctx, lockdown.DomainWirelessLockdown, "EnableWifiConnections")
}
