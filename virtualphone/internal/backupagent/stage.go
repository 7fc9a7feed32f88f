package backupagent

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"github.com/keepsake-backup/keepsake/devicelink"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/vault"
)

// A staged restore lies in the agent's folder until the next boot:
//
//	backup/staged/restore.json   what was asked for; written last
//	backup/staged/Manifest.db    the rows of the backup, in clear
//	backup/staged/files/ID       contents, in clear, by file ID: no name that
//	                             came from outside is a path here
type stagedRestore struct {
	Date      time.Time      `json:"date"`
	Source    string         `json:"source"`
	UUID      string         `json:"uuid"` // of the backup's Status.plist
	Encrypted bool           `json:"encrypted"`
	IOS       string         `json:"ios"` // of the phone
	Build     string         `json:"build"`
	Options   restoreOptions `json:"options"`
	Lockdown  map[string]any `json:"lockdown"` // Manifest.plist's: where the backup comes from

	Applications map[string]any `json:"applications"` // Manifest.plist's
}

// stagePlan is what is to be downloaded.
type stagePlan struct {
	files []stageFile
	bytes int64 // as the manifest has them
}

// stageFile is kept small: there may be a million.
type stageFile struct {
	id     itunesbackup.FileID
	key    *[keybag.WrappedKeySize]byte // nil when not encrypted
	digest *[20]byte                    // nil when there is none
	strict bool                         // the domain must have digests
}

// makePlan reads the manifest. What the options leave out is not fetched.
func (r *restore) makePlan(ctx context.Context) error {
	m, err := r.openManifest(ctx)
	if err != nil {
		return err
	}
	if err = m.QuickCheck(ctx); err == nil {
		err = r.readPlan(ctx, m)
	}
	if err == nil && r.taking != nil {
		err = r.pairLogs(ctx, m)
	}
	return errors.Join(err, m.Close())
}

func (r *restore) readPlan(ctx context.Context, m *itunesbackup.Manifest) error {
	scope := r.scope()
	for row, err := range m.Records(ctx) {
		if errors.Is(err, itunesbackup.ErrPlaceholder) {
			continue
		}
		if err != nil {
			return err
		}
		if row.Kind() != itunesbackup.FlagFile || !scope.system && !isApp(row.Domain) || scope.preserved(row.Domain, row.RelativePath) {
			continue
		}
		f := stageFile{id: row.ID, strict: r.rules.HasDigest(row.Domain)}
		if len(row.File.EncryptionKey) == keybag.WrappedKeySize {
			f.key = (*[keybag.WrappedKeySize]byte)(bytes.Clone(row.File.EncryptionKey))
		}
		if len(row.File.Digest) == sha1.Size {
			f.digest = (*[20]byte)(bytes.Clone(row.File.Digest))
		}
		r.plan.files = append(r.plan.files, f)
		r.plan.bytes += row.File.Size
	}
	return nil
}

func (r *restore) scope() scope {
	return newScope(r.options, r.props.Lockdown, r.phone.Identity().DeviceClass)
}

// stage downloads everything, and writes restore.json when all of it is there.
func (r *restore) stage(ctx context.Context) error {
	if err := os.MkdirAll(r.own("staged", "files"), 0o700); err != nil {
		return fmt.Errorf("stage restore: %w", err)
	}
	mismatch := false
	files := r.plan.files
	for i := 0; i < len(files); i += batch {
		next := min(i+batch, len(files))
		if err := r.hit(ctx, "restore.download", int64(next-i)); err != nil {
			return err
		}
		bad, err := r.stageBatch(ctx, files[i:next], 100*float64(i)/float64(len(files)))
		if err != nil {
			return err
		}
		mismatch = mismatch || bad
	}
	if mismatch {
		return errDigest
	}
	return r.seal()
}

// stageBatch downloads some files; bad tells that a digest does not match.
func (r *restore) stageBatch(ctx context.Context, files []stageFile, progress float64) (bad bool, err error) {
	names := make([]string, len(files))
	byName := make(map[string]*stageFile, len(files))
	for i := range files {
		names[i] = r.fileAt(files[i].id)
		byName[names[i]] = &files[i]
	}
	failed, err := r.link.download(ctx, names, progress, func(name string) (fileSink, error) {
		return r.openStaged(ctx, byName[name], &bad)
	})
	switch {
	case err != nil:
		return bad, err
	case len(failed) == 1:
		return bad, readFailed("Error downloading files", firstOf(failed))
	case len(failed) > 1:
		return bad, readFailed("Multiple errors downloading files", firstOf(failed))
	}
	return bad, nil
}

// seal writes what the next boot needs. From here on the restore will happen.
func (r *restore) seal() error {
	if r.taking != nil {
		return r.phone.Vault().Stage(r.taking, vault.About{Date: r.now().UTC(), Source: r.folder, UUID: r.status.UUID, Encrypted: r.props.IsEncrypted})
	}
	if err := os.Rename(r.manifest, r.own("staged", "Manifest.db")); err != nil {
		return fmt.Errorf("stage restore: %w", err)
	}
	id := r.phone.Identity()
	data, err := json.Marshal(stagedRestore{
		Date:         r.now().UTC(),
		Source:       r.folder,
		UUID:         r.status.UUID,
		Encrypted:    r.props.IsEncrypted,
		IOS:          id.ProductVersion,
		Build:        id.BuildVersion,
		Options:      r.effectiveOptions(),
		Lockdown:     r.props.Lockdown,
		Applications: r.props.Applications,
	})
	if err == nil {
		err = os.WriteFile(r.own("staged", "restore.json.new"), data, 0o600)
	}
	if err == nil {
		err = os.Rename(r.own("staged", "restore.json.new"), r.own("staged", "restore.json"))
	}
	if err != nil {
		return fmt.Errorf("stage restore: %w", err)
	}
	return nil
}

func (r *restore) effectiveOptions() restoreOptions {
	o := r.options
	o.SystemFiles = r.scope().system
	return o
}

// stagedFile receives the stored bytes of one row, checks their digest and
// passes the plaintext on.
type stagedFile struct {
	out    fileSink
	w      io.Writer
	crypt  *decrypter // nil when not encrypted
	sum    hash.Hash
	digest *[20]byte
	strict bool
	bad    *bool
}

func (r *restore) openStaged(ctx context.Context, f *stageFile, bad *bool) (fileSink, error) {
	s := &stagedFile{digest: f.digest, strict: f.strict, bad: bad, sum: sha1.New()}
	if r.taking != nil {
		s.out = r.taking.File(ctx, f.id)
	} else {
		out, err := createSink(r.own("staged", "files", f.id.String()))
		if err != nil {
			return nil, stagingFailed(err)
		}
		s.out = out
	}
	s.w = s.out
	if r.props.IsEncrypted && f.key != nil {
		key, err := r.bag.Unwrap(keybag.WrappedKey(*f.key))
		if err != nil {
			return nil, errors.Join(readFailed("Error decrypting files", malformed(err)), s.out.Close(false))
		}
		s.crypt = &decrypter{key: key, out: s.out}
		s.w = s.crypt
	}
	return s, nil
}

// stagingFailed says that the phone itself could not keep a file.
func stagingFailed(err error) error {
	return &Error{Code: mobilebackup2.CodeDeviceWrite, Text: "Error staging files: " + errnoText(err)}
}

func (s *stagedFile) Write(p []byte) (int, error) {
	if s.digest != nil {
		s.sum.Write(p)
	}
	n, err := s.w.Write(p)
	if err != nil {
		var mb *Error
		if !errors.As(err, &mb) {
			err = stagingFailed(err)
		}
	}
	return n, err
}

func (s *stagedFile) Close(complete bool) error {
	var err error
	if s.crypt != nil {
		err = s.crypt.close(complete)
	}
	if e := s.out.Close(complete && err == nil); e != nil && err == nil {
		err = stagingFailed(e)
	}
	if !complete {
		return err
	}
	if s.digest == nil && s.strict || s.digest != nil && [20]byte(s.sum.Sum(nil)) != *s.digest {
		*s.bad = true
		return nil // said once all files are here, and instead of bad padding
	}
	return err
}

// decrypter takes ciphertext as it comes and writes plaintext. Small files are
// decrypted at the end, from memory, larger ones as they come.
type decrypter struct {
	key  keybag.Key
	out  io.Writer
	held bytes.Buffer
	pipe *io.PipeWriter
	done chan error
}

// maxHeld is how much ciphertext is kept before decryption starts.
const maxHeld = 4 * devicelink.DeviceChunk

func (d *decrypter) Write(p []byte) (int, error) {
	if d.pipe == nil {
		d.held.Write(p)
		if d.held.Len() <= maxHeld {
			return len(p), nil
		}
		d.start()
		if _, err := d.pipe.Write(d.held.Bytes()); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return d.pipe.Write(p)
}

func (d *decrypter) start() {
	r, w := io.Pipe()
	d.pipe, d.done = w, make(chan error, 1)
	go func() {
		err := d.copy(r)
		r.CloseWithError(err)
		d.done <- err
	}()
}

func (d *decrypter) copy(r io.Reader) error {
	_, err := io.CopyBuffer(d.out, struct{ io.Reader }{keybag.DecryptReader(d.key, r)}, make([]byte, 64<<10))
	if errors.Is(err, keybag.ErrPadding) || errors.Is(err, keybag.ErrCutShort) {
		err = readFailed("Error decrypting files", malformed(err))
	}
	return err
}

func (d *decrypter) close(complete bool) error {
	switch {
	case d.pipe != nil && complete:
		d.pipe.Close()
		return <-d.done
	case d.pipe != nil:
		d.pipe.CloseWithError(io.ErrUnexpectedEOF)
		<-d.done
		return nil
	case complete:
		return d.copy(&d.held)
	}
	return nil
}

// createSink writes a file of the host to path.
func createSink(path string) (fileSink, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	return &diskSink{f}, nil
}

type diskSink struct{ *os.File }

func (s *diskSink) Close(bool) error { return s.File.Close() }
