package usbmux

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func TestParseUDID(t *testing.T) {
	old := strings.Repeat("0a1B2", 8)
	for in, want := range map[string]string{
		"00008030-001C2D3E4F5A6B7C": "00008030-001C2D3E4F5A6B7C",
		"00008030001C2D3E4F5A6B7C":  "00008030-001C2D3E4F5A6B7C",
		"00008030001c2d3e4f5a6b7c":  "00008030-001C2D3E4F5A6B7C",
		"00008030-001c2d3e4f5a6b7c": "00008030-001C2D3E4F5A6B7C",
		old:                         strings.ToLower(old),
		"":                          "",
		"00008030-001C2D3E4F5A6B7":  "",
		"0000803-0001C2D3E4F5A6B7C": "",
		"00008030-001C2D3E4F5A6B7G": "",
		"../../../../etc/passwd/xx": "",
		old + "0":                   "",
		strings.Repeat("ä", 20):     "",
	} {
		got, err := ParseUDID(in)
		if got.String() != want || (err == nil) != (want != "") || got.IsZero() != (want == "") {
			t.Errorf("ParseUDID(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestUDID_HasPrefix(t *testing.T) {
	u := must(ParseUDID("00008030-001C2D3E4F5A6B7C"))
	for prefix, want := range map[string]bool{"": true, "0000": true, "00008030-001c": true, "00008030001C": true, "00008031": false, u.String() + "0": false} {
		if got := u.HasPrefix(prefix); got != want {
			t.Errorf("HasPrefix(%q) = %v", prefix, got)
		}
	}
}

func TestUDID_isAStringInJSON(t *testing.T) {
	type record struct{ UDID UDID }
	in := record{must(ParseUDID("00008030001c2d3e4f5a6b7c"))}
	text, err := json.Marshal(in)
	if err != nil || string(text) != `{"UDID":"00008030-001C2D3E4F5A6B7C"}` {
		t.Errorf("got %s, %v", text, err)
	}
	var out record
	if err := json.Unmarshal(text, &out); err != nil || out != in {
		t.Errorf("got %+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"UDID":"x"}`), &out); err == nil {
		t.Error("no error for a string that is no UDID")
	}
}

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"UNIX:/run/mux":     {"unix", "/run/mux"},
		"unix:/run/mux":     {"unix", "/run/mux"},
		"/run/mux":          {"unix", "/run/mux"},
		"127.0.0.1:27015":   {"tcp", "127.0.0.1:27015"},
		"[::1]:27015":       {"tcp", "[::1]:27015"},
		"":                  DefaultAddress(),
		"UNIX:":             {},
		"host":              {},
		"::1:27015":         {},
		"host:0":            {},
		"host:70000":        {},
		"host:http":         {},
		":27015":            {},
		"unix:///run/mux":   {"unix", "///run/mux"},
		"tcp://127.0.0.1:1": {},
	} {
		got, err := ParseAddress(in)
		if got != want || (err == nil) != (want != Address{}) {
			t.Errorf("ParseAddress(%q) = %+v, %v; want %+v", in, got, err, want)
		}
		if again, err := ParseAddress(got.String()); !want.IsZero() && (err != nil || again != got) {
			t.Errorf("ParseAddress(%q) = %+v, %v; want %+v again", got, again, err, got)
		}
	}
}

func TestParseNetworkAddress(t *testing.T) {
	pad := strings.Repeat("00", 100)
	for _, tc := range []struct{ name, hex, want string }{
		{"Linux IPv4", "02000000c0a80102", "192.168.1.2:0"},
		{"Linux IPv4, padded", "02000000c0a80102" + pad, "192.168.1.2:0"},
		{"Linux IPv4 with port", "0200f27ec0a80102", "192.168.1.2:62078"},
		{"Linux IPv6", "0a00000000000000fe800000000000001af1d8fffedf179f03000000", "[fe80::1af1:d8ff:fedf:179f%3]:0"},
		{"Windows IPv6", "1700000000000000200100000000000000000000000000010000000000", "[2001::1]:0"},
		{"BSD IPv4", "10020000c0a80102" + "0000000000000000", "192.168.1.2:0"},
		{"BSD IPv6", "1c1e000000000000fe800000000000001af1d8fffedf179f04000000", "[fe80::1af1:d8ff:fedf:179f%4]:0"},
		{"scope of a global address", "0a00000000000000200100000000000000000000000000010400000000", "[2001::1]:0"},
		{"empty", "", ""},
		{"short IPv4", "02000000c0a801", ""},
		{"short IPv6", "0a00000000000000fe800000000000001af1d8fffedf179f", ""},
		{"first byte 0", "00020000c0a80102", ""},
		{"unknown family", "05000000c0a80102", ""},
		{"200 bytes", "02000000c0a80102" + pad + strings.Repeat("00", 92), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseNetworkAddress(must(hex.DecodeString(tc.hex)))
			want := netip.AddrPort{}
			if tc.want != "" {
				want = netip.MustParseAddrPort(tc.want)
			}
			if got != want || (err == nil) != (tc.want != "") {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		})
	}
}

func FuzzParseNetworkAddress(f *testing.F) {
	f.Add(must(hex.DecodeString("02000000c0a80102")))
	f.Add(must(hex.DecodeString("1c1e000000000000fe800000000000001af1d8fffedf179f04000000")))
	f.Add(must(hex.DecodeString("0a00000000000000fe800000000000001af1d8fffedf179f03000000")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := ParseNetworkAddress(data); (err == nil) != got.IsValid() {
			t.Errorf("got %v with error %v", got, err)
		}
	})
}
