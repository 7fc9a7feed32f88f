package seal

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// The derived key is what scrypt says: the vector of RFC 7914, section 12, has a
// salt of another length, so this one was made with hashlib.scrypt of Python.
func TestDerive(t *testing.T) {
	salt := bytes.Repeat([]byte("0123456789abcdef"), 4)
	k, err := Derive(secret.NewRepositoryPassword("pässword"), salt, Params{N: 1024, R: 8, P: 3})
	if err != nil {
		t.Fatal(err)
	}
	const want = "00c187915ed25637ed674cc31cb1632a9178b14fc3e189db2f9a6c6fcb071fe6e9bfd17cdb3af4105aa352840b9b79a648ad074ec2ba6d1d4d82ee53566a78f6"
	if got := hex.EncodeToString(k.m().bytes[:]); got != want {
		t.Errorf("the key is %s, want %s", got, want)
	}
}

func TestDeriveRefuses(t *testing.T) {
	salt := bytes.Repeat([]byte{1}, SaltSize)
	tests := []struct {
		name    string
		salt    []byte
		params  Params
		message string
	}{
		{"no salt", nil, minimum, "0 bytes, want 64"},
		{"short salt", salt[:63], minimum, "63 bytes, want 64"},
		{"long salt", append(bytes.Clone(salt), 1), minimum, "65 bytes, want 64"},
		{"zero value", salt, Params{}, "not a power of two"},
		{"N of 1", salt, Params{N: 1, R: 8, P: 1}, "not a power of two"},
		{"N no power", salt, Params{N: 1000, R: 8, P: 1}, "not a power of two"},
		{"negative N", salt, Params{N: math.MinInt, R: 8, P: 1}, "not a power of two"},
		{"huge N", salt, Params{N: 1 << 30, R: 1, P: 1}, "out of range"},
		{"no r", salt, Params{N: 1024, R: 0, P: 1}, "out of range"},
		{"negative p", salt, Params{N: 1024, R: 8, P: -1}, "out of range"},
		{"huge r", salt, Params{N: 2, R: math.MaxInt, P: 1}, "out of range"},
		{"huge p", salt, Params{N: 2, R: 1, P: math.MaxInt}, "out of range"},
		{"memory for N", salt, Params{N: 1 << 18, R: 8, P: 1}, "bytes of memory"},
		{"memory for p", salt, Params{N: 2, R: 1, P: 1 << 22}, "bytes of memory"},
		{"time", salt, Params{N: 1 << 15, R: 8, P: 65}, "too long"},
		{"all at their bounds", salt, Params{N: 1 << 24, R: 1 << 24, P: 1 << 24}, "bytes of memory"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k, err := Derive(secret.NewRepositoryPassword("x"), test.salt, test.params)
			if k != nil || err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want %q", err, test.message)
			}
		})
	}
	for _, p := range []Params{minimum, {N: 1 << 17, R: 8, P: 1}, {N: 1 << 15, R: 8, P: 64}, {N: 2, R: 1, P: 1}} {
		if err := p.Check(); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

func TestCalibrate(t *testing.T) {
	const base = 80 * time.Millisecond // of the minimum
	tests := []struct {
		name   string
		target time.Duration
		memory int
		base   time.Duration
		want   Params
	}{
		{"defaults", 0, 0, base, Params{1 << 15, 8, 6}},
		{"as restic aims", 500 * time.Millisecond, 60 << 20, base, Params{1 << 15, 8, 6}},
		{"more memory", 500 * time.Millisecond, 130 << 20, base, Params{1 << 17, 8, 1}},
		{"more memory than is ever read", 3 * time.Second, math.MaxInt, base, Params{1 << 17, 8, 9}},
		{"less memory than the minimum", 200 * time.Millisecond, 1 << 20, base, Params{1 << 15, 8, 1}},
		{"slow machine", 500 * time.Millisecond, 60 << 20, 3 * time.Second, Params{1 << 15, 8, 1}},
		{"fast machine", time.Second, 60 << 20, time.Millisecond, Params{1 << 15, 8, 64}},
		{"clock that stands still", time.Second, 60 << 20, 1, Params{1 << 15, 8, 64}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := calibrate(test.target, test.memory, func(p Params) time.Duration {
				if p != minimum {
					t.Errorf("measured %+v", p)
				}
				return test.base
			})
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if err := got.Check(); err != nil {
				t.Error(err)
			}
		})
	}
	// Once for real. What it gives depends on the machine.
	if p := Calibrate(time.Millisecond, 0); p != minimum {
		t.Errorf("got %+v, want no more than %+v", p, minimum)
	}
}
