package seal

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// join gives all parts in one new slice.
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// The vectors of Poly1305 in RFC 8439, 2.5.2 and appendix A.3.
func TestPoly1305Vectors(t *testing.T) {
	const submission = `Any submission to the IETF intended by the Contributor for publication as all or part of an IETF Internet-Draft or RFC and any statement made within the context of an IETF activity is considered an "IETF Contribution". Such statements include oral statements in IETF sessions, as well as written and electronic communications made at any time or place, which are addressed to`
	const jabberwocky = "'Twas brillig, and the slithy toves\nDid gyre and gimble in the wabe:\nAll mimsy were the borogoves,\nAnd the mome raths outgrabe."
	const zeros = "00000000000000000000000000000000"
	const ones = "ffffffffffffffffffffffffffffffff"
	text := func(s string) string { return hex.EncodeToString([]byte(s)) }
	tests := []struct{ name, r, s, message, tag string }{
		{"2.5.2", "85d6be7857556d337f4452fe42d506a8", "0103808afb0db2fd4abff6af4149f51b", text("Cryptographic Forum Research Group"), "a8061dc1305136c6c22b8baf0c0127a9"},
		{"A.3 1", zeros, zeros, strings.Repeat(zeros, 4), zeros},
		{"A.3 2", zeros, "36e5f6b5c5e06070f0efca96227a863e", text(submission), "36e5f6b5c5e06070f0efca96227a863e"},
		{"A.3 3", "36e5f6b5c5e06070f0efca96227a863e", zeros, text(submission), "f3477e7cd95417af89a6b8794c310cf0"},
		{"A.3 4", "1c9240a5eb55d38af333888604f6b5f0", "473917c1402b80099dca5cbc207075c0", text(jabberwocky), "4541669a7eaaee61e708dc7cbcc5eb62"},
		{"A.3 5", "02" + zeros[2:], zeros, ones, "03" + zeros[2:]},
		{"A.3 6", "02" + zeros[2:], ones, "02" + zeros[2:], "03" + zeros[2:]},
		{"A.3 7", "01" + zeros[2:], zeros, ones + "f0" + ones[2:] + "11" + zeros[2:], "05" + zeros[2:]},
		{"A.3 8", "01" + zeros[2:], zeros, ones + "fbfefefefefefefefefefefefefefefe" + "01010101010101010101010101010101", zeros},
		{"A.3 9", "02" + zeros[2:], zeros, "fd" + ones[2:], "fa" + ones[2:]},
		{"A.3 10", "01000000000000000400000000000000", zeros, "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000", "14000000000000005500000000000000"},
		{"A.3 11", "01000000000000000400000000000000", zeros, "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000", "13" + zeros[2:]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key := [32]byte(unhex(t, test.r+test.s))
			message, want := unhex(t, test.message), unhex(t, test.tag)
			mac := newMAC(&key)
			mac.Write(message)
			if got := mac.Sum(nil); !bytes.Equal(got, want) {
				t.Errorf("the tag is %x, want %x", got, want)
			}
			if tag := [tagSize]byte(want); !verifyMAC(&tag, message, &key) {
				t.Error("the right tag is refused")
			}
		})
	}
}

// The vectors of Poly1305-AES, which has a nonce: appendix B of "The Poly1305-AES
// message-authentication code" (D. J. Bernstein, 2005). They are opened as sealed
// messages, whose ciphertext is what they authenticate.
func TestPoly1305AESVectors(t *testing.T) {
	tests := []struct{ r, k, nonce, message, tag string }{
		{"851fc40c3467ac0be05cc20404f3f700", "ec074c835580741701425b623235add6", "fb447350c4e868c52ac3275cf9d4327e",
			"f3f6", "f4c633c3044fc145f84f335cb81953de"},
		{"a0f3080000f46400d0c7e9076c834403", "75deaa25c09f208e1dc4ce6b5cad3fbf", "61ee09218d29b0aaed7e154a2c5509cc",
			"", "dd3fab2251f11ac759f0887129cc2ee7"},
		{"48443d0bb0d21109c89a100b5ce2c208", "6acb5f61a7176dd320c5c1eb2edcdc74", "ae212a55399729595dea458bc621ff0e",
			"663cea190ffb83d89593f3f476b6bc24d7e679107ea26adb8caf6652d0656136", "0ee1c16bb73f0f4fd19881753c01cdbe"},
		{"12976a08c4426d0ce8a82407c4f48207", "e1a5668a4d5b66a5f68cc5424ed5982d", "9ae831e743978d3a23527c7128149e3a",
			"ab0812724a7f1e342742cbed374d94d136c6b8795d45b3819830f2c04491faf0990c62e48b8018b2c3e4a0fa3134cb67fa83e158c994d961c4cb21095c1bf9",
			"5154ad0d2cb26e01274fc51148491f1b"},
	}
	for i, test := range tests {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			k := mustKey(t, join(bytes.Repeat([]byte{7}, 32), unhex(t, test.k), unhex(t, test.r)))
			message := unhex(t, test.message)
			sealed := join(unhex(t, test.nonce), message, unhex(t, test.tag))
			plaintext, err := k.Open(nil, sealed)
			if err != nil {
				t.Fatal(err)
			}
			out := join(unhex(t, test.nonce), make([]byte, len(message)+tagSize))
			k.m().seal(out, plaintext)
			if !bytes.Equal(out, sealed) {
				t.Errorf("sealed again it is %x, want %x", out, sealed)
			}
		})
	}
}

// The vector of AES-256 in counter mode of NIST SP 800-38A, F.5.5.
func TestCounterModeVector(t *testing.T) {
	enc := unhex(t, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	nonce := unhex(t, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
	plaintext := unhex(t, "6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710")
	want := unhex(t, "601ec313775789a5b7a7f504bbf3d228 f443e3ca4d62b59aca84e990cacaf5c5 2b0930daa23de94ce87017ba2d84988d dfc9c58db67aada613c2dd08457941a6")
	k := mustKey(t, join(enc, bytes.Repeat([]byte{1}, 32)))
	out := join(nonce, make([]byte, len(plaintext)+tagSize))
	k.m().seal(out, plaintext)
	if got := out[nonceSize : len(out)-tagSize]; !bytes.Equal(got, want) {
		t.Errorf("the ciphertext is %x, want %x", got, want)
	}
	if got, err := k.Open(nil, out); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("opened it is %x, %v", got, err)
	}
}

// slowSeal is the format once more, from its description, with big numbers.
func slowSeal(t *testing.T, key, nonce, plaintext []byte) []byte {
	t.Helper()
	enc, err := aes.NewCipher(key[:32])
	if err != nil {
		t.Fatal(err)
	}
	kCipher, err := aes.NewCipher(key[32:48])
	if err != nil {
		t.Fatal(err)
	}
	one := big.NewInt(1)
	counter := new(big.Int).SetBytes(nonce)
	var ciphertext []byte
	for part := range slices.Chunk(plaintext, 16) {
		var block [16]byte
		counter.Mod(counter, new(big.Int).Lsh(one, 128)).FillBytes(block[:])
		enc.Encrypt(block[:], block[:])
		for i, c := range part {
			ciphertext = append(ciphertext, c^block[i])
		}
		counter.Add(counter, one)
	}
	little := func(b []byte) *big.Int {
		b = slices.Clone(b)
		slices.Reverse(b)
		return new(big.Int).SetBytes(b)
	}
	masked := slices.Clone(key[48:64])
	for _, i := range []int{3, 7, 11, 15} {
		masked[i] &= 0x0f
	}
	for _, i := range []int{4, 8, 12} {
		masked[i] &= 0xfc
	}
	r, prime := little(masked), new(big.Int).Sub(new(big.Int).Lsh(one, 130), big.NewInt(5))
	sum := new(big.Int)
	for part := range slices.Chunk(ciphertext, 16) {
		sum.Add(sum, little(join(part, []byte{1})))
		sum.Mul(sum, r).Mod(sum, prime)
	}
	var s [16]byte
	kCipher.Encrypt(s[:], nonce)
	sum.Add(sum, little(s[:])).Mod(sum, new(big.Int).Lsh(one, 128))
	tag := sum.FillBytes(make([]byte, 16))
	slices.Reverse(tag)
	return join(nonce, ciphertext, tag)
}

func TestAgainstSlow(t *testing.T) {
	key := testKeyBytes()
	k := mustKey(t, key)
	nonces := map[string][]byte{
		"plain": unhex(t, "000102030405060708090a0b0c0d0e0f"),
		"wraps": unhex(t, "fffffffffffffffffffffffffffffffe"), // the counter goes on at 0
		"half":  unhex(t, "0000000000000001ffffffffffffffff"),
	}
	sizes := []int{0, 1, 15, 16, 17, 31, 32, 33, 100, piece - 1, piece, piece + 1, 2*piece + 77}
	for name, nonce := range nonces {
		for _, size := range sizes {
			plaintext := testMessage(size)
			want := slowSeal(t, key, nonce, plaintext)
			got := join(nonce, make([]byte, size+tagSize))
			k.m().seal(got, plaintext)
			if !bytes.Equal(got, want) {
				t.Errorf("nonce %s, %d bytes: not what the format says", name, size)
			}
			if opened, err := k.Open(nil, want); err != nil || !bytes.Equal(opened, plaintext) {
				t.Errorf("nonce %s, %d bytes: %v", name, size, err)
			}
		}
	}
}
