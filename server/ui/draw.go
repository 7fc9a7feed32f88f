package ui

import (
	"fmt"
	"hash/fnv"
	"html/template"
	"regexp"
	"strings"

	"github.com/keepsake-backup/keepsake/service"
)

// scene is what a drawn screen shows: a small landscape of our own.
type scene struct{ sky, sun, far, near string }

var scenes = []scene{
	{"#f2d8b8", "#fff4e0", "#c98d6b", "#7d4f4a"},
	{"#cfe3ea", "#fffdf4", "#7fa8b5", "#3d6675"},
	{"#dfe7cf", "#fffbe6", "#93ad7c", "#4c6b4f"},
	{"#e4d7ea", "#fff5fb", "#a98bb8", "#5f4a78"},
	{"#20324a", "#f4e6c0", "#3d5a7c", "#142033"},
	{"#f3d3cb", "#fff1ea", "#d08a7a", "#8a4b50"},
	{"#d3e8dd", "#fbfff7", "#6fae95", "#2b6b5a"},
	{"#ece3d3", "#fffaf0", "#c0a77f", "#7b6647"},
}

var (
	hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
	island   = regexp.MustCompile(`^iPhone(15,[2-9]|16,|17,[1-4]$|1[89],|[2-9]\d,)`)
	button   = regexp.MustCompile(`^iPhone([1-9],|10,[1245]$|12,8$|14,6$)`)
	tablet   = regexp.MustCompile(`^iPad`)
)

// drawing is a picture of the phone: its shape, its colour, and a landscape that
// is always the same for the same phone. It says nothing that the text does not.
func drawing(p service.Phone) template.HTML {
	color := p.Color
	if !hexColor.MatchString(color) {
		color = "#8b9490"
	}
	h := fnv.New32a()
	h.Write([]byte(p.UDID)) // a hash.Hash never fails
	sum := h.Sum32()
	s := scenes[(sum^sum>>9^sum>>21)%uint32(len(scenes))]
	turn := int(sum >> 4 % 3) // where the sun stands
	id := fmt.Sprintf("d%08x", sum)
	var b strings.Builder
	switch {
	case tablet.MatchString(p.ProductType):
		fmt.Fprintf(&b, `<svg class="drawing wide" viewBox="0 0 140 200" aria-hidden="true"><rect x="3" y="3" width="134" height="194" rx="12" fill="%s"/>`, color)
		fmt.Fprintf(&b, `<rect x="6" y="6" width="128" height="188" rx="9" fill="#0c0e0d"/>`)
		landscape(&b, id, s, turn, 12, 12, 116, 176, 5)
	case button.MatchString(p.ProductType):
		fmt.Fprintf(&b, `<svg class="drawing" viewBox="0 0 100 200" aria-hidden="true"><rect x="3" y="3" width="94" height="194" rx="16" fill="%s"/>`, color)
		fmt.Fprintf(&b, `<rect x="6" y="6" width="88" height="188" rx="13" fill="#121413"/>`)
		landscape(&b, id, s, turn, 10, 28, 80, 140, 2)
		b.WriteString(`<circle cx="50" cy="181" r="8" fill="none" stroke="#4b514e" stroke-width="1.6"/><rect x="40" y="16" width="20" height="3" rx="1.5" fill="#3a3f3d"/>`)
	default:
		fmt.Fprintf(&b, `<svg class="drawing" viewBox="0 0 100 200" aria-hidden="true"><rect x="1" y="46" width="3" height="14" rx="1.5" fill="%[1]s"/><rect x="1" y="66" width="3" height="24" rx="1.5" fill="%[1]s"/><rect x="96" y="62" width="3" height="32" rx="1.5" fill="%[1]s"/><rect x="3" y="3" width="94" height="194" rx="21" fill="%[1]s"/>`, color)
		fmt.Fprintf(&b, `<rect x="6" y="6" width="88" height="188" rx="18" fill="#0c0e0d"/>`)
		landscape(&b, id, s, turn, 9, 9, 82, 182, 15)
		if island.MatchString(p.ProductType) {
			b.WriteString(`<rect x="37" y="15" width="26" height="8" rx="4" fill="#0c0e0d"/>`)
		} else {
			b.WriteString(`<path d="M30 8h40c-2 0-3 1.500-3 3v2c0 3-2 5-5 5H38c-3 0-5-2-5-5v-2c0-1.500-1-3-3-3z" fill="#0c0e0d"/>`)
		}
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

// landscape draws s into a rounded rectangle.
func landscape(b *strings.Builder, id string, s scene, turn, x, y, w, h, r int) {
	fmt.Fprintf(b, `<clipPath id="%s"><rect x="%d" y="%d" width="%d" height="%d" rx="%d"/></clipPath><g clip-path="url(#%[1]s)">`, id, x, y, w, h, r)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, x, y, w, h, s.sky)
	fmt.Fprintf(b, `<circle cx="%d" cy="%d" r="%d" fill="%s"/>`, x+w*(3+turn*2)/10, y+h*(44-turn*5)/100, w/6, s.sun)
	fmt.Fprintf(b, `<path d="M%d %d q%d -%d %d -%d t%d %d V%d H%d z" fill="%s"/>`, x, y+h*2/3, w/4, h/6, w/2, h/12, w/2+2, h/20, y+h, x, s.far)
	fmt.Fprintf(b, `<path d="M%d %d q%d -%d %d -%d t%d -%d V%d H%d z" fill="%s"/></g>`, x, y+h*4/5, w/3, h/20, w*2/3, h/40, w/3+2, h/8, y+h, x, s.near)
}

// storage is a bar of what fills the phone, by kind.
func storage(p service.Phone) template.HTML {
	if p.Capacity <= 0 {
		return ""
	}
	var b, words strings.Builder
	var used int64
	const width = 1000
	for _, u := range p.Storage {
		n := min(u.Bytes, p.Capacity-used) // what a phone says of itself need not add up
		if n <= 0 {
			continue
		}
		x, w := part(used, p.Capacity, width), max(part(n, p.Capacity, width), 1)
		fmt.Fprintf(&b, `<rect class="u-%s" x="%d" width="%d" height="10"/>`, class(u.Kind), x, w)
		fmt.Fprintf(&words, ", %s %s", u.Kind, size(u.Bytes))
		used += n
	}
	label := fmt.Sprintf("%s of %s used%s", size(used), size(p.Capacity), words.String())
	return template.HTML(fmt.Sprintf(`<svg class="bar" viewBox="0 0 %d 10" preserveAspectRatio="none" role="img" aria-label="%s">%s</svg>`, width, template.HTMLEscapeString(label), b.String()))
}

// class is a kind of storage as the name of a class: those with a colour of their
// own, and "other".
func class(kind string) string {
	switch k := strings.ToLower(kind); k {
	case "photos", "apps", "media", "messages", "system":
		return k
	}
	return "other"
}

// part is n of whole on a scale that is so wide; whole is above 0.
func part(n, whole, width int64) int64 {
	return int64(float64(n) / float64(whole) * float64(width))
}

// meter is a thin bar, n of whole long; it stands beside the number it shows.
func meter(n, whole int64) template.HTML {
	w := int64(0)
	if whole > 0 {
		w = min(max(part(n, whole, 100), 1), 100)
	}
	return template.HTML(fmt.Sprintf(`<svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect width="%d" height="4"/></svg>`, w))
}
