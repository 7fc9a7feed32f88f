package station

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// passwordsDocument is the document of remembered backup passwords.
const passwordsDocument = "passwords"

// purpose tells what is sealed apart from all else that a repository seals.
const purpose = "keepsake remembered backup password"

// Sealer is the repository that a password is remembered for: a
// *repository.Repository.
type Sealer interface {
	Seal(purpose string, data []byte) []byte
	Unseal(purpose string, sealed []byte) ([]byte, error)
}

// Remembered is a backup password that is kept here, as far as the file tells in
// the clear.
type Remembered struct {
	Repository string    `json:"repository"` // its ID, 64 hexadecimal digits
	Location   string    `json:"location"`   // where it was then, for people
	UDID       string    `json:"udid"`
	Name       string    `json:"name"`   // of the phone
	Keybag     string    `json:"keybag"` // UUID of the keybag that the password opens, 32 hexadecimal digits
	Saved      time.Time `json:"saved"`
}

// entry is a password in the file.
type entry struct {
	Remembered
	Sealed []byte `json:"sealed"`
}

// sealedPassword is what is sealed. It repeats what it is for, so that entries
// cannot change places.
type sealedPassword struct {
	UDID     string `json:"udid"`
	Keybag   string `json:"keybag"`
	Password string `json:"password"`
}

func (r Remembered) same(o Remembered) bool {
	return r.Repository == o.Repository && strings.EqualFold(r.UDID, o.UDID) && strings.EqualFold(r.Keybag, o.Keybag)
}

// Remember keeps a backup password, sealed by its repository. One that is kept
// already for the same repository, phone and keybag is replaced.
func (s *Station) Remember(r Remembered, by Sealer, password secret.BackupPassword) error {
	plain, err := json.Marshal(sealedPassword{r.UDID, r.Keybag, password.Reveal()})
	if err != nil {
		return fmt.Errorf("remember backup password: %w", err)
	}
	sealed := by.Seal(purpose, plain)
	var all []entry
	return s.Update(passwordsDocument, &all, func() error {
		all = slices.DeleteFunc(all, func(e entry) bool { return e.same(r) })
		all = append(all, entry{r, sealed})
		return nil
	})
}

// Recall gives the password that is remembered for the repository, phone and
// keybag of r; other fields do not count. ok is false if none is. One that does
// not open is an error: the file was changed, or the repository is another one.
func (s *Station) Recall(r Remembered, by Sealer) (password secret.BackupPassword, ok bool, err error) {
	all, err := s.entries()
	if err != nil {
		return password, false, err
	}
	i := slices.IndexFunc(all, func(e entry) bool { return e.same(r) })
	if i < 0 {
		return password, false, nil
	}
	plain, err := by.Unseal(purpose, all[i].Sealed)
	if err != nil {
		return password, false, fmt.Errorf("open remembered backup password of %s: %w", r.UDID, err)
	}
	var p sealedPassword
	if err := json.Unmarshal(plain, &p); err != nil {
		// The decoder's words could repeat what it read.
		return password, false, fmt.Errorf("open remembered backup password of %s: it is damaged", r.UDID)
	}
	if !strings.EqualFold(p.UDID, r.UDID) || !strings.EqualFold(p.Keybag, r.Keybag) {
		return password, false, fmt.Errorf("open remembered backup password of %s: %w", r.UDID, errors.New("it was remembered for something else"))
	}
	return secret.NewBackupPassword(p.Password), true, nil
}

// Remembered lists what is remembered, oldest first.
func (s *Station) Remembered() ([]Remembered, error) {
	all, err := s.entries()
	list := make([]Remembered, len(all))
	for i, e := range all {
		list[i] = e.Remembered
	}
	return list, err
}

// Forget removes the remembered passwords that match, and returns how many
// those were.
func (s *Station) Forget(match func(Remembered) bool) (n int, err error) {
	var all []entry
	err = s.Update(passwordsDocument, &all, func() error {
		before := len(all)
		all = slices.DeleteFunc(all, func(e entry) bool { return match(e.Remembered) })
		n = before - len(all)
		return nil
	})
	return n, err
}

// entries reads the file. Fields of those that are missing are refused, so that
// no hole is taken for a password.
func (s *Station) entries() ([]entry, error) {
	var all []entry
	if err := s.Load(passwordsDocument, &all); err != nil {
		return nil, err
	}
	for _, e := range all {
		if e.Repository == "" || e.UDID == "" || len(e.Sealed) == 0 {
			path, err := s.document(passwordsDocument)
			return nil, errors.Join(&CorruptError{path, errors.New("an entry lacks its repository, phone or password")}, err)
		}
	}
	return all, nil
}
