package discovery

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/usbmux"
)

// TestAuthTag: the vector of protocol.md 5.2.
func TestAuthTag(t *testing.T) {
	tag, err := AuthTag("00000000-0000-0000-0000-000000000000", "identifier")
	if err != nil || tag != "AyDSy6pLk4Q=" {
		t.Errorf("%s, %v", tag, err)
	}
	for _, test := range []struct {
		txt  []string
		want bool
	}{
		{[]string{"identifier=identifier", "authTag=AyDSy6pLk4Q="}, true},
		{[]string{"AUTHTAG= AyDSy6pLk4Q=\n", "Identifier=identifier"}, true},
		{[]string{"identifier=identifier", "authTag=x", "authTag#1=y", "authTag#2=AyDSy6pLk4Q="}, true},
		{[]string{"identifier=other", "authTag=AyDSy6pLk4Q="}, false},
		{[]string{"authTag=AyDSy6pLk4Q="}, false},
		{[]string{"identifier=identifier", "authTags=AyDSy6pLk4Q=", "authTag"}, false},
		{nil, false},
	} {
		if got := hasTag(test.txt, "00000000-0000-0000-0000-000000000000"); got != test.want {
			t.Errorf("%q: %v", test.txt, got)
		}
	}
}

// TestMatch: names of protocol.md 8.5.
func TestMatch(t *testing.T) {
	ad := Advert{Name: "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f"}
	for _, test := range []struct {
		traits traits
		want   How
	}{
		{traits{mac: "18:f1:d8:df:17:9f"}, ByMAC},
		{traits{mac: "c0:2c:5c:06:88:d6"}, ""},
		{traits{name: "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._apple-mobdev2._tcp.local."}, ByName},
		{traits{name: `18\:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._Apple-mobdev2._tcp.local`}, ByName},
		{traits{name: "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._ipp._tcp.local."}, ""},
		{traits{}, ""},
	} {
		if got := match(ad, test.traits); got != test.want {
			t.Errorf("%+v: %q", test.traits, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		name string
		ad   Advert
		want []string
	}{
		{"as real phones", Advert{Name: "a@fe80::1", Interface: "wlan9", Port: 32498, Addrs: addrs("2001:db8::1", "fe80::1%wlan9", "192.168.1.9")},
			[]string{"192.168.1.9:62078", "[fe80::1%wlan9]:62078", "[2001:db8::1]:62078"}},
		{"another port is second", Advert{Name: "a", Interface: "wlan9", Port: 4711, Addrs: addrs("192.168.1.9")},
			[]string{"192.168.1.9:62078", "192.168.1.9:4711"}},
		{"it does not send us to ourselves", Advert{Name: "a@::1", Interface: "wlan9", Port: 4711, Addrs: addrs("127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.1", "ff02::1")}, nil},
	} {
		var got []string
		for _, a := range addresses(test.ad) {
			got = append(got, a.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

// TestSlowReader: what came and went between two looks is nothing, and what stays
// is told once.
func TestSlowReader(t *testing.T) {
	w := New(Options{NoWiFi: true})
	l := &listener{wake: make(chan struct{}, 1), pending: map[usbmux.UDID]Event{}, told: map[usbmux.UDID]bool{}}
	here, there := Sighting{Cable: true, CableSince: time.Unix(1, 0)}, Sighting{}
	for _, test := range []struct {
		came []Event
		want Kind
	}{
		{[]Event{{Appeared, here}, {Gone, there}}, ""},
		{[]Event{{Appeared, here}, {Changed, here}, {Changed, here}}, Appeared},
		{[]Event{{Gone, there}, {Appeared, here}}, Changed},
		{[]Event{{Paired, here}, {Changed, here}}, Paired},
		{[]Event{{Changed, here}, {Gone, there}}, Gone},
	} {
		for _, ev := range test.came {
			l.add(ev)
		}
		if ev, ok := w.next(l); ev.Kind != test.want || ok != (test.want != "") {
			t.Errorf("%v: told %q", test.came, ev.Kind)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("18:f1:d8:df:17:9f@fe80::1", "identifier=x", "authTag=y", "18:f1:d8:df:17:9f@fe80::1._apple-mobdev2._tcp.local.")
	f.Add("@", "=", "authTag#=", ".")
	f.Fuzz(func(t *testing.T, name, a, b, known string) {
		ad := Advert{Name: name, Interface: "none", Port: 1, TXT: []string{a, b}}
		match(ad, traits{hostID: "H", mac: name, name: known})
		privateAddress(ad, traits{mac: known})
		if list := addresses(ad); len(list) > 2*maxAddrs {
			t.Errorf("%d addresses", len(list))
		}
	})
}
