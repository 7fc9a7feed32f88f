package photos

import (
	"encoding/xml"
	"io/fs"
	"strings"
	"testing"
)

// Whatever a library names, it is a path below its own folder or none.
func FuzzFolder(f *testing.F) {
	f.Add("DCIM/100APPLE", "IMG_0001.HEIC")
	f.Add("../../HomeDomain", "x.JPG")
	f.Add("DCIM/..", "..")
	f.Add("/", "\x00")
	f.Fuzz(func(t *testing.T, folder, name string) {
		dir, err := cameraRoll.folder(folder, name)
		if err != nil {
			return
		}
		at := dir + "/" + name
		if dir != media && !strings.HasPrefix(dir, media+"/") || !fs.ValidPath(at) || strings.Contains(name, "/") {
			t.Errorf("%q and %q lead to %q", folder, name, at)
		}
	})
}

// Every photo has a name, and its original an ending that fits the file.
func FuzzExportName(f *testing.F) {
	f.Add("IMG_0001.HEIC", "IMG_0001.JPG")
	f.Add("..", "x.JPG")
	f.Add("version 1.2", "ABC.HEIC")
	f.Add(strings.Repeat("ü", 300), "")
	f.Fuzz(func(t *testing.T, original, file string) {
		p := &Photo{Name: original, fileName: file, Key: "k"}
		if original == "" { // as the reader makes it
			p.Name = p.Key
		}
		name, ending := p.exportName()
		if name == "" || len(name) > 200 || kindOf(file) != "" && kindOf("x"+ending) != kindOf(file) {
			t.Errorf("%q, a file %q, is called %q %q", original, file, name, ending)
		}
	})
}

// A sidecar is XML whatever is in it.
func FuzzXMP(f *testing.F) {
	f.Add("Title", "a <caption> & \"more\" \x00\x1b \xff", "keyword", 52.5, -13.4)
	f.Fuzz(func(t *testing.T, title, caption, word string, lat, long float64) {
		p := &Photo{Title: title, Caption: caption, Keywords: []string{word}, Place: &Place{Latitude: lat, Longitude: long}}
		text, err := p.xmp()
		if err != nil {
			t.Fatal(err)
		}
		var any struct {
			Inner string `xml:",innerxml"`
		}
		if err := xml.Unmarshal(text, &any); err != nil {
			t.Errorf("%v: %q", err, text)
		}
	})
}
