package format

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestUnpacked(t *testing.T) {
	for _, json := range [][]byte{[]byte(`{}`), []byte(`{"packs":[]}`), bytes.Repeat([]byte(`{"a":1}`), 1<<17), {}} {
		packed := EncodeUnpacked([]byte("head"), json)
		if string(packed[:5]) != "head\x02" {
			t.Fatalf("begins with %q", packed[:5])
		}
		got, err := DecodeUnpacked(packed[4:], len(json))
		if err != nil || !bytes.Equal(got, json) {
			t.Errorf("%d bytes: %d bytes, %v", len(json), len(got), err)
		}
		if len(json) > 0 {
			if _, err := DecodeUnpacked(packed[4:], len(json)-1); !errors.Is(err, errTooLarge) {
				t.Errorf("%d bytes above the limit: %v", len(json), err)
			}
		}
	}
}

func TestDecodeUnpacked_plain(t *testing.T) {
	for _, json := range []string{`{"packs":[]}`, `[]`} {
		data := []byte(json)
		got, err := DecodeUnpacked(data, len(data))
		if err != nil || &got[0] != &data[0] {
			t.Errorf("%s: %s, %v", json, got, err)
		}
		if _, err := DecodeUnpacked(data, len(data)-1); !errors.Is(err, errTooLarge) {
			t.Errorf("%s above the limit: %v", json, err)
		}
	}
}

func TestDecodeUnpacked_refuses(t *testing.T) {
	good := EncodeUnpacked(nil, bytes.Repeat([]byte("abc"), 1000))
	broken := bytes.Clone(good)
	broken[len(broken)-3] ^= 0xff
	tests := map[string]struct {
		data []byte
		want string
	}{
		"nothing":     {nil, "no bytes"},
		"marker":      {[]byte{1, 2}, "unknown first byte 0x01"},
		"no frame":    {[]byte{2}, "decompress: "},
		"no magic":    {[]byte{2, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "decompress: "},
		"cut":         {good[:len(good)-1], "decompress: "},
		"broken":      {broken, "decompress: "},
		"behind":      {append(bytes.Clone(good), "x"...), "decompress: "},
		"white space": {[]byte(` {}`), "unknown first byte 0x20"},
	}
	for name, test := range tests {
		_, err := DecodeUnpacked(test.data, 1<<20)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// stream compresses without announcing the size of the whole.
func stream(tb testing.TB, size int) []byte {
	tb.Helper()
	var b bytes.Buffer
	b.WriteByte(zstdMarker)
	w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for size > 0 {
		n, err := w.Write(zeros[:min(size, len(zeros))])
		if err != nil {
			tb.Fatal(err)
		}
		size -= n
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func TestDecodeUnpacked_sizeNotAnnounced(t *testing.T) {
	const size = 5 << 20
	got, err := DecodeUnpacked(stream(t, size), size)
	if err != nil || len(got) != size {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := DecodeUnpacked(stream(t, size), size-1); !errors.Is(err, errTooLarge) {
		t.Errorf("above the limit: %v", err)
	}
}

// A bomb, and a header that lies, must not take more memory than the limit.
func TestDecodeUnpacked_bounded(t *testing.T) {
	const limit = 1 << 20
	lie := []byte{zstdMarker, 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0} // announces 1 TiB, holds nothing
	bombs := map[string][]byte{
		"bomb":           EncodeUnpacked(nil, make([]byte, 40<<20)),
		"streamed bomb":  stream(t, 40<<20),
		"lie":            lie,
		"many bombs":     append(EncodeUnpacked(nil, nil), bytes.Repeat(EncodeUnpacked(nil, make([]byte, 1<<20))[1:], 100)...),
		"skipped frames": append([]byte{zstdMarker, 0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}, EncodeUnpacked(nil, make([]byte, 40<<20))[1:]...),
	}
	for name, data := range bombs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeUnpacked(data, limit)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, errTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 16*limit {
			t.Errorf("%s: took %d MiB", name, n>>20)
		}
	}
	// What the compressed bytes cannot hold is not allocated either.
	lie[11], lie[9] = 0, 0x20 // 512 MiB in 16 bytes
	if _, err := DecodeUnpacked(lie, 1<<30); !errors.Is(err, errTooLarge) {
		t.Errorf("lie below the limit: %v", err)
	}
}

func TestUnpacked_concurrently(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			json := bytes.Repeat([]byte{'a' + byte(i)}, 10_000*(i+1))
			for range 10 {
				if got, err := DecodeUnpacked(EncodeUnpacked(nil, json), len(json)); err != nil || !bytes.Equal(got, json) {
					t.Errorf("%d bytes: %d bytes, %v", len(json), len(got), err)
				}
			}
		})
	}
	wg.Wait()
}
