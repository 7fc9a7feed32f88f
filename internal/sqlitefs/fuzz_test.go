package sqlitefs

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// log makes a write-ahead log with right checksums: frames of one byte value each.
func log(order binary.ByteOrder, pageSize int, frames ...[3]int) []byte {
	b := binary.BigEndian.AppendUint32(nil, map[binary.ByteOrder]uint32{binary.LittleEndian: 0x377f0682, binary.BigEndian: 0x377f0683}[order])
	for _, v := range []uint32{3007000, uint32(pageSize), 0, 7, 9} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	var sum checksum
	sum.add(order, b)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, sum.s0), sum.s1)
	for _, f := range frames {
		head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(f[0])), uint32(f[1]))
		page := bytes.Repeat([]byte{byte(f[2])}, pageSize)
		sum.add(order, head)
		sum.add(order, page)
		head = append(head, b[16:24]...)
		head = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(head, sum.s0), sum.s1)
		b = append(append(b, head...), page...)
	}
	return b
}

func TestReadLog(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		// Page 2 twice, a commit of 3 pages, and page 3 in a transaction that never ended.
		b := log(order, 512, [3]int{2, 0, 'a'}, [3]int{2, 3, 'b'}, [3]int{3, 0, 'c'})
		pages, size, count, err := readLog(bytes.NewReader(b), int64(len(b)))
		if err != nil || size != 512 || count != 3 || len(pages) != 1 || pages[0].page != 2 || b[pages[0].at] != 'b' {
			t.Errorf("%v %d %d %v", pages, size, count, err)
		}
		o, err := lay(bytes.NewReader(bytes.Repeat([]byte{'x'}, 1024)), 1024, bytes.NewReader(b), int64(len(b)), readLog)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 3*512)
		if n, err := o.ReadAt(got, 0); n != len(got) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if got[511] != 'x' || got[512] != 'b' || got[1023] != 'b' || got[1024] != 0 {
			t.Errorf("pages: %q %q %q", got[511], got[512], got[1024])
		}
	}
}

// Whatever lies beside a database, it is read within its bounds or not at all.
func FuzzLay(f *testing.F) {
	f.Add([]byte("SQLite format 3\x00\x02\x00\x02\x02"), log(binary.LittleEndian, 512, [3]int{1, 1, 'a'}), true)
	f.Add([]byte{}, log(binary.BigEndian, 1024, [3]int{9, 2, 'a'}), true)
	f.Add(bytes.Repeat([]byte{0}, 600), append([]byte("\xd9\xd5\x05\xf9\x20\xa1\x63\xd7\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x02\x00\x00\x00\x02\x00"), make([]byte, 2000)...), false)
	f.Fuzz(func(t *testing.T, base, beside []byte, wal bool) {
		read := readLog
		if !wal {
			read = readJournal
		}
		o, err := lay(bytes.NewReader(base), int64(len(base)), bytes.NewReader(beside), int64(len(beside)), read)
		if err != nil {
			return
		}
		for _, l := range o.pages {
			if l.at < 0 || l.at+o.pageSize > int64(len(beside)) {
				t.Fatalf("page %d at %d of a log of %d bytes", l.page, l.at, len(beside))
			}
		}
		p := make([]byte, 3000)
		for _, at := range []int64{0, 17, o.size - 10, o.size, o.size + 1} {
			if n, _ := o.ReadAt(p, max(at, 0)); n > len(p) {
				t.Fatal("more than was asked for")
			}
		}
	})
}
