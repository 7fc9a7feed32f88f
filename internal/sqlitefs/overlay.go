package sqlitefs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Bounds of SQLite's file format.
const (
	minPage, maxPage = 512, 65536
	fileHeader       = 100 // bytes of page 1 that describe the file
	writeVersionAt   = 18  // and 19, the read version: 1 = no log, 2 = log
)

var magic = []byte("SQLite format 3\x00")

// layer says where a page is that replaces one of the database.
type layer struct {
	page uint32 // from 1
	at   int64  // in the log
}

// overlay is a database with pages of a log laid over it.
type overlay struct {
	base     io.ReaderAt
	baseSize int64
	log      io.ReaderAt
	pageSize int64
	pages    []layer // by page, one of each
	size     int64
}

// ReadAt reads the database as it is after the log.
func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read database: negative offset")
	}
	n := 0
	for n < len(p) && off < o.size {
		want := int(min(int64(len(p)-n), o.size-off))
		from, at := o.base, off
		if len(o.pages) > 0 {
			inPage := off % o.pageSize
			want = int(min(int64(want), o.pageSize-inPage))
			if i, ok := slices.BinarySearchFunc(o.pages, uint32(off/o.pageSize)+1, func(l layer, page uint32) int {
				return int(int64(l.page) - int64(page))
			}); ok {
				from, at = o.log, o.pages[i].at+inPage
			}
		}
		if from == o.base && at >= o.baseSize {
			clear(p[n : n+want]) // a page that the log promised and never wrote
		} else if m, err := from.ReadAt(p[n:n+want], at); m < want {
			if err != io.EOF {
				return n + m, err
			}
			clear(p[n+m : n+want]) // the database ends in the middle of a page
		}
		hideLog(p[n:n+want], off)
		n, off = n+want, off+int64(want)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// hideLog makes the header say that there is no log.
func hideLog(p []byte, off int64) {
	for i := int64(writeVersionAt); i <= writeVersionAt+1; i++ {
		if at := i - off; at >= 0 && at < int64(len(p)) && p[at] == 2 {
			p[at] = 1
		}
	}
}

// errNoLog says that there is no log that counts.
var errNoLog = errors.New("no log")

// readLog finds the committed pages of a write-ahead log of size bytes: the last of
// each page, and how many pages the database has after it. Errors of reading end it;
// a log that is no log, or has no commit, is errNoLog.
func readLog(log io.ReaderAt, size int64) (pages []layer, pageSize, count int64, err error) {
	const headerSize, frameHeader = 32, 24
	header := make([]byte, headerSize)
	if size < headerSize {
		return nil, 0, 0, errNoLog
	}
	if _, err := log.ReadAt(header, 0); err != nil && err != io.EOF {
		return nil, 0, 0, err
	}
	var order binary.ByteOrder
	switch binary.BigEndian.Uint32(header) {
	case 0x377f0682:
		order = binary.LittleEndian
	case 0x377f0683:
		order = binary.BigEndian
	default:
		return nil, 0, 0, errNoLog
	}
	pageSize = int64(binary.BigEndian.Uint32(header[8:]))
	if !validPage(pageSize) || binary.BigEndian.Uint32(header[4:]) != 3007000 {
		return nil, 0, 0, errNoLog
	}
	var sum checksum
	sum.add(order, header[:24])
	if !sum.is(header[24:]) {
		return nil, 0, 0, errNoLog
	}
	newest := map[uint32]int64{}      // page to offset, committed
	uncommitted := map[uint32]int64{} // since the last commit
	frame := make([]byte, frameHeader+pageSize)
	for at := int64(headerSize); at+int64(len(frame)) <= size; at += int64(len(frame)) {
		if _, err := log.ReadAt(frame, at); err != nil && err != io.EOF {
			return nil, 0, 0, err
		}
		if !bytes.Equal(frame[8:16], header[16:24]) {
			break
		}
		sum.add(order, frame[:8])
		sum.add(order, frame[frameHeader:])
		page := binary.BigEndian.Uint32(frame)
		if !sum.is(frame[16:24]) || page == 0 {
			break
		}
		uncommitted[page] = at + frameHeader
		if after := binary.BigEndian.Uint32(frame[4:]); after != 0 {
			for p, at := range uncommitted {
				newest[p] = at
			}
			clear(uncommitted)
			count = int64(after)
		}
	}
	if count == 0 {
		return nil, 0, 0, errNoLog
	}
	return sorted(newest, count), pageSize, count, nil
}

func sorted(newest map[uint32]int64, count int64) []layer {
	pages := make([]layer, 0, len(newest))
	for p, at := range newest {
		if int64(p) <= count {
			pages = append(pages, layer{p, at})
		}
	}
	slices.SortFunc(pages, func(a, b layer) int { return int(int64(a.page) - int64(b.page)) })
	return pages
}

func validPage(n int64) bool { return n >= minPage && n <= maxPage && n&(n-1) == 0 }

// checksum is that of write-ahead logs: two sums over pairs of words.
type checksum struct{ s0, s1 uint32 }

func (c *checksum) add(order binary.ByteOrder, p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		c.s0 += order.Uint32(p) + c.s1
		c.s1 += order.Uint32(p[4:]) + c.s0
	}
}

func (c *checksum) is(p []byte) bool {
	return binary.BigEndian.Uint32(p) == c.s0 && binary.BigEndian.Uint32(p[4:]) == c.s1
}

// readJournal finds the pages that a hot rollback journal keeps from before the
// transaction that never ended (sqlite.org/fileformat2.html, 3).
//
//	 0  8  magic D9 D5 05 F9 20 A1 63 D7
//	 8  4  number of records that follow, −1 = to the end of the file
//	12  4  start of their checksums
//	16  4  pages that the database had
//	20  4  size of a sector: records start there
//	24  4  page size
//
//	records: page number (4), page, checksum (4) = start + every 200th byte from the end
func readJournal(journal io.ReaderAt, size int64) (pages []layer, pageSize, count int64, err error) {
	before := map[uint32]int64{}
	first := true
	for at := int64(0); at+28 <= size; {
		header := make([]byte, 28)
		if _, err := journal.ReadAt(header, at); err != nil && err != io.EOF {
			return nil, 0, 0, err
		}
		if string(header[:8]) != "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" {
			break
		}
		sector, records := int64(binary.BigEndian.Uint32(header[20:])), int64(binary.BigEndian.Uint32(header[8:]))
		start := binary.BigEndian.Uint32(header[12:])
		if first {
			count, pageSize = int64(binary.BigEndian.Uint32(header[16:])), int64(binary.BigEndian.Uint32(header[24:]))
		}
		if !validPage(pageSize) || sector < 28 || sector > maxPage || sector&(sector-1) != 0 {
			break
		}
		first = false
		record := make([]byte, 4+pageSize+4)
		if records == 0xffffffff {
			records = (size - at - sector) / int64(len(record))
		}
		at += sector
		torn := false
		for ; records > 0 && at+int64(len(record)) <= size; records-- {
			if _, err := journal.ReadAt(record, at); err != nil && err != io.EOF {
				return nil, 0, 0, err
			}
			sum := start
			for i := pageSize - 200; i > 0; i -= 200 {
				sum += uint32(record[4+i])
			}
			page := binary.BigEndian.Uint32(record)
			if page == 0 || binary.BigEndian.Uint32(record[4+pageSize:]) != sum {
				torn = true
				break
			}
			if _, known := before[page]; !known {
				before[page] = at + 4
			}
			at += int64(len(record))
		}
		if torn {
			break
		}
		at = (at + sector - 1) / sector * sector
	}
	if len(before) == 0 || count == 0 {
		return nil, 0, 0, errNoLog
	}
	return sorted(before, count), pageSize, count, nil
}

// lay puts what a log says over a database.
func lay(base io.ReaderAt, baseSize int64, log io.ReaderAt, logSize int64,
	read func(io.ReaderAt, int64) ([]layer, int64, int64, error)) (*overlay, error) {
	o := &overlay{base: base, baseSize: baseSize, size: baseSize}
	pages, pageSize, count, err := read(log, logSize)
	if errors.Is(err, errNoLog) {
		return o, nil
	}
	if err != nil {
		return nil, err
	}
	header := make([]byte, fileHeader)
	if n, err := base.ReadAt(header, 0); n == len(header) {
		own := int64(binary.BigEndian.Uint16(header[16:]))
		if own == 1 {
			own = maxPage
		}
		if bytes.HasPrefix(header, magic) && own != pageSize {
			return nil, fmt.Errorf("%w: pages of %d bytes, those of its log have %d", ErrDamaged, own, pageSize)
		}
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	o.log, o.pageSize, o.pages, o.size = log, pageSize, pages, count*pageSize
	return o, nil
}
