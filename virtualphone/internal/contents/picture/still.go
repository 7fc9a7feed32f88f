package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
)

// JPEG encodes img with an EXIF block and fills it with random bytes in private
// APP11 segments until it has about size bytes; it is never cut to fit.
//
//	FFD8 | FFE1 len "Exif\0\0" TIFF | FFEB len random … | the encoder's segments
func JPEG(img image.Image, f Facts, size int, noise *rand.ChaCha8) ([]byte, error) {
	const soiLen, markerLen, maxSegment = 2, 4, 65535 - 2
	var coded bytes.Buffer
	if err := jpeg.Encode(&coded, img, &jpeg.Options{Quality: 85}); err != nil {
		return nil, fmt.Errorf("encode JPEG: %w", err)
	}
	block := append([]byte("Exif\x00\x00"), exif(f, img.Bounds().Dx(), img.Bounds().Dy())...)
	out := make([]byte, 0, max(size, coded.Len()+len(block)+64))
	out = append(out, coded.Bytes()[:soiLen]...)
	out = append(out, 0xFF, 0xE1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(block)+2))
	out = append(out, block...)
	rest := size - len(out) - coded.Len()
	for rest > markerLen {
		n := min(rest-markerLen, maxSegment)
		out = append(out, 0xFF, 0xEB)
		out = binary.BigEndian.AppendUint16(out, uint16(n+2))
		out = appendNoise(out, n, noise)
		rest -= n + markerLen
	}
	return append(out, coded.Bytes()[soiLen:]...), nil
}

// PNG encodes img and fills it with one private chunk "ksPd" of random bytes,
// before IEND, until it has about size bytes.
func PNG(img image.Image, size int, noise *rand.ChaCha8) ([]byte, error) {
	const iendLen, chunkLen = 12, 12
	var coded bytes.Buffer
	if err := png.Encode(&coded, img); err != nil {
		return nil, fmt.Errorf("encode PNG: %w", err)
	}
	body, end := coded.Bytes()[:coded.Len()-iendLen], coded.Bytes()[coded.Len()-iendLen:]
	n := max(16, size-coded.Len()-chunkLen)
	out := make([]byte, 0, coded.Len()+chunkLen+n)
	out = append(out, body...)
	out = binary.BigEndian.AppendUint32(out, uint32(n))
	from := len(out)
	out = append(out, "ksPd"...)
	out = appendNoise(out, n, noise)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[from:]))
	return append(out, end...), nil
}

// GIF paints an animation of two pictures.
func GIF(r *rand.Rand, width, height int) ([]byte, error) {
	var out bytes.Buffer
	all := &gif.GIF{}
	for range 2 {
		img := Draw(r, width, height)
		frame := image.NewPaletted(img.Bounds(), palette.Plan9)
		draw.Draw(frame, frame.Bounds(), img, image.Point{}, draw.Src)
		all.Image, all.Delay = append(all.Image, frame), append(all.Delay, 50)
	}
	if err := gif.EncodeAll(&out, all); err != nil {
		return nil, fmt.Errorf("encode GIF: %w", err)
	}
	return out.Bytes(), nil
}

func appendNoise(out []byte, n int, noise *rand.ChaCha8) []byte {
	at := len(out)
	out = append(out, make([]byte, n)...)
	noise.Read(out[at:]) // never fails
	return out
}
