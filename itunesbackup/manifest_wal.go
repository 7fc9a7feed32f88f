package itunesbackup

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxWAL bounds a write-ahead log. SQLite empties it at 1000 pages, some 4 MB.
const maxWAL = 1 << 30

// A write-ahead log (SQLite file format, section 4), all big-endian:
//
//	header 32: magic 377F0682 or …83, version 3007000, page size, checkpoint
//	           number, salt 8, checksum 8
//	frame:     page number, pages of the database after this commit or 0,
//	           salt 8, checksum 8 | page
//
// Frames count up to the last commit whose salts and checksums hold.
const (
	walHeaderLen   = 32
	walFrameLen    = 24
	walMagic       = 0x377F0682
	walMagicBigEnd = walMagic | 1
)

// overlay reads a database with the pages of its log laid over it.
type overlay struct {
	base     io.ReaderAt
	pageSize int64
	pages    map[int64][]byte // by page number less one
	size     int64
}

// applyWAL gives db with the committed frames of wal; db itself when there are
// none. The log of a database that nobody closed holds its newest rows.
func applyWAL(db io.ReaderAt, size int64, wal []byte) (io.ReaderAt, int64, error) {
	if len(wal) > maxWAL {
		return nil, 0, fmt.Errorf("%w: write-ahead log of %d bytes", ErrMalformed, len(wal))
	}
	if len(wal) < walHeaderLen {
		return db, size, nil
	}
	magic := binary.BigEndian.Uint32(wal)
	pageSize := int64(binary.BigEndian.Uint32(wal[8:]))
	if magic != walMagic && magic != walMagicBigEnd || pageSize < 512 || pageSize > 65536 || pageSize&(pageSize-1) != 0 {
		return db, size, nil // what SQLite does with a log that is none
	}
	sum := walSum{order: binary.ByteOrder(binary.LittleEndian)}
	if magic == walMagicBigEnd {
		sum.order = binary.BigEndian
	}
	if sum.add(wal[:24]); !sum.matches(wal[24:32]) {
		return db, size, nil
	}
	o := &overlay{base: db, pageSize: pageSize, pages: map[int64][]byte{}}
	o.readFrames(wal, sum)
	if len(o.pages) == 0 {
		return db, size, nil
	}
	return o, o.size, nil
}

func (o *overlay) readFrames(wal []byte, sum walSum) {
	salt := string(wal[16:24])
	pending := map[int64][]byte{}
	frameLen := int(walFrameLen + o.pageSize)
	for rest := wal[walHeaderLen:]; len(rest) >= frameLen; rest = rest[frameLen:] {
		frame, page := rest[:walFrameLen], rest[walFrameLen:frameLen]
		number := int64(binary.BigEndian.Uint32(frame))
		sum.add(frame[:8])
		sum.add(page)
		if string(frame[8:16]) != salt || number == 0 || !sum.matches(frame[16:24]) {
			return
		}
		pending[number-1] = page
		if commit := int64(binary.BigEndian.Uint32(frame[4:])); commit != 0 {
			for n, p := range pending {
				o.pages[n] = p
			}
			clear(pending)
			o.size = commit * o.pageSize
		}
	}
}

// walSum is the log's running checksum.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

func (w *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		w.s0 += w.order.Uint32(b) + w.s1
		w.s1 += w.order.Uint32(b[4:]) + w.s0
	}
}

func (w *walSum) matches(b []byte) bool {
	return binary.BigEndian.Uint32(b) == w.s0 && binary.BigEndian.Uint32(b[4:]) == w.s1
}

func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		if pos >= o.size {
			return done, io.EOF
		}
		within := pos % o.pageSize
		chunk := p[done:min(len(p), done+int(o.pageSize-within))]
		if page, ok := o.pages[pos/o.pageSize]; ok {
			done += copy(chunk, page[within:])
			continue
		}
		n, err := o.base.ReadAt(chunk, pos)
		if err == io.EOF {
			// A page the log never wrote beyond the end of the file: zeros.
			clear(chunk[n:])
			n, err = len(chunk), nil
		}
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
