package chat

import (
	"path"
	"slices"
	"strings"
)

// class is what a browser does with a file.
type class string

const (
	classImage class = "photo"
	classVideo class = "video"
	classAudio class = "audio"
	classFile  class = "file"
)

// Endings that browsers show within a page.
var shown = map[class][]string{
	classImage: {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".avif", ".apng"},
	classVideo: {".mp4", ".m4v", ".mov", ".webm", ".3gp"},
	classAudio: {".m4a", ".mp3", ".wav", ".aac", ".opus", ".ogg", ".oga", ".flac"},
}

// linked are other endings of files that a page may link to: those in which nothing
// runs when a browser opens them. A page of HTML or an SVG that somebody sent would.
var linked = []string{".heic", ".heif", ".tif", ".tiff", ".dng", ".caf", ".amr", ".aiff", ".mkv", ".avi", ".pdf", ".txt", ".csv", ".vcf", ".ics", ".json", ".zip", ".gz", ".7z", ".rar",
	".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods", ".odp", ".rtf", ".pages", ".numbers", ".key", ".epub", ".gpx", ".pkpass"}

// Of endings, where the app tells no media type.
var unshown = map[class][]string{
	classImage: {".heic", ".heif", ".heics", ".tif", ".tiff", ".dng", ".svg"},
	classVideo: {".mkv", ".avi", ".hevc", ".3g2"},
	classAudio: {".caf", ".amr", ".aiff", ".m4r"},
}

// typical endings of types, for files whose names have none.
var typical = []struct{ kind, ext string }{
	{"image/jpeg", ".jpg"}, {"public.jpeg", ".jpg"}, {"image/png", ".png"}, {"public.png", ".png"}, {"image/gif", ".gif"}, {"com.compuserve.gif", ".gif"},
	{"image/webp", ".webp"}, {"image/heic", ".heic"}, {"public.heic", ".heic"}, {"video/mp4", ".mp4"}, {"public.mpeg-4", ".mp4"}, {"video/quicktime", ".mov"},
	{"com.apple.quicktime-movie", ".mov"}, {"audio/amr", ".amr"}, {"audio/ogg", ".opus"}, {"audio/mp4", ".m4a"}, {"audio/x-m4a", ".m4a"}, {"com.apple.coreaudio-format", ".caf"},
	{"audio/mpeg", ".mp3"}, {"application/pdf", ".pdf"}, {"com.adobe.pdf", ".pdf"}, {"text/vcard", ".vcf"}, {"public.vcard", ".vcf"}, {"text/plain", ".txt"},
}

// class is what an attachment is, by its type, else its name.
func (a Attachment) class() class {
	kind := strings.ToLower(a.Type)
	switch {
	case strings.HasPrefix(kind, "image/"):
		return classImage
	case strings.HasPrefix(kind, "video/"):
		return classVideo
	case strings.HasPrefix(kind, "audio/"):
		return classAudio
	}
	for _, name := range []string{a.Name, a.Path, "x" + endingOf(kind)} {
		ext := strings.ToLower(path.Ext(name))
		for _, c := range []class{classImage, classVideo, classAudio} {
			if slices.Contains(shown[c], ext) || slices.Contains(unshown[c], ext) {
				return c
			}
		}
	}
	return classFile
}

// endingOf is the ending of a media type or UTI, "" where none is known.
func endingOf(kind string) string {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	for _, t := range typical {
		if t.kind == kind {
			return t.ext
		}
	}
	return ""
}

// embeds tells whether a page can show a file of a class by its ending.
func embeds(c class, name string) bool {
	return slices.Contains(shown[c], strings.ToLower(path.Ext(name)))
}

// mayLink tells whether a page may link to a file.
func mayLink(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	for _, list := range shown {
		if slices.Contains(list, ext) {
			return true
		}
	}
	return slices.Contains(linked, ext)
}
