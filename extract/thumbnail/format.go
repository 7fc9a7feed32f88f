package thumbnail

import (
	"bytes"
	"encoding/binary"
)

// format is what a file is.
type format int

const (
	unknownFormat format = iota
	jpegFormat
	pngFormat
	gifFormat
	webpFormat
	heifFormat
	movieFormat
)

// formatOf tells by the first bytes of a file.
//
//	JPEG  FF D8 FF           PNG   89 "PNG" 0D 0A 1A 0A
//	GIF   "GIF8"             WebP  "RIFF" .... "WEBP"
//	HEIF  u32 length "ftyp" brand u32 version brands…     brands heic heix heif mif1 msf1 …
//	MOV   the same with other brands, or a box moov, mdat, wide, free or skip
func formatOf(head []byte) format {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return jpegFormat
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return pngFormat
	case bytes.HasPrefix(head, []byte("GIF8")):
		return gifFormat
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return webpFormat
	case len(head) < 12:
		return unknownFormat
	}
	switch string(head[4:8]) {
	case "moov", "mdat", "wide", "free", "skip":
		return movieFormat
	case "ftyp":
		return brands(head)
	}
	return unknownFormat
}

func brands(head []byte) format {
	end := min(int(min(binary.BigEndian.Uint32(head), 64)), len(head))
	for at := 8; at+4 <= end; at += 4 {
		switch string(head[at : at+4]) {
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "heif", "mif1", "msf1", "avif":
			return heifFormat
		}
	}
	return movieFormat
}
