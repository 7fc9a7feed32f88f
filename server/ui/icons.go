package ui

import (
	"fmt"
	"html/template"
)

// icons are drawn on a square of 24, in strokes of the colour of the text.
var icons = map[string]string{
	"good":     `<circle cx="12" cy="12" r="9"/><path d="m8 12.300 2.800 2.700L16 9.500"/>`,
	"working":  `<path d="M12 3a9 9 0 1 1-8.500 6"/><path d="M12 8v8m-3-3 3 3 3-3"/>`,
	"waiting":  `<circle cx="12" cy="12" r="9"/><path d="M12 7v5.500l3.500 2"/>`,
	"asking":   `<path d="M9 11V5.500a1.500 1.500 0 0 1 3 0V11m0-1.500a1.500 1.500 0 0 1 3 0V12m0-1a1.500 1.500 0 0 1 3 0v4c0 3.500-2 6-5.500 6-2.600 0-4.200-1-5.500-3.300L4.800 14c-.8-1.500 1-2.600 2.100-1.300L9 15"/>`,
	"late":     `<rect x="4" y="5" width="16" height="16" rx="3"/><path d="M4 10h16M8 3v4m8-4v4m-4 6v3m0 2.500v.1"/>`,
	"failed":   `<path d="M12 4 2.800 20h18.400z"/><path d="M12 10v4.500m0 2.500v.1"/>`,
	"home":     `<rect x="6.500" y="3" width="11" height="18" rx="2.500"/><path d="M10.500 18h3"/>`,
	"copies":   `<rect x="3" y="8" width="13" height="13" rx="2.500"/><path d="M8 5.500A2.500 2.500 0 0 1 10.500 3h8A2.500 2.500 0 0 1 21 5.500v8a2.500 2.500 0 0 1-2.500 2.500"/>`,
	"activity": `<path d="M3 12h4l3-7 4 14 3-7h4"/>`,
	"people":   `<circle cx="9" cy="8" r="3.500"/><path d="M2.500 20c.5-4 3-6 6.500-6s6 2 6.500 6M16 4.800a3.500 3.500 0 0 1 0 6.400m2.500 3.300c1.700.9 2.700 2.700 3 5.500"/>`,
	"settings": `<path d="M4 7h9m5 0h2M4 17h2m5 0h9"/><circle cx="15.500" cy="7" r="2.500"/><circle cx="8.500" cy="17" r="2.500"/>`,
	"disk":     `<rect x="3" y="13" width="18" height="7" rx="2"/><path d="m4 13 2.500-8h11L20 13m-3 3.500h.1"/>`,
	"key":      `<rect x="8" y="8" width="8" height="13" rx="2"/><path d="M9.500 8V3h5v5m-3-2.500h.1m1.800 0h.1"/>`,
	"cloud":    `<path d="M7 19a4.500 4.500 0 0 1-.6-9A6 6 0 0 1 18 9.500 4.800 4.800 0 0 1 17 19z"/>`,
	"server":   `<rect x="4" y="4" width="16" height="7" rx="2"/><rect x="4" y="13" width="16" height="7" rx="2"/><path d="M8 7.500h.1M8 16.500h.1"/>`,
	"folder":   `<path d="M3 7.500A2.500 2.500 0 0 1 5.500 5H10l2 2.500h6.500A2.500 2.500 0 0 1 21 10v7a2.500 2.500 0 0 1-2.500 2.500h-13A2.500 2.500 0 0 1 3 17z"/>`,
	"file":     `<path d="M6 3h8l4 4v14H6z"/><path d="M14 3v4h4"/>`,
	"search":   `<circle cx="10.500" cy="10.500" r="6.500"/><path d="m15.500 15.500 5 5"/>`,
	"download": `<path d="M12 4v11m-4.500-4 4.500 4.500 4.500-4.500M4 20h16"/>`,
	"pin":      `<path d="M9 3h6l-1 6 3 3.500H7L10 9zM12 12.500V21"/>`,
	"lock":     `<rect x="5" y="10" width="14" height="11" rx="2.500"/><path d="M8 10V7.500a4 4 0 0 1 8 0V10"/>`,
	"rehearse": `<path d="M4 12a8 8 0 0 1 14-5.300L20 9m0-5v5h-5M20 12a8 8 0 0 1-14 5.300L4 15m0 5v-5h5"/>`,
	"cable":    `<path d="M9 3v4m6-4v4M7 7h10v4a5 5 0 0 1-10 0zm5 9v5"/>`,
	"wifi":     `<path d="M3 9.500c5-4.700 13-4.700 18 0M6.500 13c3-2.900 8-2.900 11 0m-7.600 3.300c1.300-1.100 2.900-1.100 4.200 0M12 19.500v.1"/>`,
	"charging": `<path d="m13 3-7 11h5l-1 7 8-11h-5.500z"/>`,
	"plus":     `<path d="M12 5v14M5 12h14"/>`,
	"back":     `<path d="m14.500 5-7 7 7 7"/>`,
	"next":     `<path d="m9.500 5 7 7-7 7"/>`,
	"print":    `<path d="M7 8V3h10v5M7 17H4v-7a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v7h-3"/><rect x="7" y="14" width="10" height="7"/>`,
	"picture":  `<rect x="3" y="5" width="18" height="14" rx="2.500"/><circle cx="8.500" cy="10" r="1.600"/><path d="m4 17 5-4 3.500 2.500L16 11l5 5"/>`,
	"chat":     `<path d="M4 5.500h16a1.500 1.500 0 0 1 1.500 1.500v8a1.500 1.500 0 0 1-1.500 1.500h-9L6 20.500v-4H4A1.500 1.500 0 0 1 2.500 15V7A1.500 1.500 0 0 1 4 5.500z"/>`,
	"call":     `<path d="M5 4h3.500l1.500 4-2 1.500a12 12 0 0 0 6 6l1.500-2 4 1.500V19a1.500 1.500 0 0 1-1.500 1.500A15.500 15.500 0 0 1 3.500 5.500 1.500 1.500 0 0 1 5 4z"/>`,
	"sound":    `<path d="M5 10v4m3.500-7v10M12 4v16m3.500-13v10m3.500-7v4"/>`,
	"globe":    `<circle cx="12" cy="12" r="9"/><path d="M3 12h18M12 3c5 5.500 5 12.500 0 18-5-5.500-5-12.500 0-18z"/>`,
	"film":     `<path d="m9 7 8 5-8 5z"/>`,
	"passkey":  `<circle cx="8" cy="9" r="4"/><path d="M2.500 20c.3-3.500 2.400-5.500 5.500-5.500M15 13.500a3.200 3.200 0 1 1 3.200 0V15l-1 1 1 1.200-1.600 3.300-1.600-1.600z"/>`,
}

// icon is the icon called name. It is never the only thing that says something:
// readers of screens do not see it.
func icon(name string) (template.HTML, error) {
	s, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">` + s + `</svg>`), nil
}
