package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/targets"
)

// Sheet writes a recovery sheet for the repositories at a place; a zero password
// leaves room for it.
type Sheet func(w io.Writer, at location.Location, all []SheetEntry, password secret.RepositoryPassword) error

// SheetEntry is a repository and what is in it.
type SheetEntry struct {
	Repository *repository.Repository
	Snapshots  []repository.Snapshot
}

// places reaches what people name, for a service.
type places struct {
	access place.Access
	opt    repository.Options
	sheet  Sheet
	free   func(dir string) int64
}

var _ service.Places = places{}

// parse reads an address. Folders become absolute: what is said of them holds for as
// long as the service runs and afterwards.
func parse(where string) (location.Location, error) {
	at, err := location.Parse(where)
	if err != nil {
		return at, &device.HintError{Err: err, Remedy: "a folder, or s3:https://host/bucket/prefix, sftp:user@host:path, rest:https://host/path/, rclone:remote:path"}
	}
	if !at.Password.IsZero() {
		return at, &device.HintError{Err: fmt.Errorf("look at %v: there is a password in the address", at), Remedy: "leave it out: it is given to the service in its environment, or with the target"}
	}
	if at.Kind == location.Rclone && !namesRemote(at.Remote) {
		return at, &device.HintError{Err: errors.New("look at a place behind rclone: it is not one of rclone's own remotes"), Remedy: "set it up with \"rclone config\" on this computer, and write rclone:remote:path"}
	}
	if at.Kind == location.Local {
		if at.Path, err = filepath.Abs(at.Path); err != nil {
			return at, err
		}
	}
	return at, nil
}

// namesRemote tells whether what rclone gets begins with the name of a remote that
// somebody has set up here. What it takes besides, ":sftp,ssh=…:path" and
// "remote,ssh=…:path", names programs to be run: that is not for the page.
func namesRemote(remote string) bool {
	name, _, found := strings.Cut(remote, ":")
	return found && name != "" && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.+@ ", r)
	})
}

func (p places) Look(ctx context.Context, where string) (service.Place, error) {
	at, err := parse(where)
	if err != nil {
		return nil, err
	}
	found, err := place.Look(ctx, at, p.access)
	if err != nil {
		return nil, err
	}
	h := &house{places: p, at: at, shared: found.Backend != nil, members: found.Members}
	if err := found.Close(); err != nil {
		return nil, err
	}
	if h.Empty() {
		if err := place.FolderAbove(at, "back up into"); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// house is one place, as it was when it was looked at.
type house struct {
	places
	at      location.Location
	shared  bool
	members []place.Member
}

func (h *house) String() string { return h.at.String() }
func (h *house) Shared() bool   { return h.shared }
func (h *house) Empty() bool    { return !h.shared && len(h.members) == 0 }

func (h *house) Members() []device.UDID {
	var all []device.UDID
	for _, m := range h.members {
		all = append(all, m.UDID)
	}
	return all
}

func (h *house) Free() int64 {
	if h.at.Kind != location.Local || h.free == nil {
		return -1
	}
	return h.free(h.at.Path)
}

func (h *house) open(ctx context.Context, at location.Location, password secret.RepositoryPassword) (*repository.Repository, error) {
	be, err := h.access.Open(ctx, at)
	if err != nil {
		return nil, err
	}
	r, err := repository.Open(ctx, be, password, h.opt)
	if err != nil {
		return nil, errors.Join(err, be.Close())
	}
	return r, nil
}

// any is the address of one of the repositories.
func (h *house) any() location.Location {
	if h.shared {
		return h.at
	}
	return h.members[0].At
}

func (h *house) Prove(ctx context.Context, password secret.RepositoryPassword) error {
	if h.Empty() {
		return fmt.Errorf("open %v: %w", h.at, repository.ErrNoRepository)
	}
	r, err := h.open(ctx, h.any(), password)
	if err != nil {
		return err
	}
	return r.Close()
}

func (h *house) Open(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, error) {
	if h.shared {
		return h.open(ctx, h.at, password)
	}
	i := slices.IndexFunc(h.members, func(m place.Member) bool { return m.UDID == udid })
	if i < 0 {
		return nil, fmt.Errorf("open repository of %v in %v: %w", udid, h.at, repository.ErrNoRepository)
	}
	return h.open(ctx, h.members[i].At, password)
}

func (h *house) OpenOrMake(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (r *repository.Repository, made bool, err error) {
	r, err = h.Open(ctx, udid, password)
	if h.shared || !errors.Is(err, repository.ErrNoRepository) {
		return r, false, err
	}
	home, err := place.OpenHome(ctx, h.at, place.HomeOptions{Access: h.access, Repository: h.opt,
		Choose: func(context.Context) (secret.RepositoryPassword, error) { return password, nil }})
	if err != nil {
		return nil, false, err
	}
	return home.Of(ctx, udid, progress.NewQuiet(io.Discard)) // what is shared is the caller's to close now
}

func (h *house) Sheet(ctx context.Context, shown, proven secret.RepositoryPassword) (page []byte, err error) {
	ats := []location.Location{h.at}
	if !h.shared {
		ats = nil
		for _, m := range h.members {
			ats = append(ats, m.At)
		}
	}
	var all []SheetEntry
	for _, at := range ats {
		r, err := h.open(ctx, at, proven)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, r.Close()) }()
		list, err := snapshots(ctx, r)
		if err != nil {
			return nil, err
		}
		all = append(all, SheetEntry{r, list})
	}
	var b bytes.Buffer
	err = h.sheet(&b, h.at, all, shown)
	return b.Bytes(), err
}

func snapshots(ctx context.Context, r *repository.Repository) (list []repository.Snapshot, err error) {
	s, err := r.Begin(ctx, repository.Unlocked, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	list, _, err = s.ReadableSnapshots(ctx)
	return list, err
}

func (p places) Keeper(book *targets.Book, password func(ctx context.Context, name string) (secret.RepositoryPassword, error),
	credentials func(ctx context.Context, name string) (map[string]string, error)) *targets.Keeper {
	k := &targets.Keeper{Book: book}
	k.Init.Options = p.opt
	k.Init.Username, k.Init.Hostname = place.Label()
	// reach is how a target is reached: with credentials of its own, else with ours.
	reach := func(ctx context.Context, t targets.Target, fresh bool) (place.Access, error) {
		x := p.access
		x.NoCache = x.NoCache || fresh
		set, err := credentials(ctx, t.Name)
		if err != nil {
			return x, err
		}
		x.Getenv = func(name string) string {
			if value, ok := set[name]; ok {
				return value
			}
			return p.access.Getenv(name)
		}
		return x, nil
	}
	k.Open = func(ctx context.Context, t targets.Target, where string, fresh bool) (backend.Backend, error) {
		at, err := parse(where)
		if err != nil {
			return nil, err
		}
		x, err := reach(ctx, t, fresh)
		if err != nil {
			return nil, err
		}
		return x.Open(ctx, at)
	}
	k.Password = func(ctx context.Context, t targets.Target) (secret.RepositoryPassword, bool, error) {
		pw, err := password(ctx, t.Name)
		return pw, false, err
	}
	k.Made = func(ctx context.Context, t targets.Target, phone string) error {
		udid, err := device.ParseUDID(phone)
		if err != nil {
			return err
		}
		at, err := parse(t.Location)
		if err != nil {
			return err
		}
		x, err := reach(ctx, t, true)
		if err != nil {
			return err
		}
		return place.Enter(ctx, at, x, udid)
	}
	return k
}
