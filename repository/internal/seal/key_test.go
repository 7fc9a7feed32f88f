package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestKeyFromBytesRefuses(t *testing.T) {
	zero := func(from, to int) []byte {
		b := testKeyBytes()
		clear(b[from:to])
		return b
	}
	unused := testKeyBytes()
	for i, mask := range rMask {
		unused[rOffset+i] = ^mask
	}
	tests := []struct {
		name    string
		key     []byte
		message string
	}{
		{"nothing", nil, "0 bytes"},
		{"short", testKeyBytes()[:63], "63 bytes"},
		{"long", append(testKeyBytes(), 1), "65 bytes"},
		{"no encryption key", zero(0, 32), "encryption key is zero"},
		{"no k", zero(32, 48), "k of the authentication key is zero"},
		{"no r", zero(48, 64), "r of the authentication key is zero"},
		{"only masked bits in r", unused, "r of the authentication key is zero"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if k, err := KeyFromBytes(test.key); k != nil || err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
	for _, part := range [][]int{{0, 31}, {32, 47}, {48, 63}} { // one bit in a part is enough
		for _, at := range part {
			key := zero(part[0], part[1]+1)
			key[at] = 1
			mustKey(t, key)
		}
	}
}

// Older programs stored r masked: the keys are the same.
func TestMaskedKeyIsTheSame(t *testing.T) {
	b := testKeyBytes()
	masked := slices.Clone(b)
	for i, mask := range rMask {
		masked[rOffset+i] &= mask
	}
	if bytes.Equal(b, masked) {
		t.Fatal("the mask changes nothing")
	}
	for _, pair := range [][2][]byte{{b, masked}, {masked, b}} {
		sealed := mustKey(t, pair[0]).Seal(nil, testMessage(100))
		if got, err := mustKey(t, pair[1]).Open(nil, sealed); err != nil || !bytes.Equal(got, testMessage(100)) {
			t.Errorf("%v", err)
		}
	}
}

func TestKeyCopiesItsBytes(t *testing.T) {
	b := testKeyBytes()
	k := mustKey(t, b)
	sealed := k.Seal(nil, testMessage(10))
	clear(b)
	if _, err := mustKey(t, testKeyBytes()).Open(nil, sealed); err != nil {
		t.Fatal(err)
	}
	if got, err := ParseMaster(k.MarshalMaster().Reveal()); err != nil || got.m().bytes != [KeySize]byte(testKeyBytes()) {
		t.Errorf("the key changed with the slice: %v", err)
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	b := testKeyBytes()
	k := mustKey(t, b)
	holder := struct {
		Key     Key
		Pointer *Key
		inner   Key // fmt calls no methods here
		pointer *Key
	}{*k, k, *k, k}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, value := range []any{k, *k, holder, &holder, []*Key{k}, k.MarshalMaster()} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", k, "value", *k, "all", holder)
	slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", k, "value", *k, "all", holder)
	if err := json.NewEncoder(&out).Encode(holder); err != nil {
		t.Fatal(err)
	}
	text := strings.ToLower(out.String())
	if !strings.Contains(text, "[redacted]") {
		t.Error("nothing says that something is left out")
	}
	for _, part := range [][]byte{b[:32], b[32:48], b[48:]} {
		few := fmt.Sprint(part[:4])
		for _, form := range []string{
			fmt.Sprintf("%x", part[:4]), strings.Trim(few, "[]"), strings.ToLower(base64.StdEncoding.EncodeToString(part)[:6]),
			strings.ToLower(fmt.Sprintf("%#v", part[:3]))[len("[]byte{"):14],
		} {
			if strings.Contains(text, form) {
				t.Errorf("the output shows a key as %q", form)
			}
		}
	}
}

func TestMaster(t *testing.T) {
	k := mustKey(t, testKeyBytes())
	b64 := base64.StdEncoding.EncodeToString
	b := testKeyBytes()
	want := `{"mac":{"k":"` + b64(b[32:48]) + `","r":"` + b64(b[48:]) + `"},"encrypt":"` + b64(b[:32]) + `"}`
	got := string(k.MarshalMaster().Reveal())
	if got != want {
		t.Fatalf("the master key is not written as the format says: %d bytes, want %d", len(got), len(want))
	}
	parsed, err := ParseMaster([]byte(got))
	if err != nil || parsed.m().bytes != k.m().bytes {
		t.Fatalf("read again it is another key: %v", err)
	}

	const k16, k32 = "AQEBAQEBAQEBAQEBAQEBAQ==", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	tests := []struct {
		name, data, message string
	}{
		{"good", `{"mac":{"k":"` + k16 + `","r":"` + k16 + `"},"encrypt":"` + k32 + `"}`, ""},
		{"other order, unknown field", ` {"x":[1],"encrypt":"` + k32 + `","mac":{"r":"` + k16 + `","k":"` + k16 + `"}} `, ""},
		{"nothing", ``, "not the JSON"},
		{"null", `null`, "0, 0 and 0 bytes"},
		{"array", `[]`, "not the JSON"},
		{"two", `{}{}`, "not the JSON"},
		{"no base64", `{"encrypt":"geheim!"}`, "not the JSON"},
		{"number", `{"encrypt":12345678}`, "not the JSON"},
		{"no k", `{"mac":{"r":"` + k16 + `"},"encrypt":"` + k32 + `"}`, "32, 0 and 16 bytes"},
		{"r too long", `{"mac":{"k":"` + k16 + `","r":"` + k32 + `"},"encrypt":"` + k32 + `"}`, "32, 16 and 32 bytes"},
		{"zero", `{"mac":{"k":"AAAAAAAAAAAAAAAAAAAAAA==","r":"` + k16 + `"},"encrypt":"` + k32 + `"}`, "k of the authentication key is zero"},
		{"too long", `{"x":"` + strings.Repeat("x", 4096) + `"}`, "4104 bytes, more than 4096"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k, err := ParseMaster([]byte(test.data))
			if (k == nil) != (err != nil) || (err != nil) != (test.message != "") {
				t.Fatalf("got %v, %v", k, err)
			}
			if err != nil && (!strings.Contains(err.Error(), test.message) || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "1234")) {
				t.Errorf("got %q, want %q and nothing of the input", err, test.message)
			}
		})
	}
}

func FuzzParseMaster(f *testing.F) {
	f.Add(mustKey(f, testKeyBytes()).MarshalMaster().Reveal())
	f.Add([]byte(`{"mac":{"k":"AQEBAQEBAQEBAQEBAQEBAQ==","r":null},"encrypt":""}`))
	f.Add([]byte(`{"MAC":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ParseMaster(data)
		if err != nil {
			if k != nil {
				t.Fatal("a key and an error")
			}
			return
		}
		again, err := ParseMaster(k.MarshalMaster().Reveal())
		if err != nil || again.m().bytes != k.m().bytes {
			t.Fatalf("written and read again it is another key: %v", err)
		}
	})
}
