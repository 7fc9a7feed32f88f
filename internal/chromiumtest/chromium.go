// Package chromiumtest opens pages in Chromium for tests, as people do: those that
// Keepsake serves, and those that it writes into exports.
//
// It needs chromium: "make deps" installs it. KEEPSAKE_SCREENSHOTS names a folder in
// which pictures of exported pages stay.
package chromiumtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// quiet are the flags without which Chromium talks to its makers.
var quiet = []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "force-prefers-reduced-motion"}

// Start starts Chromium with an empty profile. Tabs are opened with the context, in
// package chromedp; stop ends it and removes the profile.
func Start() (ctx context.Context, stop func() error, err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("%w: run make deps", err)
	}
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		return nil, nil, err
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.DisableGPU)
	for _, flag := range quiet {
		opts = append(opts, chromedp.Flag(flag, true))
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(ctx)
	stop = func() error {
		cancel()
		end()
		return os.RemoveAll(profile)
	}
	if err := chromedp.Do(ctx); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start Chromium: %w", err), stop())
	}
	return ctx, stop, nil
}

// Look makes the window so wide, like a phone's where it is narrow, and asks for dark
// colours or light ones and for nothing that moves.
func Look(ctx context.Context, width int64, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 700})
	_, err2 := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	return errors.Join(err, err2)
}
