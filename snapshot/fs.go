package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
)

// FS shows the phone's files, in clear: a folder for each domain, and the phone's
// tree in it. It is an fs.ReadDirFS, fs.StatFS and fs.ReadLinkFS; links are not
// followed; opened files are io.ReaderAt and io.Seeker, and io.WriterTo where they
// stand in the tree. Exceptions are shown where they belong, unless something
// else of the same name is there. Nothing is loaded before it is asked for.
//
// Of a sealed snapshot everything fails with [ErrSealed] until Unlock; what it
// shows then is itunesbackup's FS.
func (p *Snapshot) FS(ctx context.Context) fs.FS {
	if p.meta.Sealed {
		return &sealedFS{ctx: ctx, p: p}
	}
	return &plainFS{ctx: ctx, p: p, base: p.s.FS(ctx, p.root), odd: layIn(p.meta.Exceptions)}
}

// oddEntry is an exception, or a folder that exists only because one is in it.
type oddEntry struct {
	exception *Exception // nil: only a folder
	names     []string   // of what is in it, sorted
}

// layIn finds what exceptions add to which folder.
func layIn(exceptions []Exception) map[string]*oddEntry {
	odd := map[string]*oddEntry{}
	for i, x := range exceptions {
		if x.Path == "" || !fs.ValidPath(x.Path) || odd[x.Path] != nil {
			continue
		}
		odd[x.Path] = &oddEntry{exception: &exceptions[i]}
		for at := x.Path; at != "."; {
			parent := path.Dir(at)
			dir, ok := odd[parent]
			if !ok {
				dir = &oddEntry{}
				odd[parent] = dir
			}
			dir.names = append(dir.names, path.Base(at)) // at is new, so it is not there yet
			if ok {
				break // and its parents are
			}
			at = parent
		}
	}
	for _, dir := range odd {
		slices.Sort(dir.names)
	}
	return odd
}

// plainFS is the tree without _ios.
type plainFS struct {
	ctx  context.Context
	p    *Snapshot
	base *repository.FS
	odd  map[string]*oddEntry
}

var (
	_ fs.ReadDirFS  = (*plainFS)(nil)
	_ fs.StatFS     = (*plainFS)(nil)
	_ fs.ReadLinkFS = (*plainFS)(nil)
)

// hidden tells whether a name is in _ios, which is no domain.
func hidden(name string) bool { return name == iosDir || strings.HasPrefix(name, iosDir+"/") }

// node finds an entry of the tree or an exception; both are nil for a folder that
// only exceptions are in.
func (f *plainFS) node(op, name string) (*format.Node, *oddEntry, error) {
	if !fs.ValidPath(name) {
		return nil, nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	var n *format.Node
	err := error(fs.ErrNotExist)
	if !hidden(name) {
		n, err = f.base.Node(name)
	}
	if err == nil {
		return n, nil, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if x, ok := f.odd[name]; ok {
			return nil, x, nil
		}
	}
	return nil, nil, &fs.PathError{Op: op, Path: name, Err: err}
}

func (f *plainFS) Open(name string) (fs.File, error) {
	n, x, err := f.node("open", name)
	switch {
	case err != nil:
		return nil, err
	case n != nil && n.Type != format.NodeDir:
		return f.base.Open(name)
	case x != nil && x.exception != nil:
		file, err := f.openOdd(name, x.exception)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return file, nil
	}
	info, err := f.Stat(name)
	if err != nil {
		return nil, err
	}
	return &openDir{name: name, info: info, read: f.ReadDir}, nil
}

// Stat describes an entry. The size of an exception is that of what can be read.
func (f *plainFS) Stat(name string) (fs.FileInfo, error) {
	n, x, err := f.node("stat", name)
	switch {
	case err != nil:
		return nil, err
	case n != nil:
		return f.base.Stat(name)
	case x.exception == nil:
		return fileInfo{name: name, mode: fs.ModeDir | 0o755, modTime: f.p.info.Time}, nil
	}
	file, err := f.openOdd(name, x.exception)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return file.info, nil
}

// Lstat is Stat: links are not followed.
func (f *plainFS) Lstat(name string) (fs.FileInfo, error) { return f.Stat(name) }

// ReadLink gives the target of a link.
func (f *plainFS) ReadLink(name string) (string, error) {
	n, _, err := f.node("readlink", name)
	if err != nil {
		return "", err
	}
	if n == nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return f.base.ReadLink(name)
}

// ReadDir lists a folder, sorted by name.
func (f *plainFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, x, err := f.node("readdir", name)
	if err != nil {
		return nil, err
	}
	if n == nil && x.exception != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	var list []fs.DirEntry
	if n != nil {
		if list, err = f.base.ReadDir(name); err != nil {
			return nil, err
		}
	}
	if name == "." {
		list = slices.DeleteFunc(list, func(d fs.DirEntry) bool { return d.Name() == iosDir })
	}
	x = f.odd[name]
	if x == nil {
		return list, nil
	}
	there := make(map[string]bool, len(list))
	for _, d := range list {
		there[d.Name()] = true
	}
	for _, base := range x.names {
		if there[base] {
			continue
		}
		info, err := f.Stat(path.Join(name, base))
		if err != nil {
			return nil, err
		}
		list = append(list, fs.FileInfoToDirEntry(info))
	}
	sortEntries(list)
	return list, nil
}

// oddFile is an open exception.
type oddFile struct {
	*io.SectionReader
	info fileInfo
}

func (f *oddFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *oddFile) Close() error               { return nil }

// openOdd opens an exception. What was kept as it came is decrypted as well as
// that goes; see keybag.DecryptTolerantAt.
func (f *plainFS) openOdd(name string, x *Exception) (*oddFile, error) {
	n, err := f.base.Node(path.Join(iosDir, exceptionsDir, x.ID.Path()))
	if err != nil {
		return nil, err
	}
	content, err := f.base.OpenNode(n)
	if err != nil {
		return nil, err
	}
	info := fileInfo{name: name, mode: 0o600, modTime: n.ModTime, sys: n}
	plain := sizedReaderAt(content)
	if x.Raw && x.Why != WhyUnlisted {
		if plain, err = f.decrypt(x, content); err != nil {
			return nil, err
		}
	}
	info.size = plain.Size()
	return &oddFile{io.NewSectionReader(plain, 0, info.size), info}, nil
}

func (f *plainFS) decrypt(x *Exception, stored *repository.File) (sizedReaderAt, error) {
	m, err := f.p.Manifest(f.ctx)
	if err != nil {
		return nil, err
	}
	r, ok, err := m.Get(f.ctx, x.ID)
	if err = errors.Join(err, m.Close()); err != nil {
		return nil, err
	}
	if !ok || r.File.EncryptionKey == nil || !f.p.meta.Encrypted {
		return stored, nil
	}
	key, err := f.p.meta.Keys.fileKey(r.File.EncryptionKey)
	if err != nil {
		return nil, err
	}
	return keybag.DecryptTolerantAt(key, stored, stored.Size())
}

// Backup opens the iTunes folder as a backup, unlocked unless the snapshot is
// sealed. Close it. Reading ends with ctx.
func (p *Snapshot) Backup(ctx context.Context) (*itunesbackup.Backup, error) {
	f, err := p.Folder(ctx)
	if err != nil {
		return nil, err
	}
	b, err := itunesbackup.OpenFS(ctx, f)
	if err != nil || p.meta.Sealed || !p.meta.Encrypted {
		return b, err
	}
	if err := b.UnlockKeys(ctx, p.meta.Keys.classes); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Unlock opens the contents of a sealed snapshot for FS, until Close. It takes
// seconds of one core. Errors: keybag.ErrWrongPassword, ctx's.
func (p *Snapshot) Unlock(ctx context.Context, password secret.BackupPassword) error {
	if !p.meta.Sealed {
		return nil
	}
	b, err := p.Backup(p.s.Context())
	if err != nil {
		return fmt.Errorf("unlock snapshot %s: %w", p.info.ID.Short(), err)
	}
	if err := b.Unlock(ctx, password); err != nil {
		return errors.Join(fmt.Errorf("unlock snapshot %s: %w", p.info.ID.Short(), err), b.Close())
	}
	p.mu.Lock()
	old := p.unlocked
	p.unlocked = b
	p.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Close forgets what Unlock opened. The session stays open.
func (p *Snapshot) Close() error {
	p.mu.Lock()
	b := p.unlocked
	p.unlocked = nil
	p.mu.Unlock()
	if b == nil {
		return nil
	}
	return b.Close()
}

// sealedFS is what a sealed snapshot shows.
type sealedFS struct {
	ctx context.Context
	p   *Snapshot

	mu    sync.Mutex
	of    *itunesbackup.Backup // that inner shows; guarded by mu
	inner *itunesbackup.FS     // guarded by mu
}

var (
	_ fs.ReadDirFS  = (*sealedFS)(nil)
	_ fs.StatFS     = (*sealedFS)(nil)
	_ fs.ReadLinkFS = (*sealedFS)(nil)
)

func (f *sealedFS) fs(op, name string) (*itunesbackup.FS, error) {
	f.p.mu.Lock()
	b := f.p.unlocked
	f.p.mu.Unlock()
	if b == nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: ErrSealed}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of != b {
		inner, err := b.FS(f.ctx)
		if err != nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: err}
		}
		f.of, f.inner = b, inner
	}
	return f.inner, nil
}

func (f *sealedFS) Open(name string) (fs.File, error) {
	inner, err := f.fs("open", name)
	if err != nil {
		return nil, err
	}
	return inner.Open(name)
}

func (f *sealedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	inner, err := f.fs("readdir", name)
	if err != nil {
		return nil, err
	}
	return inner.ReadDir(name)
}

func (f *sealedFS) Stat(name string) (fs.FileInfo, error) {
	inner, err := f.fs("stat", name)
	if err != nil {
		return nil, err
	}
	return inner.Stat(name)
}

func (f *sealedFS) Lstat(name string) (fs.FileInfo, error) {
	inner, err := f.fs("stat", name)
	if err != nil {
		return nil, err
	}
	return inner.Lstat(name)
}

func (f *sealedFS) ReadLink(name string) (string, error) {
	inner, err := f.fs("readlink", name)
	if err != nil {
		return "", err
	}
	return inner.ReadLink(name)
}
