package snapshot

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// oldIndexName is the index of iOS 4 to 9.
const oldIndexName = "Manifest.mbdb"

// Folder is the iTunes folder that a snapshot was made from, byte for byte as the
// phone sent it: what was decrypted is encrypted again. It is an fs.FS, fs.ReadDirFS
// and fs.StatFS; lists and sizes come from the index, from memory. Folders without
// files are not shown.
//
// Files are io.ReaderAt, io.WriterTo and io.Seeker. Reading one from its beginning
// to its end, or WriteTo, costs least; see keybag.EncryptingReaderAt for ReadAt.
//
// The first content that is opened takes a walk over all folders and, of an
// encrypted phone, over Manifest.db, once: some seconds for the largest phones.
// About 80 bytes a file stay in memory then.
type Folder struct {
	ctx   context.Context
	p     *Snapshot
	index *Index
	old   bool // of iOS 4 to 9: Manifest.mbdb, and files without folders
	fs    *repository.FS
	table onceValue[*fileTable]
}

var (
	_ fs.ReadDirFS = (*Folder)(nil)
	_ fs.StatFS    = (*Folder)(nil)
)

// Folder shows the iTunes folder. Reading ends with ctx.
func (p *Snapshot) Folder(ctx context.Context) (*Folder, error) {
	x, err := p.Index(ctx)
	if err != nil {
		return nil, err
	}
	_, old := p.ios.Find(oldIndexName)
	return &Folder{ctx: ctx, p: p, index: x, old: old, fs: p.s.FS(ctx, p.root)}, nil
}

// fileTable is where the content of each file is, by place in the index.
type fileTable struct {
	blobs  []format.ID
	starts []uint32            // one more than files
	keys   []keybag.WrappedKey // of those that are to be encrypted; nil if none is
	sealed []bool
}

// loadTable walks the tree for the contents and the phone's list for the keys.
func (f *Folder) loadTable() (*fileTable, error) {
	n := f.index.Len()
	t := &fileTable{starts: make([]uint32, 1, n+1), sealed: make([]bool, n)}
	anySealed := false
	err := f.p.eachFile(f.ctx, func(place int, e Entry, node *format.Node) error {
		t.blobs = append(t.blobs, node.Content...)
		t.starts = append(t.starts, uint32(len(t.blobs)))
		x, odd := f.p.exceptions[e.ID]
		t.sealed[place] = e.Stored != int64(node.Size) && !(odd && x.Raw)
		anySealed = anySealed || t.sealed[place]
		return nil
	})
	if err != nil || !anySealed {
		return t, err
	}
	t.keys = make([]keybag.WrappedKey, n)
	return t, f.loadKeys(t)
}

func (f *Folder) loadKeys(t *fileTable) error {
	m, err := f.p.Manifest(f.ctx)
	if err != nil {
		return err
	}
	defer m.Close()
	missing := 0
	for _, s := range t.sealed {
		if s {
			missing++
		}
	}
	for r, err := range m.Records(f.ctx) {
		var rowErr *itunesbackup.RowError
		if errors.As(err, &rowErr) {
			continue
		}
		if err != nil {
			return err
		}
		place, ok := f.index.find(r.ID)
		if !ok || !t.sealed[place] {
			continue
		}
		if sealOf(r.File.EncryptionKey, r.File.Digest) != f.index.at(place).seal {
			return fmt.Errorf("file %s (%s): %w: another key or digest", r.ID, r.Key(), errIndex)
		}
		if t.keys[place], err = keybag.ParseWrappedKey(r.File.EncryptionKey); err != nil {
			return fmt.Errorf("file %s (%s): %w", r.ID, r.Key(), err)
		}
		missing--
	}
	if missing > 0 {
		return fmt.Errorf("%d files have no key in Manifest.db", missing)
	}
	return nil
}

// Open opens a file or folder.
func (f *Folder) Open(name string) (fs.File, error) {
	file, err := f.open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return file, nil
}

func (f *Folder) open(name string) (fs.File, error) {
	e, info, err := f.find(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return &openDir{name: name, info: info, read: f.ReadDir}, nil
	case e == nil:
		return f.openTop(info)
	}
	t, err := f.table.get(f.loadTable)
	if err != nil {
		return nil, err
	}
	place, _ := f.index.find(e.ID)
	ids := t.blobs[t.starts[place]:t.starts[place+1]]
	content, err := f.fs.OpenNode(&format.Node{Name: info.name, Type: format.NodeFile, Content: ids})
	if err != nil {
		return nil, err
	}
	if !t.sealed[place] {
		return newStored(info, content)
	}
	key, err := f.p.meta.Keys.File(t.keys[place])
	if err != nil {
		return nil, err
	}
	return newSealing(info, content, key)
}

// openTop opens one of the lists or Manifest.db.
func (f *Folder) openTop(info fileInfo) (fs.File, error) {
	if info.name != itunesbackup.ManifestName {
		content, err := f.p.iosFile(f.ctx, info.name)
		if err != nil {
			return nil, err
		}
		return newStored(info, content)
	}
	key := f.p.meta.Keys.manifest
	name := info.name
	if f.p.meta.ManifestRaw {
		name = manifestRaw
	}
	content, err := f.p.iosFile(f.ctx, name)
	if err != nil {
		return nil, err
	}
	if key.IsZero() {
		return newStored(info, content)
	}
	var sealing *storedFile
	if f.p.meta.ManifestRaw {
		sealing, err = newStored(info, content)
	} else {
		sealing, err = newSealing(info, content, key)
	}
	if err != nil {
		return nil, err
	}
	plain, err := f.p.plainManifest(f.ctx)
	if err != nil {
		return nil, err
	}
	return &manifestFile{sealing, key, plain}, nil
}

// find describes what a name leads to; the entry is nil but for files in the 256
// folders.
func (f *Folder) find(name string) (*Entry, fileInfo, error) {
	switch {
	case !fs.ValidPath(name):
		return nil, fileInfo{}, fs.ErrInvalid
	case name == ".":
		return nil, f.dirInfo("."), nil
	}
	if first, ok := shardOf(name); ok {
		if from, to := f.index.shard(first); from < to && !f.old {
			return nil, f.dirInfo(name), nil
		}
		return nil, fileInfo{}, fs.ErrNotExist
	}
	if id, err := itunesbackup.ParseFileID(path.Base(name)); err == nil {
		e, ok := f.index.Get(id)
		if !ok || name != f.Place(id) {
			return nil, fileInfo{}, fs.ErrNotExist
		}
		return &e, entryInfo(e), nil
	}
	info, err := f.topInfo(name)
	return nil, info, err
}

// Place is where the content of a file lies in the folder: "ab/ab12…", or "ab12…"
// beside a Manifest.mbdb.
func (f *Folder) Place(id itunesbackup.FileID) string {
	if f.old {
		return id.String()
	}
	return id.Path()
}

// shardOf tells whether name is one of the 256 folders.
func shardOf(name string) (byte, bool) {
	if len(name) != 2 {
		return 0, false
	}
	b, err := hex.DecodeString(name)
	if err != nil || hex.EncodeToString(b) != name {
		return 0, false
	}
	return b[0], true
}

var topNames = []string{itunesbackup.InfoName, itunesbackup.ManifestName, oldIndexName, itunesbackup.ManifestListName, itunesbackup.StatusName}

func (f *Folder) topInfo(name string) (fileInfo, error) {
	stored := name
	switch name {
	case itunesbackup.InfoName, itunesbackup.ManifestListName, itunesbackup.StatusName, oldIndexName:
	case itunesbackup.ManifestName:
		if f.old { // made of the rows of the old index, for those who read the snapshot
			return fileInfo{}, fs.ErrNotExist
		}
		if f.p.meta.ManifestRaw {
			stored = manifestRaw
		}
	default:
		return fileInfo{}, fs.ErrNotExist
	}
	n, err := f.p.iosNode(stored)
	if err != nil {
		return fileInfo{}, fs.ErrNotExist
	}
	size := int64(n.Size)
	if stored == itunesbackup.ManifestName && !f.p.meta.Keys.manifest.IsZero() {
		size = keybag.EncryptedSize(size)
	}
	return fileInfo{name: name, size: size, mode: 0o600, modTime: n.ModTime}, nil
}

func (f *Folder) dirInfo(name string) fileInfo {
	return fileInfo{name: name, mode: fs.ModeDir | 0o700, modTime: f.p.info.Time}
}

func entryInfo(e Entry) fileInfo {
	return fileInfo{name: e.ID.String(), size: e.Stored, mode: 0o600, modTime: time.Unix(e.ModTime, 0).UTC()}
}

// Stat describes a file or folder.
func (f *Folder) Stat(name string) (fs.FileInfo, error) {
	_, info, err := f.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return info, nil
}

// ReadDir lists a folder, sorted by name.
func (f *Folder) ReadDir(name string) ([]fs.DirEntry, error) {
	_, info, err := f.find(name)
	if err == nil && !info.IsDir() {
		err = errors.New("not a folder")
	}
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	var list []fs.DirEntry
	if first, ok := shardOf(name); ok {
		for e := range f.index.Shard(first) {
			list = append(list, fs.FileInfoToDirEntry(entryInfo(e)))
		}
		return list, nil
	}
	if f.old {
		for e := range f.index.All() {
			list = append(list, fs.FileInfoToDirEntry(entryInfo(e)))
		}
	}
	for first := range 256 {
		if f.old {
			break
		}
		if from, to := f.index.shard(byte(first)); from < to {
			list = append(list, fs.FileInfoToDirEntry(f.dirInfo(hex.EncodeToString([]byte{byte(first)}))))
		}
	}
	for _, top := range topNames { // upper-case letters come after digits and before a to f
		if info, err := f.topInfo(top); err == nil {
			list = append(list, fs.FileInfoToDirEntry(info))
		}
	}
	sortEntries(list)
	return list, nil
}

// sameTime tells whether the index has that time of the file.
func (f *Folder) sameTime(id itunesbackup.FileID, modTime int64) bool {
	e, ok := f.index.Get(id)
	return ok && e.ModTime == modTime
}
