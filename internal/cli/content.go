package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/inside"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/mobilebackup2/dirstore"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// contentFlags say what is looked into: SNAPSHOT, the first argument, or --folder.
type contentFlags struct {
	folder, source string
	password       *passwordSource
	notes          string
}

func (f *contentFlags) addFlags(c *cobra.Command) {
	f.password = currentPassword()
	c.Flags().StringVar(&f.folder, "folder", "", "look into the iTunes backup in `DIR`, instead of a snapshot")
	c.Flags().StringVar(&f.source, "source", "", "which backup of the folder: a `PHONE`'s UDID, the beginning of it, or its name")
	f.password.addFlag(c)
}

// take splits the arguments of a command into SNAPSHOT and the rest.
func (f *contentFlags) take(cmd *cobra.Command, a *app, args []string) (snapshot string, rest []string, err error) {
	switch {
	case f.folder != "" && a.repo.location != "":
		return "", nil, usageOf(cmd, fmt.Errorf("%s: --folder is not for a repository: give one or the other", name(cmd)))
	case f.folder != "":
		return "", args, nil
	case len(args) == 0:
		return "", nil, &usageError{fmt.Errorf("%s: say which snapshot", name(cmd)),
			fmt.Sprintf("the beginning of its ID, latest, or latest:PHONE; or an iTunes backup: %s --folder DIR", cmd.CommandPath())}
	}
	return args[0], args[1:], nil
}

// content is something that is open to be looked into.
type content struct {
	*extract.Source
	ID      string // of the snapshot; "" of a folder
	Info    snapshot.Info
	phone   *snapshot.Snapshot     // nil of a folder
	session *repository.Session    // the same
	repo    *repository.Repository // the same
}

// withContent opens what text or the flags name and lets fn look into it.
func (a *app) withContent(cmd *cobra.Command, f *contentFlags, text string, fn func(ctx context.Context, c *content) error) error {
	if f.folder != "" {
		return a.withFolderContent(cmd.Context(), f, fn)
	}
	r, s, info, closeAll, err := a.openSnapshot(cmd.Context(), cmd, text)
	if err != nil {
		return err
	}
	ctx := s.Context()
	return errors.Join(func() (err error) {
		if info.Kind == snapshot.Media {
			src, err := inside.OfMedia(ctx, s, info)
			if err != nil {
				return err
			}
			c := &content{Source: src, ID: info.ID.String(), Info: info, session: s, repo: r}
			return errors.Join(fn(ctx, c), c.Close())
		}
		p, err := snapshot.Open(ctx, s, info.Snapshot)
		if errors.Is(err, snapshot.ErrNotPhone) {
			return &hintError{err: err, hint: "\"keepsake restore-files\" and \"keepsake ls\" look into other snapshots"}
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		if p.Meta().Sealed {
			if err := a.unlockSealed(ctx, s, p, f.password); err != nil {
				return err
			}
		}
		c := &content{inside.OfSnapshot(ctx, p), info.ID.String(), p.Info(), p, s, r}
		if err := f.prepare(a, c); err != nil {
			return err
		}
		return errors.Join(fn(ctx, c), c.Close())
	}(), closeAll())
}

// unlockSealed opens a version that was stored as the phone encrypted it.
func (a *app) unlockSealed(ctx context.Context, s *repository.Session, p *snapshot.Snapshot, source *passwordSource) error {
	password, ok, err := source.given(a)
	if err == nil && !ok {
		password, ok, err = a.recallPassword(ctx, s, p.Info())
	}
	if err == nil && !ok {
		password, err = source.get(ctx, a)
	}
	if err != nil {
		return err
	}
	return a.work(func(say progress.Reporter) error {
		say.Phase("unlock", "Trying the password (this takes a while by design)")
		return p.Unlock(ctx, password)
	})
}

func (a *app) withFolderContent(ctx context.Context, f *contentFlags, fn func(ctx context.Context, c *content) error) (err error) {
	found, err := findBackups(f.folder)
	if err != nil {
		return err
	}
	which := f.source
	if which == "" {
		which = a.phone
	}
	chosen, err := choose(found, which, "")
	if err != nil {
		return err
	}
	fsys, _, err := dirstore.Previous(chosen.path)
	if err != nil {
		return fmt.Errorf("open backup %s: %w", chosen.path, err)
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	b, err := itunesbackup.OpenFS(ctx, fsys)
	if err != nil {
		return &hintError{err: fmt.Errorf("open backup %s: %w", chosen.path, err), hint: "\"keepsake check --folder\" tells what is wrong with it"}
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if b.Encrypted() {
		password, err := f.password.get(ctx, a)
		if err != nil {
			return err
		}
		err = a.work(func(say progress.Reporter) error {
			say.Phase("unlock", "Trying the password (this takes a while by design)")
			return b.Unlock(ctx, password)
		})
		if err != nil {
			return fmt.Errorf("open backup %s: %w", chosen.path, err)
		}
	}
	made := time.Time{}
	if status, err := b.StatusPlist(); err == nil {
		made = status.Date
	}
	src, err := inside.OfBackup(ctx, b, made)
	if err != nil {
		return err
	}
	c := &content{Source: src, Info: snapshot.Info{UDID: chosen.name, Name: chosen.title(), IOS: src.Device.IOS}}
	if c.Device.UDID == "" {
		c.Device.UDID = chosen.name
	}
	if err := f.prepare(a, c); err != nil {
		return err
	}
	return errors.Join(fn(ctx, c), c.Close())
}

// prepare gives the source what flags say.
func (f *contentFlags) prepare(_ *app, c *content) error {
	if f.notes == "" {
		return nil
	}
	text, err := readSecretFile(f.notes)
	if err != nil {
		return fmt.Errorf("read the password of locked notes: %w", err)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			c.NotePasswords = append(c.NotePasswords, secret.NewText(line))
		}
	}
	return nil
}

// title names what is looked into for people: "Emma's iPhone, 3 May 2026, 21:40".
func (c *content) title() string {
	t := printable(c.Device.Name)
	if t == "" {
		t = c.Device.UDID
	}
	if !c.Device.Time.IsZero() {
		t += ", " + c.Device.Time.Local().Format("2 January 2006, 15:04")
	}
	return t
}

// readProblems says what readers could not read, each sentence once, and counts.
type readProblems struct {
	a       *app
	say     progress.Reporter
	n       int64
	skipped map[string]int
}

const problemsShown = 10 // of each kind

// Report implements extract.Reporter.
func (p *readProblems) Report(problem *extract.Problem) {
	p.n++
	if p.skipped == nil {
		p.skipped = map[string]int{}
	}
	if p.a.json {
		p.a.emit(problemMessage{"problem", "", "warning", problem.What, fmt.Sprint(problem.Err)})
		return
	}
	if p.skipped[problem.Kind]++; p.skipped[problem.Kind] <= problemsShown || p.a.verbose {
		p.say.Say(progress.Warn, problem.Error())
	}
}

// end tells how many were not shown.
func (p *readProblems) end() {
	if p.a.json || p.a.verbose {
		return
	}
	for _, kind := range slices.Sorted(maps.Keys(p.skipped)) {
		if more := p.skipped[kind] - problemsShown; more > 0 {
			p.say.Say(progress.Warn, fmt.Sprintf("and %d more like these; -v shows all", more))
		}
	}
}

// readError tells why a kind could not be read, as errors of commands are told.
func readError(title string, err error) error {
	if errors.Is(err, extract.ErrAbsent) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", title, extract.ErrAbsent)
	}
	return fmt.Errorf("%s: %w", title, err)
}
