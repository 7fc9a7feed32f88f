package appdata

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
)

// picture draws a plain landscape: sky, sun, hills. Every picture of a seed
// differs in colours and shapes.
func picture(r *rng, width, height int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	sky := color.RGBA{uint8(r.between(80, 220)), uint8(r.between(120, 220)), uint8(r.between(180, 255)), 255}
	hill := color.RGBA{uint8(r.between(20, 120)), uint8(r.between(90, 180)), uint8(r.between(20, 110)), 255}
	sunX, sunY, sunR := r.IntN(width), r.IntN(height/2+1), r.between(height/12+1, height/5+2)
	level, slope := height*r.between(45, 70)/100, r.between(-30, 30)
	for y := range height {
		for x := range width {
			c := sky
			dx, dy := x-sunX, y-sunY
			if dx*dx+dy*dy < sunR*sunR {
				c = color.RGBA{255, 230, 120, 255}
			}
			if y > level+slope*(x-width/2)/width {
				c = hill
				c.G += uint8(y * 40 / height)
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// drawJPEG encodes a picture; encoding into memory cannot fail for its sizes.
func drawJPEG(r *rng, width, height int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, picture(r, width, height), &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

func drawPNG(r *rng, width, height int) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, picture(r, width, height))
	return b.Bytes(), err
}

// padJPEG grows a JPEG to about size bytes with comment segments of random
// bytes, FF FE and a big-endian length: still a picture, but of a camera's weight
// and unlike any other.
func padJPEG(r *rng, pic []byte, size int) []byte {
	out := make([]byte, 0, max(size, len(pic))+8)
	out = append(out, pic[:2]...) // FF D8
	for need := size - len(pic) - 4; need > 0; {
		n := min(need, 65533)
		out = append(out, 0xff, 0xfe)
		out = binary.BigEndian.AppendUint16(out, uint16(n+2))
		at := len(out)
		out = out[:at+n]
		r.fill(out[at:])
		need -= n + 4
	}
	return append(out, pic[2:]...)
}

// padPNG does the same with one private chunk before IEND, the last 12 bytes.
func padPNG(r *rng, pic []byte, size int) []byte {
	n := size - len(pic) - 12
	if n <= 0 {
		return pic
	}
	chunk := append([]byte("kpPd"), r.bytes(n)...)
	end := len(pic) - 12
	out := append(make([]byte, 0, size), pic[:end]...)
	out = binary.BigEndian.AppendUint32(out, uint32(n))
	out = append(out, chunk...)
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	return append(out, pic[end:]...)
}
