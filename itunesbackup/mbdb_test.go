package itunesbackup

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// appendMBDB adds a row in the form of backup-format.md 1.2.
func appendMBDB(b []byte, r Record, attributes map[string][]byte) []byte {
	str := func(v []byte) {
		if v == nil {
			b = append(b, 0xFF, 0xFF)
			return
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
	}
	f := r.File
	str([]byte(r.Domain))
	str([]byte(r.RelativePath))
	if f.Target == "" {
		str(nil)
	} else {
		str([]byte(f.Target))
	}
	str(f.Digest)
	str(f.EncryptionKey)
	b = binary.BigEndian.AppendUint16(b, uint16(f.Mode))
	b = binary.BigEndian.AppendUint64(b, uint64(f.Inode))
	for _, v := range []int64{int64(f.UserID), int64(f.GroupID), f.LastModified, f.LastStatusChange, f.Birth} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(f.Size))
	b = append(b, byte(f.ProtectionClass), byte(len(attributes)))
	for name, value := range attributes {
		str([]byte(name))
		str(value)
	}
	return b
}

func mbdbRecords() []Record {
	var list []Record
	for _, f := range []MBFile{files()["directory"], files()["plain"], files()["encrypted"], files()["link"]} {
		r := Record{Domain: "HomeDomain", RelativePath: f.RelativePath, File: f}
		r.ID = MakeFileID(r.Domain, r.RelativePath)
		r.Flags = r.Kind()
		list = append(list, r)
	}
	list[2].RelativePath, list[2].File.RelativePath = "Library/other", "Library/other"
	list[2].ID = MakeFileID("HomeDomain", "Library/other")
	return list
}

func TestParseMBDB(t *testing.T) {
	want := mbdbRecords()
	data := []byte(mbdbMagic)
	for _, r := range want {
		data = appendMBDB(data, r, nil)
	}
	tagged := want[1]
	tagged.RelativePath, tagged.File.RelativePath = "Library/tagged", "Library/tagged"
	tagged.ID = MakeFileID("HomeDomain", "Library/tagged")
	attributes := map[string][]byte{"com.apple.x": []byte("value")}
	data = appendMBDB(data, tagged, attributes)
	var err error
	if tagged.File.ExtendedAttributes, err = plist.Marshal(attributes, plist.Binary); err != nil {
		t.Fatal(err)
	}
	want = append(want, tagged)
	bad := want[1]
	bad.RelativePath = "../x"
	data = appendMBDB(data, bad, nil)

	x, err := newMBDBIndex(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []Record
	faults := 0
	for r, err := range x.Records(t.Context()) {
		var rowErr *RowError
		if errors.As(err, &rowErr) {
			faults++
			continue
		}
		got = append(got, r)
	}
	if diff := cmp.Diff(want, got); diff != "" || faults != 1 {
		t.Errorf("%d faults, (-want +got)\n%s", faults, diff)
	}
	if n, err := x.Count(t.Context()); n != 6 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	if r, ok, err := x.Find(t.Context(), "HomeDomain", "Library/tagged"); !ok || err != nil || r.ID != tagged.ID {
		t.Errorf("find: %v, %t, %v", r, ok, err)
	}
	if _, err := newMBDBIndex(data[:len(data)-1]); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut: %v", err)
	}
	if _, err := newMBDBIndex([]byte("mbdb\x06\x00")); !errors.Is(err, ErrMalformed) {
		t.Errorf("another version: %v", err)
	}
}

func FuzzParseMBDB(f *testing.F) {
	data := []byte(mbdbMagic)
	for _, r := range mbdbRecords() {
		data = appendMBDB(data, r, map[string][]byte{"a": nil})
	}
	f.Add(data)
	f.Add([]byte(mbdbMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows := 0
		for r, err := range ParseMBDB(data) {
			if rows++; rows > len(data)+1 {
				t.Fatal("more rows than bytes")
			}
			if err == nil && (CheckPath(r.Domain, r.RelativePath) != nil || r.Kind() == 0) {
				t.Errorf("bad row %+v", r)
			}
		}
		if !bytes.HasPrefix(data, []byte(mbdbMagic)) && rows != 1 {
			t.Errorf("%d rows without a header", rows)
		}
	})
}
