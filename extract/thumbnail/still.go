package thumbnail

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// Qualities of the JPEGs that are made, of 100.
const (
	smallQuality = 80
	fullQuality  = 92
)

// still makes a small picture of one that Go's decoders read.
func (m *Maker) still(ctx context.Context, f *input, size int) ([]byte, error) {
	if f.size > maxInput {
		return nil, none("it has %d bytes", f.size)
	}
	cost, orientation, err := weigh(f)
	if err != nil {
		return nil, none("%w", err)
	}
	if cost > pixelBudget {
		return nil, none("it has too many pixels")
	}
	if err := m.pixels.Acquire(ctx, cost); err != nil {
		return nil, err
	}
	defer m.pixels.Release(cost)
	img, err := decode(f)
	if err != nil {
		return nil, none("%w", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return encode(upright(shrink(img, size), orientation))
}

// weigh tells how many bytes decoding takes, from the head alone.
func weigh(f *input) (cost int64, orientation int, err error) {
	var config image.Config
	bytesPerPixel := int64(8) // of a PNG with 16 bits
	switch f.format {
	case jpegFormat:
		h, err := readJPEGHead(f, f.size)
		if err != nil {
			return 0, 0, err
		}
		perSample := 1.0
		if h.progressive { // its coefficients are kept until the end
			perSample = 5
		}
		return int64(float64(h.width)*float64(h.height)*h.samples*perSample) + 1<<20, h.orientation, nil
	case pngFormat:
		config, err = png.DecodeConfig(f.reader())
	case gifFormat:
		config, err = gif.DecodeConfig(f.reader())
	default:
		config, err = webp.DecodeConfig(f.reader())
	}
	if err != nil {
		return 0, 0, err
	}
	if config.Width <= 0 || config.Height <= 0 || config.Width > 1<<20 || config.Height > 1<<20 {
		return 0, 0, fmt.Errorf("it has %d by %d pixels", config.Width, config.Height)
	}
	return int64(config.Width)*int64(config.Height)*bytesPerPixel + 1<<20, 1, nil
}

func decode(f *input) (image.Image, error) {
	var r io.Reader = f.reader()
	switch f.format {
	case jpegFormat:
		return jpeg.Decode(r)
	case pngFormat:
		return png.Decode(r)
	case gifFormat:
		return gif.Decode(r)
	}
	return webp.Decode(r)
}

// shrink gives a picture that fits into size by size pixels; it never enlarges. What
// is transparent becomes white.
func shrink(img image.Image, size int) *image.RGBA {
	b := img.Bounds()
	w, h := fit(b.Dx(), b.Dy(), size)
	if b.Dx() > 8*w { // a rough step first: the fine one looks at every pixel
		rough := image.NewRGBA(image.Rect(0, 0, 4*w, 4*h))
		draw.Draw(rough, rough.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
		draw.ApproxBiLinear.Scale(rough, rough.Bounds(), img, b, draw.Over, nil)
		img, b = rough, rough.Bounds()
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.BiLinear.Scale(out, out.Bounds(), img, b, draw.Over, nil)
	return out
}

// fit scales w by h down into a square.
func fit(w, h, size int) (int, int) {
	longest := max(w, h)
	if longest <= size {
		return w, h
	}
	scale := func(n int) int { return max(1, int(int64(n)*int64(size)/int64(longest))) }
	return scale(w), scale(h)
}

// upright turns a picture as EXIF's orientation says.
//
//	1 as it is   2 mirrored   3 upside down   4 both
//	5 to 8: rows are columns; 6 turns right, 8 turns left
func upright(img *image.RGBA, orientation int) *image.RGBA {
	if orientation <= 1 || orientation > 8 {
		return img
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	outW, outH := w, h
	if orientation >= 5 {
		outW, outH = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, outW, outH))
	for y := range outH {
		for x := range outW {
			fromX, fromY := source(x, y, w, h, orientation)
			out.SetRGBA(x, y, img.RGBAAt(fromX, fromY))
		}
	}
	return out
}

// source is the pixel of a stored picture, w by h, that is shown at x, y.
func source(x, y, w, h, orientation int) (int, int) {
	switch orientation {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return y, h - 1 - x
	case 7:
		return w - 1 - y, h - 1 - x
	case 8:
		return w - 1 - y, x
	}
	return x, y
}

func encode(img image.Image) ([]byte, error) {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: smallQuality}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
