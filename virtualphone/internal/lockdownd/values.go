package lockdownd

import (
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// values is one domain.
type values map[string]any

// before are the keys that anybody may read: what pairing needs
// (protocol.md 2.3) and what describes the model.
var before = map[string]bool{
	"BoardId": true, "BuildVersion": true, "CPUArchitecture": true, "ChipID": true, "DeviceClass": true,
	"DeviceColor": true, "DeviceName": true, "DevicePublicKey": true, "DieID": true, "HardwareModel": true,
	"HasSiDP": true, "PartitionType": true, "ProductName": true, "ProductType": true, "ProductVersion": true,
	"ProductionSOC": true, "ProtocolVersion": true, "SupportedDeviceFamilies": true, "TelephonyCapability": true,
	"UniqueChipID": true, "UniqueDeviceID": true, "WiFiAddress": true,
}

// getValue reads one value, or a whole domain when key is empty. Domains that
// this phone does not know are empty.
func (l *link) getValue(domain, key string) (any, error) {
	if l.session == nil && domain != "" {
		return nil, lockdown.GetProhibited
	}
	v := l.s.domain(domain)
	if l.session == nil {
		for k := range v {
			if !before[k] {
				delete(v, k)
			}
		}
	}
	if key == "" {
		return map[string]any(v), nil
	}
	value, ok := v[key]
	switch {
	case ok:
		return value, nil
	case l.session == nil && !before[key]:
		return nil, lockdown.GetProhibited
	}
	return nil, lockdown.MissingValue
}

// domain makes the values of one domain, fresh for the caller.
func (s *Server) domain(name string) values {
	set := s.phone.State().Settings()
	switch name {
	case "":
		return s.general(set)
	case lockdown.DomainBackup:
		v := values{"Version": "4"}
		if !s.phone.State().BackupPassword().IsZero() {
			v["WillEncrypt"] = true
		}
		if set.RequiresEncryption {
			v["RequiresEncryption"] = true
		}
		return v
	case lockdown.DomainBattery:
		return values{
			"BatteryCurrentCapacity": 87, "BatteryIsCharging": true, "ExternalChargeCapable": true,
			"ExternalConnected": true, "FullyCharged": false, "GasGaugeCapability": true, "HasBattery": true,
		}
	case lockdown.DomainChaperone:
		return values{"DeviceIsChaperoned": set.Supervised}
	case lockdown.DomainDiskUsage:
		const data = 115_000_000_000
		return values{
			"TotalDiskCapacity": uint64(128_000_000_000), "TotalSystemCapacity": uint64(12_000_000_000),
			"TotalDataCapacity": uint64(data), "TotalDataAvailable": uint64(data - min(max(s.phone.Held(), 0), data)),
		}
	case lockdown.DomainFindMy:
		return values{"IsAssociated": set.FindMy}
	case lockdown.DomainITunes:
		return values{"MinITunesVersion": "12.12", "iTunesSetupComplete": set.Setup == state.SetupDone}
	case lockdown.DomainITunesSettings:
		return values{}
	case lockdown.DomainSetup, lockdown.DomainSetupOldSpelling:
		return setupValues(set)
	case lockdown.DomainWirelessLockdown:
		return values{
			"BonjourFullServiceName": s.phone.State().Announcement().FullName(), "EnableWifiConnections": set.WiFiConnections,
			"EnableWifiDebugging": false, "SupportsWifi": true, "SupportsWifiSyncing": true,
		}
	case domainInternational:
		return values{
			"Language": set.Language, "Locale": set.Locale, "Keyboard": set.Locale,
			"SupportedLanguages": []string{"en", "de"}, "SupportedLocales": []string{"en_US", "de_DE"}, "SupportedKeyboards": []string{"en_US", "de_DE"},
		}
	}
	return values{}
}

const domainInternational = "com.apple.international"

// setupValues are those of PurpleBuddy (protocol.md 11.1): before set-up is
// done SetupDone is absent, which every host must take for false.
func setupValues(set state.Settings) values {
	v := values{}
	if set.SetupState != "" {
		v["SetupState"] = set.SetupState
		v["RestoreState"] = set.SetupState
	}
	switch set.Setup {
	case state.SetupBusy:
		v["GuessedCountry"] = []string{"DE"}
	case state.SetupDone:
		v["SetupDone"], v["SetupFinishedAllSteps"], v["SetupVersion"] = true, true, 11
		if set.SetupState == "" {
			v["SetupState"] = "SetupUsingAssistant"
		}
	}
	return v
}

func (s *Server) general(set state.Settings) values {
	id := s.phone.State().Identity()
	activation := "Activated"
	if set.Setup == state.SetupNew {
		activation = "Unactivated"
	}
	now := s.now()
	zone, offset := set.TimeZone, 0
	if loc, err := time.LoadLocation(zone); err == nil {
		_, offset = now.In(loc).Zone()
	}
	return values{
		"ActivationState": activation, "ActivationStateAcknowledged": set.ActivationAcked && set.Setup != state.SetupNew,
		"BasebandStatus": "BBInfoAvailable", "BasebandVersion": "4.03.05", "BluetoothAddress": id.BluetoothAddress, "BoardId": 12,
		"BrickState": set.Setup == state.SetupNew, "BuildVersion": set.Build, "CPUArchitecture": "arm64e", "ChipID": 0x8101,
		"DeviceClass": set.Class(), "DeviceColor": "1", "DeviceName": set.DeviceName, "DevicePublicKey": s.phone.State().PublicKeyPEM(),
		"DieID": id.UniqueChipID ^ 0x5A5A5A5A, "EthernetAddress": id.EthernetAddress, "FirmwareVersion": "iBoot-11881.140.96",
		"HardwareModel": id.HardwareModel, "HardwarePlatform": "t8101", "HasSiDP": true, "HostAttached": true,
		"InternationalMobileEquipmentIdentity": id.IMEI, "IntegratedCircuitCardIdentity": id.ICCID, "MobileEquipmentIdentifier": id.MEID,
		"MLBSerialNumber": id.MLBSerialNumber, "ModelNumber": id.ModelNumber, "PhoneNumber": id.PhoneNumber,
		"NonVolatileRAM": map[string]any{
			"auto-boot": []byte("true"), "backlight-level": []byte("1500"), "boot-args": "", "obliteration": []byte("handle_message: Starting"),
		},
		"PartitionType": "GUID_partition_scheme", "PasswordProtected": set.PasswordProtected(), "ProductName": "iPhone OS",
		"ProductType": id.ProductType, "ProductVersion": set.IOS, "ProductionSOC": true, "ProtocolVersion": "2",
		"ProximitySensorCalibration": []byte{0, 1, 2, 3}, "RegionInfo": "ZD/A", "SerialNumber": id.SerialNumber,
		"SIMStatus": "kCTSIMSupportSIMStatusReady", "SoftwareBehavior": []byte{0x13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"SupportedDeviceFamilies": []int{1}, "TelephonyCapability": true, "TimeIntervalSince1970": float64(now.UnixMilli()) / 1000,
		"TimeZone": zone, "TimeZoneOffsetFromUTC": float64(offset), "TrustedHostAttached": s.phone.State().Pairings() > 0,
		"UniqueChipID": id.UniqueChipID, "UniqueDeviceID": id.UDID, "UseRaptorCerts": true, "Uses24HourClock": set.Uses24HourClock,
		"WiFiAddress": id.WiFiAddress,
	}
}

func (s *Server) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phone.Now().Add(s.clock)
}
