package targets

import (
	"context"
	"errors"
	"time"

	"github.com/keepsake-backup/keepsake/repository"
)

// Presence is whether a target can be reached now.
type Presence string

// What Status can say of a target.
const (
	Here    Presence = "here"
	Absent  Presence = "absent"  // not plugged in, or out of reach
	Other   Presence = "other"   // another repository is where it was, or its config was made anew
	Trouble Presence = "trouble" // it is there and cannot be looked at
)

// Status is what is known of a copy, and whether its target is there.
type Status struct {
	Target, Phone string
	Presence      Presence
	Where         string // where it is, or was last
	Err           error  // why it is not Here; nil if it is
	Copy          Copy
	Versions      int // of the main repository that the copy holds
	// Behind are versions of the main repository that it does not; -1 where that is
	// not known.
	Behind int
	Size   int64 // of the copy after the last run, in bytes
	Free   int64 // on its disk: now if it is here, else after the last run; -1 where nobody can say
}

// Status tells how a target stands without opening it, so without its password:
// one Status for each repository on it. mains maps phones ("" for the only one) to
// the versions of their main repositories; those that are not in it have no Behind.
func (k *Keeper) Status(ctx context.Context, name string, mains map[string][]repository.Snapshot, paths []string) ([]Status, error) {
	t, err := k.Book.Find(name)
	if err != nil {
		return nil, err
	}
	var list []Status
	for _, c := range t.Copies {
		s := Status{Target: t.Name, Phone: c.Phone, Where: t.Location, Copy: c, Versions: len(c.Held), Behind: -1, Size: c.Size, Free: c.Free}
		if all, ok := mains[c.Phone]; ok {
			c.prune(all, nil)
			s.Versions, s.Behind = len(c.Held), c.behind(all)
		}
		if err := k.presence(ctx, t, c, paths, &s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func (k *Keeper) presence(ctx context.Context, t Target, c Copy, paths []string, s *Status) error {
	found, err := k.find(ctx, t, c, paths, false)
	var absent *AbsentError
	switch {
	case ctx.Err() != nil:
		return errors.Join(context.Cause(ctx), err)
	case errors.As(err, &absent):
		s.Presence, s.Err = Absent, err
		return nil
	case err != nil:
		s.Presence, s.Err = Trouble, err
		return nil
	}
	s.Where = found.where
	if found.certain {
		s.Presence = Here
		if path, ok := folder(found.where); ok {
			if free, err := freeRoom(path); err == nil {
				s.Free = free
			}
		}
	} else {
		s.Presence, s.Err = Other, &WrongRepositoryError{Target: t.Name, Where: found.where}
	}
	return found.be.Close()
}

// LastCopied is when a target was last complete: the oldest of its copies; the zero
// time if one never was.
func (t *Target) LastCopied() time.Time {
	var oldest time.Time
	for i, c := range t.Copies {
		if i == 0 || c.LastCopied.Before(oldest) {
			oldest = c.LastCopied
		}
	}
	return oldest
}
