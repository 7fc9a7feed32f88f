package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Records keeps pair records of our own in the catalog, sealed: what
// discovery.Options wants as Recorder.
type Records struct{ DB *catalog.DB }

var _ discovery.Recorder = Records{}

func recordName(udid usbmux.UDID) string { return "pair-record:" + udid.String() }

// Load gives the record of a phone; the error wraps usbmux.ErrNoPairRecord when
// there is none.
func (r Records) Load(ctx context.Context, udid usbmux.UDID) (*lockdown.PairRecord, error) {
	b, err := r.DB.Unseal(ctx, recordName(udid))
	if errors.Is(err, fs.ErrNotExist) {
		err = usbmux.ErrNoPairRecord
	}
	if err != nil {
		return nil, fmt.Errorf("load pair record of %v: %w", udid, err)
	}
	return lockdown.ParsePairRecord(b.Reveal())
}

// Save keeps a record in the place of the one there may be.
func (r Records) Save(ctx context.Context, udid usbmux.UDID, record *lockdown.PairRecord) error {
	b, err := record.Marshal()
	if err == nil {
		err = r.DB.Seal(ctx, recordName(udid), secret.NewBytes(b))
	}
	if err != nil {
		return fmt.Errorf("keep pair record of %v: %w", udid, err)
	}
	return nil
}

// KnownPhones gives the phones of the catalog that are to be looked for on Wi-Fi:
// what discovery.Options wants as Known.
func KnownPhones(db *catalog.DB) func(ctx context.Context) ([]discovery.Known, error) {
	return func(ctx context.Context) ([]discovery.Known, error) {
		phones, err := db.Phones(ctx)
		if err != nil {
			return nil, fmt.Errorf("read phones: %w", err)
		}
		var known []discovery.Known
		for _, p := range phones {
			udid, err := usbmux.ParseUDID(p.UDID)
			if err != nil {
				continue // no phone of a cable
			}
			known = append(known, discovery.Known{UDID: udid, WiFiMAC: p.WiFiMAC, ServiceName: p.ServiceName, Address: p.Address})
		}
		return known, nil
	}
}
