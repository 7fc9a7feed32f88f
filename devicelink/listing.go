package devicelink

import (
	"context"
	"encoding/binary"
	"math"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/internal/framing"
)

// Entry is one line of the answer to DLContentsOfDirectory.
type Entry struct {
	Name    string
	Dir     bool
	Size    int64     // bytes; 0 of a folder
	ModTime time.Time // of the contents, to the second at least
}

// AnswerList answers a List: status 0 and a dictionary of the entries by name
// (protocol.md 4.3). A phone lists all 256 folders of a backup, half a million
// files, so this is written out directly instead of through a general encoder.
func (c *Conn) AnswerList(ctx context.Context, entries []Entry) error {
	w := listWriter{buf: make([]byte, 4, 256+len(entries)*96)}
	w.write(entries)
	binary.BigEndian.PutUint32(w.buf, uint32(len(w.buf)-4))
	if len(w.buf) > framing.DefaultMax {
		return c.Answer(ctx, StatusError, "too many entries", nil)
	}
	out, release := c.frames.Writer(ctx)
	defer release()
	_, err := out.Write(w.buf)
	return err
}

// listWriter writes a binary property list: behind the length of the frame
//
//	"bplist00" | objects | their offsets | 6 unused, u8 offset size, u8 reference
//	size, u64 number of objects, u64 top object, u64 offset of the offsets
type listWriter struct {
	buf     []byte
	offsets []uint32
	refSize int
}

// The objects that every answer has, by number. Each entry adds four: its name,
// its dictionary, size and date.
const (
	objArray = iota
	objMessage
	objStatus
	objText
	objEntries
	objKeyType
	objKeySize
	objKeyDate
	objRegular
	objDirectory
	objFirst
	objPerEntry = 4
)

func (w *listWriter) write(entries []Entry) {
	count := objFirst + objPerEntry*len(entries)
	w.offsets = make([]uint32, 0, count)
	w.refSize = 1
	for limit := 1 << 8; count > limit && w.refSize < 4; w.refSize *= 2 {
		limit *= limit
	}
	w.buf = append(w.buf, "bplist00"...)
	w.begin(0xA, 4)
	for i := objMessage; i <= objEntries; i++ {
		w.ref(i)
	}
	w.text(StatusResponse)
	w.integer(int64(StatusOK))
	w.text(EmptyParameter)
	w.begin(0xD, len(entries))
	for i := range entries {
		w.ref(objFirst + objPerEntry*i)
	}
	for i := range entries {
		w.ref(objFirst + objPerEntry*i + 1)
	}
	for _, s := range []string{KeyFileType, KeyFileSize, KeyModificationDate, TypeRegular, TypeDirectory} {
		w.text(s)
	}
	for i, e := range entries {
		w.entry(objFirst+objPerEntry*i, e)
	}
	w.finish()
}

func (w *listWriter) entry(first int, e Entry) {
	kind := objRegular
	if e.Dir {
		kind = objDirectory
	}
	w.text(e.Name)
	w.begin(0xD, 3)
	for _, r := range [6]int{objKeyType, objKeySize, objKeyDate, kind, first + 2, first + 3} {
		w.ref(r)
	}
	w.integer(max(e.Size, 0))
	w.offsets = append(w.offsets, w.at())
	w.buf = append(w.buf, 0x33)
	w.buf = binary.BigEndian.AppendUint64(w.buf, math.Float64bits(cocoaSeconds(e.ModTime)))
}

// cocoaSeconds counts from the first second of 2001, as property lists do.
func cocoaSeconds(t time.Time) float64 {
	const epoch = 978307200
	return float64(t.Unix()-epoch) + float64(t.Nanosecond())/1e9
}

func (w *listWriter) at() uint32 { return uint32(len(w.buf) - 4) }

// begin starts the next object: its kind and how many elements it has.
func (w *listWriter) begin(kind byte, n int) {
	w.offsets = append(w.offsets, w.at())
	if n < 15 {
		w.buf = append(w.buf, kind<<4|byte(n))
		return
	}
	w.buf = append(w.buf, kind<<4|0xF)
	w.number(int64(n))
}

func (w *listWriter) number(n int64) {
	switch {
	case n < 1<<8:
		w.buf = append(w.buf, 0x10, byte(n))
	case n < 1<<16:
		w.buf = binary.BigEndian.AppendUint16(append(w.buf, 0x11), uint16(n))
	case n < 1<<32:
		w.buf = binary.BigEndian.AppendUint32(append(w.buf, 0x12), uint32(n))
	default:
		w.buf = binary.BigEndian.AppendUint64(append(w.buf, 0x13), uint64(n))
	}
}

func (w *listWriter) integer(n int64) {
	w.offsets = append(w.offsets, w.at())
	w.number(n)
}

func (w *listWriter) ref(i int) {
	switch w.refSize {
	case 1:
		w.buf = append(w.buf, byte(i))
	case 2:
		w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(i))
	default:
		w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(i))
	}
}

func (w *listWriter) text(s string) {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			units := utf16.Encode([]rune(s))
			w.begin(0x6, len(units))
			for _, u := range units {
				w.buf = binary.BigEndian.AppendUint16(w.buf, u)
			}
			return
		}
	}
	w.begin(0x5, len(s))
	w.buf = append(w.buf, s...)
}

func (w *listWriter) finish() {
	table := w.at()
	offSize := 4
	if table < 1<<16 {
		offSize = 2
	}
	for _, o := range w.offsets {
		if offSize == 2 {
			w.buf = binary.BigEndian.AppendUint16(w.buf, uint16(o))
		} else {
			w.buf = binary.BigEndian.AppendUint32(w.buf, o)
		}
	}
	w.buf = append(w.buf, 0, 0, 0, 0, 0, 0, byte(offSize), byte(w.refSize))
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(len(w.offsets)))
	w.buf = binary.BigEndian.AppendUint64(w.buf, objArray)
	w.buf = binary.BigEndian.AppendUint64(w.buf, uint64(table))
}
