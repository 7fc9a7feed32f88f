package picture

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
)

// Draw paints a landscape that r invents: a sky, a sun, three ranges of hills.
func Draw(r *rand.Rand, width, height int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	top, bottom := tint(r, 90, 120), tint(r, 190, 60)
	sunX, sunY := r.Float64()*float64(width), (0.1+0.3*r.Float64())*float64(height)
	sunSize := (0.05 + 0.05*r.Float64()) * float64(width)
	for y := range height {
		sky := mix(top, bottom, float64(y)/float64(height))
		for x := range width {
			img.SetRGBA(x, y, sky)
		}
	}
	sun := color.RGBA{255, 240, uint8(160 + r.IntN(90)), 255}
	for y := max(0, int(sunY-sunSize)); y < min(height, int(sunY+sunSize)); y++ {
		for x := max(0, int(sunX-sunSize)); x < min(width, int(sunX+sunSize)); x++ {
			if math.Hypot(float64(x)-sunX, float64(y)-sunY) < sunSize {
				img.SetRGBA(x, y, sun)
			}
		}
	}
	for layer := range 3 {
		hill := tint(r, 40+layer*20, 90-layer*20)
		base := float64(height) * (0.5 + 0.15*float64(layer))
		long, short := 1+3*r.Float64(), 6+8*r.Float64()
		phase := r.Float64() * 7
		for x := range width {
			at := float64(x) / float64(width)
			crest := base + float64(height)*(0.08*math.Sin(long*at*math.Pi+phase)+0.02*math.Sin(short*at*math.Pi))
			for y := max(0, int(crest)); y < height; y++ {
				img.SetRGBA(x, y, hill)
			}
		}
	}
	return img
}

// Screen paints what a screenshot shows: a bar on top and rows of a list.
func Screen(r *rand.Rand, width, height int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	fill(img, img.Bounds(), color.RGBA{245, 245, 248, 255})
	accent := tint(r, 60, 150)
	fill(img, image.Rect(0, 0, width, height/10), accent)
	row := max(8, height/14)
	for y := height/10 + row/2; y+row < height; y += row + row/2 {
		fill(img, image.Rect(width/20, y, width/20+row, y+row), tint(r, 80, 150))
		fill(img, image.Rect(width/20+row+row/2, y+row/4, width/3+r.IntN(width/2), y+row/2), color.RGBA{90, 90, 100, 255})
	}
	return img
}

// Icon paints an app icon, a square with a disc in it.
func Icon(r *rand.Rand, size int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	fill(img, img.Bounds(), tint(r, 40, 180))
	disc, middle := tint(r, 150, 100), float64(size)/2
	radius := middle * (0.4 + 0.4*r.Float64())
	for y := range size {
		for x := range size {
			if math.Hypot(float64(x)-middle, float64(y)-middle) < radius {
				img.SetRGBA(x, y, disc)
			}
		}
	}
	return img
}

func fill(img *image.RGBA, area image.Rectangle, c color.RGBA) {
	area = area.Intersect(img.Bounds())
	for y := area.Min.Y; y < area.Max.Y; y++ {
		for x := area.Min.X; x < area.Max.X; x++ {
			img.SetRGBA(x, y, c)
		}
	}
}

// tint gives an opaque colour with each part in [from, from+spread).
func tint(r *rand.Rand, from, spread int) color.RGBA {
	part := func() uint8 { return uint8(min(255, from+r.IntN(spread))) }
	return color.RGBA{part(), part(), part(), 255}
}

func mix(a, b color.RGBA, at float64) color.RGBA {
	part := func(a, b uint8) uint8 { return uint8(float64(a)*(1-at) + float64(b)*at) }
	return color.RGBA{part(a.R, b.R), part(a.G, b.G), part(a.B, b.B), 255}
}
