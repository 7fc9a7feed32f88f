package notes

import (
	"path"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// mediaSuffix is what the folder with a note's files is called, behind its name.
const mediaSuffix = " files"

// place is where the documents of a note go: folders, and a name without an ending.
type place struct {
	folders []string
	name    string
}

// places gives every note a place of its own: its folders and title; where several in a
// folder have the same title, with the time when they were made.
func places(heads []*head, zone *time.Location) map[string]place {
	accounts := map[*shelf]bool{}
	for _, h := range heads {
		if h.account != nil {
			accounts[h.account] = true
		}
	}
	fold := func(p place) string {
		return cases.Fold().String(norm.NFC.String(strings.Join(append(p.folders[:len(p.folders):len(p.folders)], p.name), "\x00")))
	}
	out := make(map[string]place, len(heads))
	count := map[string]int{}
	for _, h := range heads {
		p := place{folders: h.folder.path(), name: nameOf(h.title)}
		if len(accounts) > 1 && h.account != nil {
			p.folders = append([]string{h.account.title}, p.folders...)
		}
		out[h.key] = p
		count[fold(p)]++
	}
	taken := map[string]bool{}
	for _, h := range heads {
		p := out[h.key]
		if count[fold(p)] > 1 && !h.created.IsZero() {
			p.name += h.created.In(zone).Format(" (2006-01-02 15.04)")
		}
		if taken[fold(p)] {
			p.name += " " + h.key[:min(8, len(h.key))]
		}
		taken[fold(p)] = true
		out[h.key] = p
	}
	return out
}

// nameOf makes a name of a title.
func nameOf(title string) string {
	title = strings.Join(strings.FieldsFunc(title, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if r := []rune(title); len(r) > 80 {
		title = strings.TrimSpace(string(r[:80]))
	}
	if title == "" {
		return untitled
	}
	return title
}

// fileName is what the file of an attachment is called: with an ending that says what
// it is.
func fileName(a *Attachment) string {
	name := a.Name
	real := strings.TrimSuffix(a.Path, ".encrypted")
	if name == "" {
		name = defaultName(a)
	}
	if ext := pathExt(real); ext != "" && (a.StandIn || pathExt(name) == "") && !strings.EqualFold(pathExt(name), ext) {
		name += ext
	}
	return name
}

// pathExt is the ending of a name, if it is one.
func pathExt(name string) string {
	ext := path.Ext(name)
	if len(ext) < 2 || len(ext) > 8 || strings.ContainsFunc(ext[1:], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) }) {
		return ""
	}
	return ext
}
