package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/rehearse"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/format"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// within lets fn work in a shared session of the repository of the task.
func (t *task) within(ctx context.Context, fn func(ctx context.Context, s *repository.Session) error) error {
	r, release, err := t.repository(ctx, t.job.UDID, false)
	if err != nil {
		return err
	}
	defer release()
	s, err := r.Begin(ctx, repository.Shared, t.o.Pace.Lock)
	if err != nil {
		return err
	}
	err = errors.Join(fn(s.Context(), s), s.Close())
	if err != nil {
		return err
	}
	return t.refresh(ctx, r, t.job.UDID)
}

// rehearse restores a version onto a virtual phone.
func (t *task) rehearse(ctx context.Context) error {
	return t.within(ctx, func(ctx context.Context, s *repository.Session) error {
		info, err := snapshot.Find(ctx, s, asked(t.job).Version)
		if err != nil {
			return err
		}
		var password secret.BackupPassword
		if info.Sealed {
			if password, _, err = t.recall(ctx, s, info); err != nil {
				t.rep.Say(progress.Warn, fmt.Sprintf("A remembered backup password cannot be used: %v", err))
			}
		}
		res, err := rehearse.Named(ctx, s, info, rehearse.Options{Password: password, Program: t.o.Program, Dir: t.scratch(), Now: t.o.Now}, t.rep)
		if err != nil {
			return err
		}
		for _, f := range res.Findings {
			t.rep.Say(progress.Notice, f.String())
		}
		if !res.Passed {
			return hinted("keep older versions; the check of the repository tells whether it is damaged", "rehearse version of %s: it cannot be restored as it is", info.Time.In(t.zone()).Format("2 January"))
		}
		t.version = info.ID.String()
		t.text = fmt.Sprintf("It can be restored: %s came back as they were backed up, %s opened.", progress.Count(res.Files, "file", "files"), progress.Count(res.Databases, "database", "databases"))
		return nil
	})
}

// scratch is a folder for what lies on a disk only while the service works.
func (s *Service) scratch() string {
	dir, err := s.station.Folder("scratch")
	if err != nil {
		return ""
	}
	return dir
}

// check looks whether all is there that the versions need, and reads a part of it.
func (t *task) check(ctx context.Context) error {
	part := t.checkPart(ctx)
	var problems []string
	err := t.within(ctx, func(ctx context.Context, s *repository.Session) error {
		t.rep.Phase("check", "Looking whether everything is there")
		stats, err := s.Check(ctx, repository.CheckOptions{ReadData: part > 0, Subset: func(format.ID, int64) bool { return rand.IntN(100) < part }, Progress: func(c repository.CheckStats) {
			t.rep.Update(progress.Counters{Files: int64(c.Read), FilesTotal: int64(c.ToRead), Bytes: c.ReadBytes})
		}}, func(p repository.Problem) {
			if p.Severity == repository.Damage {
				problems = append(problems, p.Error())
			}
			if len(problems) <= 100 {
				t.rep.Say(progress.Warn, p.Error())
			}
		})
		if err != nil {
			return err
		}
		t.text = fmt.Sprintf("Everything is there; %s was read and is as it should be.", progress.Size(stats.ReadBytes))
		return nil
	})
	if err != nil {
		return err
	}
	t.noteUpkeep(ctx, t.job.UDID, func(u *upkeep) { u.Damage = len(problems) })
	if len(problems) > 0 {
		return hinted("what is damaged can be mended from a target: keepsake targets repair", "check repository: %s damaged", progress.Count(int64(len(problems)), "thing is", "things are"))
	}
	return nil
}

// forget removes the versions that are not to be kept, and frees their room.
func (t *task) forget(ctx context.Context) error {
	p, err := t.db.Phone(ctx, t.job.UDID)
	if err != nil {
		return err
	}
	r, release, err := t.repository(ctx, t.job.UDID, false)
	if err != nil {
		return err
	}
	defer release()
	if busy := t.closeViews(t.job.UDID); busy > 0 {
		t.rep.Say(progress.Notice, "Waiting for downloads to end.")
	}
	u := upkeepIn(p)
	f := forgetting{repo: r, udid: t.job.UDID, keep: retentionOf(p), pinned: u.Pinned, version: asked(t.job).Version, now: t.o.Now(), wait: t.o.Pace.Lock}
	gone, freed, err := f.run(ctx, t.rep, u.Unpruned, func() { t.noteUpkeep(ctx, t.job.UDID, func(u *upkeep) { u.Unpruned = true }) })
	// Even if nothing went: an earlier run may have been cut off after it had removed
	// something, and people remove versions with the command line, too.
	if err == nil || gone > 0 {
		err = errors.Join(err, t.refresh(context.WithoutCancel(ctx), r, t.job.UDID))
	}
	if err != nil {
		return err
	}
	t.noteUpkeep(ctx, t.job.UDID, func(u *upkeep) { u.Forgot, u.Unpruned = t.o.Now(), false })
	t.text = "Nothing was to be removed."
	if gone > 0 {
		t.text = fmt.Sprintf("%s removed, %s freed.", progress.Count(int64(gone), "version was", "versions were"), progress.Size(freed))
	}
	return nil
}

// handOver puts new original photos into the folder of the settings.
func (t *task) handOver(ctx context.Context) error {
	set, err := t.settings(ctx)
	if err != nil || set.HandOver == "" {
		return err
	}
	v, err := t.views.take(ctx, t.job.UDID, asked(t.job).Version)
	if err != nil {
		return err
	}
	defer t.views.give(v)
	fsys, err := v.fs(ctx)
	if err == nil && v.info.Sealed {
		err = t.unseal(ctx, v)
	}
	if err != nil {
		return err
	}
	root, err := t.albumOf(set.HandOver, t.rep.name)
	if err != nil {
		return err
	}
	defer root.Close() // a folder
	t.rep.Phase("handover", "Handing over new photos")
	g := &giver{from: fsys, into: root,
		given: func(ctx context.Context, file catalog.Digest) (bool, error) {
			return t.db.HandedOver(ctx, t.job.UDID, file)
		},
		give: func(ctx context.Context, file catalog.Digest) error { return t.db.HandOver(ctx, t.job.UDID, file) },
		told: func(files, bytes int64) { t.rep.Update(progress.Counters{Files: files, Bytes: bytes}) }}
	err = g.run(ctx)
	t.text = fmt.Sprintf("%s handed over.", progress.Count(g.files, "photo was", "photos were"))
	return err
}

// albumOf opens the folder of one phone below the folder of the settings, which
// has to be there: it may be on a disk that is not plugged in.
func (t *task) albumOf(folder, name string) (*os.Root, error) {
	root, err := os.OpenRoot(filepath.Clean(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hinted("plug the disk in, or choose another folder in the settings", "hand over photos: there is no folder %s", folder)
	}
	if err != nil {
		return nil, fmt.Errorf("hand over photos: %w", err)
	}
	defer root.Close() // a folder
	album := safeName(name)
	if album == "" || strings.EqualFold(album, t.job.UDID) {
		album = t.job.UDID
	}
	if err := root.MkdirAll(album, 0o750); err != nil {
		return nil, fmt.Errorf("hand over photos: %w", err)
	}
	return root.OpenRoot(album)
}
