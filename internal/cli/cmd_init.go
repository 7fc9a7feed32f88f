package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
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

// folderAbove wants the folder above a repository to be there. A missing one is
// more likely a disk that is not there than a wish.
func folderAbove(where string) error {
	l, err := location.Parse(where)
	if err != nil || l.Kind != location.Local {
		return err
	}
	abs, err := filepath.Abs(l.Path)
	if err != nil {
		return fmt.Errorf("init repository: %w", err)
	}
	if _, err := os.Stat(filepath.Dir(abs)); errors.Is(err, fs.ErrNotExist) {
		return &hintError{err: fmt.Errorf("init repository %s: the folder above it is not there", abs), hint: "connect or mount the disk, or make the folder above it first"}
	}
	return nil
}

func (a *app) initRepository(cmd *cobra.Command, o repository.InitOptions) (err error) {
	ctx := cmd.Context()
	where, err := a.repo.needLocation(cmd, a)
	if err != nil {
		return err
	}
	if o.Options, err = a.repo.options(); err != nil {
		return err
	}
	be, err := a.openBackend(ctx, where, &a.repo)
	if err != nil {
		return err
	}
	if err := folderAbove(where); err != nil {
		return errors.Join(err, be.Close())
	}
	// Nobody wants to make up a password for what cannot be.
	if _, err := be.Stat(ctx, backend.Handle{Type: backend.ConfigFile}); err == nil {
		err := &hintError{err: fmt.Errorf("init repository %s: there is one already", be.Properties().Location), hint: "use it as it is, or choose another place"}
		return errors.Join(err, be.Close())
	}
	password, err := a.repo.password.choose(ctx, a)
	if err != nil {
		return errors.Join(err, be.Close())
	}
	o.Username, o.Hostname = label()
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
