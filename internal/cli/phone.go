package cli

import (
	"context"
	"fmt"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// mux is the usbmuxd that the environment names, or the system's own.
func (a *app) mux() (*usbmux.Client, error) {
	addr, err := usbmux.ParseAddress(a.Getenv("USBMUXD_SOCKET_ADDRESS"))
	if err != nil {
		return nil, &hintError{err: fmt.Errorf("USBMUXD_SOCKET_ADDRESS: %w", err), hint: "unset it, unless usbmuxd listens at an unusual place", code: exitUsage}
	}
	return &usbmux.Client{Address: addr, ProgName: "keepsake"}, nil
}

// open finds the phone that --udid names, or the only one. With wait it waits
// until there is one.
func (a *app) open(ctx context.Context, say progress.Reporter, wait bool) (*device.Device, error) {
	mux, err := a.mux()
	if err != nil {
		return nil, err
	}
	opt := device.Options{Mux: mux, Select: a.phone}
	d, err := device.Open(ctx, opt)
	if err == nil || !wait || exitCode(ctx, err) != exitNoPhone {
		return d, err
	}
	which := "an iPhone"
	if a.phone != "" {
		which = a.phone
	}
	say.Phase("wait_for_phone", "Waiting for "+which)
	say.Say(progress.Action, fmt.Sprintf("Connect %s by cable and unlock it.", which))
	return device.Await(ctx, opt)
}

// discover finds the phones that are connected now, at least one. Close each.
func (a *app) discover(ctx context.Context) ([]*device.Device, error) {
	mux, err := a.mux()
	if err != nil {
		return nil, err
	}
	phones, err := device.Discover(ctx, mux)
	if err == nil && len(phones) == 0 {
		err = fmt.Errorf("back up all phones: %w", device.ErrNoDevice)
	}
	return phones, err
}
