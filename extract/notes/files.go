package notes

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// roots are the folders in which files of a note may be: that of its account, those of
// other accounts, from which it may have been moved, and that of before there were any.
func (r *resolver) roots() []string {
	var own, others []string
	for _, a := range r.list {
		if r.accounts[a.row] != a || !plainName(a.id) {
			continue
		}
		if dir := path.Join(domain, "Accounts", a.id); a.title == r.n.Account {
			own = append(own, dir)
		} else if len(others) < 8 {
			others = append(others, dir)
		}
	}
	return append(append(own, others...), domain)
}

// plainName tells whether a text of the database is a name of a file and nothing else.
func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\\\x00") && fs.ValidPath(s)
}

// find gives the first file of the account's folders that is there; parts that are no
// plain names make a place none.
func (r *resolver) find(places ...[]string) (string, error) {
	for _, root := range r.roots() {
		for _, place := range places {
			if slices.ContainsFunc(place, func(s string) bool { return !plainName(s) }) {
				continue
			}
			for _, suffix := range r.suffixes() {
				if file := path.Join(append([]string{root}, place...)...) + suffix; r.regular(file) {
					return file, nil
				}
			}
		}
	}
	return "", errNoFile
}

// suffixes are the endings that files of locked notes may have beside their own.
func (r *resolver) suffixes() []string {
	if r.open.locked {
		return []string{"", ".encrypted"}
	}
	return []string{""}
}

func (r *resolver) regular(file string) bool {
	if !fs.ValidPath(file) {
		return false
	}
	info, err := fs.Stat(r.src.FS, file)
	return err == nil && info.Mode().IsRegular()
}

// mediaFile is where an original is.
func (r *resolver) mediaFile(m media) (string, error) {
	places := [][]string{{"Media", m.id, m.generation, m.name}, {"Media", m.id, m.name}}
	if r.open.locked {
		places = append(places, []string{"Media", m.id, m.generation, m.id}, []string{"Media", m.id, m.id})
	}
	if file, err := r.find(places...); err == nil {
		return file, nil
	}
	return r.only("Media", m.id)
}

// only gives the one file in a folder, or in folders in it: the database may not say
// under which generation a file is.
func (r *resolver) only(kind, id string) (string, error) {
	if !plainName(id) {
		return "", errNoFile
	}
	for _, root := range r.roots() {
		dir := path.Join(root, kind, id)
		entries, err := fs.ReadDir(r.src.FS, dir)
		if err != nil || len(entries) > 20 {
			continue
		}
		for _, e := range slices.Backward(entries) { // generations begin with their number
			file := path.Join(dir, e.Name())
			if e.Type().IsRegular() {
				return file, nil
			}
			if inner, err := fs.ReadDir(r.src.FS, file); err == nil && e.IsDir() && len(inner) == 1 && inner[0].Type().IsRegular() {
				return path.Join(file, inner[0].Name()), nil
			}
		}
	}
	return "", errNoFile
}

// fallback is a picture or a PDF of what has no file, with what opens it.
func (r *resolver) fallback(p *part, sealed sealedPart) (string, cryptoRow, bool) {
	pdf := [][]string{{"FallbackPDFs", p.id, p.pdfGeneration, "FallbackPDF.pdf"}, {"FallbackPDFs", p.id, "FallbackPDF.pdf"}, {"FallbackPDFs", p.id + ".pdf"}}
	if file, err := r.find(pdf...); err == nil {
		return file, sealed.pdf, true
	}
	if file, err := r.only("FallbackPDFs", p.id); err == nil {
		return file, sealed.pdf, true
	}
	var images [][]string
	for _, ext := range []string{".png", ".jpg", ".jpeg"} {
		images = append(images, []string{"FallbackImages", p.id, p.imageGeneration, "FallbackImage" + ext}, []string{"FallbackImages", p.id, "FallbackImage" + ext},
			[]string{"FallbackImages", p.id + ext})
	}
	if file, err := r.find(images...); err == nil {
		return file, sealed.image, true
	}
	if file, err := r.only("FallbackImages", p.id); err == nil {
		return file, sealed.image, true
	}
	return "", cryptoRow{}, false
}

func (r *resolver) previewFile(v preview) (string, error) {
	var places [][]string
	for _, name := range []string{"OrientedPreview.jpeg", "OrientedPreview.jpg", "Preview.png", "Preview.jpg", "Preview.jpeg"} {
		places = append(places, []string{"Previews", v.id, v.generation, name})
	}
	for _, ext := range []string{".png", ".jpg", ".jpeg"} {
		places = append(places, []string{"Previews", v.id + ext})
	}
	return r.find(places...)
}
