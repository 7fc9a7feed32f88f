package itunesbackup

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/keybag"
)

// Manifest.mbdb is the index of iOS 4 to 9, which restore tools still write
// (backup-format.md 1.2). Numbers are big-endian; a string is a u16 length and
// its bytes, FFFF for none:
//
//	6D 62 64 62 05 00, then per row
//	strings: domain, path, link target, digest, encryption key
//	u16 mode, u64 inode, u32 uid, gid, mtime, ctime, birth, u64 size
//	u8 class, u8 number of attributes, then (name, value) strings
const mbdbMagic = "mbdb\x05\x00"

// ParseMBDB reads a Manifest.mbdb. A row that cannot be used is given as a
// [*RowError] and the next one follows; where the bytes are cut off, an error
// that wraps [ErrMalformed] ends the sequence.
func ParseMBDB(data []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if len(data) < len(mbdbMagic) || string(data[:len(mbdbMagic)]) != mbdbMagic {
			yield(Record{}, fmt.Errorf("read mbdb: %w: no mbdb header", ErrMalformed))
			return
		}
		d := mbdbDecoder{rest: data[len(mbdbMagic):]}
		for len(d.rest) > 0 {
			r, err := d.row()
			if d.cut {
				yield(Record{}, fmt.Errorf("read mbdb: %w: cut off", ErrMalformed))
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

type mbdbDecoder struct {
	rest []byte
	cut  bool
}

func (d *mbdbDecoder) take(n int) []byte {
	if n > len(d.rest) {
		d.cut, d.rest = true, nil
		return make([]byte, n) // at most 64 KiB
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *mbdbDecoder) uint(size int) uint64 {
	var n uint64
	for _, b := range d.take(size) {
		n = n<<8 | uint64(b)
	}
	return n
}

// string gives nil for FFFF.
func (d *mbdbDecoder) string() []byte {
	n := binary.BigEndian.Uint16(d.take(2))
	if n == 0xFFFF {
		return nil
	}
	return append([]byte{}, d.take(int(n))...)
}

// row reads all of a row before it judges any of it.
func (d *mbdbDecoder) row() (Record, error) {
	r := Record{Domain: string(d.string()), RelativePath: string(d.string())}
	f := &r.File
	f.RelativePath = r.RelativePath
	f.Target = string(d.string())
	f.Digest = d.string()
	f.EncryptionKey = d.string()
	f.Mode = uint32(d.uint(2))
	f.Inode = int64(d.uint(8))
	f.UserID = int(d.uint(4))
	f.GroupID = int(d.uint(4))
	f.LastModified = int64(d.uint(4))
	f.LastStatusChange = int64(d.uint(4))
	f.Birth = int64(d.uint(4))
	f.Size = int64(d.uint(8))
	f.ProtectionClass = keybag.Class(d.uint(1))
	attributes := map[string][]byte{}
	for n := d.uint(1); n > 0 && !d.cut; n-- {
		name := string(d.string())
		attributes[name] = d.string()
	}
	if d.cut {
		return r, nil
	}
	if err := finishMBDBRow(&r, attributes); err != nil {
		return r, &RowError{Domain: r.Domain, Path: r.RelativePath, Err: err}
	}
	return r, nil
}

func finishMBDBRow(r *Record, attributes map[string][]byte) (err error) {
	if err := CheckPath(r.Domain, r.RelativePath); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(attributes) > 0 {
		if r.File.ExtendedAttributes, err = plist.Marshal(attributes, plist.Binary); err != nil {
			return err
		}
	}
	r.ID = MakeFileID(r.Domain, r.RelativePath)
	if r.Flags = r.Kind(); r.Flags == 0 {
		return fmt.Errorf("%w: mode %#o", ErrMalformed, r.File.Mode)
	}
	return nil
}

// mbdbIndex holds the rows of an mbdb in memory, as all its readers did.
type mbdbIndex struct {
	records []Record
	faults  []error
	byID    map[FileID]int
}

func newMBDBIndex(data []byte) (*mbdbIndex, error) {
	x := &mbdbIndex{byID: map[FileID]int{}}
	for r, err := range ParseMBDB(data) {
		if _, ok := err.(*RowError); ok {
			x.faults = append(x.faults, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		x.byID[r.ID] = len(x.records)
		x.records = append(x.records, r)
	}
	return x, nil
}

func (x *mbdbIndex) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for _, r := range x.records {
			if err := ctx.Err(); err != nil {
				yield(Record{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		for _, err := range x.faults {
			if !yield(Record{}, err) {
				return
			}
		}
	}
}

func (x *mbdbIndex) Get(ctx context.Context, id FileID) (Record, bool, error) {
	i, ok := x.byID[id]
	if !ok {
		return Record{}, false, ctx.Err()
	}
	return x.records[i], true, ctx.Err()
}

// Find goes by ID: an mbdb has no other names, so its IDs are those computed.
func (x *mbdbIndex) Find(ctx context.Context, domain, relativePath string) (Record, bool, error) {
	return x.Get(ctx, MakeFileID(domain, relativePath))
}

func (x *mbdbIndex) Count(context.Context) (int64, error) {
	return int64(len(x.records) + len(x.faults)), nil
}

func (x *mbdbIndex) Close() error { return nil }
