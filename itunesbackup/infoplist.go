package itunesbackup

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// InfoPlist is Info.plist, XML, written by the host for people and other hosts
// to recognise the backup by (backup-format.md 2.3, protocol.md 4.11). Empty
// fields are not written, except Applications, InstalledApplications and
// ITunesSettings when they are not nil.
type InfoPlist struct {
	// Applications maps bundle IDs to dictionaries of ApplicationSINF,
	// iTunesMetadata and PlaceholderIcon, all data. A restore hands it to the phone.
	Applications          map[string]any
	InstalledApplications []string // bundle IDs
	BuildVersion          string   // "21D50"
	ProductVersion        string   // "17.3"
	ProductType           string   // "iPhone12,1"
	ProductName           string   // "iPhone 11"
	DeviceName            string
	DisplayName           string
	GUID                  string // 32 upper-case hex digits
	ICCID                 string
	IMEI, IMEI2, MEID     string
	PhoneNumber           string
	SerialNumber          string
	TargetIdentifier      string // UDID as it is
	TargetType            string // "Device"
	UniqueIdentifier      string // UDID in upper case
	LastBackupDate        time.Time
	ITunesVersion         string
	ITunesSettings        map[string]any
	ITunesFiles           map[string][]byte
	IBooksData2           []byte
	Other                 map[string]any // all other keys, and known ones of another type
}

// texts pairs the string fields with their keys.
func (p *InfoPlist) texts() map[string]*string {
	return map[string]*string{
		"Build Version":     &p.BuildVersion,
		"Product Version":   &p.ProductVersion,
		"Product Type":      &p.ProductType,
		"Product Name":      &p.ProductName,
		"Device Name":       &p.DeviceName,
		"Display Name":      &p.DisplayName,
		"GUID":              &p.GUID,
		"ICCID":             &p.ICCID,
		"IMEI":              &p.IMEI,
		"IMEI 2":            &p.IMEI2,
		"MEID":              &p.MEID,
		"Phone Number":      &p.PhoneNumber,
		"Serial Number":     &p.SerialNumber,
		"Target Identifier": &p.TargetIdentifier,
		"Target Type":       &p.TargetType,
		"Unique Identifier": &p.UniqueIdentifier,
		"iTunes Version":    &p.ITunesVersion,
	}
}

// ParseInfoPlist reads an Info.plist, XML or binary. Many hands write this file
// and no phone depends on it, so a value of an unexpected type is no error: it
// stays in Other. Errors wrap [ErrMalformed].
func ParseInfoPlist(data []byte) (InfoPlist, error) {
	d, err := parseDictionary(data)
	if err != nil {
		return InfoPlist{}, fmt.Errorf("parse Info.plist: %w", err)
	}
	var p InfoPlist
	if raw, ok := d["GUID"].([]byte); ok { // pymobiledevice3
		d["GUID"] = strings.ToUpper(hex.EncodeToString(raw))
	}
	for key, field := range p.texts() {
		takeIf(d, key, field)
	}
	takeIf(d, "Last Backup Date", &p.LastBackupDate)
	takeIf(d, "iBooks Data 2", &p.IBooksData2)
	takeIf(d, "Applications", &p.Applications)
	takeIf(d, "iTunes Settings", &p.ITunesSettings)
	takeList(d, "Installed Applications", &p.InstalledApplications)
	takeFiles(d, "iTunes Files", &p.ITunesFiles)
	p.Other = d.others()
	return p, nil
}

func takeIf[T any](d dictionary, key string, field *T) {
	if v, ok := d[key].(T); ok {
		*field = v
		delete(d, key)
	}
}

func takeList(d dictionary, key string, field *[]string) {
	list, ok := d[key].([]any)
	if !ok {
		return
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return
		}
		texts = append(texts, s)
	}
	*field = texts
	delete(d, key)
}

func takeFiles(d dictionary, key string, field *map[string][]byte) {
	dict, ok := d[key].(map[string]any)
	if !ok {
		return
	}
	files := make(map[string][]byte, len(dict))
	for name, v := range dict {
		if files[name], ok = v.([]byte); !ok {
			return
		}
	}
	*field = files
	delete(d, key)
}

// Marshal gives the XML property list. A field that is set wins over the same
// key in Other.
func (p InfoPlist) Marshal() ([]byte, error) {
	d := withOthers(p.Other)
	for key, field := range p.texts() {
		d.put(key, *field)
	}
	d.put("Last Backup Date", p.LastBackupDate)
	d.put("iBooks Data 2", p.IBooksData2)
	d.put("Applications", p.Applications)
	d.put("iTunes Settings", p.ITunesSettings)
	d.put("Installed Applications", p.InstalledApplications)
	d.put("iTunes Files", p.ITunesFiles)
	b, err := plist.Marshal(map[string]any(d), plist.XML)
	if err != nil {
		return nil, fmt.Errorf("encode Info.plist: %w", err)
	}
	return b, nil
}
