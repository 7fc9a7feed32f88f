package inside

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/friendly"
	"github.com/keepsake-backup/keepsake/extract/kinds"
)

// AllFiles is the folder of [Tree] with the files as the phone has them.
const AllFiles = "All files"

// Tree shows a source as folders, for a mount: what people look for under names that
// they know, and beside it all files by domain.
//
//	Photos/2026/2026-03/IMG_0001.HEIC   package friendly
//	Contacts/Jane Doe.vcf
//	All files/HomeDomain/Library/…      as the phone has them
func Tree(src *extract.Source) fs.FS {
	return &tree{friendly: friendly.New(src, kinds.All()), files: src.FS, made: src.Device.Time}
}

type tree struct {
	friendly, files fs.FS
	made            time.Time
}

// route tells which of the two has a name, and what it is called there.
func (t *tree) route(name string) (fs.FS, string) {
	if name == AllFiles {
		return t.files, "."
	}
	if rest, ok := strings.CutPrefix(name, AllFiles+"/"); ok {
		return t.files, rest
	}
	return t.friendly, name
}

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	if name == "." {
		return &topFolder{t: t}, nil
	}
	in, at := t.route(name)
	f, err := in.Open(at)
	if err == nil && at == "." {
		return &renamed{f, AllFiles}, nil
	}
	return f, err
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	in, at := t.route(name)
	list, err := fs.ReadDir(in, at)
	if err != nil || name != "." {
		return list, err
	}
	list = append(slices.Clone(list), fs.FileInfoToDirEntry(folderInfo{AllFiles, t.made}))
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	if name == "." || name == AllFiles {
		return folderInfo{path.Base(name), t.made}, nil
	}
	in, at := t.route(name)
	return fs.Stat(in, at)
}

// Lstat does not follow links.
func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	if name == "." || name == AllFiles {
		return t.Stat(name)
	}
	in, at := t.route(name)
	return fs.Lstat(in, at)
}

// ReadLink gives the target of a link.
func (t *tree) ReadLink(name string) (string, error) {
	in, at := t.route(name)
	return fs.ReadLink(in, at)
}

// topFolder is the root, open.
type topFolder struct {
	t    *tree
	rest []fs.DirEntry
	read bool
}

func (f *topFolder) Stat() (fs.FileInfo, error) { return f.t.Stat(".") }
func (f *topFolder) Close() error               { return nil }

func (f *topFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: ".", Err: fs.ErrInvalid}
}

// ReadDir implements fs.ReadDirFile.
func (f *topFolder) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.read {
		list, err := f.t.ReadDir(".")
		if err != nil {
			return nil, err
		}
		f.rest, f.read = list, true
	}
	return takeEntries(&f.rest, n)
}

// renamed is a folder that is called otherwise here.
type renamed struct {
	fs.File
	name string
}

// Stat implements fs.File.
func (f *renamed) Stat() (fs.FileInfo, error) {
	info, err := f.File.Stat()
	if err != nil {
		return nil, err
	}
	return folderInfo{f.name, info.ModTime()}, nil
}

// ReadDir implements fs.ReadDirFile.
func (f *renamed) ReadDir(n int) ([]fs.DirEntry, error) {
	d, ok := f.File.(fs.ReadDirFile)
	if !ok {
		return nil, &fs.PathError{Op: "readdir", Path: f.name, Err: fs.ErrInvalid}
	}
	return d.ReadDir(n)
}

type folderInfo struct {
	name string
	time time.Time
}

func (i folderInfo) Name() string       { return i.name }
func (i folderInfo) Size() int64        { return 0 }
func (i folderInfo) Mode() fs.FileMode  { return fs.ModeDir | 0o555 }
func (i folderInfo) ModTime() time.Time { return i.time }
func (i folderInfo) IsDir() bool        { return true }
func (i folderInfo) Sys() any           { return nil }

// takeEntries is what ReadDir(n) of an open folder gives of what is left.
func takeEntries(rest *[]fs.DirEntry, n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		list := *rest
		*rest = nil
		return list, nil
	}
	if len(*rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(*rest))
	list := (*rest)[:n]
	*rest = (*rest)[n:]
	return list, nil
}
