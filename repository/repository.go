package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/chunker"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

var (
	// ErrNoRepository: there is no config where one was looked for.
	ErrNoRepository = errors.New("there is no repository")
	// ErrWrongPassword: no key of the repository opens with the password.
	ErrWrongPassword = errors.New("wrong repository password")
	// ErrLocked: somebody else works in the repository. It is a *LockedError.
	ErrLocked = errors.New("the repository is locked")
	// ErrLockLost: our lock could not be refreshed in time or was removed. It is
	// the cause of the end of Session.Context; nothing more may be written.
	ErrLockLost = errors.New("the lock of the repository was lost")
)

// DamageError tells of a file or blob that is not what its name says. Object
// names it: "pack 12ab…", "data blob 34cd… in pack 12ab…".
type DamageError struct {
	Object string
	Err    error
}

func (e *DamageError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.Object, e.Err) }
func (e *DamageError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *DamageError) Hint() string {
	return "run \"keepsake check\" to see what is affected; \"keepsake repair\" mends from a second copy"
}

// Compression says how hard to try.
type Compression uint8

const (
	CompressionAuto    Compression = iota // zstd's default level, where it helps
	CompressionOff                        // trees are compressed even so, as restic does
	CompressionFastest                    // two to three times as fast as Auto, some percent larger
	CompressionMax
)

var compressionNames = []string{"auto", "off", "fastest", "max"}

func (c Compression) String() string { return compressionNames[c] }

// ParseCompression reads auto, off, fastest or max.
func ParseCompression(s string) (Compression, error) {
	for i, name := range compressionNames {
		if s == name {
			return Compression(i), nil
		}
	}
	return 0, fmt.Errorf("compression %q: want auto, off, fastest or max", s)
}

const (
	defaultPackSize = 16 << 20
	minPackSize     = 4 << 20
	maxPackSize     = 128 << 20
	defaultMemory   = 48 << 20
	minMemory       = 24 << 20
)

// Options say how to work with a repository. The zero value is good.
type Options struct {
	Compression Compression
	// PackSize is when a pack is closed, in bytes: 4 to 128 MiB; 0 is 16 MiB.
	PackSize int
	// Memory is the budget for pieces of files on their way in, and the same for
	// those on their way out, in bytes; 0 is 48 MiB, less than 24 MiB is 24 MiB.
	// When it is used up, readers of files wait.
	// Beside it stand the packs being filled and uploaded (four and one for each
	// connection) and some pieces of scratch space for each worker.
	Memory int64
	// Chunks are the sizes of the pieces that files are cut into.
	Chunks chunker.Settings
	// Workers is how many blobs are worked on at the same time; 0 is one for each
	// processor.
	Workers int
	// LockHost is the host name in our locks. Use one that no machine has: restic
	// sends SIGHUP to the process of a lock that bears its own host's name
	// (restic-format.md 11). "" is LockHost().
	LockHost string
	// KeyHint is the beginning of the ID of the key to try first.
	KeyHint string
	// KDF is what keys cost that are made; the zero value is calibrated to half a
	// second of this computer.
	KDF KDF
	// SkipVerify leaves out the decoding of what was encoded. For measurements.
	SkipVerify bool
}

func (o Options) withDefaults() Options {
	if o.PackSize == 0 {
		o.PackSize = defaultPackSize
	}
	o.PackSize = min(max(o.PackSize, minPackSize), maxPackSize)
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	o.Memory = max(o.Memory, minMemory)
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.LockHost == "" {
		o.LockHost = LockHost()
	}
	return o
}

// Repository is an open repository: its key and config. It can be used
// concurrently, and by several sessions at a time.
type Repository struct {
	be       backend.Backend
	key      *seal.Key
	keyID    format.ID
	config   format.Config
	o        Options
	buffers  *buffers // of the write path
	reads    *buffers // of the read path: one who copies holds some of both
	times    lockTimes
	decoders sync.Pool // *decoder
}

// KDF are the parameters of scrypt, by which a password opens a key.
type KDF = seal.Params

// InitOptions say how a new repository is to be.
type InitOptions struct {
	Options
	// Polynomial decides where files are cut; 0 is a random one. Repositories with
	// the same one share the cuts, so that copies between them find what is there.
	Polynomial format.Polynomial
	// Username and Hostname label the first key. The storage provider can read them.
	Username, Hostname string
}

// Init makes a repository where none is. If there is one, the error is
// backend.ErrExist and nothing is changed.
func Init(ctx context.Context, be backend.Backend, password secret.RepositoryPassword, o InitOptions) (*Repository, error) {
	if password.Reveal() == "" {
		return nil, errors.New("init repository: the password is empty")
	}
	where := be.Properties().Location
	if _, err := be.Stat(ctx, backend.Handle{Type: backend.ConfigFile}); err == nil {
		return nil, fmt.Errorf("init repository %s: there is one: %w", where, backend.ErrExist)
	} else if !errors.Is(err, backend.ErrNotExist) {
		return nil, fmt.Errorf("init repository %s: %w", where, err)
	}
	if c, ok := backend.As[backend.Creator](be); ok {
		if err := c.Create(ctx); err != nil {
			return nil, fmt.Errorf("init repository %s: %w", where, err)
		}
	}
	if err := clearRemains(ctx, be); err != nil {
		return nil, fmt.Errorf("init repository %s: %w", where, err)
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, fmt.Errorf("init repository: %w", err)
	}
	r := newRepository(be, o.Options)
	r.key = key
	r.config = format.Config{Version: 2, ID: randomID(), ChunkerPolynomial: o.Polynomial}
	if r.config.ChunkerPolynomial == 0 {
		if r.config.ChunkerPolynomial, err = format.RandomPolynomial(rand.Reader); err != nil {
			return nil, fmt.Errorf("init repository: %w", err)
		}
	}
	k, err := r.addKey(ctx, password, o.Username, o.Hostname, o.KDF)
	if err != nil {
		return nil, err
	}
	r.keyID = k.ID
	plain, err := r.config.Encode()
	if err != nil {
		return nil, fmt.Errorf("init repository: %w", err)
	}
	sealed := r.key.Seal(nil, plain)
	if err := be.Save(ctx, backend.Handle{Type: backend.ConfigFile}, bytes.NewReader(sealed)); err != nil {
		return nil, fmt.Errorf("init repository %s: %w", where, err)
	}
	// Whatever is written into a repository without a config is lost.
	if back, err := r.loadConfig(ctx); err != nil {
		return nil, fmt.Errorf("init repository %s: look whether the config arrived: %w", where, err)
	} else if *back != r.config {
		return nil, fmt.Errorf("init repository %s: the config is another one: somebody else made a repository there", where)
	}
	// Another Init, that came too late, may have taken our key for a remain.
	if _, err := r.loadKey(ctx, r.keyID); errors.Is(err, backend.ErrNotExist) {
		k, err := r.addKey(ctx, password, o.Username, o.Hostname, o.KDF)
		if err != nil {
			return nil, fmt.Errorf("init repository %s: %w", where, err)
		}
		r.keyID = k.ID
	} else if err != nil {
		return nil, fmt.Errorf("init repository %s: %w", where, err)
	}
	return r, nil
}

// clearRemains looks at what lies where a repository is to be made without a
// config being there. Keys alone are left by an Init that was interrupted: they
// open nothing and are removed. With anything else a config was lost, and the
// keys are what its data can still be read with.
func clearRemains(ctx context.Context, be backend.Backend) error {
	found := errors.New("found")
	for _, t := range []backend.FileType{backend.PackFile, backend.IndexFile, backend.SnapshotFile} {
		err := be.List(ctx, t, func(backend.FileInfo) error { return found })
		if errors.Is(err, found) {
			return fmt.Errorf("there are files of a repository that has lost its config: %w", backend.ErrExist)
		}
		if err != nil {
			return err
		}
	}
	var keys []backend.Handle
	err := be.List(ctx, backend.KeyFile, func(f backend.FileInfo) error {
		keys = append(keys, backend.Handle{Type: backend.KeyFile, Name: f.Name})
		return nil
	})
	for _, k := range keys {
		if err == nil {
			err = be.Remove(ctx, k)
		}
	}
	return err
}

func newRepository(be backend.Backend, o Options) *Repository {
	o = o.withDefaults()
	return &Repository{be: be, o: o, buffers: newBuffers(o.Memory), reads: newBuffers(o.Memory), times: resticTimes}
}

// Open opens the repository in be with one of its passwords. Errors are
// ErrNoRepository, ErrWrongPassword and those of the backend.
func Open(ctx context.Context, be backend.Backend, password secret.RepositoryPassword, o Options) (*Repository, error) {
	r := newRepository(be, o)
	where := be.Properties().Location
	file := backend.Handle{Type: backend.ConfigFile}
	if _, err := be.Stat(ctx, file); errors.Is(err, backend.ErrNotExist) {
		return nil, fmt.Errorf("open repository %s: %w", where, ErrNoRepository)
	} else if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", where, err)
	}
	if err := r.unlock(ctx, password); err != nil {
		return nil, fmt.Errorf("open repository %s: %w", where, err)
	}
	config, err := r.loadConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", where, err)
	}
	r.config = *config
	return r, nil
}

const maxConfig = 1 << 20 // bytes

func (r *Repository) loadConfig(ctx context.Context) (*format.Config, error) {
	file := backend.Handle{Type: backend.ConfigFile}
	return twice(func() (*format.Config, error) {
		sealed, err := backend.ReadAll(ctx, r.be, file, maxConfig)
		if err != nil {
			return nil, err
		}
		plain, err := r.key.Open(nil, sealed)
		if err != nil {
			return nil, &DamageError{file.String(), err}
		}
		config, err := format.DecodeConfig(plain)
		if err != nil {
			return nil, &DamageError{file.String(), err}
		}
		return config, nil
	})
}

// ID is the repository's own, by which caches know it.
func (r *Repository) ID() format.ID { return r.config.ID }

// Config is what the repository says of itself.
func (r *Repository) Config() format.Config { return r.config }

// Backend is where the repository lies.
func (r *Repository) Backend() backend.Backend { return r.be }

// Location is where the repository lies, without credentials.
func (r *Repository) Location() string { return r.be.Properties().Location }

// Close closes the backend.
func (r *Repository) Close() error { return r.be.Close() }

func randomID() format.ID {
	var id format.ID
	rand.Read(id[:]) // never fails: crypto/rand
	return id
}

// Limits of unpacked files, in bytes of plaintext.
const (
	maxIndexFile    = 512 << 20
	maxSnapshotFile = 64 << 20
	maxLockFile     = 64 << 10
)

func unpackedLimit(t backend.FileType) int {
	switch t {
	case backend.IndexFile:
		return maxIndexFile
	case backend.SnapshotFile:
		return maxSnapshotFile
	}
	return maxLockFile
}

// saveUnpacked stores an index, a snapshot or a lock. With an error of the
// backend it gives the ID all the same: the file may be there.
func (r *Repository) saveUnpacked(ctx context.Context, t backend.FileType, json []byte) (format.ID, error) {
	plain := json
	if r.config.Version >= 2 {
		plain = format.EncodeUnpacked(nil, json)
	}
	sealed := r.key.Seal(nil, plain)
	// Proved before it is kept, like blobs.
	back, err := r.openUnpacked(sealed, unpackedLimit(t))
	if err == nil && !bytes.Equal(back, json) {
		err = errors.New("it does not decode to what was encoded: the memory or the processor of this machine is not to be trusted")
	}
	if err != nil {
		return format.ID{}, fmt.Errorf("save %v: %w", t, err)
	}
	id := format.Hash(sealed)
	return id, r.be.Save(ctx, backend.Handle{Type: t, Name: id.String()}, bytes.NewReader(sealed))
}

func (r *Repository) openUnpacked(sealed []byte, limit int) ([]byte, error) {
	plain, err := r.key.Open(nil, sealed)
	if err != nil {
		return nil, err
	}
	return format.DecodeUnpacked(plain, limit)
}

// loadUnpacked loads and opens an index, a snapshot or a lock.
func (r *Repository) loadUnpacked(ctx context.Context, t backend.FileType, id format.ID) ([]byte, error) {
	h := backend.Handle{Type: t, Name: id.String()}
	limit := unpackedLimit(t)
	return twice(func() ([]byte, error) {
		sealed, err := backend.ReadAll(ctx, r.be, h, int64(limit)+1<<20)
		if err != nil {
			return nil, err
		}
		if format.Hash(sealed) != id {
			return nil, &DamageError{h.String(), errors.New("its SHA-256 is not its name")}
		}
		json, err := r.openUnpacked(sealed, limit)
		if err != nil {
			return nil, &DamageError{h.String(), err}
		}
		return json, nil
	})
}

// detached is a context for what must be done even though ctx ended: bounded in
// time.
func detached(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), d)
}

// list gives all files of a type with their sizes in bytes.
func (r *Repository) list(ctx context.Context, t backend.FileType) (map[format.ID]int64, error) {
	files := map[format.ID]int64{}
	err := r.be.List(ctx, t, func(f backend.FileInfo) error {
		id, err := format.ParseID(f.Name)
		if err != nil {
			return err
		}
		files[id] = f.Size
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %v files: %w", t, err)
	}
	return files, nil
}
