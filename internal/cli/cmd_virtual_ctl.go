package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func newVirtualCtl(a *app) *cobra.Command {
	var dir string
	// command makes one operation on the phone of --state.
	command := func(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, c *virtualphone.Control, args []string) error) *cobra.Command {
		return &cobra.Command{
			Use:   use,
			Short: short,
			Args:  args,
			RunE: func(cmd *cobra.Command, args []string) error {
				if dir == "" {
					return usageOf(cmd, fmt.Errorf("%s: give --state DIR, where the phone is kept", name(cmd)))
				}
				c, err := virtualphone.OpenControl(dir, a.phone)
				if err != nil {
					return err
				}
				return run(cmd.Context(), c, args)
			},
		}
	}
	simple := func(use, short, done string, run func(*virtualphone.Control, context.Context) error) *cobra.Command {
		return command(use, short, noArgs, func(ctx context.Context, c *virtualphone.Control, _ []string) error {
			if err := run(c, ctx); err != nil {
				return err
			}
			return a.acknowledge(c, done)
		})
	}
	set := command("set KEY=VALUE…", "Change settings of the phone", atLeastOne("KEY=VALUE"), func(ctx context.Context, c *virtualphone.Control, pairs []string) error {
		if err := c.Set(ctx, pairs...); err != nil {
			return err
		}
		return a.acknowledge(c, "changed "+strings.Join(pairs, " "))
	})
	set.Long = "Change settings of the phone:\n\n" + indent(virtualphone.SettingsHelp())
	ctl := group("ctl", "Let a virtual phone live, erase it, unplug it …",
		"Do something with the virtual phone that is kept in DIR. Most of it works whether or not the phone runs.",
		newCtlUse(a, command),
		simple("erase", "Reset the phone: as new, showing its set-up screens", "erased", (*virtualphone.Control).Erase),
		command("digest", "Print \"sha256  Domain/path\" of all that a backup must bring back", noArgs, func(ctx context.Context, c *virtualphone.Control, _ []string) error {
			return c.Digest(ctx, a.Stdout)
		}),
		set,
		newCtlStatus(a, command),
		simple("unplug", "Pull the cable", "unplugged", (*virtualphone.Control).Unplug),
		simple("plug", "Put the cable in again", "plugged in", (*virtualphone.Control).Plug),
		simple("reboot", "Restart the phone and wait until it is back", "restarted", (*virtualphone.Control).Reboot),
		simple("finish-setup", "Go through the set-up screens to the end", "set up", (*virtualphone.Control).FinishSetup),
		command("notify NAME", "Post a notification, such as com.apple.itunes-client.syncCancelRequest", exactlyOne("NAME"),
			func(ctx context.Context, c *virtualphone.Control, args []string) error {
				if err := c.Notify(ctx, args[0]); err != nil {
					return err
				}
				return a.acknowledge(c, "posted "+args[0])
			}),
		newCtlFault(a, command),
	)
	ctl.PersistentFlags().StringVar(&dir, "state", "", "the `DIR` that keeps the phone")
	ctl.Example = `  keepsake virtual ctl --state /tmp/phone use --days 3
  keepsake virtual ctl --state /tmp/phone digest
  keepsake virtual ctl --state /tmp/phone set passcode=refuse`
	return ctl
}

type ctlCommand func(use, short string, args cobra.PositionalArgs, run func(context.Context, *virtualphone.Control, []string) error) *cobra.Command

func newCtlUse(a *app, command ctlCommand) *cobra.Command {
	var days int
	use := command("use", "Let the phone be used for some days", noArgs, func(ctx context.Context, c *virtualphone.Control, _ []string) error {
		if days < 1 {
			return &usageError{fmt.Errorf("virtual ctl use: --days %d: at least 1", days), ""}
		}
		changes, err := c.Use(ctx, days)
		if err != nil {
			return err
		}
		if a.json {
			a.emit(changesMessage{"changes", c.UDID(), changes})
			return nil
		}
		a.printf("%s\n", tellChanges(changes))
		return nil
	})
	use.Flags().IntVar(&days, "days", 1, "`N` days of pictures, messages, deletions and a new app")
	return use
}

type changesMessage struct {
	MessageType string `json:"message_type"` // "changes"
	UDID        string `json:"udid"`
	virtualphone.Changes
}

func tellChanges(c virtualphone.Changes) string {
	return fmt.Sprintf("%s new, %d changed, %d deleted, %s", progress.Count(int64(len(c.Added)), "file", "files"), len(c.Modified), len(c.Removed),
		progress.Count(int64(len(c.AppsAdded)), "new app", "new apps"))
}

func newCtlStatus(a *app, command ctlCommand) *cobra.Command {
	return command("status", "Describe the phone", noArgs, func(ctx context.Context, c *virtualphone.Control, _ []string) error {
		s, err := c.Status(ctx)
		if err != nil {
			return err
		}
		a.emit(struct {
			MessageType string `json:"message_type"`
			virtualphone.Status
		}{"status", s})
		return nil
	})
}

func newCtlFault(a *app, command ctlCommand) *cobra.Command {
	var none bool
	fault := command("fault [SPEC]", "Let something go wrong: ACTION@POINT[:AT][*TIMES][=ARG],…", atMostOne("SPEC"),
		func(ctx context.Context, c *virtualphone.Control, args []string) error {
			if none == (len(args) == 1) {
				return &usageError{errors.New("virtual ctl fault: give either SPEC or --clear"), ""}
			}
			if none {
				if err := c.ClearFaults(ctx); err != nil {
					return err
				}
				return a.acknowledge(c, "nothing goes wrong any more")
			}
			if err := c.AddFaults(ctx, args[0]); err != nil {
				return err
			}
			return a.acknowledge(c, "armed "+args[0])
		})
	fault.Flags().BoolVar(&none, "clear", false, "disarm all faults")
	return fault
}

// acknowledge says that something was done.
func (a *app) acknowledge(c *virtualphone.Control, done string) error {
	if a.json {
		a.emit(struct {
			MessageType string `json:"message_type"`
			UDID        string `json:"udid"`
			Text        string `json:"text"`
		}{"done", c.UDID(), done})
	}
	if !a.quiet {
		a.printf("%s: %s\n", c.UDID(), done)
	}
	return nil
}

func exactlyOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageOf(cmd, fmt.Errorf("%s: give one %s", name(cmd), what))
		}
		return nil
	}
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageOf(cmd, fmt.Errorf("%s: give one %s", name(cmd), what))
		}
		return nil
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageOf(cmd, fmt.Errorf("%s: give at least one %s", name(cmd), what))
		}
		return nil
	}
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
