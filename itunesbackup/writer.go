package itunesbackup

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/keepsake-backup/keepsake/keybag"
)

// WriterOptions say what a new backup folder is about.
type WriterOptions struct {
	// Manifest gives identity, applications and date. Version, IsEncrypted,
	// BackupKeyBag and ManifestKey are set by the writer.
	Manifest ManifestPlist
	// Info is written as it is; nil leaves Info.plist out.
	Info *InfoPlist
	// Status is written last, with the state new and finished.
	Status StatusPlist
	// Keybag encrypts the backup. It must be unlocked and made or rewrapped with
	// Encrypted. Nil writes an unencrypted backup with a bag that opens with the
	// empty password, as phones do.
	Keybag *keybag.Keybag
	// Rand gives keys; nil means crypto/rand.
	Rand io.Reader
}

// Writer makes a backup folder that hosts and phones accept (backup-format.md
// 1.6): add every row, parents included, then Finish. It is not for concurrent
// use.
type Writer struct {
	dir      *os.Root
	opts     WriterOptions
	manifest *Manifest
	scratch  string   // folder of the index in clear
	index    *os.File // the index in clear, read when it is complete
	pending  []Record
	shards   [256]bool
	done     bool
}

const (
	writerBatch     = 1000
	defaultDomains  = "24.0"
	dirPerm         = 0o700
	filePerm        = 0o600
	scratchTemplate = "keepsake-manifest-"
)

// NewWriter starts a backup in dir, which is made when it is missing and must be
// empty. End with Finish or Abort.
func NewWriter(ctx context.Context, dir string, opts WriterOptions) (*Writer, error) {
	w, err := newWriter(ctx, dir, opts)
	if err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	return w, nil
}

func newWriter(ctx context.Context, dir string, opts WriterOptions) (*Writer, error) {
	if opts.Keybag != nil && !opts.Keybag.Unlocked() {
		return nil, keybag.ErrLocked
	}
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("folder %s is not empty", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	w := &Writer{dir: root, opts: opts}
	if w.scratch, err = os.MkdirTemp("", scratchTemplate); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	if err := w.createIndex(ctx); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return w, nil
}

// createIndex makes the index in a file that has lost its name before the first
// row is in it, so that nothing of an encrypted backup's is left behind in clear,
// come what may. Windows keeps the name of an open file: there it goes at the end.
func (w *Writer) createIndex(ctx context.Context) error {
	path := filepath.Join(w.scratch, manifestName)
	var err error
	if w.manifest, err = CreateManifest(ctx, path); err != nil {
		return err
	}
	w.manifest.temporary = true
	if w.index, err = os.Open(path); err != nil {
		return err
	}
	if err := os.RemoveAll(w.scratch); err != nil && runtime.GOOS != "windows" {
		return err
	}
	return nil
}

// AddEntry adds a directory or symbolic link: a row without content.
func (w *Writer) AddEntry(ctx context.Context, r Record) error {
	if kind := r.Kind(); kind != FlagDirectory && kind != FlagSymlink {
		return fmt.Errorf("write backup: %s: neither directory nor link", r.Key())
	}
	r.Flags = r.Kind()
	r.File.EncryptionKey, r.File.Digest = nil, nil
	return w.add(ctx, r)
}

// AddFile stores content under the row r, encrypted when the backup is, and
// adds the row. A zero ID is computed; EncryptionKey and Digest are set by the
// writer, the digest in the domains that have one and where r has one already.
// r.File.Size is kept: it is what the phone saw.
func (w *Writer) AddFile(ctx context.Context, r Record, content io.Reader) error {
	if r.Kind() != FlagFile {
		return fmt.Errorf("write backup: %s: no regular file", r.Key())
	}
	if err := CheckPath(r.Domain, r.RelativePath); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	r.Flags = FlagFile
	if r.ID == (FileID{}) {
		r.ID = MakeFileID(r.Domain, r.RelativePath)
	}
	digest := r.File.Digest != nil || HasDigest(r.Domain)
	sum, err := w.store(ctx, &r, content)
	if err != nil {
		return fmt.Errorf("write backup: %s: %w", r.Key(), err)
	}
	r.File.Digest = nil
	if digest {
		r.File.Digest = sum
	}
	return w.add(ctx, r)
}

// store writes the file and returns the SHA-1 of what was written.
func (w *Writer) store(ctx context.Context, r *Record, content io.Reader) ([]byte, error) {
	r.File.EncryptionKey = nil
	if w.opts.Keybag != nil {
		if !r.File.ProtectionClass.IsFile() {
			r.File.ProtectionClass = keybag.ClassCompleteUntilFirstAuth
		}
		key, wrapped, err := w.newKey(r.File.ProtectionClass)
		if err != nil {
			return nil, err
		}
		r.File.EncryptionKey = wrapped
		content = keybag.EncryptReader(key, content)
	}
	if shard := r.ID[0]; !w.shards[shard] {
		if err := w.dir.Mkdir(r.ID.Shard(), dirPerm); err != nil {
			return nil, err
		}
		w.shards[shard] = true
	}
	f, err := w.dir.OpenFile(r.ID.Path(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return nil, err
	}
	sum := sha1.New()
	_, err = io.Copy(io.MultiWriter(f, sum), &contextReader{ctx, content})
	return sum.Sum(nil), errors.Join(err, f.Close())
}

func (w *Writer) newKey(class keybag.Class) (keybag.Key, []byte, error) {
	key, err := keybag.RandomKey(w.opts.Rand)
	if err != nil {
		return keybag.Key{}, nil, err
	}
	wrapped, err := w.opts.Keybag.Wrap(class, key)
	return key, wrapped.Bytes(), err
}

// contextReader ends a long copy when ctx ends.
type contextReader struct {
	ctx context.Context
	src io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}

func (w *Writer) add(ctx context.Context, r Record) error {
	w.pending = append(w.pending, r)
	if len(w.pending) < writerBatch {
		return nil
	}
	return w.putPending(ctx)
}

func (w *Writer) putPending(ctx context.Context) error {
	err := w.manifest.Put(ctx, w.pending)
	w.pending = w.pending[:0]
	return err
}

// Finish writes the index and the property lists, Status.plist last, since that
// is what makes a folder a backup. The files added are not synced one by one.
func (w *Writer) Finish(ctx context.Context) error {
	if w.done {
		return errors.New("write backup: already ended")
	}
	err := w.finish(ctx)
	err = errors.Join(err, w.Abort())
	if err != nil {
		return fmt.Errorf("finish backup: %w", err)
	}
	return nil
}

func (w *Writer) finish(ctx context.Context) error {
	if err := w.putPending(ctx); err != nil {
		return err
	}
	if err := w.manifest.Close(); err != nil {
		return err
	}
	manifest := w.opts.Manifest
	manifest.Version = ManifestVersion
	manifest.IsEncrypted = w.opts.Keybag != nil
	if manifest.SystemDomainsVersion == "" {
		manifest.SystemDomainsVersion = defaultDomains
	}
	var err error
	if manifest.ManifestKey, err = w.writeManifest(ctx); err != nil {
		return err
	}
	if manifest.BackupKeyBag, err = w.bagBytes(ctx); err != nil {
		return err
	}
	return w.writeLists(manifest)
}

// writeManifest moves the index from the scratch folder to the backup,
// encrypted when the backup is; it returns the wrapped key.
func (w *Writer) writeManifest(ctx context.Context) ([]byte, error) {
	var content io.Reader = w.index
	var wrapped []byte
	if w.opts.Keybag != nil {
		key, stored, err := w.newKey(keybag.ClassNone)
		if err != nil {
			return nil, err
		}
		content, wrapped = keybag.EncryptReader(key, w.index), stored
	}
	return wrapped, w.writeFile(manifestName, &contextReader{ctx, content})
}

func (w *Writer) bagBytes(ctx context.Context) ([]byte, error) {
	if w.opts.Keybag != nil {
		return w.opts.Keybag.Marshal(), nil
	}
	bag, err := keybag.New(ctx, keybag.Options{Rand: w.opts.Rand})
	if err != nil {
		return nil, err
	}
	return bag.Marshal(), nil
}

func (w *Writer) writeLists(manifest ManifestPlist) error {
	status := w.opts.Status
	status.IsFullBackup, status.BackupState, status.SnapshotState = false, BackupNew, SnapshotFinished
	if status.Version == "" {
		status.Version = StatusVersion
	}
	lists := []struct {
		name string
		list interface{ Marshal() ([]byte, error) }
	}{{ManifestListName, manifest}, {InfoName, w.opts.Info}, {StatusName, status}}
	for _, l := range lists {
		if l.name == InfoName && w.opts.Info == nil {
			continue
		}
		b, err := l.list.Marshal()
		if err != nil {
			return err
		}
		if err := w.writeFile(l.name, bytes.NewReader(b)); err != nil {
			return err
		}
	}
	return nil
}

// writeFile writes one of the four files in the top folder and syncs it.
func (w *Writer) writeFile(name string, content io.Reader) error {
	f, err := w.dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, filePerm)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// Abort ends the writer and removes its scratch folder. What was stored in the
// backup folder stays; without Status.plist nobody takes it for a backup. After
// Finish it does nothing.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	var errs []error
	if w.manifest != nil {
		errs = append(errs, w.manifest.abandon())
	}
	if w.index != nil {
		errs = append(errs, w.index.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(w.scratch), w.dir.Close())...)
}
