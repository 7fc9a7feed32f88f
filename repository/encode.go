package repository

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/keepsake-backup/keepsake/repository/chunker"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// blobWindow is the window of our zstd frames in bytes, as restic's.
const blobWindow = 512 << 10

// maxBlob bounds the plaintext of a blob that is read. Data blobs have at most 8
// MiB; a tree of very many entries may be far larger (restic-format.md 15.12).
const maxBlob = 1 << 30

// maxRatio is what zstd can make of a byte: a block of 4 bytes stands for at most
// 128 KiB.
const maxRatio = 128 << 10 / 4

// maxScratch is how much scratch space a decoder keeps, in bytes.
const maxScratch = 16 << 20

// encoder turns plaintext into what lies in a pack. One for each worker: its
// scratch space is used again for every blob.
type encoder struct {
	r      *Repository
	zstd   *zstd.Encoder // nil: nothing is compressed
	frame  []byte
	sealed []byte
	check  decoder
}

func (r *Repository) newEncoder() (*encoder, error) {
	e := &encoder{r: r, check: decoder{r: r}}
	if r.config.Version < 2 {
		return e, nil
	}
	level := zstd.SpeedDefault
	switch r.o.Compression {
	case CompressionFastest:
		level = zstd.SpeedFastest
	case CompressionMax:
		level = zstd.SpeedBestCompression
	}
	var err error
	e.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(level),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(blobWindow), zstd.WithLowerEncoderMem(true))
	return e, err
}

// compressible tells whether trying is worth the time.
func (e *encoder) compressible(t format.BlobType, plain []byte, media bool) bool {
	switch {
	case e.zstd == nil:
		return false
	case t == format.TreeBlob:
		return true
	case e.r.o.Compression == CompressionOff:
		return false
	}
	return !media && chunker.Compressible(plain)
}

// encode seals plain, compressed where that helps. The result is valid until the
// next call; length is the UncompressedLength of the index.
func (e *encoder) encode(h format.BlobHandle, plain []byte, media bool) (sealed []byte, length uint32, err error) {
	payload := plain
	if e.compressible(h.Type, plain, media) {
		e.frame = e.zstd.EncodeAll(plain, e.frame[:0])
		if len(e.frame) < len(plain) {
			payload, length = e.frame, uint32(len(plain))
		}
	}
	sealed, err = e.seal(h, payload, length)
	return sealed, length, err
}

// seal seals a payload, which is a zstd frame unless length is 0, and proves that
// the blob comes out again.
func (e *encoder) seal(h format.BlobHandle, payload []byte, length uint32) ([]byte, error) {
	e.sealed = e.r.key.Seal(e.sealed[:0], payload)
	if !e.r.o.SkipVerify {
		if _, err := e.check.decode(h, e.sealed, length); err != nil {
			return nil, fmt.Errorf("verify %v after encoding: %w: the memory or the processor of this machine is not to be trusted", h, err)
		}
	}
	return e.sealed, nil
}

// decoder turns what lies in a pack into plaintext. Not for concurrent use.
type decoder struct {
	r       *Repository
	zstd    *zstd.Decoder
	payload []byte
	plain   []byte
}

var errHash = errors.New("its SHA-256 is not its name")

// decode opens a sealed blob and compares it with its ID. The result is valid
// until the next call.
func (d *decoder) decode(h format.BlobHandle, sealed []byte, length uint32) ([]byte, error) {
	payload, plain, err := d.open(sealed, length)
	if err != nil {
		return nil, err
	}
	if length == 0 {
		plain = payload
	}
	if format.Hash(plain) != h.ID {
		return nil, errHash
	}
	return plain, nil
}

// trim gives up the scratch space of a large blob.
func (d *decoder) trim() {
	if cap(d.plain) > maxScratch {
		d.plain = nil
	}
	if cap(d.payload) > maxScratch {
		d.payload = nil
	}
}

// open authenticates and decrypts, and decompresses unless length is 0.
func (d *decoder) open(sealed []byte, length uint32) (payload, plain []byte, err error) {
	d.payload, err = d.r.key.Open(d.payload[:0], sealed)
	if err != nil || length == 0 {
		return d.payload, nil, err
	}
	if length > maxBlob {
		return nil, nil, fmt.Errorf("%d bytes of plaintext, more than %d", length, maxBlob)
	}
	if int64(length) > int64(len(d.payload))*maxRatio { // before memory is taken for it
		return nil, nil, fmt.Errorf("decompress: %d bytes cannot come of %d", length, len(d.payload))
	}
	if d.zstd == nil {
		// The window is that of any encoder; the output is bounded by length below.
		if d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlob),
			zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecodeAllCapLimit(true)); err != nil {
			return nil, nil, err
		}
	}
	if cap(d.plain) < int(length) {
		d.plain = make([]byte, 0, length)
	}
	// The capacity is the limit: a longer frame is an error.
	d.plain, err = d.zstd.DecodeAll(d.payload, d.plain[:0:length])
	if err != nil {
		d.plain = d.plain[:0]
		return nil, nil, fmt.Errorf("decompress: %w", err)
	}
	if len(d.plain) != int(length) {
		return nil, nil, fmt.Errorf("decompress: %d bytes, want %d", len(d.plain), length)
	}
	return d.payload, d.plain, nil
}
