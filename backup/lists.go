package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/keepsake-backup/keepsake/backup/internal/overlay"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// lists are Manifest.plist and Manifest.db of this run, open.
type lists struct {
	plist     []byte
	props     itunesbackup.ManifestPlist
	keys      *snapshot.Keys // nil: there are none, or none are needed
	sealed    bool           // the keys are not to be had
	why       string         // of sealed
	stored    readerAt       // Manifest.db as it came
	plain     io.ReaderAt    // the same decrypted; nil when sealed
	plainSize int64
	checked   numbers           // objects that have been compared with their rows
	exts      map[string]string // extensions of names, each kept once
}

// readerAt is an open file of known size.
type readerAt interface {
	io.ReaderAt
	io.ReadCloser
	Size() int64
}

func (l *lists) close() {
	if l != nil && l.stored != nil {
		l.stored.Close() // opened for reading
	}
}

// maxExt is the longest extension that says anything.
const maxExt = 16

// ext gives the extension of a name without keeping the name.
func (l *lists) ext(name string) string {
	ext := path.Ext(name)
	if ext == "" || len(ext) > maxExt {
		return ""
	}
	kept, ok := l.exts[ext]
	if !ok {
		kept = strings.Clone(ext)
		l.exts[kept] = kept
	}
	return kept
}

// openLists reads the two lists and finds the keys.
func (in *ingester) openLists(ctx context.Context) (_ *lists, err error) {
	l := &lists{exts: map[string]string{}}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.plist, err = in.readList(ctx, itunesbackup.ManifestListName); err != nil {
		return nil, err
	}
	if l.props, err = itunesbackup.ParseManifestPlist(l.plist); err != nil {
		return nil, err
	}
	if l.stored, err = in.openList(ctx, itunesbackup.ManifestName); err != nil {
		return nil, err
	}
	if !l.props.IsEncrypted {
		l.plain, l.plainSize = l.stored, l.stored.Size()
		return l, nil
	}
	keys, why, err := in.findKeys(ctx, l.props)
	if err != nil {
		return nil, err
	}
	if !keys.IsZero() && in.staySealed() {
		keys, why = snapshot.Keys{}, "there was no room for its files to wait for their keys"
	}
	if keys.IsZero() && in.u.anyUnsealed() {
		return nil, &PasswordNeededError{Why: why}
	}
	if keys.IsZero() {
		l.sealed, l.why = true, why
		in.rep.Say(progress.Notice, "The version is stored sealed: "+why+". It can be unsealed later.")
		return l, nil
	}
	l.keys = &keys
	if keys.Manifest().IsZero() {
		l.plain, l.plainSize = l.stored, l.stored.Size()
		return l, nil
	}
	r, err := keybag.DecryptReaderAt(keys.Manifest(), l.stored, l.stored.Size())
	if err != nil {
		return nil, fmt.Errorf("decrypt Manifest.db: %w", err)
	}
	l.plain, l.plainSize = r, r.Size()
	return l, nil
}

// maxList bounds a property list of the phone that is read into memory.
const maxList = 64 << 20

// listPath finds one of the lists: new in Snapshot, or in its place.
func (in *ingester) listFile(name string) (overlay.File, error) {
	in.u.mu.Lock()
	defer in.u.mu.Unlock()
	f, err := in.u.tree.Stat(in.u.f.udid + "/Snapshot/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = in.u.tree.Stat(in.u.f.udid + "/" + name)
	}
	if err != nil {
		return f, fmt.Errorf("find %s of the backup: %w", name, err)
	}
	return f, nil
}

func (in *ingester) readList(ctx context.Context, name string) ([]byte, error) {
	r, err := in.openList(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > maxList {
		return nil, fmt.Errorf("read %s: %d bytes, more than %d", name, r.Size(), maxList)
	}
	return io.ReadAll(r)
}

// bytesFile is a small file in memory.
type bytesFile struct{ *bytes.Reader }

func (bytesFile) Close() error { return nil }

func (b bytesFile) Size() int64 { return b.Reader.Size() }

// parentFile is one of the last version's.
type parentFile struct {
	fs.File
	io.ReaderAt
	size int64
}

func (f parentFile) Size() int64 { return f.size }

func (in *ingester) openList(ctx context.Context, name string) (readerAt, error) {
	f, err := in.listFile(name)
	if err != nil {
		return nil, err
	}
	if f.Object == 0 {
		folder, err := in.parent.Folder(ctx)
		if err != nil {
			return nil, err
		}
		file, err := folder.Open(f.Origin)
		if err != nil {
			return nil, err
		}
		at, ok := file.(io.ReaderAt)
		if !ok {
			return nil, errors.Join(fmt.Errorf("open %s: it cannot be read at random", name), file.Close())
		}
		return parentFile{file, at, f.Size}, nil
	}
	r, err := in.u.openObject(ctx, f.Object, in.session)
	if err != nil {
		return nil, hostError("read", name, err)
	}
	if at, ok := r.(readerAt); ok {
		return at, nil
	}
	data, err := io.ReadAll(r) // of the journal
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	return bytesFile{bytes.NewReader(data)}, nil
}
