package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/repository/internal/seal"
)

const (
	// maxKeys is how many keys restic tries with a password (restic-format.md 3).
	maxKeys    = 20
	maxKeyFile = 64 << 10
	saltLength = 64
	kdfTime    = 500 * time.Millisecond
	kdfMemory  = 60 << 20
)

// Key is one of the passwords' keys, as far as its file tells in the clear.
type Key struct {
	ID       format.ID
	Username string
	Hostname string
	Created  time.Time
	Current  bool // the one that opened this Repository
}

// unlock finds the key that the password opens.
func (r *Repository) unlock(ctx context.Context, password secret.RepositoryPassword) error {
	ids, err := r.keyIDs(ctx)
	if err != nil {
		return err
	}
	if hint := r.o.KeyHint; hint != "" {
		slices.SortStableFunc(ids, func(a, b format.ID) int {
			return boolOrder(strings.HasPrefix(a.String(), hint), strings.HasPrefix(b.String(), hint))
		})
	}
	var broken []error
	for _, id := range ids {
		key, err := r.tryKey(ctx, id, password)
		switch {
		case err == nil:
			r.key, r.keyID = key, id
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, seal.ErrAuth), errors.Is(err, backend.ErrNotExist): // not this one, or removed just now
		default:
			broken = append(broken, err)
		}
	}
	if len(broken) > 0 {
		return errors.Join(broken...)
	}
	return ErrWrongPassword
}

// boolOrder puts true first.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (r *Repository) keyIDs(ctx context.Context) ([]format.ID, error) {
	files, err := r.list(ctx, backend.KeyFile)
	if err != nil {
		return nil, err
	}
	ids := make([]format.ID, 0, len(files))
	for id := range files {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, format.ID.Compare)
	return ids, nil
}

func (r *Repository) loadKey(ctx context.Context, id format.ID) (*format.KeyFile, error) {
	h := backend.Handle{Type: backend.KeyFile, Name: id.String()}
	return twice(func() (*format.KeyFile, error) {
		data, err := backend.ReadAll(ctx, r.be, h, maxKeyFile)
		if err != nil {
			return nil, err
		}
		if format.Hash(data) != id {
			return nil, &DamageError{h.String(), errHash}
		}
		k, err := format.DecodeKeyFile(data)
		if err != nil {
			return nil, &DamageError{h.String(), err}
		}
		return k, nil
	})
}

func (r *Repository) tryKey(ctx context.Context, id format.ID, password secret.RepositoryPassword) (*seal.Key, error) {
	k, err := r.loadKey(ctx, id)
	if err != nil {
		return nil, err
	}
	user, err := seal.Derive(password, k.Salt, seal.Params{N: k.N, R: k.R, P: k.P})
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", id.Short(), err)
	}
	master, err := user.Open(nil, k.Data)
	if err != nil {
		return nil, err
	}
	return seal.ParseMaster(master)
}

// Keys lists the keys, oldest first.
func (r *Repository) Keys(ctx context.Context) ([]Key, error) {
	ids, err := r.keyIDs(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, len(ids))
	for _, id := range ids {
		k, err := r.loadKey(ctx, id)
		if errors.Is(err, backend.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, Key{id, k.Username, k.Hostname, k.Created, id == r.keyID})
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return a.Created.Compare(b.Created) })
	return keys, nil
}

// AddKey lets another password open the repository. user and host label it, in
// the clear. More than 20 keys are refused, because restic tries no more.
func (r *Repository) AddKey(ctx context.Context, password secret.RepositoryPassword, user, host string) (Key, error) {
	ids, err := r.keyIDs(ctx)
	if err != nil {
		return Key{}, err
	}
	if len(ids) >= maxKeys {
		return Key{}, fmt.Errorf("add key: there are %d, and restic tries no more than %d", len(ids), maxKeys)
	}
	return r.addKey(ctx, password, user, host, r.o.KDF)
}

func (r *Repository) addKey(ctx context.Context, password secret.RepositoryPassword, user, host string, kdf KDF) (Key, error) {
	if password.Reveal() == "" {
		return Key{}, errors.New("add key: the password is empty")
	}
	if kdf == (KDF{}) {
		kdf = seal.Calibrate(kdfTime, kdfMemory)
	}
	salt := make([]byte, saltLength)
	rand.Read(salt) // never fails: crypto/rand
	userKey, err := seal.Derive(password, salt, kdf)
	if err != nil {
		return Key{}, fmt.Errorf("add key: %w", err)
	}
	k := format.KeyFile{
		Created: time.Now(), Username: user, Hostname: host, KDF: "scrypt",
		N: kdf.N, R: kdf.R, P: kdf.P, Salt: salt,
		Data: userKey.Seal(nil, r.key.MarshalMaster().Reveal()),
	}
	data, err := k.Encode()
	if err != nil {
		return Key{}, fmt.Errorf("add key: %w", err)
	}
	id := format.Hash(data)
	h := backend.Handle{Type: backend.KeyFile, Name: id.String()}
	if err := r.be.Save(ctx, h, bytes.NewReader(data)); err != nil {
		return Key{}, fmt.Errorf("add key: %w", err)
	}
	// A key that does not open would lock its owner out.
	if _, err := r.tryKey(ctx, id, password); err != nil {
		err = fmt.Errorf("add %v: it does not open again: %w", h, err)
		ctx, cancel := detached(ctx, r.times.goodbye)
		defer cancel()
		if gone := r.be.Remove(ctx, h); gone != nil && !errors.Is(gone, backend.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return Key{}, err
	}
	return Key{ID: id, Username: user, Hostname: host, Created: k.Created}, nil
}

// RemoveKey removes a key: its password opens the repository no longer. Whoever
// saw the master key keeps it (restic-format.md 3). The key in use is refused,
// and with it the last one.
func (r *Repository) RemoveKey(ctx context.Context, id format.ID) error {
	if id == r.keyID {
		return fmt.Errorf("remove key %s: it is the one in use", id.Short())
	}
	// Somebody else may have removed the one in use: without it, this may be the last.
	if _, err := r.loadKey(ctx, r.keyID); err != nil {
		return fmt.Errorf("remove key %s: look whether key %s, the one in use, is still there: %w", id.Short(), r.keyID.Short(), err)
	}
	return r.be.Remove(ctx, backend.Handle{Type: backend.KeyFile, Name: id.String()})
}

// ChangePassword replaces the key in use: the new one is added and proved before
// the old one goes.
func (r *Repository) ChangePassword(ctx context.Context, password secret.RepositoryPassword, user, host string) (Key, error) {
	return r.changePassword(ctx, password, user, host, r.o.KDF)
}

func (r *Repository) changePassword(ctx context.Context, password secret.RepositoryPassword, user, host string, kdf KDF) (Key, error) {
	k, err := r.addKey(ctx, password, user, host, kdf)
	if err != nil {
		return Key{}, err
	}
	old := r.keyID
	r.keyID = k.ID
	k.Current = true
	if err := r.RemoveKey(ctx, old); err != nil && !errors.Is(err, backend.ErrNotExist) {
		return k, fmt.Errorf("change password: the new one works, the old one still does: %w", err)
	}
	return k, nil
}
