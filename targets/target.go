package targets

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/repository/format"
)

// Parts is in how many parts the packs of a target are read, one at each check:
// after so many checks every byte was. A pack belongs to the part that the first
// byte of its name says, as with restic's --read-data-subset n/t.
const Parts = 10

// Target is a place for copies.
type Target struct {
	// Name is what its owner calls it: letters, digits, ".", "-" and "_".
	Name string `json:"name"`
	// Location is where it was last, as package location writes it: without
	// secrets, a folder as an absolute path.
	Location string `json:"location"`
	// Inside is the folder of a local target below the place where its disk was
	// mounted, "." for that place itself; "" where the disk is not removable.
	Inside string `json:"inside,omitempty"`
	// Many: the location holds one repository for each phone.
	Many     bool   `json:"many,omitempty"`
	Password Source `json:"password,omitzero"`
	// Environment is a file with the credentials for a store elsewhere; "" is none.
	Environment string    `json:"environment,omitempty"`
	Added       time.Time `json:"added"`
	Copies      []Copy    `json:"copies"`
}

// Source says where the password of a target comes from. The zero value: from the
// environment or whoever sits at the terminal.
type Source struct {
	File    string `json:"file,omitempty"`
	Command string `json:"command,omitempty"`
}

// PasswordKind is "file", "command", "sealed" or "asked".
func (t *Target) PasswordKind() string {
	switch {
	case t.Password.File != "":
		return "file"
	case t.Password.Command != "":
		return "command"
	case t.sealed():
		return "sealed"
	}
	return "asked"
}

// sealed tells whether passwords are kept under the key of the main repository.
func (t *Target) sealed() bool {
	return slices.ContainsFunc(t.Copies, func(c Copy) bool { return len(c.Sealed) > 0 })
}

// Copy is one repository on a target, and what is known of it.
type Copy struct {
	// Phone is the UDID that names the repository below the location of a target
	// with Many; "" of others.
	Phone string `json:"phone,omitempty"`
	// Source is the repository that is copied, Repository the one on the target.
	Source     format.ID `json:"source"`
	Repository format.ID `json:"repository"`
	// Config is the digest of the config file as it lies there.
	Config format.ID `json:"config"`
	// Sealed is the password under the key of the main repository, in base64: whoever
	// opens that one opens the target too, and nobody else. It may be empty.
	Sealed []byte `json:"sealed,omitempty"`
	// LastCopied is when the last copy was complete.
	LastCopied time.Time `json:"last_copied,omitzero"`
	// Held are the versions that were there after the last copy.
	Held []Held `json:"held,omitempty"`
	// Size is the room that it took then, Free what its disk had left, in bytes;
	// Free is -1 where nobody can say.
	Size int64 `json:"size,omitempty"`
	Free int64 `json:"free,omitempty"`
	// Verified is when the last check passed.
	Verified time.Time `json:"verified,omitzero"`
	// PartsRead are the times at which the parts were read and found whole; the zero
	// time of one that never was. There are Parts of them, or none.
	PartsRead []time.Time `json:"parts_read,omitempty"`
	// Damaged is when a check found damage, if none has passed since.
	Damaged time.Time `json:"damaged,omitzero"`
	// Damage counts what it found.
	Damage int `json:"damage,omitempty"`
	// Suspect are the parts, from 0 on, in which it found damaged packs: a check that
	// reads others says nothing of those.
	Suspect []int `json:"suspect,omitempty"`
}

// Held is a version of the main repository and its name on the target.
type Held struct {
	From format.ID `json:"from"`
	To   format.ID `json:"to"`
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ErrUnknown: there is no target of that name.
var ErrUnknown = errors.New("no such target")

// ErrExists: there is a target of that name.
var ErrExists = errors.New("there is one of that name already")

// CheckName refuses names that are empty, longer than 64 bytes, or hold anything
// but letters, digits, ".", "-" and "_".
func CheckName(name string) error {
	if !goodName.MatchString(name) {
		return fmt.Errorf("name target %q: want letters, digits, \".\", \"-\" and \"_\", at most 64 of them", name)
	}
	return nil
}

// Copy finds what is known of the copy of one phone's repository, or of the only
// one with "". It is nil if there is none.
func (t *Target) Copy(phone string) *Copy {
	i := slices.IndexFunc(t.Copies, func(c Copy) bool { return c.Phone == phone })
	if i < 0 {
		return nil
	}
	return &t.Copies[i]
}

// ReadSince tells since when every byte was read and found whole: the time of the
// part whose turn was longest ago. It is the zero time if one never had its turn.
func (c *Copy) ReadSince() time.Time {
	if len(c.PartsRead) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(c.PartsRead, time.Time.Compare)
}

// NextPart is the part, from 0 on, whose turn it is: one that was found damaged,
// else the one read longest ago.
func (c *Copy) NextPart() int {
	if len(c.Suspect) > 0 {
		return c.Suspect[0]
	}
	next := 0
	for i, at := range c.PartsRead {
		if at.Before(c.PartsRead[next]) {
			next = i
		}
	}
	return next
}

// damaged notes a check that found damage, in these packs among others.
func (c *Copy) damaged(at time.Time, damage int, packs []format.ID) {
	c.Damaged, c.Damage = at, damage
	for _, pack := range packs {
		c.Suspect = append(c.Suspect, partOf(pack))
	}
	slices.Sort(c.Suspect)
	c.Suspect = slices.Compact(c.Suspect)
}

// partOf is the part that a pack belongs to.
func partOf(pack format.ID) int { return int(pack[0]) % Parts }

// verified notes a check that passed; part is the one that was read, or Parts for
// all, or -1 for none. Damage that was found in parts that it did not read is still
// there.
func (c *Copy) verified(at time.Time, part int) {
	c.Suspect = slices.DeleteFunc(c.Suspect, func(s int) bool { return part == Parts || part == s })
	if len(c.Suspect) == 0 {
		c.Verified, c.Suspect, c.Damaged, c.Damage = at, nil, time.Time{}, 0
	}
	if len(c.PartsRead) != Parts {
		c.PartsRead = make([]time.Time, Parts)
	}
	for i := range c.PartsRead {
		if part == i || part == Parts {
			c.PartsRead[i] = at
		}
	}
}

// hold notes versions that are there, by their names in the main repository.
func (c *Copy) hold(list []Held) {
	for _, h := range list {
		i := slices.IndexFunc(c.Held, func(o Held) bool { return o.From == h.From })
		if i < 0 {
			c.Held = append(c.Held, h)
		} else {
			c.Held[i] = h
		}
	}
}

// clone is a copy that shares nothing.
func (t Target) clone() Target {
	t.Copies = slices.Clone(t.Copies)
	for i := range t.Copies {
		t.Copies[i].Sealed = slices.Clone(t.Copies[i].Sealed)
		t.Copies[i].Held = slices.Clone(t.Copies[i].Held)
		t.Copies[i].PartsRead = slices.Clone(t.Copies[i].PartsRead)
		t.Copies[i].Suspect = slices.Clone(t.Copies[i].Suspect)
	}
	return t
}
