package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/targets"
)

// keeper is what works on targets, as the flags say.
func (a *app) keeper(cmd *cobra.Command, f targetFlags) (*targets.Keeper, error) {
	book, err := a.targetBook()
	if err != nil {
		return nil, err
	}
	o, err := a.repo.options(a)
	if err != nil {
		return nil, err
	}
	o.KeyHint = "" // is the main repository's
	k := &targets.Keeper{Book: book, Wait: a.repo.retryLock, MainUnlocked: a.repo.noLock}
	k.Init.Options = o
	k.Init.Username, k.Init.Hostname = place.Label()
	k.Open, k.Made = a.openTarget, a.entered
	k.Password = func(ctx context.Context, t targets.Target) (secret.RepositoryPassword, bool, error) {
		return f.sourceOf(t).get(ctx, a)
	}
	k.NewPassword = func(ctx context.Context, t targets.Target) (secret.RepositoryPassword, error) {
		return f.sourceOf(t).choose(ctx, a)
	}
	k.Mistyped = func(t targets.Target) {
		fmt.Fprintf(a.Stderr, "That password opens none of the keys of target %s. Once more:\n", t.Name)
	}
	return k, nil
}

// sourceOf says where the password of a target comes from: what is remembered of
// it wins over flags, which are for all of them.
func (f targetFlags) sourceOf(t targets.Target) *repositoryPassword {
	p := targetPassword(t.Name)
	p.file, p.command = f.password.file, f.password.command
	if t.Password.File != "" || t.Password.Command != "" {
		p.file, p.command = t.Password.File, t.Password.Command
	}
	return p
}

// openTarget reaches a place of a target.
func (a *app) openTarget(ctx context.Context, t targets.Target, where string, fresh bool) (backend.Backend, error) {
	own, f, err := a.reach(t, fresh)
	if err != nil {
		return nil, err
	}
	return own.openBackend(ctx, where, f)
}

// reach says how to reach a target: its credentials may be in a file of its own.
func (a *app) reach(t targets.Target, fresh bool) (*app, *repositoryFlags, error) {
	f := &repositoryFlags{env: "the location of target " + t.Name, noCache: fresh || a.repo.noCache, cacheDir: a.repo.cacheDir, caFile: a.repo.caFile, appendOnly: a.repo.appendOnly}
	if t.Environment == "" {
		return a, f, nil
	}
	set, err := readEnvironment(t.Environment)
	if err != nil {
		return nil, nil, err
	}
	own := &app{Program: a.Program, ctx: a.ctx, json: a.json, quiet: a.quiet, verbose: a.verbose}
	own.Getenv = func(name string) string {
		if value, ok := set[name]; ok {
			return value
		}
		return a.Getenv(name)
	}
	return own, f, nil
}

// maxEnvironment bounds a file of credentials, in bytes.
const maxEnvironment = 64 << 10

// readEnvironment reads lines NAME=VALUE. Empty ones and those that begin with #
// are passed over; nothing is quoted. Errors do not repeat what stands there.
func readEnvironment(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close() // read only
	set := map[string]string{}
	lines := bufio.NewScanner(io.LimitReader(f, maxEnvironment))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok || name == "" {
			return nil, &hintError{err: fmt.Errorf("read credentials %s: line %d is not NAME=VALUE", file, n), hint: "one on each line, without quotes"}
		}
		set[strings.TrimSpace(name)] = value
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read credentials %s: %w", file, err)
	}
	return set, nil
}

// eachMain opens the main repository for the time of fn, or in a location those of
// the phones, all but if --udid says otherwise, one after the other.
func (a *app) eachMain(cmd *cobra.Command, fn func(targets.Main) error) (err error) {
	ctx := cmd.Context()
	p, o, err := a.place(cmd, &a.repo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if p.Backend != nil {
		return a.use(ctx, &p, nil, &a.repo, o, func(_ context.Context, r *repository.Repository) error { return fn(targets.Main{Repo: r}) })
	}
	chosen, err := a.chosen(cmd, &a.repo, o, p, wish{all: true})
	if err != nil {
		return err
	}
	return a.eachMember(ctx, chosen, false, func(m place.Member) error {
		return a.use(ctx, &place.Place{At: m.At}, &m, &a.repo, o, func(_ context.Context, r *repository.Repository) error {
			return fn(targets.Main{Phone: m.UDID.String(), Repo: r})
		})
	})
}

// entered lets others find the repository of a phone in a target.
func (a *app) entered(ctx context.Context, t targets.Target, phone string) error {
	udid, err := device.ParseUDID(phone)
	if err != nil {
		return err
	}
	at, err := location.Parse(t.Location)
	if err != nil {
		return err
	}
	own, f, err := a.reach(t, true)
	if err != nil {
		return err
	}
	return place.Enter(ctx, at, own.access(f), udid)
}

// chosenTargets are the targets that args name, or all.
func chosenTargets(book *targets.Book, args []string, all bool) ([]targets.Target, error) {
	if all && len(args) > 0 {
		return nil, &usageError{errors.New("targets: names and --all contradict each other"), "give one or the other"}
	}
	list, err := book.All()
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		if len(list) == 0 {
			return nil, &hintError{err: errors.New("find targets: there are none"), hint: "\"keepsake targets add NAME LOCATION\" makes one"}
		}
		return list, nil
	}
	var chosen []targets.Target
	for _, name := range args {
		t, err := book.Find(name)
		if err != nil {
			return nil, unknownTarget(err)
		}
		chosen = append(chosen, t)
	}
	return chosen, nil
}
