package device

import (
	"context"
	"errors"

	"github.com/keepsake-backup/keepsake/lockdown"
)

// Info is what the phone says about itself. What it does not say is empty.
type Info struct {
	UDID      UDID
	Transport Transport
	Name      string
	// ProductType is Apple's name for the model ("iPhone15,2"), ModelName the
	// one it is sold under, or ProductType when that is not known here.
	ProductType, ModelName string
	ProductName            string // "iPhone OS"
	DeviceClass            string // "iPhone", "iPad"
	ProductVersion         string // of iOS, "17.2.1"
	BuildVersion           string
	SerialNumber           string
	PhoneNumber            string
	IMEI, IMEI2, MEID      string
	ICCID                  string
	HardwareModel          string
	ModelNumber            string
	RegionInfo             string
	WiFiAddress            string
	TimeZone               string
	UniqueChipID           uint64 // the ECID
	PasswordProtected      bool   // locked at this moment
	// Paired tells whether the values came through a session. Without one the
	// phone tells little more than model, system and name.
	Paired bool
	// Values are all values as the phone gave them.
	Values map[string]any
}

// Info asks the phone who it is, in a session when it trusts this computer and
// else without.
func (d *Device) Info(ctx context.Context) (Info, error) {
	values, err := d.Values(ctx, "")
	paired := err == nil
	if errors.Is(err, ErrNotPaired) {
		values, err = d.plainValues(ctx)
	}
	if err != nil {
		return Info{}, err
	}
	info := d.infoOf(values)
	info.Paired = paired
	d.setName(info.Name)
	return info, nil
}

func (d *Device) plainValues(ctx context.Context) (map[string]any, error) {
	c, err := lockdown.Dial(ctx, d)
	if err != nil {
		return nil, d.fail(err)
	}
	defer c.Close()
	values, err := c.GetDomain(ctx, "")
	return values, d.fail(err)
}

func (d *Device) infoOf(v lockdown.Values) Info {
	chip, _ := v.Uint("UniqueChipID")
	locked, _ := v.Bool("PasswordProtected")
	return Info{
		UDID:              d.udid,
		Transport:         d.transport,
		Name:              v.String("DeviceName"),
		ProductType:       v.String("ProductType"),
		ModelName:         ModelName(v.String("ProductType")),
		ProductName:       v.String("ProductName"),
		DeviceClass:       v.String("DeviceClass"),
		ProductVersion:    v.String("ProductVersion"),
		BuildVersion:      v.String("BuildVersion"),
		SerialNumber:      v.String("SerialNumber"),
		PhoneNumber:       v.String("PhoneNumber"),
		IMEI:              v.String("InternationalMobileEquipmentIdentity"),
		IMEI2:             v.String("InternationalMobileEquipmentIdentity2"),
		MEID:              v.String("MobileEquipmentIdentifier"),
		ICCID:             v.String("IntegratedCircuitCardIdentity"),
		HardwareModel:     v.String("HardwareModel"),
		ModelNumber:       v.String("ModelNumber"),
		RegionInfo:        v.String("RegionInfo"),
		WiFiAddress:       v.String("WiFiAddress"),
		TimeZone:          v.String("TimeZone"),
		UniqueChipID:      chip,
		PasswordProtected: locked,
		Values:            v,
	}
}
