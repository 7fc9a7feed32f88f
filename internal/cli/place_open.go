package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// wish says which repositories of a location a command is about. In a place
// that is a repository itself there is nothing to wish.
type wish struct {
	snapshots []string // as people name them: the repository that has all of them
	all       bool     // every one, unless --udid says otherwise
	untold    bool     // no line in front of each
}

// withRepositoryOf opens what the flags name, for the time of fn: a repository,
// or in a location that of the phone which --udid names, or with --all one
// after the other.
func (a *app) withRepositoryOf(cmd *cobra.Command, f *repositoryFlags, fn func(ctx context.Context, r *repository.Repository) error) error {
	return a.withRepositories(cmd, f, wish{all: f.all}, fn)
}

func (a *app) withRepositories(cmd *cobra.Command, f *repositoryFlags, w wish, fn func(ctx context.Context, r *repository.Repository) error) (err error) {
	ctx := cmd.Context()
	p, o, err := a.place(cmd, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if p.Backend != nil {
		return a.use(ctx, &p, nil, f, o, fn)
	}
	chosen, err := a.chosen(cmd, f, o, p, w)
	if err != nil {
		return err
	}
	return a.eachMember(ctx, chosen, !w.untold, func(m place.Member) error { return a.use(ctx, &place.Place{At: m.At}, &m, f, o, fn) })
}

// place looks at what the flags name.
func (a *app) place(cmd *cobra.Command, f *repositoryFlags) (place.Place, repository.Options, error) {
	where, err := f.needLocation(cmd, a)
	if err != nil {
		return place.Place{}, repository.Options{}, err
	}
	o, err := f.options(a)
	if err != nil {
		return place.Place{}, o, err
	}
	p, err := a.look(cmd.Context(), where, f)
	return p, o, err
}

// eachMember goes through members. One that fails does not stop the others; the
// worst exit code is that of all.
func (a *app) eachMember(ctx context.Context, members []place.Member, titles bool, fn func(place.Member) error) error {
	if len(members) == 1 {
		return fn(members[0])
	}
	worst := reported{exitOK}
	for i, m := range members {
		if titles && i > 0 {
			a.printf("\n")
		}
		if titles {
			a.printf("%v\n", m.At)
		}
		err := fn(m)
		code := exitCode(a.ctx, err)
		if ctx.Err() != nil || code == exitUsage {
			return err
		}
		if told := (reported{}); err != nil && !errors.As(err, &told) {
			a.tell(code, fmt.Sprintf("%v: %v", m.UDID, err), remedy(err, code))
		}
		if worst.code == exitOK || worst.code == exitIncomplete && code != exitOK {
			worst.code = code
		}
	}
	if worst.code == exitOK {
		return nil
	}
	return worst
}

// use opens one repository for the time of fn.
func (a *app) use(ctx context.Context, p *place.Place, m *place.Member, f *repositoryFlags, o repository.Options, fn func(ctx context.Context, r *repository.Repository) error) (err error) {
	r, err := a.openRepository(ctx, p, f, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return fn(ctx, r)
}

// openRepository opens the repository at a place. Whoever types the password may
// mistype it; what opened one opens the others of a location, too.
func (a *app) openRepository(ctx context.Context, p *place.Place, f *repositoryFlags, o repository.Options) (*repository.Repository, error) {
	be := p.Backend
	p.Backend = nil
	for try := 1; ; try++ {
		// First, since nobody wants to type a password for a place that is not there.
		var err error
		if be == nil {
			if be, err = a.openBackendAt(ctx, p.At, f); err != nil {
				return nil, err
			}
		}
		password, typed, err := f.password.get(ctx, a)
		if err != nil {
			return nil, errors.Join(err, be.Close())
		}
		r, err := repository.Open(ctx, be, password, o)
		if err == nil {
			if typed {
				f.password.typed = password
			}
			return r, nil
		}
		err = errors.Join(err, be.Close())
		if !typed || try == passwordTries || !errors.Is(err, repository.ErrWrongPassword) {
			return nil, err
		}
		be = nil
		f.password.typed.Text = noPassword
		fmt.Fprintf(a.Stderr, "That password opens none of the keys at %v. Once more:\n", p.At)
	}
}

// chosen are the members of a location that a command is about.
func (a *app) chosen(cmd *cobra.Command, f *repositoryFlags, o repository.Options, p place.Place, w wish) ([]place.Member, error) {
	ctx := cmd.Context()
	if len(p.Members) == 0 {
		return nil, &hintError{err: fmt.Errorf("open %v: %w", p.At, repository.ErrNoRepository), hint: noRepositoryHint}
	}
	members := p.Members
	if a.phone != "" {
		var err error
		if members, err = a.membersNamed(ctx, f, o, members, a.phone); err != nil {
			return nil, err
		}
		if len(members) == 0 {
			return nil, &hintError{err: fmt.Errorf("open %v: it has no repository of %q", p.At, a.phone), hint: severalHint(p.Members), code: exitNoRepository}
		}
	}
	for _, text := range w.snapshots {
		if len(members) == 1 {
			break
		}
		var err error
		if members, err = a.membersWith(ctx, f, o, members, text); err != nil {
			return nil, err
		}
		if len(members) == 0 {
			return nil, &hintError{err: fmt.Errorf("find snapshot %q in %v: none of its phones has it", text, p.At), hint: "\"keepsake snapshots\" lists them"}
		}
	}
	if len(members) == 1 || w.all && len(w.snapshots) == 0 {
		return members, nil
	}
	return nil, &usageError{fmt.Errorf("%s: there are %d phones in %v", name(cmd), len(members), p.At), severalHint(members)}
}

func severalHint(members []place.Member) string {
	var udids []string
	for _, m := range members {
		udids = append(udids, m.UDID.String())
	}
	return fmt.Sprintf("say which with --udid: a UDID, the beginning of it, or the phone's name; or --all. There are: %s", strings.Join(udids, ", "))
}

// membersNamed are the members of the phone that text names, or whose name it begins. A name is in the
// snapshots, so that they have to be opened for it.
func (a *app) membersNamed(ctx context.Context, f *repositoryFlags, o repository.Options, members []place.Member, text string) ([]place.Member, error) {
	if fits := matching(members, text); len(fits) > 0 {
		return fits, nil
	}
	var fits, begin []place.Member
	for _, m := range members {
		err := a.use(ctx, &place.Place{At: m.At}, &m, f, o, func(ctx context.Context, r *repository.Repository) error {
			return a.inSession(ctx, r, repository.Unlocked, func(ctx context.Context, s *repository.Session) error {
				list, _, err := s.ReadableSnapshots(ctx)
				named := func(fits func(name, text string) bool) bool {
					return slices.ContainsFunc(list, func(sn repository.Snapshot) bool {
						info := snapshot.Describe(sn)
						return info.UDID != "" && fits(info.Name, text)
					})
				}
				switch {
				case named(phonename.Is):
					fits = append(fits, m)
				case named(phonename.Begins):
					begin = append(begin, m)
				}
				return err
			})
		})
		if err != nil {
			return nil, err
		}
	}
	if len(fits) == 0 {
		return begin, nil
	}
	return fits, nil
}

// membersWith are the members that may have the snapshot which text names.
func (a *app) membersWith(ctx context.Context, f *repositoryFlags, o repository.Options, members []place.Member, text string) ([]place.Member, error) {
	id, _ := splitSnapshot(text)
	if id == latestSnapshot {
		return members, nil
	}
	if phone, ok := strings.CutPrefix(id, latestSnapshot+":"); ok {
		return a.membersNamed(ctx, f, o, members, phone)
	}
	// Names of snapshots are those of files: no password is needed.
	var fits []place.Member
	for _, m := range members {
		has, err := a.hasSnapshot(ctx, m.At, f, strings.ToLower(id))
		if err != nil {
			return nil, err
		}
		if has {
			fits = append(fits, m)
		}
	}
	return fits, nil
}

func (a *app) hasSnapshot(ctx context.Context, at location.Location, f *repositoryFlags, prefix string) (has bool, err error) {
	be, err := a.openBackendAt(ctx, at, f)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, be.Close()) }()
	err = be.List(ctx, backend.SnapshotFile, func(file backend.FileInfo) error {
		has = has || strings.HasPrefix(file.Name, prefix)
		return nil
	})
	return has, err
}

// latestSnapshot is what people write for the newest one.
const latestSnapshot = "latest"

// splitSnapshot splits SNAPSHOT:PATH. SNAPSHOT is the beginning of an ID,
// "latest" or "latest:PHONE"; PATH begins with a slash behind "latest", and may
// do without behind an ID.
func splitSnapshot(text string) (id, path string) {
	rest, ok := strings.CutPrefix(text, latestSnapshot+":")
	if !ok {
		id, path, _ = strings.Cut(text, ":")
		return id, path
	}
	if strings.HasPrefix(rest, "/") || rest == "" {
		return latestSnapshot, rest
	}
	phone, path, found := strings.Cut(rest, ":/")
	if found {
		path = "/" + path
	}
	return latestSnapshot + ":" + phone, path
}

// openSnapshot opens the repository that has the snapshot which text names (the
// beginning of an ID, "latest" or "latest:PHONE"), takes a lock and finds it.
// Work under s.Context(), and call close at the end, whatever happened; it may
// not be called when err is not nil.
func (a *app) openSnapshot(_ context.Context, cmd *cobra.Command, text string) (r *repository.Repository, s *repository.Session, info snapshot.Info, close func() error, err error) {
	ctx := cmd.Context()
	p, o, err := a.place(cmd, &a.repo)
	if err != nil {
		return nil, nil, info, nil, err
	}
	from := &p
	if p.Backend == nil {
		chosen, err := a.chosen(cmd, &a.repo, o, p, wish{snapshots: []string{text}})
		if err != nil {
			return nil, nil, info, nil, err
		}
		from = &place.Place{At: chosen[0].At}
	}
	if r, err = a.openRepository(ctx, from, &a.repo, o); err != nil {
		return nil, nil, info, nil, err
	}
	if s, err = r.Begin(ctx, a.repo.mode(repository.Shared), a.repo.retryLock); err != nil {
		return nil, nil, info, nil, errors.Join(err, r.Close())
	}
	close = func() error { return errors.Join(s.Close(), r.Close()) }
	if info, err = findSnapshot(s.Context(), s, text); err != nil {
		return nil, nil, info, nil, errors.Join(err, close())
	}
	return r, s, info, close, nil
}

// findSnapshot is snapshot.Find with a remedy.
func findSnapshot(ctx context.Context, s *repository.Session, text string) (snapshot.Info, error) {
	info, err := snapshot.Find(ctx, s, text)
	if err != nil {
		return info, &hintError{err: err, hint: "\"keepsake snapshots\" lists them"}
	}
	return info, nil
}
