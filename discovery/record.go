package discovery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Recorder keeps pair records of our own, so that Wi-Fi needs no usbmuxd. They
// are as secret as the phones' contents: sealed, or not at all.
type Recorder interface {
	// Load returns the record of a phone; the error wraps usbmux.ErrNoPairRecord
	// when there is none.
	Load(ctx context.Context, udid usbmux.UDID) (*lockdown.PairRecord, error)
	// Save keeps a record in the place of the one there may be.
	Save(ctx context.Context, udid usbmux.UDID, record *lockdown.PairRecord) error
}

// maxRecordFile bounds a record's file in bytes; real ones have about 10 KB.
const maxRecordFile = 1 << 20

// ReadRecordFile reads a pair record as usbmuxd and other programs keep it, a
// property list <UDID>.plist such as /var/lib/lockdown has them (protocol.md
// 1.6, 2.5). The UDID is the file's "UDID" member if it has one, else its name.
// Errors never quote the record.
func ReadRecordFile(path string) (usbmux.UDID, *lockdown.PairRecord, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxRecordFile {
		err = fmt.Errorf("%d bytes, at most %d are accepted", info.Size(), maxRecordFile)
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return usbmux.UDID{}, nil, fmt.Errorf("read pair record: %w", err)
	}
	udid, record, err := ParseRecord(data, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	if err != nil {
		return usbmux.UDID{}, nil, fmt.Errorf("read pair record %s: %w", path, err)
	}
	return udid, record, nil
}

// ParseRecord is [ReadRecordFile] for bytes; name is the UDID for records that
// hold none.
func ParseRecord(data []byte, name string) (usbmux.UDID, *lockdown.PairRecord, error) {
	record, err := lockdown.ParsePairRecord(data)
	if err != nil {
		return usbmux.UDID{}, nil, err
	}
	var members struct {
		UDID string `plist:"UDID"`
	}
	if err := plist.Unmarshal(data, &members); err != nil {
		return usbmux.UDID{}, nil, errors.New("its UDID is no string") // the cause would quote the record
	}
	if members.UDID != "" {
		name = members.UDID
	}
	udid, err := usbmux.ParseUDID(name)
	if err != nil {
		return usbmux.UDID{}, nil, fmt.Errorf("whose record it is: %w", err)
	}
	return udid, record, nil
}

// Learn asks a phone for what it will be recognised by on Wi-Fi, while it is on
// the cable and trusts this computer: its service name and its Wi-Fi address.
// What the phone does not tell stays empty. Record and Address are not filled.
func Learn(ctx context.Context, phone *device.Device) (Known, error) {
	k := Known{UDID: phone.UDID()}
	for _, ask := range []struct {
		domain, key string
		to          *string
	}{
		{lockdown.DomainWirelessLockdown, "BonjourFullServiceName", &k.ServiceName},
		{"", "WiFiAddress", &k.WiFiMAC},
	} {
		value, err := phone.Get(ctx, ask.domain, ask.key)
		var refused lockdown.Error
		if err != nil && (!errors.As(err, &refused) || errors.Is(err, device.ErrNotPaired)) {
			return k, fmt.Errorf("learn the Wi-Fi name of %s: %w", phone.Name(), err)
		}
		if text, ok := value.(string); ok {
			*ask.to = text
		}
	}
	return k, nil
}
