package repository

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

// keyed is a repository with a key and nothing else: a stranger who has the key,
// or a program with a mistake, may have written whatever it reads.
func keyed(tb testing.TB) (*Repository, *memory.Backend) {
	tb.Helper()
	m := memory.New()
	r := newRepository(m, Options{})
	key, err := seal.NewKey()
	if err != nil {
		tb.Fatal(err)
	}
	r.key, r.config.Version = key, 2
	return r, m
}

// packOf is a pack with that header, sealed, and that many bytes before it.
func packOf(r *Repository, before []byte, header []byte) []byte {
	sealed := r.key.Seal(nil, header)
	return binary.LittleEndian.AppendUint32(append(slices.Clone(before), sealed...), uint32(len(sealed)))
}

// FuzzPack opens whatever as a pack, whole and by its end: raw bytes, and the same
// bytes sealed as a header.
func FuzzPack(f *testing.F) {
	r, m := keyed(f)
	s, err := r.Begin(f.Context(), Unlocked, 0)
	if err != nil {
		f.Fatal(err)
	}
	id := format.Hash([]byte("x"))
	blobs := []format.Blob{{BlobHandle: format.BlobHandle{ID: id}, Length: 40}, {BlobHandle: format.BlobHandle{ID: id}, Offset: 40, Length: 50, UncompressedLength: 100}}
	trees := []format.Blob{blobs[0], {BlobHandle: format.BlobHandle{ID: id, Type: format.TreeBlob}, Offset: 40, Length: 50}}
	f.Add([]byte{}, uint16(0))
	f.Add([]byte{0, 0, 0, 0}, uint16(0))
	f.Add([]byte{255, 255, 255, 255}, uint16(4))
	f.Add(format.AppendHeader(nil, blobs), uint16(90))
	f.Add(format.AppendHeader(nil, blobs), uint16(91))
	f.Add(format.AppendHeader(nil, trees), uint16(90))
	f.Add(format.AppendHeader(nil, blobs)[:50], uint16(90))
	f.Add(bytes.Repeat([]byte{1}, 37), uint16(0))
	f.Fuzz(func(t *testing.T, header []byte, before uint16) {
		for _, data := range [][]byte{header, packOf(r, make([]byte, before), header)} {
			whole, err1 := r.parsePack(data)
			h := backend.Handle{Type: backend.PackFile, Name: format.Hash(data).String()}
			m.Put(h, data)
			id, err := format.ParseID(h.Name)
			if err != nil {
				t.Fatal(err)
			}
			end, err2 := s.packHeader(t.Context(), id, int64(len(data)))
			m.Put(h, nil)
			if (err1 == nil) != (err2 == nil) || !slices.Equal(whole, end) {
				t.Errorf("the whole pack tells %v, %v, its end %v, %v", whole, err1, end, err2)
			}
			if err2 != nil && !strings.Contains(err2.Error(), h.String()) {
				t.Errorf("%q does not name %v", err2, h)
			}
			if err1 == nil && (contiguous(whole) != nil || format.PackSize(whole) != int64(len(data))) {
				t.Errorf("blobs of %d bytes in a pack of %d: %v", format.PackSize(whole), len(data), contiguous(whole))
			}
		}
	})
}

// FuzzBlob opens whatever was sealed as a blob, and as an index, a snapshot or a
// lock: length is what the index or the header say of its plaintext.
func FuzzBlob(f *testing.F) {
	r, _ := keyed(f)
	frame := frameOf(f, bytes.Repeat([]byte("again "), 100))
	f.Add([]byte("plain"), uint32(0))
	f.Add(frame, uint32(600))
	f.Add(frame, uint32(599))
	f.Add(frame, uint32(601))
	f.Add(frame[:len(frame)-1], uint32(600))
	f.Add(slices.Concat(frame, frame), uint32(1200))
	f.Add(frameOf(f, make([]byte, 1<<20)), uint32(100))
	f.Add(append([]byte{2}, frame...), uint32(0))
	f.Add([]byte{}, uint32(1))
	f.Fuzz(func(t *testing.T, payload []byte, length uint32) {
		length %= 4 << 20 // memory is bounded by TestBombs
		d := &decoder{r: r}
		sealed := r.key.Seal(nil, payload)
		_, plain, err := d.open(sealed, length)
		if err == nil && length > 0 && len(plain) != int(length) {
			t.Errorf("%d bytes, want %d", len(plain), length)
		}
		if err == nil {
			want := plain
			if length == 0 {
				want = payload
			}
			h := format.BlobHandle{ID: format.Hash(want)}
			if got, err := d.decode(h, sealed, length); err != nil || !bytes.Equal(got, want) {
				t.Errorf("decode: %v", err)
			}
			h.ID[0]++
			if _, err := d.decode(h, sealed, length); err == nil {
				t.Error("a blob under a wrong name is taken")
			}
		}
		if json, err := r.openUnpacked(sealed, maxLockFile); err == nil && len(json) > maxLockFile {
			t.Errorf("%d bytes of an unpacked file, more than %d", len(json), maxLockFile)
		}
	})
}

func frameOf(tb testing.TB, plain []byte) []byte {
	tb.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false))
	if err != nil {
		tb.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll(plain, nil)
}

// bomb is a frame of very many zeros that does not tell how many: a magic number,
// a window, and blocks of three bytes and one that stand for 128 KiB each.
func bomb(window byte, blocks int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, window}
	const rle, size = 1 << 1, 128 << 10 << 3
	for i := range blocks {
		last := 0
		if i == blocks-1 {
			last = 1
		}
		n := uint32(last | rle | size)
		frame = append(frame, byte(n), byte(n>>8), byte(n>>16), 0)
	}
	return frame
}

// Memory is taken for what the index tells, as far as the frame can hold it, and
// never for what a frame claims or does.
func TestBombs(t *testing.T) {
	r, _ := keyed(t)
	const window8M, window128M = 13 << 3, 17 << 3
	claims := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0} // 1 TiB, in a single segment
	tests := map[string]struct {
		payload []byte
		length  uint32
		want    string // in the error; "" is none
		most    uint64 // bytes
	}{
		"honest":             {bomb(window8M, 32), 4 << 20, "", 24 << 20},
		"more than told":     {bomb(window8M, 8192), 100, "decompress", 24 << 20},
		"wide window":        {bomb(window128M, 8192), 100, "decompress", 24 << 20},
		"claims a tebibyte":  {claims, 100, "decompress", 24 << 20},
		"told a gibibyte":    {bomb(window8M, 8), 1 << 30, "cannot come of", 1 << 20},
		"told 4 GiB":         {bomb(window8M, 8), 1<<32 - 1, "more than", 1 << 20},
		"less than told":     {bomb(window8M, 8), 1<<20 + 1, "want 1048577", 24 << 20},
		"nothing compressed": {nil, 100, "cannot come of", 1 << 20},
	}
	for name, tt := range tests {
		sealed := r.key.Seal(nil, tt.payload)
		d := &decoder{r: r}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, plain, err := d.open(sealed, tt.length)
		runtime.ReadMemStats(&after)
		if tt.want == "" && (err != nil || len(plain) != int(tt.length)) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %d bytes, %v", name, len(plain), err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > tt.most {
			t.Errorf("%s: it took %d KiB", name, n>>10)
		}
	}
	// A large one leaves nothing behind in those who wait for the next.
	d, release := r.decoder()
	big := bomb(window8M, 8*32)
	if _, _, err := d.open(r.key.Seal(nil, big), 32<<20); err != nil {
		t.Fatal(err)
	}
	release()
	if cap(d.plain) > maxScratch || cap(d.payload) > maxScratch {
		t.Errorf("%d bytes are kept", cap(d.plain))
	}
	// Nor does the index decide how much a sealed blob may take.
	s := begin(t, r, Unlocked)
	_, err := s.blobAt(t.Context(), format.ID{}, format.Blob{Length: 1<<32 - 1}, nil)
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a blob of 4 GiB: %v", err)
	}
	limit := 1 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = r.openUnpacked(r.key.Seal(nil, append([]byte{2}, bomb(window8M, 8192)...)), limit)
	runtime.ReadMemStats(&after)
	if err == nil || after.TotalAlloc-before.TotalAlloc > 64<<20 {
		t.Errorf("an unpacked bomb took %d KiB: %v", (after.TotalAlloc-before.TotalAlloc)>>10, err)
	}
}
