package cli

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
)

// symptom is what the doctor found about one thing.
type symptom struct {
	MessageType string `json:"message_type"` // "check"
	Check       string `json:"check"`        // constant word
	State       string `json:"state"`        // "ok", "note" or "missing"
	Text        string `json:"text"`
	Remedy      string `json:"remedy,omitempty"`
}

const (
	stateOK      = "ok"
	stateNote    = "note"    // backups work, but
	stateMissing = "missing" // backups do not work
)

// examination is what the doctor is asked to look at.
type examination struct {
	folder, data, health string
}

func newDoctor(a *app) *cobra.Command {
	var x examination
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is missing on this computer, and the remedy",
		Long: `Look at everything that a backup needs: the service that talks to phones, the permission to use it,
the phones that are there and whether they trust this computer, the network that finds phones without
a cable, the clock, and, with --folder, the disk. For whatever is missing it says what to do.

Where "keepsake serve" has run, it looks at its folder as well (--data, if it is another than the usual
one): who can read it, its key, its certificate, its disk, and whether it runs. With --health it only asks a running service how it is,
which is what a container's health check wants.`,
		Example:     "  keepsake doctor\n  keepsake doctor --folder /mnt/disk/backups\n  keepsake doctor --data /var/lib/keepsake\n  keepsake doctor --health",
		Args:        noArgs,
		Annotations: exits("0 all that is needed is there; 1 something is missing"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("health") {
				return a.askHealth(cmd.Context(), x.health)
			}
			return a.doctor(cmd.Context(), x)
		},
	}
	c.Flags().StringVar(&x.folder, "folder", "", "look at the `DIR` of the backups too")
	c.Flags().StringVar(&x.data, "data", "", "look at the `DIR` of the service too")
	c.Flags().StringVar(&x.health, "health", "", "only ask the service at `ADDRESS` (--health=HOST:PORT) how it is")
	c.Flags().Lookup("health").NoOptDefVal = serviceAddress
	return c
}

func (a *app) doctor(ctx context.Context, x examination) error {
	missing := 0
	tell := func(check, state, text, remedy string) {
		if state == stateMissing {
			missing++
		}
		if a.json {
			a.emit(symptom{"check", check, state, text, remedy})
			return
		}
		if a.quiet && state == stateOK {
			return
		}
		a.printf("%-7s  %s\n", state, sentence(text))
		if remedy != "" {
			a.printf("         %s\n", sentence(remedy))
		}
	}
	tell("program", stateOK, fmt.Sprintf("keepsake %s on %s/%s", version(), runtime.GOOS, runtime.GOARCH), "")
	a.examineLocale(tell)
	examineClock(time.Now(), tell)
	a.examineMuxer(ctx, tell)
	examineNetwork(tell)
	if x.folder != "" {
		examineFolder(ctx, x.folder, tell)
	}
	if x.data == "" { // there is one if "keepsake serve" has run without --data
		if dir, err := a.dataDir(""); err == nil {
			if _, err := os.Stat(dir); err == nil {
				x.data = dir
			}
		}
	}
	if x.data != "" {
		a.examineService(ctx, x.data, tell)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if missing > 0 {
		a.printf("%s missing: do the above, then run \"keepsake doctor\" again.\n", progress.Count(int64(missing), "thing is", "things are"))
		return reported{exitError}
	}
	a.printf("All that is needed is here.\n")
	return nil
}

type teller func(check, state, text, remedy string)
