package itunesbackup

import (
	"errors"
	"fmt"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// ManifestVersion is the Version of every Manifest.plist beside a Manifest.db.
// Phones accept 7.4 up to, not including, 11.0; below 10.0 they expect an mbdb.
const ManifestVersion = "10.0"

// ManifestPlist is Manifest.plist, binary, written by the phone
// (backup-format.md 2.1).
type ManifestPlist struct {
	Version              string // "10.0"
	SystemDomainsVersion string // "20.0" up to iOS 18, "24.0" from iOS 26
	Date                 time.Time
	IsEncrypted          bool
	BackupKeyBag         []byte // for [keybag.Parse]; unencrypted backups have one too
	ManifestKey          []byte // 44 bytes for [keybag.ParseWrappedKey]; encrypted, iOS 10.2 on
	WasPasscodeSet       bool
	Lockdown             map[string]any // the phone's identity: DeviceName, UniqueDeviceID …
	Applications         map[string]any // bundle ID to a dictionary
	Other                map[string]any // all other keys, kept as they are
}

// ParseManifestPlist reads a Manifest.plist, binary or XML. Absent keys give
// zero values, since restore tools write little; a known key of the wrong type
// is an error. Errors wrap [ErrMalformed].
func ParseManifestPlist(data []byte) (ManifestPlist, error) {
	var p ManifestPlist
	d, err := parseDictionary(data)
	if err == nil {
		err = errors.Join(
			take(d, "Version", &p.Version),
			take(d, "SystemDomainsVersion", &p.SystemDomainsVersion),
			take(d, "Date", &p.Date),
			take(d, "IsEncrypted", &p.IsEncrypted),
			take(d, "BackupKeyBag", &p.BackupKeyBag),
			take(d, "ManifestKey", &p.ManifestKey),
			take(d, "WasPasscodeSet", &p.WasPasscodeSet),
			take(d, "Lockdown", &p.Lockdown),
			take(d, "Applications", &p.Applications),
		)
	}
	if err != nil {
		return ManifestPlist{}, fmt.Errorf("parse Manifest.plist: %w", err)
	}
	p.Other = d.others()
	return p, nil
}

// Marshal gives the binary property list. Lockdown and Applications are written
// even when empty, ManifestKey and BackupKeyBag only when there is one.
func (p ManifestPlist) Marshal() ([]byte, error) {
	d := withOthers(p.Other)
	d["Version"] = p.Version
	d["IsEncrypted"] = p.IsEncrypted
	d["WasPasscodeSet"] = p.WasPasscodeSet
	d["Date"] = p.Date
	d["Lockdown"] = orEmpty(p.Lockdown)
	d["Applications"] = orEmpty(p.Applications)
	d.put("SystemDomainsVersion", p.SystemDomainsVersion)
	d.put("BackupKeyBag", p.BackupKeyBag)
	d.put("ManifestKey", p.ManifestKey)
	b, err := plist.Marshal(map[string]any(d), plist.Binary)
	if err != nil {
		return nil, fmt.Errorf("encode Manifest.plist: %w", err)
	}
	return b, nil
}

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// LockdownText gives a string of Lockdown, such as "DeviceName"; empty when it
// is absent or no string.
func (p ManifestPlist) LockdownText(key string) string {
	s, _ := p.Lockdown[key].(string)
	return s
}
