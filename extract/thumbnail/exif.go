package thumbnail

import (
	"encoding/binary"
	"errors"
	"io"
)

// jpegHead is what the segments before a JPEG's data say.
type jpegHead struct {
	width, height int
	samples       float64 // for each pixel: 3 in 4:4:4, 1.5 in 4:2:0
	progressive   bool
	orientation   int // as in EXIF, 1 to 8; 1 where nothing is said
}

// maxSegments bounds the segments that are looked at.
const maxSegments = 4096

var errHead = errors.New("it has no picture")

// readJPEGHead walks over the segments of a JPEG:
//
//	FF D8 | FF marker u16 length … | … | FF DA: data
//
//	FF E1  "Exif" 0 0, then TIFF       FF C0…CF (but C4, C8, CC)  the frame:
//	                                   u8 bits, u16 height, u16 width, u8 n, n × { u8 id, u4 h, u4 v, u8 table }
func readJPEGHead(r io.ReaderAt, size int64) (h jpegHead, err error) {
	h.orientation = 1
	at := int64(2)
	var b [4]byte
	for range maxSegments {
		if _, err := r.ReadAt(b[:], at); err != nil {
			return h, errHead
		}
		marker, length := b[1], int64(binary.BigEndian.Uint16(b[2:]))
		switch {
		case b[0] != 0xFF:
			return h, errHead
		case marker == 0xFF: // fill
			at++
			continue
		case marker == 0xD8 || marker == 0x01 || marker >= 0xD0 && marker <= 0xD7:
			at += 2
			continue
		case marker == 0xDA || marker == 0xD9:
			if h.width == 0 {
				return h, errHead
			}
			return h, nil
		case length < 2 || at+2+length > size:
			return h, errHead
		}
		frame := marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC
		if frame || marker == 0xE1 {
			data := make([]byte, length-2)
			if _, err := r.ReadAt(data, at+4); err != nil && !errors.Is(err, io.EOF) {
				return h, err
			}
			if !frame {
				h.exif(data)
			} else if !h.frame(marker, data) {
				return h, errHead
			}
		}
		at += 2 + length
	}
	return h, errHead
}

func (h *jpegHead) frame(marker byte, data []byte) bool {
	if len(data) < 6 {
		return false
	}
	h.progressive = marker == 0xC2
	h.height, h.width = int(binary.BigEndian.Uint16(data[1:])), int(binary.BigEndian.Uint16(data[3:]))
	n := int(data[5])
	if n == 0 || n > 4 || len(data) < 6+3*n || h.width == 0 || h.height == 0 {
		return false
	}
	most, sum := 0, 0
	for i := range n {
		across, down := int(data[7+3*i]>>4), int(data[7+3*i]&15)
		if across == 0 || across > 4 || down == 0 || down > 4 {
			return false
		}
		most, sum = max(most, across*down), sum+across*down
	}
	h.samples = float64(sum) / float64(most)
	return true
}

// exif takes the orientation from a TIFF structure:
//
//	"II" or "MM", u16 42, u32 offset of IFD0
//	IFD: u16 n, n × { u16 tag, u16 type, u32 count, 4 bytes value }
func (h *jpegHead) exif(data []byte) {
	const head, tag, short = "Exif\x00\x00", 0x0112, 3
	if len(data) < len(head)+8 || string(data[:len(head)]) != head {
		return
	}
	data = data[len(head):]
	var order binary.ByteOrder
	switch string(data[:4]) {
	case "MM\x00\x2a":
		order = binary.BigEndian
	case "II\x2a\x00":
		order = binary.LittleEndian
	default:
		return
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return
	}
	n := uint64(order.Uint16(data[at:]))
	for i := range n {
		field := at + 2 + 12*i
		if field+12 > uint64(len(data)) {
			return
		}
		if order.Uint16(data[field:]) == tag && order.Uint16(data[field+2:]) == short {
			if v := int(order.Uint16(data[field+8:])); v >= 1 && v <= 8 {
				h.orientation = v
			}
			return
		}
	}
}
