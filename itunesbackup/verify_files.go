package itunesbackup

import (
	"bytes"
	"context"
	"crypto/sha1"
	"hash"
	"io"
	"io/fs"
	"runtime"
	"sync"

	"github.com/keepsake-backup/keepsake/keybag"
)

// progressMeter calls the caller's function, one call at a time.
type progressMeter struct {
	mu    sync.Mutex
	call  func(VerifyProgress)
	state VerifyProgress // guarded by mu
}

func (p *progressMeter) file(stored int64) {
	if p.call == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Files++
	p.state.Bytes += stored
	p.call(p.state)
}

func (v *verifier) workers() int {
	if v.opts.Workers > 0 {
		return v.opts.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// checkFolder compares the names in the folder with the rows.
func (v *verifier) checkFolder(ctx context.Context) error {
	fsys := v.backup.fsys
	top, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return err
	}
	_, flat := v.backup.currentIndex().(*mbdbIndex)
	for _, e := range top {
		switch {
		case flat && !e.IsDir():
			v.checkStored(e, "")
		case e.Name() == snapshotName && e.IsDir():
			v.out.add(Warning, snapshotName, "left over from a run that did not end")
		case !flat && e.IsDir() && isShard(e.Name()):
			if err := v.checkShard(ctx, e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func isShard(name string) bool {
	const digits = "0123456789abcdef"
	return len(name) == 2 && bytes.IndexByte([]byte(digits), name[0]) >= 0 && bytes.IndexByte([]byte(digits), name[1]) >= 0
}

func (v *verifier) checkShard(ctx context.Context, shard string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := fs.ReadDir(v.backup.fsys, shard)
	if err != nil {
		return err
	}
	for _, e := range entries {
		v.checkStored(e, shard)
	}
	return nil
}

// checkStored looks at one name in a folder of stored files.
func (v *verifier) checkStored(e fs.DirEntry, shard string) {
	name := e.Name()
	if shard != "" {
		name = shard + "/" + name
	}
	id, err := ParseFileID(e.Name())
	if err != nil {
		if shard != "" {
			v.out.add(Note, name, "is no part of the backup")
		}
		return
	}
	mark, known := v.known[id]
	switch {
	case shard != "" && id.Shard() != shard:
		v.out.add(Warning, name, "lies in the wrong folder")
	case !known:
		v.out.add(Warning, name, "has no row in the index")
	case mark == rowOther:
		v.out.add(Warning, name, "belongs to a row that is no file")
	case mark == rowFile:
		v.checkStat(e, id, name)
	}
}

func (v *verifier) checkStat(e fs.DirEntry, id FileID, name string) {
	info, err := e.Info()
	if err != nil || !info.Mode().IsRegular() {
		v.out.add(Failure, name, "is no regular file")
		return
	}
	v.known[id] = rowStored
	v.stored++
	v.out.report.StoredBytes += info.Size()
}

// checkFile checks one file's content. It fails only when ctx ends.
func (v *verifier) checkFile(ctx context.Context, r Record) error {
	stored, err := v.checkStoredFile(ctx, r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		v.out.add(Failure, r.Key(), "%v", err)
	}
	v.progress.file(stored)
	return nil
}

func (v *verifier) checkStoredFile(ctx context.Context, r Record) (stored int64, err error) {
	f, err := v.backup.fsys.Open(v.backup.storedName(r.ID))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	_, stored, err = readerAt(f)
	if err != nil {
		return 0, err
	}
	var sum hash.Hash
	if v.opts.Digests && r.File.Digest != nil {
		sum = sha1.New()
	}
	var src io.Reader = &contextReader{ctx, f}
	if sum != nil {
		src = io.TeeReader(src, sum)
	}
	if v.opts.Decrypt && r.File.EncryptionKey != nil && v.backup.Encrypted() && v.backup.Unlocked() {
		err = v.decrypt(r, src, stored)
	} else {
		err = v.read(r, src)
	}
	if err != nil || sum == nil {
		return stored, err
	}
	v.out.count(func(report *Report) { report.DigestsChecked++ })
	if !bytes.Equal(sum.Sum(nil), r.File.Digest) {
		v.out.add(Failure, r.Key(), "the stored file's SHA-1 is %x, the index says %x", sum.Sum(nil), r.File.Digest)
	}
	return stored, nil
}

// read reads a file that is not decrypted.
func (v *verifier) read(r Record, src io.Reader) error {
	n, err := io.Copy(io.Discard, src)
	v.out.count(func(report *Report) { report.PlainBytes += n })
	if n == 0 && r.File.Size > 0 {
		v.out.add(Warning, r.Key(), "stored empty, %d bytes on the phone", r.File.Size)
	}
	return err
}

// decrypt opens a file as [Backup.OpenRecord] would and reads it all, so that
// the digest behind src sees every byte.
func (v *verifier) decrypt(r Record, src io.Reader, stored int64) error {
	key, err := v.backup.fileKey(r)
	if err != nil {
		return err
	}
	plain := keybag.DecryptTolerant(key, src)
	n, err := io.Copy(io.Discard, plain)
	if err != nil {
		return err
	}
	v.out.count(func(report *Report) {
		report.Decrypted++
		report.PlainBytes += n
	})
	switch {
	case plain.Damage() != nil:
		v.out.add(Failure, r.Key(), "%v", plain.Damage())
	case stored == 0 && r.File.Size > 0:
		v.out.add(Warning, r.Key(), "stored empty, %d bytes on the phone", r.File.Size)
	}
	return nil
}
