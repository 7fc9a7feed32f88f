package contents

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A SQLite write-ahead log, after the format's public description
// (sqlite.org/fileformat.html), all numbers big-endian:
//
//	header  377F0682|3, version 3007000, page size, sequence, salt, salt, sum, sum
//	frame   page number, pages after commit or 0, salt, salt, sum, sum, the page
//
// The sums run on from the header over the first eight bytes of each frame's
// head and its page. Magic ending in 3 means that they read the bytes as
// big-endian words, 2 as little-endian ones.
const (
	walMagic     = 0x377F0682
	walVersion   = 3007000
	walHeaderLen = 32
	walFrameLen  = 24
	shmLen       = 32768

	sqliteMagic     = "SQLite format 3\x00"
	sqliteHeaderLen = 100

	// The two version bytes at offset 18 of a database.
	journalRollback = 1
	journalWAL      = 2
)

// setJournal gives a copy of a database image that is in the given mode. What is
// no database stays as it is.
func setJournal(image []byte, mode byte) []byte {
	out := bytes.Clone(image)
	if pageSize(image) != 0 {
		out[18], out[19] = mode, mode
	}
	return out
}

// pageSize reads the page size from a database's header; 0 is none.
func pageSize(header []byte) int {
	if len(header) < sqliteHeaderLen || string(header[:16]) != sqliteMagic {
		return 0
	}
	n := int(binary.BigEndian.Uint16(header[16:]))
	if n == 1 {
		return 65536
	}
	if n < 512 || n&(n-1) != 0 {
		return 0
	}
	return n
}

// makeWAL gives the log that turns the database before into after, one
// transaction. Both have the same page size, or before is empty. SQLite takes
// random salts; here they are given, so that the bytes repeat.
func makeWAL(before, after []byte, salt uint64) []byte {
	be := binary.BigEndian
	size := pageSize(after)
	after = setJournal(after, journalWAL)
	before = setJournal(before, journalWAL)
	out := be.AppendUint32(nil, walMagic|1)
	out = be.AppendUint32(out, walVersion)
	out = be.AppendUint32(out, uint32(size))
	out = be.AppendUint32(out, 0)
	out = be.AppendUint64(out, salt)
	sum := walSum{order: be}
	sum.add(out)
	out = be.AppendUint32(be.AppendUint32(out, sum.a), sum.b)

	var changed []int
	for at := 0; at < len(after); at += size {
		if at == 0 || at+size > len(before) || !bytes.Equal(before[at:at+size], after[at:at+size]) {
			changed = append(changed, at)
		}
	}
	for i, at := range changed {
		head := be.AppendUint32(nil, uint32(at/size)+1)
		commit := 0
		if i == len(changed)-1 {
			commit = len(after) / size
		}
		head = be.AppendUint32(head, uint32(commit))
		page := after[at : at+size]
		sum.add(head)
		sum.add(page)
		head = be.AppendUint64(head, salt)
		head = be.AppendUint32(be.AppendUint32(head, sum.a), sum.b)
		out = append(append(out, head...), page...)
	}
	return out
}

// walSum is the running checksum of a log.
type walSum struct {
	order binary.ByteOrder
	a, b  uint32
}

func (s *walSum) add(data []byte) {
	for ; len(data) >= 8; data = data[8:] {
		s.a += s.order.Uint32(data) + s.b
		s.b += s.order.Uint32(data[4:]) + s.a
	}
}

// walIndex tells where a log holds the pages of its last commit.
type walIndex struct {
	pageSize int
	pages    uint32           // of the database after the last commit
	offset   map[uint32]int64 // of a page's bytes, by page number
}

var errNotWAL = errors.New("not a write-ahead log")

// readWAL reads a log up to the first frame that is not valid, as SQLite does
// when it recovers one. errNotWAL means that no commit is in it.
func readWAL(r io.Reader, pageSize int) (*walIndex, error) {
	be := binary.BigEndian
	header := make([]byte, walHeaderLen)
	if err := readFull(r, header); err != nil {
		return nil, err
	}
	sum := walSum{order: binary.LittleEndian}
	magic := be.Uint32(header)
	if magic&1 == 1 {
		sum.order = be
	}
	sum.add(header[:24])
	if magic&^1 != walMagic || be.Uint32(header[4:]) != walVersion || be.Uint32(header[8:]) != uint32(pageSize) ||
		be.Uint32(header[24:]) != sum.a || be.Uint32(header[28:]) != sum.b {
		return nil, errNotWAL
	}
	x := &walIndex{pageSize: pageSize, offset: map[uint32]int64{}}
	pending := map[uint32]int64{}
	frame := make([]byte, walFrameLen+pageSize)
	for at := int64(walHeaderLen); ; at += int64(len(frame)) {
		if err := readFull(r, frame); errors.Is(err, errNotWAL) {
			break
		} else if err != nil {
			return nil, err
		}
		sum.add(frame[:8])
		sum.add(frame[walFrameLen:])
		page := be.Uint32(frame)
		if page == 0 || !bytes.Equal(frame[8:16], header[16:24]) || be.Uint32(frame[16:]) != sum.a || be.Uint32(frame[20:]) != sum.b {
			break
		}
		pending[page] = at + walFrameLen
		if commit := be.Uint32(frame[4:]); commit > 0 {
			for page, at := range pending {
				x.offset[page] = at
			}
			clear(pending)
			x.pages = commit
		}
	}
	if x.pages == 0 {
		return nil, errNotWAL
	}
	return x, nil
}

// readFull reads len(b) bytes; an end before that is errNotWAL.
func readFull(r io.Reader, b []byte) error {
	switch _, err := io.ReadFull(r, b); {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errNotWAL
	case err != nil:
		return fmt.Errorf("read write-ahead log: %w", err)
	}
	return nil
}
