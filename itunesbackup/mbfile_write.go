package itunesbackup

import (
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/keybag"
)

// archiveHead is how every keyed archive starts, up to its $objects array:
// objects 0 to 9 of the list.
const archiveHead = bplistMagic +
	"\xD4\x01\x02\x03\x04\x05\x06\x07\x0A" +
	"X$version" + "Y$archiver" + "T$top" + "X$objects" +
	"\x12\x00\x01\x86\xA0" + "_\x10\x0FNSKeyedArchiver" +
	"\xD1\x08\x09" + "Troot" + "\x80\x01"

var archiveHeadOffsets = [...]uint32{8, 17, 26, 36, 41, 50, 55, 73, 76, 81}

// Marshal archives f as phones do: $null, the MBFile, its path, then target,
// key, digest and attributes as far as there are any, each class after its first
// use, class MBFile last.
func (f MBFile) Marshal() ([]byte, error) {
	switch {
	case len(f.Extra) > maxExtra:
		return nil, fmt.Errorf("encode MBFile: more than %d unknown keys", maxExtra)
	case f.EncryptionKey != nil && len(f.EncryptionKey) != keybag.WrappedKeySize:
		return nil, fmt.Errorf("encode MBFile: encryption key of %d bytes", len(f.EncryptionKey))
	case len(f.RelativePath)+len(f.Target)+len(f.ExtendedAttributes)+len(f.Digest) > maxMBFileLen/2:
		return nil, errors.New("encode MBFile: too long")
	}
	// On the stack: half a million of these are written in one go.
	var offsets [192]uint32
	var ints [24]intRef
	size := 768 + len(f.ExtendedAttributes)
	if f.EncryptionKey != nil {
		size += 256
	}
	e := mbfileEncoder{w: bplistWriter{
		buf:     append(make([]byte, 0, size), archiveHead...),
		offsets: append(offsets[:0], archiveHeadOffsets[:]...),
		ints:    append(ints[:0], intRef{100000, 5}),
	}}
	return e.encode(&f)
}

// mbfileEncoder numbers the archive's objects before it writes any, because
// dictionaries name their members by number.
type mbfileEncoder struct {
	w bplistWriter

	objects [10]archived
	count   int

	classKey, nsData                   byte // references of the strings $class and NS.data
	className, classList, rootObject   byte // $classname, $classes, "NSObject"
	dataName                           byte // "NSData"
	dataClass, mutableClass, fileClass byte // UIDs
}

// archived is one member of $objects after the MBFile.
type archived struct {
	kind  archivedKind
	text  string
	data  []byte
	class byte // UID of the class of boxed data
}

type archivedKind uint8

const (
	archivedText archivedKind = iota
	archivedData
	archivedBoxed
	archivedClass // text is its name
)

func (e *mbfileEncoder) add(a archived) (uid byte) {
	e.objects[e.count] = a
	e.count++
	return byte(e.count + 1) // after $null and the MBFile
}

// box adds boxed data and its class, whose UID uid holds once it is there.
func (e *mbfileEncoder) box(b []byte, class string, uid *byte) byte {
	first := *uid == 0
	if first {
		*uid = byte(e.count + 3) // follows the data
	}
	n := e.add(archived{kind: archivedBoxed, data: b, class: *uid})
	if first {
		e.add(archived{kind: archivedClass, text: class})
	}
	return n
}

// field is an entry of the MBFile dictionary: a number, or a reference.
type field struct {
	key    string
	value  int64
	uid    byte   // when not 0
	inline []byte // when not nil
	bool   bool
}

func (e *mbfileEncoder) encode(f *MBFile) ([]byte, error) {
	var room [16 + maxExtra]field
	fields := append(room[:0],
		field{key: "$class"},
		field{key: "LastModified", value: f.LastModified},
		field{key: "Flags", value: f.StatFlags},
		field{key: "GroupID", value: int64(f.GroupID)},
		field{key: "LastStatusChange", value: f.LastStatusChange},
		field{key: "Birth", value: f.Birth},
		field{key: "RelativePath", uid: e.add(archived{text: f.RelativePath})},
		field{key: "Size", value: f.Size},
		field{key: "InodeNumber", value: f.Inode},
		field{key: "Mode", value: int64(f.Mode)},
		field{key: "UserID", value: int64(f.UserID)},
		field{key: "ProtectionClass", value: int64(f.ProtectionClass)},
	)
	if f.Target != "" {
		fields = append(fields, field{key: "Target", uid: e.add(archived{text: f.Target})})
	}
	if f.EncryptionKey != nil {
		fields = append(fields, field{key: "EncryptionKey", uid: e.box(f.EncryptionKey, "NSMutableData", &e.mutableClass)})
	}
	fields = e.addData(fields, "Digest", f.Digest, f.DigestForm)
	fields = e.addData(fields, "ExtendedAttributes", f.ExtendedAttributes, f.AttributesForm)
	for _, x := range f.Extra {
		fields = append(fields, field{key: x.Key, value: x.Value, bool: x.Bool})
	}
	e.fileClass = e.add(archived{kind: archivedClass, text: "MBFile"})
	fields[0].uid = e.fileClass
	return e.write(fields)
}

func (e *mbfileEncoder) addData(fields []field, key string, b []byte, form DataForm) []field {
	if b == nil {
		return fields
	}
	fd := field{key: key}
	switch form {
	case DataInline:
		fd.inline = b
	case DataBoxed:
		fd.uid = e.box(b, "NSData", &e.dataClass)
	default:
		fd.uid = e.add(archived{kind: archivedData, data: b})
	}
	return append(fields, fd)
}

func (e *mbfileEncoder) write(fields []field) ([]byte, error) {
	w := &e.w
	_, objects := w.array(2 + e.count)
	w.set(objects, 0, w.text("$null"))
	ref, dict := w.dict(len(fields))
	w.set(objects, 1, ref)
	for i, fd := range fields {
		w.set(dict, i, w.text(fd.key))
		if i == 0 {
			e.classKey = byte(len(w.offsets) - 1)
		}
	}
	for i, fd := range fields {
		w.set(dict, len(fields)+i, e.fieldValue(fd))
	}
	for i, a := range e.objects[:e.count] {
		w.set(objects, 2+i, e.object(a))
	}
	return w.finish()
}

func (e *mbfileEncoder) fieldValue(fd field) byte {
	switch {
	case fd.inline != nil:
		return e.w.data(fd.inline)
	case fd.uid != 0:
		return e.w.uid(fd.uid)
	case fd.bool:
		return e.w.bool(fd.value != 0)
	}
	return e.w.int(fd.value)
}

func (e *mbfileEncoder) object(a archived) byte {
	w := &e.w
	switch a.kind {
	case archivedText:
		return w.text(a.text)
	case archivedData:
		return w.data(a.data)
	case archivedBoxed:
		ref, m := w.dict(2)
		w.set(m, 0, e.once(&e.nsData, "NS.data"))
		w.set(m, 1, e.classKey)
		w.set(m, 2, w.data(a.data))
		w.set(m, 3, w.uid(a.class))
		return ref
	}
	return e.class(a.text)
}

// once writes a string the first time it is needed.
func (e *mbfileEncoder) once(ref *byte, s string) byte {
	if *ref == 0 {
		*ref = e.w.text(s)
	}
	return *ref
}

// class writes {$classname: name, $classes: [name, its parents]}.
func (e *mbfileEncoder) class(name string) byte {
	w := &e.w
	ref, m := w.dict(2)
	w.set(m, 0, e.once(&e.className, "$classname"))
	w.set(m, 1, e.once(&e.classList, "$classes"))
	var own byte
	if name == "NSData" {
		own = e.once(&e.dataName, name)
	} else {
		own = w.text(name)
	}
	w.set(m, 2, own)
	n := 2
	if name == "NSMutableData" {
		n = 3
	}
	list, classes := w.array(n)
	w.set(m, 3, list)
	w.set(classes, 0, own)
	if n == 3 {
		w.set(classes, 1, e.once(&e.dataName, "NSData"))
	}
	w.set(classes, n-1, e.once(&e.rootObject, "NSObject"))
	return ref
}
