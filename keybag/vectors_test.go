package keybag

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// The vectors of backup-format.md 3.8.
const (
	vectorPassword = "p\u00e4ssword-1"
	vectorK1       = "932f63e75890709503ffb0f7f43e643ce220c6dd2f2684eba829c9e570fb80ca"
	vectorTwo      = "4400a8d8fb025de48879414137f4aeb83e26c779883970c676a07233ea89d38c"
	vectorSingle   = "782b870951010abafb7a8215986db381c075125aec2acf07f19b912ad39bdb17"
	vectorWPKY     = "2c96040a0f62a0809e0476c38a13df110e648dd9be1003b3704ffee8a6efefcf778bf91f49251bd4"
	vectorFileKey  = "03000000dae69b6f38b9b81892fe29a323dabe48205d1949a0c4a74ef937ef83e96f1b64eb8dda2208fba5a6"
)

var vectorContents = []struct{ plain, cipher, sha1 string }{
	{"", "b4cf24ba1fb219e893c63ec46975bcd8", "04211ddcd54ee4dc8f088688f5c9669e018be8dc"},
	{"hello", "e52dc513f6e6275e2ffce6454c94391b", "0416ff75929b4b915f8508d71c89da6da69648b4"},
	{"0123456789abcdef", "4e4b9b4b59f85fa94efda7e492fed70a517a5e151ccda28de1f6d3a5dcffbe6e", "82c4b4cf36e9047e1549cd0c052ea5a4a76f7595"},
}

// seq gives the bytes from first to last.
func seq(first, last byte) []byte {
	var b []byte
	for v := int(first); v <= int(last); v++ {
		b = append(b, byte(v))
	}
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustKey(t testing.TB, b []byte) Key {
	t.Helper()
	key, err := NewKey(b)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// vectorBag is a bag with the vector's numbers and class keys 40…5f, all wrapped
// under the same password key.
func vectorBag(t testing.TB) []byte {
	items := []item{
		uintItem("VERS", 5), uintItem("TYPE", 1), {"UUID", seq(0xA0, 0xAF)}, {"HMCK", make([]byte, 40)}, uintItem("WRAP", 0),
		{"SALT", seq(0x20, 0x33)}, uintItem("ITER", 100), uintItem("DPWT", 1), uintItem("DPIC", 1000), {"DPSL", seq(0x00, 0x13)},
		{"UUID", seq(0xB0, 0xBF)}, uintItem("CLAS", 3), uintItem("WRAP", 2), uintItem("KTYP", 0), {"WPKY", unhex(t, vectorWPKY)},
		{"UUID", seq(0xC0, 0xCF)}, uintItem("CLAS", 9), uintItem("WRAP", 3), uintItem("KTYP", 0), {"WPKY", seq(1, 40)},
	}
	return appendItems(nil, items)
}

func TestDerive_vectors(t *testing.T) {
	p := kdf{salt: seq(0x20, 0x33), iterations: 100, dpSalt: seq(0, 0x13), rounds: 1000}
	two, err := p.derive(t.Context(), vectorPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(two); got != vectorTwo {
		t.Errorf("two stages: got %s, want %s", got, vectorTwo)
	}
	k1, err := deriveKey(t.Context(), sha256.New, []byte(vectorPassword), p.dpSalt, p.rounds, KeySize)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(k1); got != vectorK1 {
		t.Errorf("first stage: got %s, want %s", got, vectorK1)
	}
	p.dpSalt = nil
	single, err := p.derive(t.Context(), vectorPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(single); got != vectorSingle {
		t.Errorf("one stage: got %s, want %s", got, vectorSingle)
	}
}

func TestPBKDF2_agreesWithStandardLibrary(t *testing.T) {
	for _, rounds := range []uint32{1, 2, 1000} {
		for _, length := range []int{20, 32, 64} {
			want, err := pbkdf2.Key(sha1.New, "password", seq(1, 20), int(rounds), length)
			if err != nil {
				t.Fatal(err)
			}
			got, err := deriveKey(t.Context(), sha1.New, []byte("password"), seq(1, 20), rounds, length)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d rounds, %d bytes: got %x, %v; want %x", rounds, length, got, err, want)
			}
		}
	}
}

func TestWrap_RFC3394(t *testing.T) {
	for _, v := range []struct{ name, kek, data, want string }{
		{"4.1", "000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5"},
		{"4.3", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7"},
		{"4.6", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
			"28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21"},
	} {
		t.Run(v.name, func(t *testing.T) {
			kek, data, want := unhex(t, v.kek), unhex(t, v.data), unhex(t, v.want)
			got, err := wrap(kek, data)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("wrap: got %X, %v; want %X", got, err, want)
			}
			back, err := unwrap(kek, want)
			if err != nil || !bytes.Equal(back, data) {
				t.Fatalf("unwrap: got %X, %v; want %X", back, err, data)
			}
			for i := range want {
				damaged := bytes.Clone(want)
				damaged[i] ^= 1
				if _, err := unwrap(kek, damaged); err != errIntegrity {
					t.Fatalf("unwrap with byte %d changed: got %v, want errIntegrity", i, err)
				}
			}
		})
	}
}

func TestKeybag_vectors(t *testing.T) {
	raw := vectorBag(t)
	bag, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := ParseWrappedKey(unhex(t, vectorFileKey))
	if err != nil {
		t.Fatal(err)
	}
	if wrapped.Class() != ClassCompleteUntilFirstAuth {
		t.Errorf("class %v, want 3", wrapped.Class())
	}
	if err := bag.Unlock(t.Context(), secret.NewBackupPassword(vectorPassword)); err != nil {
		t.Fatal(err)
	}
	key, err := bag.Unwrap(wrapped)
	if err != nil || !key.Equal(mustKey(t, seq(0x80, 0x9f))) {
		t.Fatalf("unwrap: %v, or the key is not 80…9f", err)
	}
	again, err := bag.Wrap(wrapped.Class(), key)
	if err != nil || again != wrapped {
		t.Errorf("wrap: got %x, %v; want %x", again, err, wrapped)
	}
	for _, v := range vectorContents {
		got, err := io.ReadAll(EncryptReader(key, strings.NewReader(v.plain)))
		if err != nil || hex.EncodeToString(got) != v.cipher || fmt.Sprintf("%x", sha1.Sum(got)) != v.sha1 {
			t.Errorf("encrypt %q: got %x, %v; want %s", v.plain, got, err, v.cipher)
		}
		plain, err := io.ReadAll(DecryptReader(key, bytes.NewReader(unhex(t, v.cipher))))
		if err != nil || string(plain) != v.plain {
			t.Errorf("decrypt %s: got %q, %v; want %q", v.cipher, plain, err, v.plain)
		}
	}
}
