package format

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const zstdMarker = 2 // first byte of a compressed unpacked file

// Numbers of zstd. The window of what we write is restic's; the window that we
// read is the largest that any reader of the format takes (restic-format.md 4).
const (
	encodeWindow = 512 << 10
	decodeWindow = 128 << 20
	maxRatio     = 128 << 10 / 4 // a block of 4 bytes gives at most 128 KiB
)

var errTooLarge = errors.New("larger than allowed")

// Both are made on first use and shared: EncodeAll and DecodeAll are safe for
// concurrent use.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithWindowSize(encodeWindow), zstd.WithLowerEncoderMem(true))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxWindow(decodeWindow), zstd.WithDecodeAllCapLimit(true))
	})
)

// EncodeUnpacked appends to dst the plaintext of an unpacked file (index,
// snapshot, lock) that holds json: the byte 2 and a zstd frame. It is safe for
// concurrent use.
func EncodeUnpacked(dst, json []byte) []byte {
	e, err := encoder()
	if err != nil {
		panic("format: options of zstd: " + err.Error()) // they are constants
	}
	return e.EncodeAll(json, append(dst, zstdMarker))
}

// DecodeUnpacked gives the JSON in the plaintext of an unpacked file. Plain JSON,
// which begins with '{' or '[', is returned as it is, not copied; the byte 2
// announces zstd; any other first byte is refused (restic-format.md 5). JSON of
// more than limit bytes is an error, and never more than that is allocated. It
// is safe for concurrent use.
func DecodeUnpacked(plaintext []byte, limit int) ([]byte, error) {
	if len(plaintext) == 0 {
		return nil, errors.New("decode unpacked file: no bytes")
	}
	switch plaintext[0] {
	case '{', '[':
		if len(plaintext) > limit {
			return nil, fmt.Errorf("decode unpacked file: %d bytes of JSON: %w (%d)", len(plaintext), errTooLarge, limit)
		}
		return plaintext, nil
	case zstdMarker:
		json, err := decompress(plaintext[1:], limit)
		if err != nil {
			return nil, fmt.Errorf("decode unpacked file: %w", err)
		}
		return json, nil
	}
	return nil, fmt.Errorf("decode unpacked file: unknown first byte %#02x", plaintext[0])
}

// decompress allocates what the frame announces, or doubles what it tries when
// the frame announces nothing, as rustic's do: the size that a stranger claims
// never counts for more than the compressed bytes could hold.
func decompress(frame []byte, limit int) ([]byte, error) {
	d, err := decoder()
	if err != nil {
		panic("format: options of zstd: " + err.Error())
	}
	var header zstd.Header
	if err := header.Decode(frame); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	most := min(uint64(limit), uint64(len(frame))*maxRatio)
	size := min(most, max(8*uint64(len(frame)), 4<<10))
	if header.HasFCS {
		if header.FrameContentSize > most {
			return nil, fmt.Errorf("decompress: %d bytes announced: %w (%d)", header.FrameContentSize, errTooLarge, most)
		}
		size = header.FrameContentSize
	}
	for {
		out, err := d.DecodeAll(frame, make([]byte, 0, size))
		full := errors.Is(err, zstd.ErrDecoderSizeExceeded)
		switch {
		case err == nil:
			return out, nil
		case full && size >= most:
			return nil, fmt.Errorf("decompress: %w (%d bytes)", errTooLarge, most)
		case !full && header.HasFCS:
			return nil, fmt.Errorf("decompress: %w", err)
		case size >= most:
			// A block that does not fit in what is left has an error of its own,
			// which nothing tells from that of a broken one.
			return nil, fmt.Errorf("decompress: broken or %w (%d bytes): %w", errTooLarge, most, err)
		}
		size = min(2*size+1, most)
	}
}
