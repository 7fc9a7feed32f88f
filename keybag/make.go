package keybag

import (
	"context"
	"fmt"
	"io"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

const (
	typeBackup = 1
	bagVersion = 5
	dpType     = 1
	saltLen    = 20
)

// Options say how a bag is locked.
type Options struct {
	// Encrypted chooses the bag of an encrypted backup: two derivation stages and
	// Password. Otherwise Password is ignored, the bag opens with the empty one
	// and has one stage, as phones make it for unencrypted backups.
	Encrypted bool
	Password  secret.BackupPassword
	// Rounds is DPIC; 0 means [DefaultRounds], which takes seconds.
	Rounds int
	// Iterations is ITER; 0 means [DefaultIterations].
	Iterations int
	// Rand gives keys, salts and identifiers; nil means crypto/rand.
	Rand io.Reader
}

func (o Options) withDefaults() (Options, error) {
	if o.Rounds == 0 {
		o.Rounds = DefaultRounds
	}
	if o.Iterations == 0 {
		o.Iterations = DefaultIterations
	}
	if o.Rounds < 0 || o.Rounds > MaxRounds || o.Iterations < 0 || o.Iterations > MaxIterations {
		return o, fmt.Errorf("%d rounds and %d iterations: out of range", o.Rounds, o.Iterations)
	}
	if o.Encrypted && o.Password.IsZero() {
		return o, fmt.Errorf("an encrypted backup needs a password")
	}
	o.Rand = orCryptoRand(o.Rand)
	return o, nil
}

// New makes a bag with random keys for classes 1 to 11 and returns it unlocked.
//
// The classes are locked as phones do it (backup-format.md 3.1): encrypted, the
// password alone opens 1 to 4 and 6 to 8, while 5 and 9 to 11 would need the
// phone and hold random bytes; unencrypted, everything opens with the empty
// password, though only 1 to 4 say so.
func New(ctx context.Context, o Options) (*Keybag, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("make keybag: %w", err)
	}
	uuid, err := randomBytes(o.Rand, 16)
	if err != nil {
		return nil, fmt.Errorf("make keybag: %w", err)
	}
	k := &Keybag{keys: classKeys{}, header: []item{
		uintItem("VERS", bagVersion),
		uintItem("TYPE", typeBackup),
		{"UUID", uuid},
		{"HMCK", make([]byte, 40)},
		uintItem("WRAP", 0),
	}}
	for c := firstClass; c <= lastClass; c++ {
		group, key, err := newClass(c, o)
		if err != nil {
			return nil, fmt.Errorf("make keybag: %w", err)
		}
		k.classes = append(k.classes, group)
		if !key.IsZero() {
			k.keys[c] = key
		}
	}
	if err := k.lockWith(ctx, o); err != nil {
		return nil, fmt.Errorf("make keybag: %w", err)
	}
	return k, nil
}

// newClass makes a class group. Its WPKY is random until lockWith wraps the
// key; for a class of which no key is returned it stays so.
func newClass(c Class, o Options) ([]item, Key, error) {
	uuid, err := randomBytes(o.Rand, 16)
	if err != nil {
		return nil, Key{}, err
	}
	wrapped, err := randomBytes(o.Rand, wrappedLen)
	if err != nil {
		return nil, Key{}, err
	}
	passwordOnly := c.IsFile() || o.Encrypted && c >= ClassKeychainWhenUnlocked && c <= ClassKeychainAlways
	flags := uint32(wrapPassword)
	if !passwordOnly {
		flags |= 1
	}
	var key Key
	if passwordOnly || !o.Encrypted {
		if key, err = RandomKey(o.Rand); err != nil {
			return nil, Key{}, err
		}
	}
	return []item{{"UUID", uuid}, uintItem("CLAS", uint32(c)), uintItem("WRAP", flags), uintItem("KTYP", 0), {"WPKY", wrapped}}, key, nil
}

// Rewrap locks the bag with another password: new salts, and the keys of the
// classes it could open wrapped anew. Class keys stay, so nothing that they
// protect changes. The bag must be unlocked and stays so. o.Encrypted false
// turns it into a bag that opens with the empty password.
//
// It derives a key, seconds of one core with the default rounds; when ctx ends
// first the bag is unchanged.
func (k *Keybag) Rewrap(ctx context.Context, o Options) error {
	if !k.Unlocked() {
		return fmt.Errorf("rewrap keybag: %w", ErrLocked)
	}
	if k.isPartial() {
		return fmt.Errorf("rewrap keybag: %w", ErrPartial)
	}
	o, err := o.withDefaults()
	if err != nil {
		return fmt.Errorf("rewrap keybag: %w", err)
	}
	if err := k.lockWith(ctx, o); err != nil {
		return fmt.Errorf("rewrap keybag: %w", err)
	}
	return nil
}

// lockWith replaces the derivation items of the header and the WPKY of every
// class whose key is known. The old items are left as they are, since Marshal
// or Unlock may be reading them.
func (k *Keybag) lockWith(ctx context.Context, o Options) error {
	items, err := newKDFItems(o)
	if err != nil {
		return err
	}
	p, err := readKDF(items)
	if err != nil {
		return err
	}
	password := ""
	if o.Encrypted {
		password = o.Password.Reveal()
	}
	derived, err := p.derive(ctx, password)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	classes := make([][]item, len(k.classes))
	for i, group := range k.classes {
		if classes[i], err = rewrapClass(group, derived, k.keys); err != nil {
			return err
		}
	}
	k.header, k.classes = replaceKDF(k.header, items), classes
	return nil
}

func newKDFItems(o Options) ([]item, error) {
	salt, err := randomBytes(o.Rand, saltLen)
	if err != nil {
		return nil, err
	}
	items := []item{{"SALT", salt}, uintItem("ITER", uint32(o.Iterations))}
	if !o.Encrypted {
		return items, nil
	}
	if salt, err = randomBytes(o.Rand, saltLen); err != nil {
		return nil, err
	}
	return append(items, uintItem("DPWT", dpType), uintItem("DPIC", uint32(o.Rounds)), item{"DPSL", salt}), nil
}

func rewrapClass(group []item, derived []byte, keys classKeys) ([]item, error) {
	e, err := readClass(group)
	if err != nil || e.wrapped == nil {
		return group, err
	}
	key, ok := keys[e.class]
	if !ok {
		return group, nil
	}
	wrapped, err := wrap(derived, key.bytes())
	if err != nil {
		return nil, err
	}
	out := append([]item(nil), group...)
	find(out, "WPKY").value = wrapped
	return out, nil
}

// replaceKDF puts items where the header's first derivation item stood, or last.
func replaceKDF(header, items []item) []item {
	var out []item
	placed := false
	for _, it := range header {
		switch it.tag {
		case "SALT", "ITER", "DPWT", "DPIC", "DPSL":
			if !placed {
				out, placed = append(out, items...), true
			}
		default:
			out = append(out, it)
		}
	}
	if !placed {
		out = append(out, items...)
	}
	return out
}

func randomBytes(r io.Reader, n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return b, nil
}
