package dirstore

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// dir is what is remembered of one folder. Files named by a file ID, which are
// nearly all, are kept as 20 bytes.
type dir struct {
	path   string
	handle *handle // nil when closed
	known  bool    // the listing below is complete
	hashed map[fileID]meta
	named  map[string]mobilebackup2.Entry
	unsynced
}

type fileID [20]byte

// meta is 12 bytes: sizes up to 2^48, seconds up to the year 2106.
type meta struct {
	mtime  uint32
	sizeLo uint32
	sizeHi uint16
}

func newMeta(size, mtime int64) meta {
	return meta{uint32(min(max(mtime, 0), 1<<32-1)), uint32(size), uint16(size >> 32)}
}

func (m meta) size() int64 { return int64(m.sizeHi)<<32 | int64(m.sizeLo) }

// parseID reads a name of 40 lower-case hexadecimal digits.
func parseID(name string) (id fileID, ok bool) {
	if len(name) != 2*len(id) || strings.ContainsAny(name, "ABCDEF") {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(name))
	return id, err == nil
}

// learn starts a listing; unlearn forgets it.
func (d *dir) learn() {
	d.known, d.hashed, d.named = true, map[fileID]meta{}, map[string]mobilebackup2.Entry{}
}

func (d *dir) unlearn() { d.known, d.hashed, d.named = false, nil, nil }

func (d *dir) add(e mobilebackup2.Entry) {
	if id, ok := parseID(e.Name); ok && !e.Dir {
		d.hashed[id] = newMeta(e.Size, e.ModTime.Unix())
		return
	}
	d.named[e.Name] = e
}

// wrote notes a file just written.
func (d *dir) wrote(name string, size int64) {
	if !d.known {
		return
	}
	if id, ok := parseID(name); ok {
		d.hashed[id] = newMeta(size, time.Now().Unix())
		delete(d.named, name)
		return
	}
	d.named[name] = mobilebackup2.Entry{Name: name, Size: size, ModTime: time.Now()}
}

func (d *dir) drop(name string) {
	if id, ok := parseID(name); ok {
		delete(d.hashed, id)
	}
	delete(d.named, name)
}

func (d *dir) get(name string) (e mobilebackup2.Entry, ok bool) {
	if !d.known {
		return e, false
	}
	if id, isID := parseID(name); isID {
		if m, found := d.hashed[id]; found {
			return mobilebackup2.Entry{Name: name, Size: m.size(), ModTime: time.Unix(int64(m.mtime), 0)}, true
		}
	}
	e, ok = d.named[name]
	return e, ok
}

func (d *dir) entries() []mobilebackup2.Entry {
	list := make([]mobilebackup2.Entry, 0, len(d.hashed)+len(d.named))
	var name [40]byte
	for id, m := range d.hashed {
		hex.Encode(name[:], id[:])
		list = append(list, mobilebackup2.Entry{Name: string(name[:]), Size: m.size(), ModTime: time.Unix(int64(m.mtime), 0)})
	}
	for _, e := range d.named {
		list = append(list, e)
	}
	return list
}

func (d *dir) closeHandle() {
	if d.handle != nil {
		d.handle.close()
		d.handle = nil
	}
}
