package backup

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
)

// The room that the phone is told is what it may send without anything failing
// later:
//
//	in clear    the repository's room. The spool is emptied behind the phone and
//	            takes no more than two checkpoints.
//	encrypted   what fits into the spool, since all of it waits for the keys, and
//	            into the repository. When both are on one disk, that room is counted
//	            once: each segment goes as soon as what was in it is stored, and
//	            nothing is larger decrypted than encrypted.
//	sealed      as in clear: nothing waits.
//
// Of each disk a reserve stays free. A repository that does not lie on a disk of
// this computer does not tell its room; it is taken to have enough, and says so
// itself if it has not.
const (
	reserve     = 128 << 20
	unknownRoom = 4 << 40 // more than any phone has
)

// repositoryRoom is what the disk of a local repository has free.
func repositoryRoom(repo *repository.Repository) (free int64, disk uint64, ok bool) {
	p := repo.Backend().Properties()
	if p.Remote || !filepath.IsAbs(p.Location) {
		return 0, 0, false
	}
	v, err := volumeOf(p.Location)
	if err != nil {
		return 0, 0, false
	}
	return v.free, v.id, true
}

// room computes what there is.
type room struct {
	repo  *repository.Repository
	spool string // folder
	left  func() int64
}

// forSpool is what may still wait, in bytes.
func (r room) forSpool() (int64, volume, error) {
	v, err := volumeOf(r.spool)
	if err != nil {
		return 0, v, hostError("look at", r.spool, err)
	}
	return max(min(v.free-reserve, r.left()), 0), v, nil
}

// forPhone is what the phone may send, in bytes; waits says that it encrypts and
// that its files wait for the keys.
func (r room) forPhone(waits bool) (int64, error) {
	spool, v, err := r.forSpool()
	if err != nil {
		return 0, err
	}
	free, disk, known := repositoryRoom(r.repo)
	switch {
	case !known && waits:
		return spool, nil
	case !known:
		return unknownRoom, nil
	case waits && disk == v.id:
		return spool, nil
	case waits:
		return max(min(spool, free-reserve), 0), nil
	case disk == v.id:
		return max(free-reserve-min(2*checkpointBytes, free/4, r.left()), 0), nil
	}
	return max(free-reserve, 0), nil
}

// predict is what the phone may be going to send at most in a first backup: the
// used part of its own disk, 0 if it does not tell. Apps and what comes from a
// computer are in it, and in no backup.
func (j *job) predict(ctx context.Context) int64 {
	usage, err := j.phone.DiskUsage(ctx)
	if err != nil || usage.DataAvailable > usage.DataCapacity {
		return 0 // then the phone compares for itself
	}
	return int64(min(usage.DataCapacity-usage.DataAvailable, 1<<62))
}

// plan says before the prompt what room an encrypted phone needs until it has sent
// its keys. What the phone tells of its disk is an upper bound, far above what it
// sends: with too little room for that, files wait all the same. The phone reckons
// what it is going to send itself, and asks for more room if that does not fit
// ([overlayStore.Purge]); then, or when the spool is full, files are stored as they
// come.
func (j *job) plan(ctx context.Context, r room, everything bool) error {
	if !j.encrypted || !everything {
		return nil
	}
	most := j.predict(ctx)
	if most == 0 {
		return nil
	}
	have, _, err := r.forSpool()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("This backup needs up to %s of room on this computer until the iPhone has sent its keys; %s are free.", progress.Size(most), progress.Size(have))
	if most <= have {
		j.rep.Say(progress.Detail, text)
		return nil
	}
	j.rep.Say(progress.Notice, text+" Apps and the system are in the first figure and not in the backup, so that may do. If it does not, files are stored as encrypted as they come: nothing will be missing, and they are decrypted afterwards if there is room then.")
	return nil
}
