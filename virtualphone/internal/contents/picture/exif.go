package picture

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// Facts are what a camera notes about a picture.
type Facts struct {
	Taken     time.Time // its zone is written beside the local time
	Latitude  float64   // degrees, north positive
	Longitude float64   // degrees, east positive
	HasPlace  bool
	Model     string // camera; at most 15 ASCII characters are written
	ISO       uint16
	ContentID string // UUID that pairs the two halves of a Live Photo; films only
}

// Maker is the camera maker that every picture names. It is invented.
const Maker = "Lichtung"

// exifLen is the length of every block that exif makes. It is fixed, so that
// the block inside a ready-made HEIC can be exchanged in place.
const exifLen = 640

// TIFF field types.
const (
	typeByte     = 1
	typeASCII    = 2
	typeShort    = 3
	typeLong     = 4
	typeRational = 5
)

type field struct {
	tag, typ uint16
	count    uint32
	data     []byte
}

// exif makes the TIFF structure that follows "Exif\0\0":
//
//	"MM" 002A, u32 offset of IFD0
//	IFD: u16 number of fields, then 12 bytes each
//	     { u16 tag, u16 type, u32 count, 4 bytes value or its offset },
//	     u32 offset of the next IFD
//
// IFD0 points at the Exif IFD (tag 8769) and the GPS IFD (tag 8825).
func exif(f Facts, width, height int) []byte {
	local := f.Taken.Format("2006:01:02 15:04:05")
	zone := f.Taken.Format("-07:00")
	photo := []field{
		rational(0x829A, 1, 120), // ExposureTime
		rational(0x829D, 18, 10), // FNumber
		short(0x8827, f.ISO),     // ISOSpeedRatings
		ascii(0x9003, local, 20), // DateTimeOriginal
		ascii(0x9004, local, 20), // DateTimeDigitized
		ascii(0x9011, zone, 7),   // OffsetTimeOriginal
		rational(0x920A, 57, 10), // FocalLength
		ascii(0x9291, fmt.Sprintf("%03d", f.Taken.Nanosecond()/1e6), 4), // SubSecTimeOriginal
		long(0xA002, uint32(width)),                                     // PixelXDimension
		long(0xA003, uint32(height)),                                    // PixelYDimension
		ascii(0xA434, "main lens 5.7mm f/1.8", 24),                      // LensModel
	}
	var gps []field
	if f.HasPlace {
		gps = []field{
			{0, typeByte, 4, []byte{2, 3, 0, 0}}, // GPSVersionID
			ascii(1, hemisphere(f.Latitude, "N", "S"), 2),
			degrees(2, f.Latitude),
			ascii(3, hemisphere(f.Longitude, "E", "W"), 2),
			degrees(4, f.Longitude),
		}
	}
	main := []field{
		ascii(0x010F, Maker, 10),
		ascii(0x0110, f.Model, 16),
		short(0x0112, 1), // Orientation
		ascii(0x0131, "1.0", 4),
		ascii(0x0132, local, 20), // DateTime
	}
	if len(gps) > 0 {
		main = append(main, long(0x8769, 0), long(0x8825, 0))
	} else {
		main = append(main, long(0x8769, 0))
	}

	// The pointers come last in IFD0, so its length is known before they are.
	photoAt := 8 + len(ifd(main, 8))
	photoBytes := ifd(photo, photoAt)
	main[5] = long(0x8769, uint32(photoAt))
	gpsAt := photoAt + len(photoBytes)
	if len(gps) > 0 {
		main[6] = long(0x8825, uint32(gpsAt))
	}
	out := append([]byte("MM\x00\x2a\x00\x00\x00\x08"), ifd(main, 8)...)
	out = append(out, photoBytes...)
	if len(gps) > 0 {
		out = append(out, ifd(gps, gpsAt)...)
	}
	return append(out, make([]byte, exifLen-len(out))...)
}

// ifd encodes fields for a directory that starts at offset at.
func ifd(fields []field, at int) []byte {
	be := binary.BigEndian
	out := be.AppendUint16(nil, uint16(len(fields)))
	var extra []byte
	extraAt := at + 2 + 12*len(fields) + 4
	for _, f := range fields {
		out = be.AppendUint16(out, f.tag)
		out = be.AppendUint16(out, f.typ)
		out = be.AppendUint32(out, f.count)
		if len(f.data) <= 4 {
			var v [4]byte
			copy(v[:], f.data)
			out = append(out, v[:]...)
			continue
		}
		out = be.AppendUint32(out, uint32(extraAt+len(extra)))
		extra = append(extra, f.data...)
		if len(extra)%2 == 1 {
			extra = append(extra, 0)
		}
	}
	return append(be.AppendUint32(out, 0), extra...)
}

// ascii pads or cuts s to size bytes, the closing NUL included.
func ascii(tag uint16, s string, size int) field {
	b := make([]byte, size)
	copy(b[:size-1], s)
	return field{tag, typeASCII, uint32(size), b}
}

func short(tag, v uint16) field {
	return field{tag, typeShort, 1, binary.BigEndian.AppendUint16(nil, v)}
}

func long(tag uint16, v uint32) field {
	return field{tag, typeLong, 1, binary.BigEndian.AppendUint32(nil, v)}
}

func rational(tag uint16, pairs ...uint32) field {
	var b []byte
	for _, v := range pairs {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return field{tag, typeRational, uint32(len(pairs) / 2), b}
}

// degrees writes |v| as degrees, minutes and hundredths of a second.
func degrees(tag uint16, v float64) field {
	hundredths := uint32(math.Round(math.Abs(v) * 3600 * 100))
	return rational(tag, hundredths/360000, 1, hundredths/6000%60, 1, hundredths%6000, 100)
}

func hemisphere(v float64, positive, negative string) string {
	if v < 0 {
		return negative
	}
	return positive
}
