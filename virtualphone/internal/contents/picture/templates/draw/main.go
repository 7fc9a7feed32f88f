// Draw writes the drawings that the templates beside it are made from:
//
//	go run ./virtualphone/internal/contents/picture/templates/draw FOLDER
package main

import (
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: draw FOLDER")
		os.Exit(2)
	}
	if err := draw(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// draw makes still0.jpg … with the blank EXIF block, and the frames of the
// films: a window that moves over a wide drawing.
func draw(dir string) error {
	for n := range picture.HEICTemplates {
		r := rand.New(rand.NewPCG(uint64(n), 1))
		img := picture.Draw(r, picture.HEICWidth, picture.HEICHeight)
		data, err := picture.JPEG(img, picture.BlankFacts(), 0, rand.NewChaCha8([32]byte{}))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("still%d.jpg", n)), data, 0o644); err != nil {
			return err
		}
	}
	const frames, step = 20, 8
	wide := picture.Draw(rand.New(rand.NewPCG(9, 9)), picture.FilmWidth+frames*step, picture.FilmHeight)
	for n := range frames {
		window := wide.SubImage(image.Rect(n*step, 0, n*step+picture.FilmWidth, picture.FilmHeight))
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("frame%02d.png", n)))
		if err != nil {
			return err
		}
		if err := png.Encode(f, window); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
