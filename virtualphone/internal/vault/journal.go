package vault

import (
	"encoding/binary"
	"io"
)

// A rollback journal (SQLite file format, section 3) that is left beside a
// database means that a transaction was under way: whoever opens the database
// next puts the old pages back. All numbers are big-endian:
//
//	header, a sector long: D9D505F920A163D7, records or −1, checksum's start,
//	                       pages of the database before, sector size, page size
//	record:                page number 4 | page | checksum 4
//
// and again from the next sector on.
const (
	journalMagic  = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	journalHeader = 28
)

// rolledBack is a database as it was before the transaction.
type rolledBack struct {
	base     io.ReaderAt
	pageSize int64
	size     int64
	pages    map[int64][]byte // by page number less one
}

// withJournal lays the old pages over db; db itself when the journal is not hot.
// ok is false when it belongs to a transaction over several databases, about
// which it cannot decide alone.
func withJournal(db io.ReaderAt, size int64, journal []byte) (io.ReaderAt, int64, bool) {
	if n := len(journal); n >= 8 && string(journal[n-8:]) == journalMagic {
		return db, size, false
	}
	r := &rolledBack{base: db, pages: map[int64][]byte{}}
	for off := int64(0); ; {
		next, ok := r.section(journal, off)
		if !ok {
			break
		}
		off = next
	}
	if r.pageSize == 0 {
		return db, size, true
	}
	return r, r.size, true
}

// section reads a header and its records and tells where the next may be.
func (r *rolledBack) section(journal []byte, off int64) (next int64, ok bool) {
	if int64(len(journal)) < off+journalHeader || string(journal[off:off+8]) != journalMagic {
		return 0, false
	}
	field := func(i int64) int64 { return int64(binary.BigEndian.Uint32(journal[off+8+4*i:])) }
	records, start, pages, sector, pageSize := field(0), field(1), field(2), field(3), field(4)
	if off == 0 {
		if pageSize < 512 || pageSize > 65536 || pageSize&(pageSize-1) != 0 || sector < 32 || sector > 65536 || sector&(sector-1) != 0 {
			return 0, false
		}
		r.pageSize, r.size = pageSize, pages*pageSize
	} else if pageSize != r.pageSize {
		return 0, false
	}
	at := off + sector
	for n := int64(0); records == 1<<32-1 || n < records; n++ {
		end := at + 4 + r.pageSize + 4
		if end > int64(len(journal)) {
			return 0, false
		}
		number, page := binary.BigEndian.Uint32(journal[at:]), journal[at+4:at+4+r.pageSize]
		if number == 0 || binary.BigEndian.Uint32(journal[end-4:]) != journalSum(uint32(start), page) {
			return 0, false
		}
		if _, known := r.pages[int64(number)-1]; !known {
			r.pages[int64(number)-1] = page
		}
		at = end
	}
	return (at + sector - 1) / sector * sector, true
}

// journalSum adds every 200th byte, from the end.
func journalSum(start uint32, page []byte) uint32 {
	for i := len(page) - 200; i > 0; i -= 200 {
		start += uint32(page[i])
	}
	return start
}

// ReadAt reads from anywhere.
func (r *rolledBack) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		if pos >= r.size {
			return done, io.EOF
		}
		within := pos % r.pageSize
		chunk := p[done:min(len(p), done+int(min(r.pageSize-within, r.size-pos)))]
		if page, ok := r.pages[pos/r.pageSize]; ok {
			done += copy(chunk, page[within:])
			continue
		}
		n, err := r.base.ReadAt(chunk, pos)
		if err == io.EOF {
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
