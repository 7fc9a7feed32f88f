package notes

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// safeLink gives an address that a page may link to: of the web, of mail, of a
// telephone; "" otherwise.
func safeLink(s string) string {
	if len(s) > maxAddress {
		return ""
	}
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return ""
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host != "" {
			return u.String()
		}
	case "mailto", "tel":
		return u.String()
	}
	return ""
}

// shown are the endings of files that browsers show in a page.
var shown = map[string][]string{
	"image": {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp"},
	"video": {".mp4", ".m4v", ".mov", ".webm"},
	"audio": {".m4a", ".mp3", ".wav", ".aac", ".ogg", ".opus", ".flac"},
}

// linked are other endings that a page may link to: nothing runs when a browser opens
// such a file, as it would in a page or an SVG.
var linked = []string{".heic", ".heif", ".tif", ".tiff", ".dng", ".caf", ".amr", ".aiff", ".pdf", ".txt", ".csv", ".vcf", ".ics", ".json", ".zip", ".doc", ".docx", ".xls",
	".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".rtf", ".pages", ".numbers", ".key", ".epub", ".gpx", ".pkpass", ".md"}

// shows tells as what a browser shows a file within a page; "" for not at all.
func shows(file string) string {
	ext := strings.ToLower(path.Ext(file))
	for _, as := range []string{"image", "video", "audio"} {
		if slices.Contains(shown[as], ext) {
			return as
		}
	}
	return ""
}

// mayLink tells whether a page may link to a file.
func mayLink(file string) bool {
	return shows(file) != "" || slices.Contains(linked, strings.ToLower(path.Ext(file)))
}

// noteAddress gives the identifier of the note to which an address of the app leads,
// "applenotes:note/…?ownerIdentifier=…" or "applenotes://showNote?identifier=…".
func noteAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "applenotes" {
		return ""
	}
	if id := u.Query().Get("identifier"); id != "" {
		return strings.ToUpper(id)
	}
	_, id, ok := strings.Cut(u.Opaque+u.Path, "note/")
	if !ok {
		return ""
	}
	return strings.ToUpper(id)
}
