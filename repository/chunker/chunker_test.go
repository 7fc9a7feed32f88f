package chunker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// gearByHand is the rule as doc.go says it, one byte after the other.
func gearByHand(t *gearTable, s Settings, data []byte) int {
	var h uint64
	for i, b := range data {
		h = h<<1 + t[b]
		n := i + 1
		bound := oneIn(2 * s.Mean)
		if n >= s.Min+(s.Mean-s.Min)/2 {
			bound = oneIn(s.Mean / 4)
		}
		if n == s.Max || n >= s.Min && h < bound {
			return n
		}
	}
	return len(data)
}

// rabinByHand is the fingerprint by the schoolbook: the last 64 bytes as one
// polynomial, divided bit by bit.
func rabinByHand(polynomial uint64, data []byte) int {
	for n := rabinMin; n < min(len(data)+1, rabinMax); n++ {
		var r uint64
		for _, b := range data[n-64 : n] {
			for bit := 7; bit >= 0; bit-- {
				r = r<<1 | uint64(b>>bit&1)
				if r>>53 != 0 {
					r ^= polynomial
				}
			}
		}
		if r%(1<<20) == 0 {
			return n
		}
	}
	return min(len(data), rabinMax)
}

func TestGear_isTheRuleOfTheDocumentation(t *testing.T) {
	table := gearTableFor(testPolynomial)
	defaults, err := Settings{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		s    Settings
		size int
	}{
		{"default", defaults, 12 << 20},
		{"small", small, 2 << 20},
		{"shortest", Settings{Min: 64, Mean: 256, Max: 300}, 100_000},
		{"one length", Settings{Min: 4096, Mean: 4096, Max: 4096}, 100_000},
		{"long search", Settings{Min: 64, Mean: 1 << 20, Max: 1 << 20}, 4 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := mustNew(t, General, test.s)
			for rest := noise(3, test.size); len(rest) > 0; {
				got, want := c.Next(rest, true), gearByHand(table, test.s, rest)
				if got != want {
					t.Fatalf("%d bytes from the end: cut after %d, want %d", len(rest), got, want)
				}
				rest = rest[got:]
			}
		})
	}
}

func TestRabin_isTheRemainder(t *testing.T) {
	data := random(4, 3<<20)
	c := mustNew(t, General, Settings{Rabin: true})
	for rest := data; len(rest) > 0; {
		got, want := c.Next(rest, true), rabinByHand(testPolynomial, rest)
		if got != want {
			t.Fatalf("%d bytes from the end: cut after %d, want %d", len(rest), got, want)
		}
		rest = rest[got:]
	}
}

// TestCutPlaces puts a window that says "cut" at every sort of place: the first
// and the last of a search, the borders of lanes and blocks.
func TestCutPlaces(t *testing.T) {
	gear := newGearRule(gearTableFor(testPolynomial), Settings{Min: 64, Mean: 1 << 20, Max: 8 << 20})
	gear.looseFrom = window // one bound everywhere
	rabin, err := rabinTableFor(testPolynomial)
	if err != nil {
		t.Fatal(err)
	}
	// Ones have no cut in them under either rule; the windows below have one at
	// their end, and none before.
	quiet := func(n int) []byte { return bytes.Repeat([]byte{1}, n) }
	for _, test := range []struct {
		name string
		rule rule
	}{{"gear", gear}, {"rabin", rabin}} {
		const size = 3*lanes*lane + 777
		if n := test.rule.cut(quiet(size), window, size); n != 0 {
			t.Fatalf("%s: the quiet data has a cut at %d", test.name, n)
		}
		loud := findWindow(t, test.rule)
		for _, at := range []int{64, 65, 127, 128, 129, 64 + lane - 1, 64 + lane, 64 + lane + 1, 64 + lanes*lane - 1, 64 + lanes*lane, 64 + lanes*lane + 1,
			lane, 2 * lane, 3*lane + 63, 2 * lanes * lane, 2*lanes*lane + 63, 2*lanes*lane + 64, size - 1, size} {
			data := quiet(size)
			copy(data[at-len(loud):], loud)
			if got := test.rule.cut(data, window, size); got != at {
				t.Errorf("%s: cut at %d, want %d", test.name, got, at)
			}
			if got := test.rule.cut(data, at, at); got != at {
				t.Errorf("%s: asked for %d alone: %d", test.name, at, got)
			}
			if got := test.rule.cut(data, window, at-1); at > window && got != 0 {
				t.Errorf("%s: a cut at %d, behind the end of the search", test.name, got)
			}
			if got := test.rule.cut(data, at+1, size); at < size && got != 0 && got < at+window {
				t.Errorf("%s: found %d again as %d", test.name, at, got)
			}
		}
	}
}

// findWindow looks for 64 bytes that end a chunk. Ones before them change nothing.
func findWindow(t *testing.T, r rule) []byte {
	t.Helper()
	data := random(11, 16<<20)
	if n := r.cut(data, window, len(data)); n != 0 {
		w := data[n-window : n]
		framed := append(bytes.Repeat([]byte{1}, window), w...)
		framed = append(framed, bytes.Repeat([]byte{1}, window)...)
		if k := r.cut(framed, window, len(framed)); k == 2*window {
			return w
		}
	}
	t.Fatal("no window found")
	return nil
}

// TestGear_pinned holds the table and the cuts: another release that derives
// them in another way would store everything again.
func TestGear_pinned(t *testing.T) {
	table := gearTableFor(testPolynomial)
	if got, want := fmt.Sprintf("%016x %016x %016x", table[0], table[1], table[255]), "aabf4052058cee97 12ec575784d6fdd7 593c24353804dd28"; got != want {
		t.Errorf("table %s, want %s", got, want)
	}
	got := cuts(mustNew(t, General, Settings{}), random(12, 6<<20))
	if want := []int{680834, 545588, 846433, 1342172, 787081, 820811, 843971, 424566}; !slices.Equal(got, want) {
		t.Errorf("cuts %v, want %v", got, want)
	}
	other, err := New(General, testPolynomial+2, Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Equal(got, cuts(other, random(12, 6<<20))) {
		t.Error("another polynomial cuts alike")
	}
}

func TestGear_lengths(t *testing.T) {
	data := random(13, 96<<20)
	lengths := cuts(mustNew(t, General, Settings{}), data)
	lengths = lengths[:len(lengths)-1]
	over := 0
	for _, n := range lengths {
		if n < 512<<10 || n > 8<<20 {
			t.Errorf("a chunk of %d bytes", n)
		}
		if n > 2<<20 {
			over++
		}
	}
	mean := len(data) / len(lengths)
	t.Logf("%d chunks, mean %d KiB, longest %d KiB, %d over 2 MiB", len(lengths), mean>>10, slices.Max(lengths)>>10, over)
	if mean < 900<<10 || mean > 1150<<10 {
		t.Errorf("mean length %d KiB, want about 1 MiB", mean>>10)
	}
	if over > len(lengths)/20 {
		t.Errorf("%d of %d chunks are longer than 2 MiB", over, len(lengths))
	}
}

// TestGear_findsItsCutsAgain: what an insertion moves is cut as before.
func TestGear_findsItsCutsAgain(t *testing.T) {
	data := noise(14, 4<<20)
	known := map[string]bool{}
	c := mustNew(t, General, small)
	for rest := data; len(rest) > 0; {
		n := c.Next(rest, true)
		known[string(rest[:n])] = true
		rest = rest[n:]
	}
	changed := slices.Concat(data[:1<<20], []byte("inserted"), data[1<<20:])
	fresh := 0
	for rest := changed; len(rest) > 0; {
		n := c.Next(rest, true)
		if !known[string(rest[:n])] {
			fresh += n
		}
		rest = rest[n:]
	}
	if fresh == 0 || fresh > 16*small.Mean {
		t.Errorf("an insertion of 8 bytes makes %d new", fresh)
	}
}

// TestNext_inSteps: it does not matter how much is shown at a time.
func TestNext_inSteps(t *testing.T) {
	for _, kind := range []Kind{General, Database, Media} {
		data := noise(15, 700<<10)
		want := cuts(mustNew(t, kind, small), data)
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, 1))
			c := mustNew(t, kind, small)
			var got []int
			for rest := data; len(rest) > 0; {
				shown, n := 0, 0
				for n == 0 {
					shown = min(shown+r.IntN(5000), len(rest))
					n = c.Next(rest[:shown], shown == len(rest))
					if r.IntN(50) == 0 && n == 0 { // give up and begin again
						c.Reset()
						shown = 0
					}
				}
				got = append(got, n)
				rest = rest[n:]
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, seed %d: %v, want %v", kind, seed, got, want)
			}
		}
	}
}

func TestNext_emptyAndFinal(t *testing.T) {
	for _, kind := range []Kind{General, Database, Media} {
		c := mustNew(t, kind, Settings{})
		if n := c.Next(nil, false); n != 0 {
			t.Errorf("%v: %d bytes of none", kind, n)
		}
		if n := c.Next(nil, true); n != 0 {
			t.Errorf("%v: %d bytes of none at the end", kind, n)
		}
		if n := c.Next([]byte{1}, true); n != 1 {
			t.Errorf("%v: %d bytes of one", kind, n)
		}
	}
}

func TestConstantDataIsBounded(t *testing.T) {
	for _, b := range []byte{0, 0xff, 'a'} {
		data := bytes.Repeat([]byte{b}, 20<<20)
		for _, n := range cuts(mustNew(t, General, Settings{}), data)[:2] {
			if n != 8<<20 {
				t.Errorf("gear cuts constant %#x after %d bytes", b, n)
			}
		}
	}
	// Zeros have the fingerprint 0 (restic-format.md 9).
	for _, n := range cuts(mustNew(t, General, Settings{Rabin: true}), make([]byte, 2<<20)) {
		if n != 512<<10 {
			t.Errorf("rabin cuts zeros after %d bytes", n)
		}
	}
}

func TestNew_settings(t *testing.T) {
	for _, test := range []struct {
		s    Settings
		want string // of the error
	}{
		{Settings{}, ""},
		{Settings{DatabasePage: 16 << 10}, ""},
		{Settings{DatabasePage: 256 << 10}, ""},
		{Settings{DatabasePage: 8 << 10}, "database page"},
		{Settings{DatabasePage: 512 << 10}, "database page"},
		{Settings{DatabasePage: 48 << 10}, "database page"},
		{Settings{DatabasePage: -1}, "database page"},
		{Settings{MediaPiece: 1 << 20}, ""},
		{Settings{MediaPiece: 1 << 10}, "media piece"},
		{Settings{MediaPiece: 9 << 20}, "media piece"},
		{Settings{Min: 63}, "min 63"},
		{Settings{Min: 2 << 20}, "min 2097152"},
		{Settings{Mean: 9 << 20}, "mean 9437184"},
		{Settings{Max: 9 << 20}, "max 9437184"},
		{Settings{Max: 64 << 10}, "max 65536"},
		{Settings{Min: 64, Mean: 100}, "mean 100"},
		{Settings{Min: -5}, "min -5"},
	} {
		_, err := New(General, testPolynomial, test.s)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.s, err, test.want)
		}
	}
	if _, err := New(Kind(9), testPolynomial, Settings{}); err == nil {
		t.Error("a kind that is none has a rule")
	}
	for _, polynomial := range []uint64{0, 1, 1<<53 - 1, 1 << 54, ^uint64(0)} {
		if _, err := New(General, polynomial, Settings{Rabin: true}); err == nil || strings.Contains(err.Error(), fmt.Sprint(polynomial)) && polynomial > 100 {
			t.Errorf("polynomial %x: %v", polynomial, err)
		}
	}
	if n := mustNew(t, Database, Settings{DatabasePage: 16 << 10}).Max(); n != 16<<10 {
		t.Errorf("database pieces of %d bytes", n)
	}
}

func TestNew_concurrently(t *testing.T) {
	data := noise(16, 1<<20)
	want := cuts(mustNew(t, General, small), data)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 2 * maxTables / 8 {
				if _, err := New(General, uint64(i*1000+k), small); err != nil { // pushes tables out
					t.Error(err)
				}
			}
			if got := cuts(mustNew(t, General, small), data); !slices.Equal(got, want) {
				t.Error("other cuts when tables are shared")
			}
		})
	}
	wg.Wait()
	if n := len(gearTables.made); n > maxTables {
		t.Errorf("%d tables are kept", n)
	}
}
