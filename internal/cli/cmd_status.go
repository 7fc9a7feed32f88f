package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/client"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server/api"
)

// serviceFlags say which service a command asks.
type serviceFlags struct{ address, tokenFile, data string }

func (f *serviceFlags) addFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.address, "service", "", "the service at `URL` (else: KEEPSAKE_SERVICE, or the one that runs on this computer)")
	flags.StringVar(&f.tokenFile, "token-file", "", "let in by the token in `FILE` (else: KEEPSAKE_TOKEN_FILE, KEEPSAKE_TOKEN)")
	flags.StringVar(&f.data, "data", "", "the one that works in `DIR`")
}

// maxToken bounds a file with a token, in bytes.
const maxToken = 1 << 10

// service is the one that the flags and the environment name, or the one that this
// account runs. It wraps fs.ErrNotExist when there is none.
func (a *app) service(f serviceFlags) (*client.Client, error) {
	address := f.address
	if address == "" && f.data == "" {
		address = a.Getenv("KEEPSAKE_SERVICE")
	}
	if address == "" {
		data, err := a.dataDir(f.data)
		if err != nil {
			return nil, err
		}
		at, err := daemon.FindLocal(data)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = &hintError{err: fmt.Errorf("find the service: none runs in %s, or it is not set up yet", data), hint: "start it: keepsake serve; open the page that it names and set it up; or say where it is: --service URL, with a token of its page in KEEPSAKE_TOKEN"}
			}
			return nil, err
		}
		return clientOf(at)
	}
	token := secret.NewText(a.Getenv("KEEPSAKE_TOKEN"))
	file := f.tokenFile
	if file == "" {
		file = a.Getenv("KEEPSAKE_TOKEN_FILE")
	}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read token: %w", err)
		}
		if len(b) > maxToken {
			return nil, fmt.Errorf("read token: %s is too large", file)
		}
		token = secret.NewText(strings.TrimSpace(string(b)))
	}
	return client.New(address, client.Options{Token: token})
}

func newStatus(a *app) *cobra.Command {
	var f serviceFlags
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the phones of the service are",
		Long: `Ask the running service how its phones are: how old the last verified backup of each is, and who has to do
what. It is the page's first screen for a terminal.`,
		Example: `  keepsake status
  KEEPSAKE_TOKEN_FILE=~/.keepsake-token keepsake status --service https://nas.home:8420`,
		Args:        noArgs,
		Annotations: exits("0 all is well; 1 error; 3 somebody has to do something"),
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.showStatus(cmd.Context(), f) },
	}
	c.Flags().SortFlags = false
	f.addFlags(c)
	return c
}

// phoneStatus is a line of JSON.
type phoneStatus struct {
	MessageType string `json:"message_type"` // "phone"
	api.Phone
}

func (a *app) showStatus(ctx context.Context, f serviceFlags) error {
	c, err := a.service(f)
	if err != nil {
		return err
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return err
	}
	asking := o.PlaceError != ""
	t := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, p := range o.Phones {
		asking = asking || p.State.Do != ""
		if a.json {
			a.emit(phoneStatus{"phone", p})
			continue
		}
		last := "never"
		if !p.LastVerified.IsZero() {
			last = humanize.RelTime(p.LastVerified, time.Now(), "ago", "from now")
		}
		fmt.Fprintf(t, "%s\t%s\tverified %s\n", printable(p.Name), printable(p.State.Text), last)
		if p.State.Do != "" {
			fmt.Fprintf(t, "\t%s\t\n", printable(p.State.Do))
		}
	}
	if !a.json {
		flushTable(t)
		for _, p := range o.Fresh {
			a.printf("%s is there and not known yet: the page pairs it.\n", printable(p.Name))
		}
		if o.PlaceError != "" {
			a.printf("The place of the backups cannot be reached: %s\n", printable(o.PlaceError))
		}
		if len(o.Phones)+len(o.Fresh) == 0 {
			a.printf("There is no phone yet.\n")
		}
	}
	if asking {
		return errIncomplete
	}
	return nil
}

// servicePhones are the phones of a service that --udid names; without it, those that
// are here, or else all.
func (a *app) servicePhones(o api.Overview) []api.Phone {
	var named, here []api.Phone
	for _, p := range o.Phones {
		if a.phone != "" && !phonename.Begins(p.Name, a.phone) && !strings.HasPrefix(strings.ToUpper(p.UDID), strings.ToUpper(a.phone)) {
			continue
		}
		named = append(named, p)
		if p.Cable || p.WiFi {
			here = append(here, p)
		}
	}
	if a.phone == "" && len(here) > 0 {
		return here
	}
	return named
}

// backUpByService lets the service that runs on this computer do it, and shows how it
// goes.
func (a *app) backUpByService(ctx context.Context, f serviceFlags, full bool) error {
	c, err := a.service(f)
	if err != nil {
		return err
	}
	o, err := c.Overview(ctx)
	if err != nil {
		return err
	}
	chosen := a.servicePhones(o)
	switch {
	case len(chosen) == 0:
		return &hintError{err: errors.New("back up: the service knows no such phone"), hint: "\"keepsake status\" lists them", code: exitNoPhone}
	case len(chosen) > 1:
		return &usageError{fmt.Errorf("backup: the service knows %d phones", len(chosen)), "say which with --udid: a UDID, the beginning of it, or the phone's name"}
	}
	id, err := c.BackUp(ctx, chosen[0].UDID, full)
	if err != nil {
		return err
	}
	var end api.Job
	err = a.work(func(say progress.Reporter) (err error) {
		var phase, do string
		end, err = c.Follow(ctx, id, func(j api.Job) {
			if j.Text != phase {
				phase = j.Text
				say.Phase("service", phase)
			}
			if j.Do != do {
				if do = j.Do; do != "" {
					say.Say(progress.Action, do)
				}
			}
			say.Update(progress.Counters{Files: j.Files, FilesTotal: j.FilesTotal, Bytes: j.Bytes, BytesTotal: j.BytesTotal, Fraction: max(0, j.Fraction)})
		})
		return err
	})
	switch {
	case err != nil:
		return err
	case end.State == "refused":
		return &hintError{err: fmt.Errorf("back up %s: %s", chosen[0].Name, end.Error), hint: end.Hint, code: exitRefused}
	case end.State != "done":
		return &hintError{err: fmt.Errorf("back up %s: it %s: %s", chosen[0].Name, end.State, end.Error), hint: end.Hint}
	}
	if a.json {
		a.emit(struct {
			MessageType string  `json:"message_type"` // "job"
			Job         api.Job `json:"job"`
		}{"job", end})
		return nil
	}
	a.printf("%s: %s\n", printable(chosen[0].Name), printable(end.Text))
	return nil
}
