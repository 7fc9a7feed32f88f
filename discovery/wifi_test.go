package discovery_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/mdns"
	"github.com/keepsake-backup/keepsake/notificationproxy"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

const stranger = "1e:bb:90:11:f0:89@fe80::1"

// TestRecognised: a phone is found by each of the ways, without any usbmuxd.
func TestRecognised(t *testing.T) {
	s := startPhones(t)
	p := s.Phones()[0]
	known := pairByCable(t, s, p)
	tag, err := discovery.AuthTag(known.Record.HostID, "some identifier")
	check(t, err)
	own := strings.TrimSuffix(known.ServiceName, "._apple-mobdev2._tcp.local.")
	for _, test := range []struct {
		how    discovery.How
		ad     discovery.Advert
		change func(*discovery.Known)
	}{
		{discovery.ByAuthTag, advert(t, p, stranger, "identifier=some identifier", "authTag=AAAAAAAAAAA=", "authTag#1= "+tag+" "), nil},
		{discovery.ByMAC, advert(t, p, strings.ToUpper(known.WiFiMAC)+"@fe80::2"), func(k *discovery.Known) { k.ServiceName = "" }},
		{discovery.ByName, advert(t, p, own), func(k *discovery.Known) { k.WiFiMAC = "00:00:00:00:00:01" }},
		{discovery.ByTrial, advert(t, p, stranger), nil},
		{discovery.ByAddress, discovery.Advert{}, func(k *discovery.Known) { k.Address = p.NetworkAddr().String() }},
	} {
		t.Run(string(test.how), func(t *testing.T) {
			k, sky := known, newAir()
			if test.change != nil {
				test.change(&k)
			}
			w, events := watch(t, discovery.Options{Browser: sky, Known: knowing(k)})
			if test.ad.Name != "" {
				sky.say(test.ad, true)
			}
			ev := until(t, events, "the phone", is(discovery.Appeared, k.UDID))
			if ev.Sighting.How != test.how || !ev.Sighting.WiFi || ev.Sighting.Cable || ev.Sighting.Address.String() != p.NetworkAddr().String() {
				t.Errorf("sighting %+v", ev.Sighting)
			}
			f := w.Facts(k.UDID)
			if f.Failure != discovery.NoFailure || f.LastHow != test.how || f.LastWiFi.IsZero() || !f.HasRecord || f.Advertised != (test.ad.Name != "") {
				t.Errorf("facts %+v", f)
			}
			if wantPrivate := test.ad.Name != "" && test.how != discovery.ByMAC; f.PrivateAddress != wantPrivate {
				t.Errorf("private address: %v", f.PrivateAddress)
			}
			dev, err := w.Open(within(t), k.UDID, discovery.WiFi)
			check(t, err)
			defer dev.Close()
			if info, err := dev.Info(within(t)); err != nil || info.UDID != k.UDID || info.Transport != device.Network {
				t.Errorf("info %v, %v", info.UDID, err)
			}
			if _, err := w.Open(within(t), k.UDID, discovery.Cable); !errors.Is(err, device.ErrNoDevice) {
				t.Errorf("by cable: %v", err)
			}
		})
	}
}

// TestOneHostID: phones that were paired under one HostID have the same tag; the
// session tells them apart.
func TestOneHostID(t *testing.T) {
	s := startPhones(t, func(c *virtualphone.Config) { c.Count = 2 })
	a, b := s.Phones()[0], s.Phones()[1]
	first := pairByCable(t, s, a)
	second := pairUnder(t, s, b, first.Record)
	tag, err := discovery.AuthTag(first.Record.HostID, "x")
	check(t, err)
	sky := newAir()
	w, events := watch(t, discovery.Options{Browser: sky, Known: knowing(discovery.Known{UDID: first.UDID, Record: first.Record}, second)})
	sky.say(advert(t, a, "02:00:00:00:00:01@fe80::1", "identifier=x", "authTag="+tag), true)
	sky.say(advert(t, b, "02:00:00:00:00:02@fe80::2", "identifier=x", "authTag="+tag), true)
	for range 2 {
		until(t, events, "a phone", func(ev discovery.Event) bool { return ev.Kind == discovery.Appeared })
	}
	for p, udid := range map[*virtualphone.Phone]device.UDID{a: first.UDID, b: second.UDID} {
		if at := w.Sighting(udid).Address.String(); at != p.NetworkAddr().String() {
			t.Errorf("%s is said to be at %s, it is at %s", udid, at, p.NetworkAddr())
		}
	}
}

// TestGoodbye: an advertisement that ends ends neither the sighting of a phone
// that answers nor what is open; a phone that no longer answers is gone.
func TestGoodbye(t *testing.T) {
	s := startPhones(t)
	p := s.Phones()[0]
	known, sky := pairByCable(t, s, p), newAir()
	w, events := watch(t, discovery.Options{Browser: sky, Known: knowing(known)})
	ad := advert(t, p, known.WiFiMAC+"@fe80::1")
	sky.say(ad, true)
	until(t, events, "the phone", is(discovery.Appeared, known.UDID))
	dev, err := w.Open(within(t), known.UDID, discovery.Any)
	check(t, err)
	defer dev.Close()
	conn, err := dev.StartService(within(t), notificationproxy.Service)
	check(t, err)
	defer conn.Close()
	sky.say(ad, false)
	tried := w.Facts(known.UDID).Tried
	eventually(t, "a second look", func() bool { return w.Facts(known.UDID).Tried.After(tried) })
	if f := w.Facts(known.UDID); !f.Sighting.WiFi || f.Advertised {
		t.Errorf("facts %+v", f)
	}
	if _, err := dev.Info(within(t)); err != nil {
		t.Error("the open handle:", err)
	}
	check(t, p.Set("wifi=off"))
	until(t, events, "the end", is(discovery.Gone, known.UDID))
	eventually(t, "a reason", func() bool { return w.Facts(known.UDID).Failure == discovery.Closed })
	check(t, p.Set("wifi=on"))
	sky.say(advert(t, p, known.WiFiMAC+"@fe80::1"), true)
	until(t, events, "the phone again", is(discovery.Appeared, known.UDID))
	if _, err := dev.Info(within(t)); err != nil {
		t.Error("the handle from before did not find the phone at its new port:", err)
	}
}

// TestWhyNot: what keeps a phone from being reached is known.
func TestWhyNot(t *testing.T) {
	s := startPhones(t, func(c *virtualphone.Config) { c.Count = 2 })
	p, other := s.Phones()[0], s.Phones()[1]
	known, sky := pairByCable(t, s, p), newAir()
	for range 2 {
		pairByCable(t, s, other)
	}
	unpaired := discovery.Known{UDID: udidOf(t, other)} // the watcher has no record of it
	w, _ := watch(t, discovery.Options{Browser: sky, Known: knowing(known, unpaired)})
	why := func(udid device.UDID, want discovery.Failure) {
		t.Helper()
		eventually(t, string(want), func() bool { w.Refresh(); return w.Facts(udid).Failure == want })
	}
	why(known.UDID, discovery.NotFound)
	why(unpaired.UDID, discovery.NoRecord)
	if _, err := w.Open(within(t), known.UDID, discovery.Any); !errors.Is(err, device.ErrNoDevice) || device.Hint(err) == "" {
		t.Errorf("open: %v", err)
	}
	// Another phone under the name of ours.
	ad := advert(t, other, known.WiFiMAC+"@fe80::1")
	sky.say(ad, true)
	why(known.UDID, discovery.NotPaired)
	sky.say(ad, false)
	// Ours, which forgot us.
	dev, err := device.OpenDirect(within(t), device.Direct{UDID: known.UDID, Record: known.Record, Addrs: addrsOf(t, p)})
	check(t, err)
	check(t, dev.Unpair(within(t)))
	check(t, dev.Close())
	sky.say(advert(t, p, known.WiFiMAC+"@fe80::1"), true)
	why(known.UDID, discovery.NotPaired)
	if _, err := w.Open(within(t), known.UDID, discovery.Any); !errors.Is(err, device.ErrNotPaired) || device.Hint(err) == "" {
		t.Errorf("open: %v", err)
	}
	if f := w.Facts(known.UDID); !f.Advertised || f.LastHeard.IsZero() || f.Err == nil {
		t.Errorf("facts %+v", f)
	}
}

// TestHeartbeat: a handle past usbmuxd answers the phone's heartbeat, or the
// phone would end its services; a heartbeat that stops ends nothing by itself.
func TestHeartbeat(t *testing.T) {
	s := startPhones(t, func(c *virtualphone.Config) {
		c.HeartbeatInterval, c.HeartbeatGrace = 100*time.Millisecond, 400*time.Millisecond
	})
	p := s.Phones()[0]
	known := pairByCable(t, s, p)
	known.Address = p.NetworkAddr().String()
	w, events := watch(t, discovery.Options{Browser: newAir(), Known: knowing(known)})
	until(t, events, "the phone", is(discovery.Appeared, known.UDID))
	dev, err := w.Open(within(t), known.UDID, discovery.WiFi)
	check(t, err)
	defer dev.Close()
	check(t, p.Await(within(t), "service.com.apple.mobile.heartbeat", 1))
	conn, err := dev.StartService(within(t), notificationproxy.Service)
	check(t, err)
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(1200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var timeout interface{ Timeout() bool }
	if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the phone ended a service though its heartbeat is answered: %v", err)
	}
}

// TestMulticast: the same with real packets, of a phone that announces itself on
// the loopback interface.
func TestMulticast(t *testing.T) {
	for _, test := range []struct {
		ios     string
		private bool
		how     discovery.How
	}{{"26.4", true, discovery.ByAuthTag}, {"18.6", false, discovery.ByMAC}, {"18.6", true, discovery.ByName}} {
		t.Run(test.ios+string(test.how), func(t *testing.T) {
			s := startPhones(t, func(c *virtualphone.Config) {
				c.IOS, c.PrivateAddress, c.Announce = test.ios, test.private, mdns.Loopback
			})
			known := pairByCable(t, s, s.Phones()[0])
			_, events := watch(t, discovery.Options{Interfaces: mdns.Loopback, Known: knowing(known), Pace: fast})
			ev := until(t, events, "the phone", is(discovery.Appeared, known.UDID))
			if ev.Sighting.How != test.how {
				t.Errorf("recognised by %s, not by %s", ev.Sighting.How, test.how)
			}
		})
	}
}

// TestBrowserBreaks: a network that cannot be heard is told, and heard again.
func TestBrowserBreaks(t *testing.T) {
	broken := make(chan error)
	w, _ := watch(t, discovery.Options{Browser: breaks(broken)})
	broken <- errors.New("no such network")
	eventually(t, "the reason", func() bool { return w.Facts(device.UDID{}).BrowseErr != nil })
	broken <- nil // it is listened to again
}

type breaks chan error

func (b breaks) Browse(ctx context.Context, _ func(discovery.Advert, bool)) error {
	select {
	case err := <-b:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
