package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/internal/inside"
	"github.com/keepsake-backup/keepsake/internal/lockfile"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/snapshot"
)

type searchFlags struct {
	in     contentFlags
	all    bool
	kinds  []string
	limit  int
	after  string
	oldest string
	newest string
}

// hitMessage is a find with --json.
type hitMessage struct {
	MessageType string `json:"message_type"` // "hit"
	*search.Hit
}

type searchSummary struct {
	MessageType string  `json:"message_type"` // "summary"
	Command     string  `json:"command"`
	Hits        int     `json:"hits"`
	Next        string  `json:"next,omitempty"` // give it to --after
	Indexed     int     `json:"versions_indexed"`
	Seconds     float64 `json:"seconds"`
}

func newSearch(a *app) *cobra.Command {
	var f searchFlags
	c := &cobra.Command{
		Use:   "search TEXT [SNAPSHOT]",
		Short: "Find what was written, in one version or in all",
		Long: `Find contacts, messages, notes, photos by their captions, and everything else that people look for, by its
words: all of them have to be there, whatever their case and accents; "in quotes" next to each other; -word must
not be there. The last word may be the beginning of one.

It looks into the newest version unless SNAPSHOT says another one; with --all into every version of the iPhone,
and tells when something was first there, and since when it is gone. An index is made at the first search, sealed,
in this computer's cache; later versions add what is new.`,
		Example: `  keepsake search 'plum cake'
  keepsake search '"river stone" -garden' latest:Anna --kind messages
  keepsake search '+49 170 555' --all --kind contacts
  keepsake search invoice --folder ~/Backups`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 || strings.TrimSpace(args[0]) == "" {
				return usageOf(cmd, errors.New("search: say what to look for"))
			}
			if len(args) > 2 || len(args) == 2 && f.in.folder != "" {
				return usageOf(cmd, errors.New("search: a text of several words goes in quotes: 'plum cake'"))
			}
			return nil
		},
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := f.query(args[0])
			if err != nil {
				return err
			}
			a.interruptHint = "nothing is lost: start the same command again"
			if f.in.folder != "" {
				if _, _, err := f.in.take(cmd, a, nil); err != nil {
					return err
				}
				return a.withContent(cmd, &f.in, "", func(ctx context.Context, c *content) error { return a.searchFolder(ctx, c, q) })
			}
			text := latestSnapshot
			if len(args) == 2 {
				text = args[1]
			}
			return a.searchVersions(cmd, &f, text, q)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.all, "all", false, "in every version of the iPhone")
	flags.StringSliceVar(&f.kinds, "kind", nil, "only in these `KINDS`: contacts, messages, notes …")
	flags.IntVar(&f.limit, "limit", 50, "at most `N`")
	flags.StringVar(&f.after, "after", "", "what follows a search that told `NEXT`")
	flags.StringVar(&f.oldest, "oldest", "", "only what is from `TIME` or later")
	flags.StringVar(&f.newest, "newest", "", "only what is from before `TIME`")
	f.in.addFlags(c)
	return a.repositoryCommand(c)
}

func (f *searchFlags) query(text string) (search.Query, error) {
	q := search.Query{Text: text, Kinds: f.kinds, Limit: f.limit, After: f.after}
	for _, k := range f.kinds {
		if _, err := kinds.Named(k); err != nil {
			return q, &usageError{fmt.Errorf("search: %w", err), ""}
		}
	}
	var err error
	if f.oldest != "" {
		if q.From, err = parseTime(f.oldest); err != nil {
			return q, &usageError{fmt.Errorf("--oldest: %w", err), ""}
		}
	}
	if f.newest != "" {
		if q.To, err = parseTime(f.newest); err != nil {
			return q, &usageError{fmt.Errorf("--newest: %w", err), ""}
		}
	}
	return q, nil
}

// searchFolder searches an iTunes folder, through an index that is gone afterwards.
func (a *app) searchFolder(ctx context.Context, c *content, q search.Query) (err error) {
	dir, err := os.MkdirTemp("", "keepsake-search-")
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	key := make([]byte, search.KeySize)
	rand.Read(key)
	ix, err := search.Open(ctx, dir, secret.NewBytes(key))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	var problems int64
	err = a.work(func(say progress.Reporter) error {
		say.Phase("index", "Reading "+c.title())
		told := &readProblems{a: a, say: say}
		err := ix.Add(ctx, search.Version{ID: "folder", Time: c.Device.Time}, kinds.All(), c.Source, told)
		told.end()
		problems = told.n
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(a.showHits(ctx, ix, q, map[string]time.Time{"folder": c.Device.Time}, false, 1), incomplete(problems))
}

// searchVersions searches a version of a phone, or all of them.
func (a *app) searchVersions(cmd *cobra.Command, f *searchFlags, text string, q search.Query) error {
	r, s, info, closeAll, err := a.openSnapshot(cmd.Context(), cmd, text)
	if err != nil {
		return err
	}
	ctx := s.Context()
	return errors.Join(func() (err error) {
		if text == latestSnapshot && a.phone == "" {
			if err := onlyPhone(ctx, s); err != nil {
				return err
			}
		}
		versions, err := versionsOf(ctx, s, info)
		if err != nil {
			return err
		}
		dir, err := a.searchDir()
		if err != nil {
			return err
		}
		ix, err := inside.OpenIndex(ctx, dir, r, info.UDID)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ix.Close()) }()
		wanted := versions
		if !f.all {
			wanted = slices.DeleteFunc(slices.Clone(versions), func(v snapshot.Info) bool { return v.ID != info.ID })
			q.Versions = []string{info.ID.String()}
		}
		indexed, problems, err := a.index(ctx, s, ix, versions, wanted, &f.in)
		if err != nil {
			return err
		}
		times := map[string]time.Time{}
		for _, v := range versions {
			times[v.ID.String()] = v.Time
		}
		return errors.Join(a.showHits(ctx, ix, q, times, f.all, indexed), incomplete(problems))
	}(), closeAll())
}

// versionsOf are the backups of the phone of a snapshot, the oldest first.
func versionsOf(ctx context.Context, s *repository.Session, info snapshot.Info) ([]snapshot.Info, error) {
	if info.Kind != snapshot.Backup {
		return nil, &hintError{err: errors.New("search: this is no backup of a phone"), hint: "\"keepsake find\" looks for names of files in every snapshot"}
	}
	list, err := snapshot.List(ctx, s)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(v snapshot.Info) bool { return v.UDID != info.UDID || v.Kind != snapshot.Backup })
	slices.SortFunc(list, func(a, b snapshot.Info) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID.String(), b.ID.String()))
	})
	return list, nil
}

// searchDir is the folder of the cache.
func (a *app) searchDir() (string, error) {
	if a.repo.cacheDir != "" {
		return a.repo.cacheDir, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", &hintError{err: fmt.Errorf("search: %w", err), hint: "say where the index may be kept: --cache-dir DIR"}
	}
	return filepath.Join(base, "keepsake"), nil
}

// index adds the wanted versions that are not in the index yet, and takes those out
// that the repository has no more.
func (a *app) index(ctx context.Context, s *repository.Session, ix *search.Index, versions, wanted []snapshot.Info, in *contentFlags) (indexed int, problems int64, err error) {
	have, err := ix.Versions()
	if err != nil {
		return 0, 0, err
	}
	known := map[string]bool{}
	var gone []string
	for _, v := range have {
		known[v.ID] = true
		if !slices.ContainsFunc(versions, func(i snapshot.Info) bool { return i.ID.String() == v.ID }) {
			gone = append(gone, v.ID)
		}
	}
	err = a.work(func(say progress.Reporter) error {
		if len(gone) > 0 {
			if err := ix.Forget(ctx, gone...); err != nil {
				return err
			}
		}
		told := &readProblems{a: a, say: say}
		defer func() { told.end(); problems = told.n }()
		parent := ""
		for _, v := range versions {
			id := v.ID.String()
			if known[id] {
				parent = id
				continue
			}
			if !slices.ContainsFunc(wanted, func(w snapshot.Info) bool { return w.ID == v.ID }) {
				continue
			}
			say.Phase("index", "Reading "+v.Time.Local().Format("2 January 2006, 15:04"))
			if err := a.indexVersion(ctx, s, ix, v, parent, in, told); err != nil {
				if held := (*lockfile.HeldError)(nil); errors.As(err, &held) {
					return &hintError{err: err, hint: "another search is making the index: try again when it has ended"}
				}
				return err
			}
			parent, indexed = id, indexed+1
		}
		return nil
	})
	return indexed, problems, err
}

func (a *app) indexVersion(ctx context.Context, s *repository.Session, ix *search.Index, v snapshot.Info, parent string, in *contentFlags, told *readProblems) (err error) {
	p, err := snapshot.Open(ctx, s, v.Snapshot)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if p.Meta().Sealed {
		password, ok, err := in.password.given(a)
		if err == nil && !ok {
			password, ok, err = a.recallPassword(ctx, s, v)
		}
		if err == nil && ok {
			err = p.Unlock(ctx, password)
		}
		if err != nil {
			return err
		}
		if !ok {
			told.say.Say(progress.Warn, fmt.Sprintf("the version of %s is sealed and is left out: give --backup-password-file", v.Time.Local().Format("2 January 2006, 15:04")))
			told.n++
			return nil
		}
	}
	src := inside.OfSnapshot(ctx, p)
	defer func() { err = errors.Join(err, src.Close()) }()
	return ix.Add(ctx, search.Version{ID: v.ID.String(), Parent: parent, Time: v.Time}, kinds.All(), src, told)
}

// showHits prints what is found.
func (a *app) showHits(ctx context.Context, ix *search.Index, q search.Query, times map[string]time.Time, all bool, indexed int) error {
	began := time.Now()
	result, err := ix.Search(ctx, q)
	if errors.Is(err, search.ErrQuery) {
		return &usageError{fmt.Errorf("search: %w", err), ""}
	}
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	took := time.Since(began)
	for _, h := range result.Hits {
		if a.json {
			a.emit(hitMessage{"hit", h})
			continue
		}
		a.printf("%s\n", clip(hitLine(h), a.columns()))
		fate := h.Fate(func(id string) string { return times[id].Local().Format("2 January 2006") })
		if all && fate != "" {
			a.printf("    %s\n", fate)
		}
	}
	if a.json {
		a.emit(searchSummary{"summary", "search", len(result.Hits), result.Next, indexed, seconds(took)})
		return a.written()
	}
	switch {
	case len(result.Hits) == 0:
		a.printf("Nothing was found.\n")
	case result.Next != "":
		a.printf("There is more: give --after %s, or a higher --limit.\n", result.Next)
	}
	return a.written()
}

// hitLine is a find in one line: when, what kind, who or what, and the words.
func hitLine(h *search.Hit) string {
	when := strings.Repeat(" ", len("2006-01-02"))
	if !h.Time.IsZero() {
		when = h.Time.Local().Format(time.DateOnly)
	}
	title := h.Kind
	if x, err := kinds.Named(h.Kind); err == nil {
		title = x.Info().Title
	}
	line := fmt.Sprintf("%s  %-11s  %s", when, title, h.Title)
	if h.Snippet.Text != "" && h.Snippet.Text != h.Title {
		line += ": " + h.Snippet.Text
	}
	return printable(line)
}
