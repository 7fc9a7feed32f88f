package keybag

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

var testPassword = secret.NewBackupPassword("Gr\u00fc\u00dfe 1")

func newBag(t testing.TB, o Options) *Keybag {
	t.Helper()
	if o.Rounds == 0 {
		o.Rounds = 50
	}
	if o.Iterations == 0 {
		o.Iterations = 20
	}
	bag, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return bag
}

func reparse(t testing.TB, bag *Keybag) *Keybag {
	t.Helper()
	raw := bag.Marshal()
	parsed, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(parsed.Marshal(), raw) {
		t.Fatal("Marshal does not give back what was parsed")
	}
	return parsed
}

// flags lists the WRAP value of every class.
func flags(t testing.TB, bag *Keybag) map[Class]uint32 {
	t.Helper()
	m := map[Class]uint32{}
	for _, group := range bag.classes {
		e, err := readClass(group)
		if err != nil {
			t.Fatal(err)
		}
		m[e.class] = e.wrap
	}
	return m
}

func TestNew_isLockedAsPhonesDo(t *testing.T) {
	for _, tt := range []struct {
		name      string
		opts      Options
		length    int
		password  []Class // WRAP 2
		both      []Class // WRAP 3
		opens     []Class
		opensNot  []Class
		dpic      int
		otherTags bool
	}{
		{"encrypted", Options{Encrypted: true, Password: testPassword}, 1388,
			[]Class{1, 2, 3, 4, 6, 7, 8}, []Class{5, 9, 10, 11}, []Class{1, 2, 3, 4, 6, 7, 8}, []Class{5, 9, 10, 11}, 50, true},
		// The length is that of the bag public restore tools carry.
		{"unencrypted", Options{}, 1336,
			[]Class{1, 2, 3, 4}, []Class{5, 6, 7, 8, 9, 10, 11}, []Class{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, nil, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			made := newBag(t, tt.opts)
			if !made.Unlocked() {
				t.Error("a new bag is locked")
			}
			if got := len(made.Marshal()); got != tt.length {
				t.Errorf("%d bytes, want %d", got, tt.length)
			}
			bag := reparse(t, made)
			got := flags(t, bag)
			for _, c := range tt.password {
				if got[c] != 2 {
					t.Errorf("class %v: WRAP %d, want 2", c, got[c])
				}
			}
			for _, c := range tt.both {
				if got[c] != 3 {
					t.Errorf("class %v: WRAP %d, want 3", c, got[c])
				}
			}
			if dpic, iter := bag.Rounds(); dpic != tt.dpic || iter != 20 {
				t.Errorf("rounds %d and %d, want %d and 20", dpic, iter, tt.dpic)
			}
			for _, tag := range []string{"DPWT", "DPIC", "DPSL"} {
				if has := find(bag.header, tag) != nil; has != tt.otherTags {
					t.Errorf("has %s: %t, want %t", tag, has, tt.otherTags)
				}
			}
			if bag.Unlocked() {
				t.Error("a parsed bag is unlocked")
			}
			if err := bag.Unlock(t.Context(), tt.opts.Password); err != nil {
				t.Fatal(err)
			}
			key := mustKey(t, seq(1, 32))
			for _, c := range tt.opens {
				w, err := made.Wrap(c, key)
				if err != nil {
					t.Fatalf("class %v: %v", c, err)
				}
				if back, err := bag.Unwrap(w); err != nil || !back.Equal(key) {
					t.Errorf("class %v: unwrap: %v", c, err)
				}
			}
			for _, c := range tt.opensNot {
				if _, err := bag.Wrap(c, key); !errors.Is(err, ErrNoClassKey) {
					t.Errorf("class %v: got %v, want ErrNoClassKey", c, err)
				}
			}
		})
	}
}

func TestUnlock_wrongPasswordAndForms(t *testing.T) {
	composed := norm.NFC.String("pa\u0308ssword")
	decomposed := norm.NFD.String(composed)
	for _, set := range []string{composed, decomposed} {
		bag := reparse(t, newBag(t, Options{Encrypted: true, Password: secret.NewBackupPassword(set)}))
		if err := bag.Unlock(t.Context(), secret.NewBackupPassword("wrong")); !errors.Is(err, ErrWrongPassword) || bag.Unlocked() {
			t.Errorf("wrong password: got %v, unlocked %t", err, bag.Unlocked())
		}
		if _, err := bag.Unwrap(WrappedKey{3}); !errors.Is(err, ErrLocked) {
			t.Errorf("unwrap while locked: got %v", err)
		}
		for _, typed := range []string{composed, decomposed} {
			bag := reparse(t, bag)
			if err := bag.Unlock(t.Context(), secret.NewBackupPassword(typed)); err != nil {
				t.Errorf("set %q, typed %q: %v", set, typed, err)
			}
		}
		if err := bag.Unlock(t.Context(), secret.NewBackupPassword(set)); err != nil {
			t.Fatal(err)
		}
		if err := bag.Unlock(t.Context(), secret.NewBackupPassword("wrong")); !errors.Is(err, ErrWrongPassword) || !bag.Unlocked() {
			t.Errorf("wrong password again: got %v, unlocked %t; want it to stay unlocked", err, bag.Unlocked())
		}
	}
}

func TestUnlock_stopsWithContext(t *testing.T) {
	raw := vectorBag(t)
	i := bytes.Index(raw, []byte("DPIC"))
	binary.BigEndian.PutUint32(raw[i+8:], MaxRounds)
	bag, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := bag.Unlock(ctx, testPassword); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
}

func TestUnlock_boundsRounds(t *testing.T) {
	for tag, limit := range map[string]uint32{"DPIC": MaxRounds, "ITER": MaxIterations} {
		raw := vectorBag(t)
		i := bytes.Index(raw, []byte(tag))
		binary.BigEndian.PutUint32(raw[i+8:], limit+1)
		bag, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := bag.Unlock(t.Context(), testPassword); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", tag, err)
		}
	}
}

func TestNew_refuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no password":     {Encrypted: true},
		"too many rounds": {Encrypted: true, Password: testPassword, Rounds: MaxRounds + 1},
		"negative":        {Iterations: -1},
		"no randomness":   {Rand: strings.NewReader("short")},
	} {
		if _, err := New(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRewrap_keepsClassKeys(t *testing.T) {
	bag := newBag(t, Options{Encrypted: true, Password: testPassword})
	key := mustKey(t, seq(1, 32))
	wrapped, err := bag.Wrap(ClassComplete, key)
	if err != nil {
		t.Fatal(err)
	}
	locked := reparse(t, bag)
	next := secret.NewBackupPassword("next")
	opts := Options{Encrypted: true, Password: next, Rounds: 30, Iterations: 10}
	if err := locked.Rewrap(t.Context(), opts); !errors.Is(err, ErrLocked) {
		t.Errorf("rewrap of a locked bag: got %v", err)
	}
	before := bag.Marshal()
	if err := bag.Rewrap(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	fresh := reparse(t, bag)
	if err := fresh.Unlock(t.Context(), testPassword); !errors.Is(err, ErrWrongPassword) {
		t.Errorf("old password: got %v", err)
	}
	if err := fresh.Unlock(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got, err := fresh.Unwrap(wrapped); err != nil || !got.Equal(key) {
		t.Errorf("a key wrapped before: %v", err)
	}
	if fresh.UUID() != locked.UUID() || len(bag.Marshal()) != len(before) {
		t.Error("rewrapping changed the bag's identity or size")
	}
	old, now := flags(t, locked), flags(t, fresh)
	for c, f := range old {
		if now[c] != f {
			t.Errorf("class %v: WRAP %d, was %d", c, now[c], f)
		}
	}
	if err := bag.Rewrap(t.Context(), Options{Iterations: 10}); err != nil {
		t.Fatal(err)
	}
	if err := reparse(t, bag).Unlock(t.Context(), secret.BackupPassword{}); err != nil {
		t.Errorf("empty password after unencrypted rewrap: %v", err)
	}
}

func TestParse_keepsUnknownTags(t *testing.T) {
	raw := vectorBag(t)
	raw = append(raw, appendItems(nil, []item{{"PBKY", seq(1, 32)}, {"ABCD", nil}})...)
	i := bytes.Index(raw, []byte("HMCK"))
	raw = append(raw[:i:i], append(appendItems(nil, []item{{"GRCE", seq(1, 4)}}), raw[i:]...)...)
	bag, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bag.Marshal(), raw) {
		t.Error("Marshal differs from what was parsed")
	}
	if err := bag.Unlock(t.Context(), secret.NewBackupPassword(vectorPassword)); err != nil {
		t.Fatal(err)
	}
	if err := bag.Rewrap(t.Context(), Options{Encrypted: true, Password: testPassword, Rounds: 2, Iterations: 2}); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"GRCE", "ABCD", "PBKY"} {
		if !bytes.Contains(bag.Marshal(), []byte(tag)) {
			t.Errorf("rewrapping lost %s", tag)
		}
	}
}

func TestParse_refuses(t *testing.T) {
	good := vectorBag(t)
	for name, raw := range map[string][]byte{
		"empty":           nil,
		"cut header":      good[:5],
		"cut value":       good[:len(good)-1],
		"huge length":     append([]byte("VERS"), 0xff, 0xff, 0xff, 0xff),
		"no UUID":         appendItems(nil, []item{uintItem("TYPE", 1)}),
		"short UUID":      appendItems(nil, []item{uintItem("TYPE", 1), {"UUID", []byte{1}}}),
		"escrow bag":      appendItems(nil, []item{uintItem("TYPE", 2), {"UUID", seq(1, 16)}}),
		"no TYPE":         appendItems(nil, []item{{"UUID", seq(1, 16)}}),
		"odd number":      appendItems(nil, []item{uintItem("TYPE", 1), {"UUID", seq(1, 16)}, {"ITER", []byte{1, 2}}}),
		"too many items":  appendItems(nil, make([]item, 3)),
		"odd class":       append(bytes.Clone(good), appendItems(nil, []item{{"UUID", seq(1, 16)}, {"CLAS", []byte{1}}})...),
		"over the length": make([]byte, maxBagLen+1),
	} {
		if _, err := Parse(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestUnwrap_keyOfAnotherBag(t *testing.T) {
	one, two := newBag(t, Options{}), newBag(t, Options{})
	w, err := one.Wrap(ClassNone, mustKey(t, seq(1, 32)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := two.Unwrap(w); !errors.Is(err, ErrWrongKey) {
		t.Errorf("got %v, want ErrWrongKey", err)
	}
	if _, err := one.Wrap(ClassNone, Key{}); err == nil {
		t.Error("a zero key was wrapped")
	}
}

func TestKey_isNeverPrinted(t *testing.T) {
	key := mustKey(t, bytes.Repeat([]byte("K"), KeySize))
	holder := struct {
		key      Key // unexported: fmt does not call its methods
		Exported Key
		Map      map[Class]Key
	}{key, key, map[Class]Key{1: key}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		out := fmt.Sprintf(verb+verb, key, holder)
		for _, leak := range []string{"KKK", "4b4b4b", "75 75", "0x4b, 0x4b"} {
			if strings.Contains(out, leak) {
				t.Errorf("%s shows the key: %s", verb, out)
			}
		}
	}
	if _, err := NewKey(make([]byte, 31)); err == nil {
		t.Error("a key of 31 bytes was accepted")
	}
	if holder.key.IsZero() || !(Key{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(vectorBag(f))
	f.Add(newBag(f, Options{}).Marshal())
	f.Fuzz(func(t *testing.T, data []byte) {
		bag, err := Parse(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error without ErrMalformed: %v", err)
			}
			return
		}
		if !bytes.Equal(bag.Marshal(), data) {
			t.Error("Marshal differs from what was parsed")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := bag.Unlock(ctx, secret.NewBackupPassword(vectorPassword)); err == nil != bag.Unlocked() {
			t.Errorf("unlock gave %v, unlocked %t", err, bag.Unlocked())
		}
	})
}
