package thumbnail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
)

// quarters is a picture, 40 by 20, with a red, a green, a blue and a white quarter.
func quarters() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 40, 20))
	for y := range 20 {
		for x := range 40 {
			c := [2][2]color.RGBA{{{255, 0, 0, 255}, {0, 255, 0, 255}}, {{0, 0, 255, 255}, {255, 255, 255, 255}}}[y/10][x/20]
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// jpegOf encodes a picture with an orientation in its EXIF data, in either order of
// bytes.
func jpegOf(t testing.TB, img image.Image, orientation uint16, order binary.AppendByteOrder) []byte {
	t.Helper()
	var coded bytes.Buffer
	if err := jpeg.Encode(&coded, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	mark := "MM"
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		mark = "II"
	}
	tiff := append([]byte("Exif\x00\x00"), mark...)
	tiff = order.AppendUint16(tiff, 42)
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 1)
	tiff = order.AppendUint16(tiff, 0x0112)
	tiff = order.AppendUint16(tiff, 3)
	tiff = order.AppendUint32(tiff, 1)
	tiff = append(order.AppendUint16(tiff, orientation), 0, 0, 0, 0, 0, 0)
	out := append([]byte{0xFF, 0xD8, 0xFF, 0xE1}, binary.BigEndian.AppendUint16(nil, uint16(len(tiff)+2))...)
	return append(append(out, tiff...), coded.Bytes()[2:]...)
}

func file(data []byte) fstest.MapFS {
	return fstest.MapFS{"p": {Data: data, Mode: 0o600}}
}

func decoded(t *testing.T, p extract.Preview, err error) image.Image {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if p.Type != "image/jpeg" {
		t.Fatalf("type %s", p.Type)
	}
	img, err := jpeg.Decode(bytes.NewReader(p.Data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func name(c color.Color) string {
	r, g, b, _ := c.RGBA()
	switch high := func(v uint32) bool { return v > 0x8000 }; {
	case high(r) && high(g) && high(b):
		return "white"
	case high(r):
		return "red"
	case high(g):
		return "green"
	case high(b):
		return "blue"
	}
	return "?"
}

// Corners of the shown picture, by the table of orientations of EXIF 2.32.
func TestMake_orientation(t *testing.T) {
	for orientation, want := range map[uint16]string{
		0: "red green blue white", 1: "red green blue white", 2: "green red white blue", 3: "white blue green red", 4: "blue white red green",
		5: "red blue green white", 6: "blue red white green", 7: "white green blue red", 8: "green white red blue", 9: "red green blue white",
	} {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			p, err := New().Make(t.Context(), file(jpegOf(t, quarters(), orientation, order)), "p", 64)
			img := decoded(t, p, err)
			b := img.Bounds()
			if wide := b.Dx() > b.Dy(); wide != (orientation < 5 || orientation > 8) {
				t.Errorf("orientation %d: %v", orientation, b)
			}
			x, y := b.Dx()/4, b.Dy()/4
			got := strings.Join([]string{name(img.At(x, y)), name(img.At(3*x, y)), name(img.At(x, 3*y)), name(img.At(3*x, 3*y))}, " ")
			if got != want {
				t.Errorf("orientation %d: corners %s, want %s", orientation, got, want)
			}
		}
	}
}

func TestMake_stills(t *testing.T) {
	large := image.NewNRGBA(image.Rect(0, 0, 1200, 300)) // transparent
	var asPNG, asGIF bytes.Buffer
	if err := errors.Join(png.Encode(&asPNG, large), gif.Encode(&asGIF, quarters(), nil)); err != nil {
		t.Fatal(err)
	}
	for what, x := range map[string]struct {
		data       []byte
		size, w, h int
		middle     string
	}{
		"PNG":                {asPNG.Bytes(), 100, 100, 25, "white"},
		"GIF":                {asGIF.Bytes(), 100, 40, 20, "white"}, // not enlarged
		"JPEG":               {jpegOf(t, quarters(), 1, binary.BigEndian), 20, 20, 10, "white"},
		"thin":               {jpegOf(t, image.NewGray(image.Rect(0, 0, 3000, 1)), 1, binary.BigEndian), 100, 100, 1, "?"},
		"smaller than least": {jpegOf(t, quarters(), 1, binary.BigEndian), 1, 16, 8, "white"},
	} {
		p, err := New().Make(t.Context(), file(x.data), "p", x.size)
		img := decoded(t, p, err)
		if b := img.Bounds(); b.Dx() != x.w || b.Dy() != x.h {
			t.Errorf("%s: %v, want %d by %d", what, b, x.w, x.h)
		}
		if c := name(img.At(img.Bounds().Dx()*3/4, img.Bounds().Dy()*3/4)); c != x.middle {
			t.Errorf("%s: %s", what, c)
		}
	}
}

// A head that promises more pixels than memory has is believed, and refused.
func TestMake_bombs(t *testing.T) {
	var coded bytes.Buffer
	if err := png.Encode(&coded, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	huge := bytes.Clone(coded.Bytes())
	binary.BigEndian.PutUint32(huge[16:], 60000)
	binary.BigEndian.PutUint32(huge[20:], 60000)
	wide := jpegOf(t, quarters(), 1, binary.BigEndian)
	at := bytes.Index(wide, []byte{0xFF, 0xC0})
	binary.BigEndian.PutUint16(wide[at+5:], 65000)
	binary.BigEndian.PutUint16(wide[at+7:], 65000)
	for what, data := range map[string][]byte{
		"PNG": huge, "JPEG": wide, "nothing": {}, "text": []byte("hello, this is no picture at all"), "cut JPEG": jpegOf(t, quarters(), 1, binary.BigEndian)[:60],
		"cut PNG": coded.Bytes()[:20], "cut HEIC": []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"), "cut MOV": []byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  \x00\x00\x00\x08moov"),
		"box of no length": []byte("\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  \x00\x00\x00\x02moov    "),
	} {
		if p, err := New().Make(t.Context(), file(data), "p", 100); !errors.Is(err, extract.ErrNoPreview) {
			t.Errorf("%s: %d bytes, %v", what, len(p.Data), err)
		}
	}
	if _, err := New().Make(t.Context(), fstest.MapFS{}, "p", 100); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, extract.ErrNoPreview) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func FuzzReadJPEGHead(f *testing.F) {
	f.Add(jpegOf(f, quarters(), 6, binary.BigEndian))
	f.Add(jpegOf(f, quarters(), 3, binary.LittleEndian)[:70])
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff\xff\xda"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readJPEGHead(bytes.NewReader(data), int64(len(data)))
		if h.orientation < 1 || h.orientation > 8 || err == nil && (h.width < 1 || h.samples <= 0 || h.samples > 4) {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

func FuzzFormatOf(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"))
	f.Add([]byte("RIFF\x00\x00\x00\x00WEBP"))
	f.Fuzz(func(_ *testing.T, data []byte) { formatOf(data) })
}
