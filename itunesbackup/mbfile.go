package itunesbackup

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/keybag"
)

const (
	// maxMBFileLen bounds a row's archive. Real ones have some 630 bytes; the
	// largest part, extended attributes, is at most 2 KiB.
	maxMBFileLen = 1 << 20
	maxExtra     = 32
	// appleEpoch is 2001-01-01 00:00 UTC in Unix seconds.
	appleEpoch = 978307200
)

// ParseMBFile reads the archive of a row's "file" column, following references
// wherever they point and accepting every variant of backup-format.md 1.5. The
// result shares no memory with data. Errors wrap [ErrMalformed].
//
//	{$version: 100000, $archiver: "NSKeyedArchiver", $top: {root: UID 1},
//	 $objects: ["$null", {MBFile …}, "<relative path>", {NS.data, $class} …]}
func ParseMBFile(data []byte) (MBFile, error) {
	f, err := parseMBFile(data)
	if err != nil {
		return MBFile{}, fmt.Errorf("parse MBFile: %w", err)
	}
	return f, nil
}

func parseMBFile(data []byte) (MBFile, error) {
	if len(data) > maxMBFileLen {
		return MBFile{}, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(data), maxMBFileLen)
	}
	a, root, err := openArchive(data)
	if err != nil {
		return MBFile{}, err
	}
	var f MBFile
	for i := range root.n {
		key, value, err := a.entry(root, i)
		if err != nil {
			return MBFile{}, err
		}
		if key.kind != kindASCII {
			continue
		}
		if err := f.setField(&a, a.bytes(key), value); err != nil {
			return MBFile{}, fmt.Errorf("%.40q: %w", a.bytes(key), err)
		}
	}
	return f, nil
}

// archive is an NSKeyedArchiver property list.
type archive struct {
	bplist
	objects object
}

// openArchive finds the archive's root object, which must be a dictionary.
func openArchive(data []byte) (a archive, root object, err error) {
	if a.bplist, err = openBplist(data); err != nil {
		return a, root, err
	}
	top, err := a.object(a.top)
	if err != nil {
		return a, root, err
	}
	var found bool
	if a.objects, found, err = a.lookup(top, "$objects"); err != nil {
		return a, root, err
	}
	if !found || a.objects.kind != kindArray {
		return a, root, fmt.Errorf("%w: no $objects", ErrMalformed)
	}
	roots, found, err := a.lookup(top, "$top")
	if err != nil {
		return a, root, err
	}
	if found {
		root, found, err = a.lookup(roots, "root")
	}
	if err != nil {
		return a, root, err
	}
	if !found || root.kind != kindUID {
		return a, root, fmt.Errorf("%w: no root", ErrMalformed)
	}
	if root, err = a.follow(root); err == nil && root.kind != kindDict {
		err = fmt.Errorf("%w: the root is no dictionary", ErrMalformed)
	}
	return a, root, err
}

// follow replaces a UID by the object it names, once: objects of an archive
// never are UIDs themselves.
func (a *archive) follow(o object) (object, error) {
	if o.kind != kindUID {
		return o, nil
	}
	if o.n > 8 {
		return object{}, fmt.Errorf("%w: UID of %d bytes", ErrMalformed, o.n)
	}
	i := a.uint(o.pos, o.n)
	if i >= a.objects.n {
		return object{}, fmt.Errorf("%w: UID %d of %d objects", ErrMalformed, i, a.objects.n)
	}
	return a.object(a.uint(a.objects.pos+i*a.refSize, a.refSize))
}

func (f *MBFile) setField(a *archive, key []byte, value object) (err error) {
	var n int64
	switch string(key) {
	case "RelativePath":
		f.RelativePath, err = a.string(value)
	case "Target":
		f.Target, err = a.string(value)
	case "Mode":
		n, err = a.integer(value)
		f.Mode = uint32(n)
	case "Flags":
		f.StatFlags, err = a.integer(value)
	case "InodeNumber":
		f.Inode, err = a.integer(value)
	case "UserID":
		n, err = a.integer(value)
		f.UserID = int(n)
	case "GroupID":
		n, err = a.integer(value)
		f.GroupID = int(n)
	case "LastModified":
		f.LastModified, err = a.seconds(value)
	case "LastStatusChange":
		f.LastStatusChange, err = a.seconds(value)
	case "Birth":
		f.Birth, err = a.seconds(value)
	case "Size":
		f.Size, err = a.integer(value)
	case "ProtectionClass":
		n, err = a.integer(value)
		f.ProtectionClass = keybag.Class(n)
	case "EncryptionKey":
		f.EncryptionKey, _, err = a.blob(value)
	case "Digest":
		f.Digest, f.DigestForm, err = a.blob(value)
	case "ExtendedAttributes":
		f.ExtendedAttributes, f.AttributesForm, err = a.blob(value)
	case "$class":
	default:
		err = f.setExtra(a, key, value)
	}
	return err
}

func (f *MBFile) setExtra(a *archive, key []byte, value object) error {
	isBool := value.kind == kindSimple && (value.n == 8 || value.n == 9)
	if value.kind != kindInt && !isBool {
		return nil
	}
	if len(f.Extra) == maxExtra {
		return fmt.Errorf("%w: more than %d unknown keys", ErrMalformed, maxExtra)
	}
	name := string(key)
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: key is not UTF-8", ErrMalformed)
	}
	n, err := a.integer(value)
	f.Extra = append(f.Extra, ExtraInt{name, n, isBool})
	return err
}

// string gives a string, inline or by reference; "$null" is the empty one.
func (a *archive) string(o object) (string, error) {
	target, err := a.follow(o)
	if err != nil {
		return "", err
	}
	s, err := a.text(target)
	if o.kind == kindUID && s == "$null" && target.kind == kindASCII && a.isNull(o) {
		return "", nil
	}
	return s, err
}

// isNull tells whether a UID is 0, which in every archive is the null object.
func (a *archive) isNull(uid object) bool { return a.uint(uid.pos, uid.n) == 0 }

// seconds gives Unix seconds from a number of them, a date, or an archived
// NSDate as older systems may write it.
func (a *archive) seconds(o object) (int64, error) {
	target, err := a.follow(o)
	if err != nil {
		return 0, err
	}
	if target.kind == kindDict {
		value, found, err := a.lookup(target, "NS.time")
		if err != nil {
			return 0, err
		}
		if !found {
			return 0, fmt.Errorf("%w: no NS.time", ErrMalformed)
		}
		return a.appleSeconds(value)
	}
	switch target.kind {
	case kindDate:
		return a.appleSeconds(target)
	case kindReal:
		f, err := a.real(target)
		if err != nil {
			return 0, err
		}
		return wholeSeconds(f)
	}
	return a.integer(target)
}

func (a *archive) appleSeconds(o object) (int64, error) {
	f, err := a.real(o)
	if err != nil {
		return 0, err
	}
	return wholeSeconds(f + appleEpoch)
}

func wholeSeconds(f float64) (int64, error) {
	f = math.Floor(f)
	if !(f > -1e15 && f < 1e15) {
		return 0, fmt.Errorf("%w: time %g", ErrMalformed, f)
	}
	return int64(f), nil
}

// blob gives data in any of its three forms; nil for the null object.
func (a *archive) blob(o object) ([]byte, DataForm, error) {
	form := DataInline
	target := o
	if o.kind == kindUID {
		form = DataObject
		var err error
		if target, err = a.follow(o); err != nil {
			return nil, 0, err
		}
		if a.isNull(o) {
			return nil, form, nil
		}
	}
	if target.kind == kindDict {
		form = DataBoxed
		inner, found, err := a.lookup(target, "NS.data")
		if err == nil && found {
			target, err = a.follow(inner)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if target.kind != kindData {
		return nil, 0, fmt.Errorf("%w: no data", ErrMalformed)
	}
	return bytes.Clone(a.bytes(target)), form, nil
}
