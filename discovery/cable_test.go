package discovery_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func addrsOf(t *testing.T, p *virtualphone.Phone) []netip.AddrPort {
	t.Helper()
	return []netip.AddrPort{p.NetworkAddr().(*net.TCPAddr).AddrPort()}
}

// TestCable: plug, unplug, and a usbmuxd that starts later and restarts.
func TestCable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := ln.Addr().String()
	check(t, ln.Close())
	mux := &usbmux.Client{Address: usbmux.Address{Network: "tcp", Addr: addr}}
	var known atomic.Pointer[discovery.Known] // the phone, as soon as there is one: of others nothing is remembered
	w, events := watch(t, discovery.Options{Mux: mux, NoWiFi: true, Known: func(context.Context) ([]discovery.Known, error) {
		if k := known.Load(); k != nil {
			return []discovery.Known{*k}, nil
		}
		return nil, nil
	}})
	eventually(t, "no muxer", func() bool { return w.Facts(device.UDID{}).MuxErr != nil })

	dir := t.TempDir()
	onAddr := func(c *virtualphone.Config) { c.Listen, c.Dir, c.WiFi = addr, dir, false }
	s := startPhones(t, onAddr)
	p := s.Phones()[0]
	udid := udidOf(t, p)
	known.Store(&discovery.Known{UDID: udid})
	w.Refresh()
	eventually(t, "the phone is known", func() bool { return w.Facts(udid).Known })
	ev := until(t, events, "the phone", is(discovery.Appeared, udid))
	if !ev.Sighting.Cable || ev.Sighting.WiFi || ev.Sighting.Since.IsZero() {
		t.Errorf("sighting %+v", ev.Sighting)
	}
	if now := w.Now(); len(now) != 1 || now[0] != ev.Sighting {
		t.Errorf("now %+v", now)
	}
	dev, err := w.Open(within(t), udid, discovery.Any)
	check(t, err)
	if dev.Transport() != device.USB {
		t.Errorf("opened by %s", dev.Transport())
	}
	check(t, dev.Close())
	p.Unplug()
	until(t, events, "its end", is(discovery.Gone, udid))
	if f := w.Facts(udid); f.LastCable.IsZero() || f.Sighting.Cable {
		t.Errorf("facts %+v", f)
	}
	p.Plug()
	until(t, events, "the phone again", is(discovery.Appeared, udid))
	check(t, s.Close())
	until(t, events, "the end of the muxer", is(discovery.Gone, udid))
	startPhones(t, onAddr)
	until(t, events, "the phone after the restart", is(discovery.Appeared, udid))
	if err := w.Facts(udid).MuxErr; err != nil {
		t.Errorf("muxer: %v", err)
	}
}

// TestRecordsAreKept: what usbmuxd has of a pairing becomes our own, and Wi-Fi
// works without usbmuxd from then on.
func TestRecordsAreKept(t *testing.T) {
	s := startPhones(t)
	p := s.Phones()[0]
	udid, book := udidOf(t, p), &memory{}
	_, events := watch(t, discovery.Options{Mux: muxOf(t, s), Recorder: book, NoWiFi: true})
	until(t, events, "the phone", is(discovery.Appeared, udid))
	pairByCable(t, s, p)
	until(t, events, "the pairing", is(discovery.Paired, udid))
	eventually(t, "the record", func() bool { _, err := book.Load(t.Context(), udid); return err == nil })
	p.Unplug()
	p.Plug()
	w, events := watch(t, discovery.Options{Browser: newAir(), Recorder: book, Known: knowing(discovery.Known{UDID: udid, Address: p.NetworkAddr().String()})})
	until(t, events, "the phone on Wi-Fi", is(discovery.Appeared, udid))
	dev, err := w.Open(within(t), udid, discovery.WiFi)
	check(t, err)
	check(t, dev.Close())
	if book.saves != 1 {
		t.Errorf("one record was saved %d times", book.saves)
	}
}

// TestWiFiOfTheMuxer: a usbmuxd that does Wi-Fi itself is believed.
func TestWiFiOfTheMuxer(t *testing.T) {
	s := startPhones(t)
	p := s.Phones()[0]
	known := pairByCable(t, s, p)
	check(t, p.Await(within(t), "network-attached", 1))
	w, events := watch(t, discovery.Options{Mux: muxOf(t, s), NoWiFi: true})
	until(t, events, "both ways", func(ev discovery.Event) bool { return ev.Sighting.Cable && ev.Sighting.WiFi })
	p.Unplug()
	ev := until(t, events, "the cable's end", func(ev discovery.Event) bool { return !ev.Sighting.Cable })
	if ev.Kind != discovery.Changed || ev.Sighting.How != discovery.ByMuxer {
		t.Errorf("event %+v", ev)
	}
	dev, err := w.Open(within(t), known.UDID, discovery.Any)
	check(t, err)
	defer dev.Close()
	if dev.Transport() != device.Network {
		t.Errorf("opened by %s", dev.Transport())
	}
}

func TestReadRecordFile(t *testing.T) {
	s := startPhones(t)
	known := pairByCable(t, s, s.Phones()[0])
	data, err := known.Record.Marshal()
	check(t, err)
	dir := t.TempDir()
	name := filepath.Join(dir, known.UDID.String()+".plist")
	check(t, os.WriteFile(name, data, 0o600))
	udid, record, err := discovery.ReadRecordFile(name)
	check(t, err)
	if udid != known.UDID || record.HostID != known.Record.HostID {
		t.Errorf("read the record of %s", udid)
	}
	for file, content := range map[string]string{
		"other.plist":                     string(data), // of whom?
		known.UDID.String() + "-x.plist":  string(data),
		"00008101-0001234567890123.plist": "no property list",
	} {
		path := filepath.Join(dir, file)
		check(t, os.WriteFile(path, []byte(content), 0o600))
		if _, _, err := discovery.ReadRecordFile(path); err == nil || strings.Contains(err.Error(), "PRIVATE KEY") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
