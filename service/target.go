package service

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/notify"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/targets"
)

// farTargets is how often is looked for targets that are no disk of this computer.
const farTargets = 15 * time.Minute

// mains lets fn work with the repositories whose copies are kept.
func (s *Service) mains(ctx context.Context, fn func([]targets.Main) error) error {
	h, err := s.reach(ctx)
	if err != nil {
		return err
	}
	keys := []string{""}
	if !h.place.Shared() {
		keys = nil
		for _, m := range h.place.Members() {
			keys = append(keys, m.String())
		}
	}
	var list []targets.Main
	for _, key := range keys {
		r, release, err := s.vault.take(ctx, key, false)
		if err != nil {
			return err
		}
		defer release()
		list = append(list, targets.Main{Phone: key, Repo: r})
	}
	return fn(list)
}

// lookForTargets looks which targets are there, and starts copies to those that
// lack something: beside everything else, now and then.
func (s *Service) lookForTargets() {
	now := s.o.Now()
	s.mu.Lock()
	due := s.home.where != "" && !s.looked.targeting && now.Sub(s.looked.targets) >= s.o.Pace.Targets
	far := now.Sub(s.looked.far) >= farTargets
	if due {
		s.looked.targets, s.looked.targeting = now, true
		if far {
			s.looked.far = now
		}
	}
	s.mu.Unlock()
	if !due {
		return
	}
	s.spawn(func(ctx context.Context) {
		err := s.seeTargets(ctx, far)
		s.mu.Lock()
		s.looked.targeting = false
		s.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			s.log.Warn("looking for targets failed", "err", err)
		}
	})
}

// lookForTargetsSoon makes the next look at everything look for targets, too.
func (s *Service) lookForTargetsSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked.targets, s.looked.far = time.Time{}, time.Time{}
}

// seeTargets looks at the targets, those elsewhere only if far says so.
func (s *Service) seeTargets(ctx context.Context, far bool) error {
	book, err := s.book.All()
	if err != nil {
		return err
	}
	if len(book) == 0 {
		s.keepTargets(nil)
		return nil
	}
	have, err := s.mainVersions(ctx)
	if err != nil {
		return err
	}
	keeper := s.keeper()
	var list []Target
	var errs []error
	for _, t := range book {
		local := isLocal(t)
		old, known := s.targetNamed(t.Name)
		if !local && !far && known {
			list = append(list, old)
			continue
		}
		status, err := keeper.Status(ctx, t.Name, have, nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		shown := targetOf(t, status)
		list = append(list, shown)
		if shown.Here && shown.Behind > 0 {
			_, err := s.enqueue(ctx, wish{kind: CopyJob, target: t.Name, trigger: "it is there, and lacks " + progress.Count(int64(shown.Behind), "version", "versions")})
			errs = append(errs, err)
		}
	}
	s.keepTargets(list)
	s.missed(ctx, book, list)
	return errors.Join(errs...)
}

// missed tells of targets that lack something and were not here for long.
func (s *Service) missed(ctx context.Context, book []targets.Target, list []Target) {
	for _, t := range list {
		since := t.LastCopied
		if i := slices.IndexFunc(book, func(b targets.Target) bool { return b.Name == t.Name }); since.IsZero() && i >= 0 {
			since = book[i].Added
		}
		if t.Behind == 0 || s.o.Now().Sub(since) < missTarget {
			continue
		}
		text := fmt.Sprintf("The last copy on it is of %s.", since.In(s.zone()).Format("2 January"))
		if t.LastCopied.IsZero() {
			text = "There is no copy on it yet."
		}
		do := " Plug it in, or switch it on: the rest happens by itself."
		if t.Here {
			do = " It is here, and copies fail: Activity says why."
		}
		s.say(ctx, "target."+t.Name, tellTarget, notify.Message{Title: "Target " + t.Name + " is missed", Text: text + do})
	}
}

// mainVersions are the versions of the main repositories, by phone.
func (s *Service) mainVersions(ctx context.Context) (map[string][]repository.Snapshot, error) {
	s.mu.Lock()
	have := s.have
	s.mu.Unlock()
	if have != nil {
		return have, nil // nothing has changed since
	}
	have = map[string][]repository.Snapshot{}
	err := s.mains(ctx, func(list []targets.Main) error {
		for _, m := range list {
			session, err := m.Repo.Begin(ctx, repository.Unlocked, 0)
			if err != nil {
				return err
			}
			all, _, err := session.ReadableSnapshots(session.Context())
			if err = errors.Join(err, session.Close()); err != nil {
				return err
			}
			have[m.Phone] = all
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.have = have
	s.mu.Unlock()
	return have, nil
}

func isLocal(t targets.Target) bool {
	at, err := location.Parse(t.Location)
	return err == nil && at.Kind == location.Local
}

// targetOf says how a target is; its copies are those of several phones, perhaps.
func targetOf(t targets.Target, status []targets.Status) Target {
	out := Target{Name: t.Name, Location: t.Location, Kind: targetKind(t), Here: len(status) > 0, LastCopied: t.LastCopied(), Free: -1, Automatic: true}
	for _, st := range status {
		if st.Presence != targets.Here {
			out.Here = false
			if st.Err != nil {
				out.Err = st.Err.Error()
			}
		}
		switch {
		case st.Behind < 0:
			out.Behind = -1
		case out.Behind >= 0:
			out.Behind += st.Behind
		}
		out.Free = max(out.Free, st.Free)
		if st.Where != "" && !t.Many {
			out.Location = st.Where
		}
	}
	return out
}

func targetKind(t targets.Target) string {
	at, err := location.Parse(t.Location)
	if err != nil {
		return "disk"
	}
	switch at.Kind {
	case location.S3:
		return "S3"
	case location.REST:
		return "server"
	case location.SFTP:
		return "SFTP"
	case location.Rclone:
		return "rclone"
	}
	return "disk"
}

func (s *Service) targetNamed(name string) (Target, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.targets, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return Target{}, false
	}
	return s.targets[i], true
}

func (s *Service) keepTargets(list []Target) {
	s.mu.Lock()
	changed := !slices.Equal(s.targets, list)
	s.targets = list
	s.mu.Unlock()
	if changed {
		s.hub.tell(Event{Kind: "target"})
	}
}

// targetsFor are the targets as who may see them: where they are is for admins.
func (s *Service) targetsFor(who Who) []Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.targets)
	if !who.Admin {
		for i := range list {
			list[i].Location, list[i].Err = "", ""
		}
	}
	return list
}

// Copy copies to a target now.
func (s *Service) Copy(ctx context.Context, who Who, target string) (int64, error) {
	if err := s.mayHere(who, toManage); err != nil {
		return 0, err
	}
	if err := s.ready(); err != nil {
		return 0, err
	}
	if _, err := s.book.Find(target); err != nil {
		if errors.Is(err, targets.ErrUnknown) {
			return 0, fs.ErrNotExist
		}
		return 0, err
	}
	return s.enqueue(ctx, wish{kind: CopyJob, target: target, account: who.Account, trigger: who.Name + " asked for it"})
}

// copyTo brings a target up to date.
func (t *task) copyTo(ctx context.Context) error {
	keeper := t.keeper()
	copied, failed := 0, 0
	err := t.mains(ctx, func(list []targets.Main) error {
		target, err := t.book.Find(t.job.Target)
		if err != nil {
			return err
		}
		for _, m := range list {
			if !target.Many && m.Phone != "" && target.Copy(m.Phone) == nil && len(target.Copies) > 0 {
				continue
			}
			t.rep.Phase("copy", "Copying to "+target.Name)
			res, err := keeper.Copy(ctx, target.Name, m, targets.CopyOptions{Progress: func(sn repository.Snapshot) {
				t.rep.Phase("copy", fmt.Sprintf("Copying the version of %s to %s", sn.Time.In(t.zone()).Format("2 January 2006, 15:04"), target.Name))
			}})
			if err != nil {
				return err
			}
			copied += len(res.Stats.Copied)
			failed += len(res.Failed)
			for _, f := range res.Failed {
				t.rep.Say(progress.Warn, fmt.Sprintf("A version is damaged and was left out: %v", f.Err))
			}
			if err := t.refreshAll(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if failed > 0 {
		return hinted("mend it from another target: keepsake targets repair", "copy to %s: %s damaged in the main repository and left out", t.job.Target, progress.Count(int64(failed), "version is", "versions are"))
	}
	t.text = fmt.Sprintf("%s copied.", progress.Count(int64(copied), "version was", "versions were"))
	return nil
}

// refreshAll reads anew which targets hold which versions of a main repository.
func (s *Service) refreshAll(ctx context.Context, m targets.Main) error {
	if m.Phone != "" {
		return s.refresh(ctx, m.Repo, m.Phone)
	}
	phones, err := s.db.Phones(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range phones {
		errs = append(errs, s.refresh(ctx, m.Repo, p.UDID))
	}
	return errors.Join(errs...)
}

// RemoveTarget forgets a target; what lies on it stays.
func (s *Service) RemoveTarget(ctx context.Context, who Who, name string) error {
	if err := s.mayHere(who, toManage); err != nil {
		return err
	}
	if err := s.book.Remove(name); err != nil {
		if errors.Is(err, targets.ErrUnknown) {
			return fs.ErrNotExist
		}
		return err
	}
	s.audit(ctx, who, "remove target", "", name)
	s.mu.Lock()
	s.targets = slices.DeleteFunc(slices.Clone(s.targets), func(t Target) bool { return t.Name == name })
	s.mu.Unlock()
	s.hub.tell(Event{Kind: "target"})
	s.lookForTargetsSoon()
	return errors.Join(s.forgetSecret(ctx, targetPassword(name)), s.forgetSecret(ctx, targetCredentials(name)))
}
