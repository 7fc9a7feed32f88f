// Package overlay is the folder that a phone is shown while it backs itself up
// into a repository: the last backup, with what this run changed laid over it.
//
//	the parent                         <UDID>/Manifest.db, <UDID>/ab/<ID> …
//	  + put, mkdir, rename, remove     of the phone, in memory
//	  = the tree                       what it lists and opens
//
// A tree knows names, sizes and times, not contents: a file is an object of the
// run, by its number, or one of the parent, by the path that it has there. Files
// named by a file ID, which are nearly all, take some 60 bytes each.
package overlay

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/keepsake-backup/keepsake/mobilebackup2"
)

// File is a file of the tree.
type File struct {
	Object uint32 // of the run; 0: of the parent
	Origin string // where it stands in the parent, when Object is 0
	Size   int64  // in bytes
	Time   int64  // Unix seconds
}

// ref is a File in 16 bytes.
type ref struct {
	size int64
	time uint32
	what uint32
}

// isOrigin marks numbers of Tree.origins. 0 alone is the file of the parent that
// has this ID.
const isOrigin = 1 << 31

// ID is a file ID.
type ID = [20]byte

type dir struct {
	dirs   map[string]*dir
	named  map[string]ref
	hashed map[ID]ref
}

// Tree is the folder. It is for one goroutine.
type Tree struct {
	udid    string
	made    time.Time
	root    dir
	origins []string
}

// New gives an empty tree for the backup of udid.
func New(udid string) *Tree { return &Tree{udid: udid, made: time.Now()} }

// AddParent lays a file of the parent in: path below its folder, such as
// "Manifest.db", size in bytes, time in Unix seconds.
func (t *Tree) AddParent(path string, size, modTime int64) error {
	t.origins = append(t.origins, path)
	return t.add(t.udid+"/"+path, ref{size, clock(modTime), isOrigin | uint32(len(t.origins)-1)})
}

// AddParentFile lays the content of a file of the parent in.
func (t *Tree) AddParentFile(id ID, size, modTime int64) error {
	d, err := t.mkdirAll(t.udid + "/" + hex.EncodeToString(id[:1]))
	if err != nil {
		return err
	}
	d.set(hex.EncodeToString(id[:]), id, true, ref{size, clock(modTime), 0})
	return nil
}

func clock(t int64) uint32 { return uint32(min(max(t, 0), 1<<32-1)) }

func (t *Tree) add(path string, r ref) error {
	parent, name := split(path)
	d, err := t.mkdirAll(parent)
	if err != nil {
		return err
	}
	id, hashed := parseID(name)
	d.set(name, id, hashed, r)
	return nil
}

func (d *dir) set(name string, id ID, hashed bool, r ref) {
	if hashed {
		if d.hashed == nil {
			d.hashed = map[ID]ref{}
		}
		d.hashed[id] = r
		return
	}
	if d.named == nil {
		d.named = map[string]ref{}
	}
	d.named[name] = r
}

func (d *dir) get(name string) (ref, bool) {
	if id, ok := parseID(name); ok {
		r, found := d.hashed[id]
		return r, found
	}
	r, found := d.named[name]
	return r, found
}

func (d *dir) drop(name string) {
	if id, ok := parseID(name); ok {
		delete(d.hashed, id)
	}
	delete(d.named, name)
	delete(d.dirs, name)
}

// parseID reads a name of 40 lower-case hexadecimal digits.
func parseID(name string) (id ID, ok bool) {
	if len(name) != 2*len(id) || strings.ContainsAny(name, "ABCDEF") {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(name))
	return id, err == nil
}

func split(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)], p[i+1:]
}

// find gives the folder p, or fs.ErrNotExist, or ENOTDIR when a file is in the way.
func (t *Tree) find(p string) (*dir, error) {
	d := &t.root
	for p != "" {
		var name string
		name, p, _ = strings.Cut(p, "/")
		next := d.dirs[name]
		if next == nil {
			if _, file := d.get(name); file {
				return nil, syscall.ENOTDIR
			}
			return nil, fs.ErrNotExist
		}
		d = next
	}
	return d, nil
}

// mkdirAll gives the folder p and makes what is missing of it.
func (t *Tree) mkdirAll(p string) (*dir, error) {
	d := &t.root
	for p != "" {
		var name string
		name, p, _ = strings.Cut(p, "/")
		next := d.dirs[name]
		if next == nil {
			if _, file := d.get(name); file {
				return nil, syscall.ENOTDIR
			}
			next = &dir{}
			if d.dirs == nil {
				d.dirs = map[string]*dir{}
			}
			d.dirs[strings.Clone(name)] = next
		}
		d = next
	}
	return d, nil
}

func check(p string) error {
	if !fs.ValidPath(p) || p == "." {
		return fmt.Errorf("%w: path %q", fs.ErrInvalid, p)
	}
	return nil
}

// Room tells whether a file may be put at path: not where a folder stands, nor
// below a file.
func (t *Tree) Room(path string) error {
	if err := check(path); err != nil {
		return err
	}
	parent, name := split(path)
	d, err := t.find(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case d.dirs[name] != nil:
		return syscall.EISDIR
	}
	return nil
}

// Put lays an object at path, makes missing folders, and gives the object that
// stood there, 0 if none.
func (t *Tree) Put(path string, object uint32, size, modTime int64) (old uint32, err error) {
	if err := t.Room(path); err != nil {
		return 0, err
	}
	if object == 0 || object&isOrigin != 0 {
		return 0, fmt.Errorf("%w: object %d", fs.ErrInvalid, object)
	}
	parent, name := split(path)
	d, err := t.mkdirAll(parent)
	if err != nil {
		return 0, err
	}
	if r, ok := d.get(name); ok {
		old = r.object()
	}
	id, hashed := parseID(name)
	d.set(strings.Clone(name), id, hashed, ref{size, clock(modTime), object})
	return old, nil
}

func (r ref) object() uint32 {
	if r.what&isOrigin != 0 {
		return 0
	}
	return r.what
}

// Mkdir makes a folder and the missing ones above it; fs.ErrExist when there is
// something of that name.
func (t *Tree) Mkdir(path string) error {
	if err := t.CanMkdir(path); err != nil {
		return err
	}
	_, err := t.mkdirAll(path)
	return err
}

// CanMkdir is the error that Mkdir would give.
func (t *Tree) CanMkdir(path string) error {
	if err := check(path); err != nil {
		return err
	}
	parent, name := split(path)
	d, err := t.find(parent)
	if err == nil {
		if _, file := d.get(name); file || d.dirs[name] != nil {
			return fs.ErrExist
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// There tells whether there is a file or folder of that name.
func (t *Tree) There(path string) bool {
	if check(path) != nil {
		return false
	}
	_, err := t.Stat(path)
	return err == nil || errors.Is(err, syscall.EISDIR)
}

// Stat gives a file. A folder is EISDIR.
func (t *Tree) Stat(path string) (File, error) {
	if err := check(path); err != nil {
		return File{}, err
	}
	parent, name := split(path)
	d, err := t.find(parent)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return File{}, err
	}
	if r, ok := d.get(name); ok {
		return t.file(name, r), nil
	}
	if d.dirs[name] != nil {
		return File{}, syscall.EISDIR
	}
	return File{}, fs.ErrNotExist
}

func (t *Tree) file(name string, r ref) File {
	f := File{Object: r.object(), Size: r.size, Time: int64(r.time)}
	switch {
	case f.Object != 0:
	case r.what == 0:
		f.Origin = name[:2] + "/" + name
	default:
		f.Origin = t.origins[r.what&^isOrigin]
	}
	return f
}

// Find is Stat for a file ID in its place below a folder: "" or "Snapshot".
func (t *Tree) Find(folder string, id ID) (File, bool) {
	p := t.udid + "/"
	if folder != "" {
		p += folder + "/"
	}
	d, err := t.find(p + hex.EncodeToString(id[:1]))
	if err != nil {
		return File{}, false
	}
	r, ok := d.hashed[id]
	if !ok {
		return File{}, false
	}
	return t.file(hex.EncodeToString(id[:]), r), true
}

// List lists a folder.
func (t *Tree) List(path string) ([]mobilebackup2.Entry, error) {
	if err := check(path); err != nil {
		return nil, err
	}
	d, err := t.find(path)
	if errors.Is(err, syscall.ENOTDIR) {
		if _, serr := t.Stat(path); serr != nil {
			err = fs.ErrNotExist
		}
	}
	if err != nil {
		return nil, err
	}
	list := make([]mobilebackup2.Entry, 0, len(d.hashed)+len(d.named)+len(d.dirs))
	var name [40]byte
	for id, r := range d.hashed {
		hex.Encode(name[:], id[:])
		list = append(list, mobilebackup2.Entry{Name: string(name[:]), Size: r.size, ModTime: time.Unix(int64(r.time), 0)})
	}
	for n, r := range d.named {
		list = append(list, mobilebackup2.Entry{Name: n, Size: r.size, ModTime: time.Unix(int64(r.time), 0)})
	}
	for n := range d.dirs {
		list = append(list, mobilebackup2.Entry{Name: n, Dir: true, ModTime: t.made})
	}
	return list, nil
}

// Remove takes a file or folder away and gives the objects that are nowhere now.
func (t *Tree) Remove(path string) (gone []uint32, err error) {
	if err := check(path); err != nil {
		return nil, err
	}
	parent, name := split(path)
	d, err := t.find(parent)
	if err != nil {
		return nil, nil // nothing is there
	}
	gone = d.objects(name)
	d.drop(name)
	return gone, nil
}

// objects gives those at and below a name.
func (d *dir) objects(name string) (list []uint32) {
	if r, ok := d.get(name); ok && r.object() != 0 {
		list = append(list, r.object())
	}
	if sub := d.dirs[name]; sub != nil {
		sub.each(func(r ref) {
			if r.object() != 0 {
				list = append(list, r.object())
			}
		})
	}
	return list
}

func (d *dir) each(fn func(ref)) {
	for _, r := range d.hashed {
		fn(r)
	}
	for _, r := range d.named {
		fn(r)
	}
	for _, sub := range d.dirs {
		sub.each(fn)
	}
}

// CanRename is the error that Rename would give.
func (t *Tree) CanRename(from, to string) error {
	if err := errors.Join(check(from), check(to)); err != nil {
		return err
	}
	switch {
	case !t.There(from):
		return fs.ErrNotExist
	case from == to:
		return nil
	case strings.HasPrefix(to, from+"/") || strings.HasPrefix(from, to+"/"):
		return fmt.Errorf("%w: a folder moved into or over itself", fs.ErrInvalid)
	}
	toDir, _ := split(to)
	if _, err := t.find(toDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Rename moves a file or folder, makes missing folders, replaces what stands
// there, and gives the objects that are nowhere now.
func (t *Tree) Rename(from, to string) (gone []uint32, err error) {
	if err := t.CanRename(from, to); err != nil || from == to {
		return nil, err
	}
	fromDir, fromName := split(from)
	src, err := t.find(fromDir)
	if err != nil {
		return nil, err
	}
	toDir, toName := split(to)
	dst, err := t.mkdirAll(toDir)
	if err != nil {
		return nil, err
	}
	r, _ := src.get(fromName)
	folder := src.dirs[fromName]
	gone = dst.objects(toName)
	dst.drop(toName)
	src.drop(fromName)
	toName = strings.Clone(toName)
	if folder != nil {
		if dst.dirs == nil {
			dst.dirs = map[string]*dir{}
		}
		dst.dirs[toName] = folder
		return gone, nil
	}
	if r.what == 0 && toName != fromName {
		t.origins = append(t.origins, t.file(fromName, r).Origin)
		r.what = isOrigin | uint32(len(t.origins)-1)
	}
	id, hashed := parseID(toName)
	dst.set(toName, id, hashed, r)
	return gone, nil
}

// Drop takes away every file whose object is one of lost.
func (t *Tree) Drop(lost map[uint32]bool) {
	if len(lost) > 0 {
		t.root.without(lost)
	}
}

func (d *dir) without(lost map[uint32]bool) {
	for id, r := range d.hashed {
		if lost[r.what] && r.what != 0 {
			delete(d.hashed, id)
		}
	}
	for name, r := range d.named {
		if lost[r.object()] && r.object() != 0 {
			delete(d.named, name)
		}
	}
	for _, sub := range d.dirs {
		sub.without(lost)
	}
}

// Objects calls fn for every object that stands somewhere.
func (t *Tree) Objects(fn func(object uint32)) {
	t.root.each(func(r ref) {
		if o := r.object(); o != 0 {
			fn(o)
		}
	})
}

// Files calls fn for every file named by its ID below a folder ("" or
// "Snapshot") that is in its place, in no particular order, until fn says false.
func (t *Tree) Files(folder string, fn func(id ID, f File) bool) {
	p := t.udid
	if folder != "" {
		p += "/" + folder
	}
	top, err := t.find(p)
	if err != nil {
		return
	}
	for shard, d := range top.dirs {
		for id, r := range d.hashed {
			name := hex.EncodeToString(id[:])
			if name[:2] == shard && !fn(id, t.file(name, r)) {
				return
			}
		}
	}
}
