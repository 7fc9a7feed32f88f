package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/keepsake-backup/keepsake/internal/place"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

type initMessage struct {
	MessageType string    `json:"message_type"` // "initialized"
	ID          format.ID `json:"id"`
	Repository  string    `json:"repository"`
}

func newInit(a *app) *cobra.Command {
	var copyParameters bool
	var from repositoryFlags
	c := &cobra.Command{
		Use:   "init -r LOCATION",
		Short: "Make a repository",
		Long: `Make an empty repository at LOCATION: a folder, or storage elsewhere (see docs/cli.md). What is
there already is not touched: an existing repository is refused.

You choose its password. Without it nobody can read what will be in there: write it down, and keep it
in another place than this computer.

With --copy-chunker-params files are cut where the other repository cuts them, so that "keepsake copy"
between the two finds what is there already.`,
		Example: `  keepsake init -r /mnt/disk/phone
  keepsake init -r s3:https://s3.example.com/bucket/phone --password-file ~/.keepsake-password
  keepsake init -r /mnt/second --copy-chunker-params --from-repo /mnt/disk/phone`,
		Args:        noArgs,
		Annotations: exits("0 done; 1 error, or there is a repository already; 2 usage; 10 the other repository is not there; 12 its password is wrong; 130 interrupted"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !copyParameters && from.where(a) != "" && cmd.Flags().Changed("from-repo") {
				return usageOf(cmd, errors.New("init: --from-repo is for --copy-chunker-params"))
			}
			var o repository.InitOptions
			if copyParameters {
				err := a.withRepositoryOf(cmd, &from, func(_ context.Context, r *repository.Repository) error {
					o.Polynomial = r.Config().ChunkerPolynomial
					return nil
				})
				if err != nil {
					return err
				}
			}
			return a.initRepository(cmd, o)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&copyParameters, "copy-chunker-params", false, "cut files as another repository does")
	from.addFromFlags(c, "whose way of cutting is taken")
	return a.repositoryCommand(c)
}

// vacantBackend opens a place where a repository can be made: there is none yet,
// and none of phones below.
func (a *app) vacantBackend(ctx context.Context, where string) (backend.Backend, error) {
	at, err := a.repo.parse(where)
	if err != nil {
		return nil, err
	}
	if err := place.FolderAbove(at, "init repository"); err != nil {
		return nil, err
	}
	p, err := a.look(ctx, where, &a.repo)
	if err != nil {
		return nil, err
	}
	if p.Backend != nil {
		err := &hintError{err: fmt.Errorf("init repository %s: there is one already", p.Backend.Properties().Location), hint: "use it as it is, or choose another place"}
		return nil, errors.Join(err, p.Close())
	}
	if len(p.Members) > 0 {
		return nil, &hintError{err: fmt.Errorf("init repository %v: it is a location with a repository for each phone, now of %s", at, progress.Count(int64(len(p.Members)), "phone", "phones")),
			hint: "\"keepsake backup LOCATION\" makes that of a new phone by itself; or choose another place"}
	}
	return a.openBackendAt(ctx, at, &a.repo)
}

func (a *app) initRepository(cmd *cobra.Command, o repository.InitOptions) (err error) {
	ctx := cmd.Context()
	where, err := a.repo.needLocation(cmd, a)
	if err != nil {
		return err
	}
	if o.Options, err = a.repo.options(a); err != nil {
		return err
	}
	// Nobody wants to make up a password for what cannot be.
	be, err := a.vacantBackend(ctx, where)
	if err != nil {
		return err
	}
	password, err := a.repo.password.choose(ctx, a)
	if err != nil {
		return errors.Join(err, be.Close())
	}
	o.Username, o.Hostname = place.Label()
	var r *repository.Repository
	err = a.work(func(say progress.Reporter) error {
		say.Phase("init", "Making the repository")
		var err error
		r, err = repository.Init(ctx, be, password, o)
		return err
	})
	if err != nil {
		return errors.Join(err, be.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if a.json {
		a.emit(initMessage{"initialized", r.ID(), r.Location()})
		return nil
	}
	a.printf("Made repository %s at %s.\n", r.ID().Short(), r.Location())
	a.printf("Keep its password, and not only on this computer: without it nobody can read what is in there.\n")
	return nil
}
