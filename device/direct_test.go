package device_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// TestOpenDirect: without usbmuxd, past an address that leads nowhere, and with
// nobody else than the phone of the record.
func TestOpenDirect(t *testing.T) {
	s, err := virtualphone.Start(t.Context(), virtualphone.Config{Dir: t.TempDir(), Empty: true, Count: 2, WiFi: true, WiFiListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at, err := usbmux.ParseAddress(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	mux := &usbmux.Client{Address: at}
	var ways []device.Direct
	for _, p := range s.Phones() {
		d, err := device.Open(t.Context(), device.Options{Mux: mux, Select: p.UDID(), Transport: device.USB})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := errors.Join(d.Pair(t.Context(), device.PairOptions{}), d.EnableWiFi(t.Context(), true)); err != nil {
			t.Fatal(err)
		}
		if err := p.Await(t.Context(), "network-attached", 1); err != nil {
			t.Fatal(err)
		}
		data, err := mux.ReadPairRecord(t.Context(), d.UDID())
		if err != nil {
			t.Fatal(err)
		}
		record, err := lockdown.ParsePairRecord(data)
		if err != nil {
			t.Fatal(err)
		}
		ways = append(ways, device.Direct{UDID: d.UDID(), Record: record, Addrs: []netip.AddrPort{p.NetworkAddr().(*net.TCPAddr).AddrPort()}})
	}
	a, b := ways[0], ways[1]
	nowhere := netip.MustParseAddrPort("192.0.2.1:62078")

	way := a
	way.Addrs = []netip.AddrPort{nowhere, b.Addrs[0], a.Addrs[0]} // the second is another phone
	way.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == nowhere.String() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	begun := time.Now()
	d, err := device.OpenDirect(t.Context(), way)
	if err != nil {
		t.Fatal(err)
	}
	if d.Address() != a.Addrs[0] || d.Transport() != device.Network || time.Since(begun) > 10*time.Second {
		t.Errorf("at %s after %s", d.Address(), time.Since(begun))
	}
	if err := d.Pair(t.Context(), device.PairOptions{}); err != nil {
		t.Error("it is paired:", err)
	}
	if err := errors.Join(d.Unpair(t.Context()), d.Close()); err != nil {
		t.Error(err)
	}

	wrong := a
	wrong.Addrs = b.Addrs
	noRecord := a
	noRecord.Record = nil
	notIt := b
	notIt.UDID = a.UDID
	for _, test := range []struct {
		name string
		way  device.Direct
		want error
	}{
		{"forgotten", a, device.ErrNotPaired},
		{"another phone", wrong, device.ErrNotPaired},
		{"no record", noRecord, device.ErrNotPaired},
		{"another UDID", notIt, lockdown.ErrWrongPhone},
		{"no address", device.Direct{UDID: a.UDID, Record: a.Record}, device.ErrNoDevice},
		{"nobody there", device.Direct{UDID: a.UDID, Record: a.Record, Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}, device.ErrNoDevice},
		{"nobody anywhere", device.Direct{UDID: a.UDID, Record: a.Record, Addrs: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")}}, device.ErrNoDevice},
	} {
		if _, err := device.OpenDirect(t.Context(), test.way); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
