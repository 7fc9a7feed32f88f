package interop

import (
	"bytes"
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/restore"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// Sixteen phones on one socket are backed up into one folder at once; then
// every other one is erased and restored, while the rest are backed up again.
func TestSixteenPhonesAtOnce(t *testing.T) {
	const count = 16
	s, err := virtualphone.Start(t.Context(), virtualphone.Config{
		Dir: t.TempDir(), Seed: 500, Profile: "tiny", Count: count, KDFRounds: 1000, RebootTime: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	addr, err := usbmux.ParseAddress(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	mux := &usbmux.Client{Address: addr}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()

	var all errgroup.Group
	for i, p := range s.Phones() {
		all.Go(func() error { return backUpPaired(ctx, mux, p, dir) })
		if i == 3 {
			p.Notify("com.apple.itunes-client.syncSuspendRequest") // hosts ignore it
		}
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	want := make([]string, count)
	for i, p := range s.Phones() {
		want[i] = digestOf(t, p)
		if i > 0 && want[i] == want[i-1] {
			t.Fatal("two phones have the same files: they could be mixed up unnoticed")
		}
	}
	var again errgroup.Group
	for i, p := range s.Phones() {
		again.Go(func() error {
			if i%2 == 0 {
				return backUpPaired(ctx, mux, p, dir)
			}
			if err := p.Erase(ctx); err != nil {
				return err
			}
			dev, err := pairedDevice(ctx, mux, p)
			if err != nil {
				return err
			}
			defer dev.Close()
			boots := p.Count("up")
			if _, err := restore.FromFolder(ctx, dev, dir, restore.Options{}, silent{}); err != nil {
				return err
			}
			return p.Await(ctx, "up", boots+1)
		})
	}
	if err := again.Wait(); err != nil {
		t.Fatal(err)
	}
	for i, p := range s.Phones() {
		sameDigest(t, want[i], digestOf(t, p))
	}
}

func pairedDevice(ctx context.Context, mux *usbmux.Client, p *virtualphone.Phone) (*device.Device, error) {
	dev, err := device.Open(ctx, device.Options{Mux: mux, Select: p.UDID()})
	if err != nil {
		return nil, err
	}
	if err := dev.Pair(ctx, device.PairOptions{Renew: true}); err != nil {
		dev.Close()
		return nil, err
	}
	return dev, nil
}

func backUpPaired(ctx context.Context, mux *usbmux.Client, p *virtualphone.Phone, dir string) error {
	dev, err := pairedDevice(ctx, mux, p)
	if err != nil {
		return err
	}
	defer dev.Close()
	_, err = backup.ToFolder(ctx, dev, dir, backup.Options{}, silent{})
	return err
}

func digestOf(t *testing.T, p *virtualphone.Phone) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Digest(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
