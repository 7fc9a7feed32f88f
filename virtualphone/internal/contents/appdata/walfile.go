package appdata

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// A write-ahead log, sqlite.org/fileformat2.html section 4. Integers are big
// endian; magic 0x377f0682 says that checksums read words as little endian, as
// on every phone.
//
//	header, 32 bytes
//	  0 magic  4 version 3007000  8 page size  12 checkpoint number
//	 16 salt 1 20 salt 2          24 checksum of bytes 0–23
//	frame, 24 bytes and one page, repeated
//	  0 page number  4 pages in the database if this frame ends a transaction, else 0
//	  8 salt 1  12 salt 2  16 checksum of all frames so far, this one included
//
// SQLite draws the salts at random, so a log that must come out equal every
// time is written here instead: the pages that differ between the database
// before and after a transaction.
const (
	walMagic    = 0x377f0682
	walVersion  = 3007000
	walHeader   = 32
	frameHeader = 24
	// shmSize is the first block of a wal-index. All zeros is its state before
	// use; the first reader rebuilds it from the log.
	shmSize = 32 << 10
)

// splitWAL undoes a transaction in the database file and puts it into a log
// beside it. before is the file's content before the transaction.
func splitWAL(f dbFile, before []byte, seed uint64) error {
	after, err := os.ReadFile(f.path)
	if err != nil {
		return err
	}
	log, err := walOf(before, after, seed)
	if err != nil {
		return fmt.Errorf("write log of %s: %w", f.path, err)
	}
	setWALVersion(before)
	if err := writeFile(f.path, before, f.mtime); err != nil {
		return err
	}
	if err := writeFile(f.path+"-wal", log, f.mtime); err != nil {
		return err
	}
	return writeFile(f.path+"-shm", make([]byte, shmSize), f.mtime)
}

// walOf makes the log that turns the database before into the database after.
func walOf(before, after []byte, seed uint64) ([]byte, error) {
	size := pageSizeOf(after)
	if size == 0 || pageSizeOf(before) != size || len(after)%size != 0 || len(after) < len(before) {
		return nil, errors.New("not two states of one database")
	}
	setWALVersion(after)
	changed := changedPages(before, after, size)
	out := make([]byte, walHeader, walHeader+len(changed)*(frameHeader+size))
	be := binary.BigEndian
	be.PutUint32(out[0:], walMagic)
	be.PutUint32(out[4:], walVersion)
	be.PutUint32(out[8:], uint32(size))
	be.PutUint64(out[16:], seed*0x9e3779b97f4a7c15+1)
	sum := walChecksum([2]uint32{}, out[:24])
	putChecksum(out[24:], sum)
	for i, page := range changed {
		head := make([]byte, frameHeader)
		be.PutUint32(head[0:], uint32(page+1))
		if i == len(changed)-1 {
			be.PutUint32(head[4:], uint32(len(after)/size))
		}
		copy(head[8:16], out[16:24])
		data := after[page*size : (page+1)*size]
		sum = walChecksum(walChecksum(sum, head[:8]), data)
		putChecksum(head[16:], sum)
		out = append(append(out, head...), data...)
	}
	return out, nil
}

// changedPages lists, by number from 0, the pages that differ or are new.
func changedPages(before, after []byte, size int) []int {
	var pages []int
	for o := 0; o < len(after); o += size {
		if o >= len(before) || !bytes.Equal(before[o:o+size], after[o:o+size]) {
			pages = append(pages, o/size)
		}
	}
	return pages
}

// walChecksum continues a checksum over b, whose length is a multiple of 8.
func walChecksum(s [2]uint32, b []byte) [2]uint32 {
	le := binary.LittleEndian
	for ; len(b) >= 8; b = b[8:] {
		s[0] += le.Uint32(b) + s[1]
		s[1] += le.Uint32(b[4:]) + s[0]
	}
	return s
}

func putChecksum(b []byte, s [2]uint32) {
	binary.BigEndian.PutUint32(b, s[0])
	binary.BigEndian.PutUint32(b[4:], s[1])
}

// pageSizeOf reads the page size of a database header; 0 when there is none.
func pageSizeOf(b []byte) int {
	if len(b) < 100 || string(b[:16]) != "SQLite format 3\x00" {
		return 0
	}
	if n := int(binary.BigEndian.Uint16(b[16:])); n != 1 {
		return n
	}
	return 65536
}

// setWALVersion sets the two version bytes of a database header to 2, WAL.
func setWALVersion(b []byte) { b[18], b[19] = 2, 2 }

// markWAL does so in a file: phones keep their databases in WAL mode, and
// backups of them still say so (content-schemas.md 0).
func markWAL(path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head := make([]byte, 100)
	if _, err := io.ReadFull(f, head); err != nil {
		return fmt.Errorf("read header of %s: %w", path, err)
	}
	setWALVersion(head)
	_, err = f.WriteAt(head[18:20], 18)
	return err
}
