package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/mdns"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

type virtualFlags struct {
	cfg                     virtualphone.Config
	passcode, trust, faults string
	announce                []string
}

func newVirtual(a *app) *cobra.Command {
	var f virtualFlags
	c := &cobra.Command{
		Use:   "virtual --state DIR",
		Short: "Run a virtual phone, for tests and for trying things out",
		Long: `Run a virtual iPhone: a usbmuxd with a phone made of software, which other tools take for a real
one. DIR keeps the phone; its files are plain files under DIR/fs/<Domain>/. When hosts can connect,
one line of JSON says where:

  {"message_type":"ready","socket":"127.0.0.1:4711","devices":[{"udid":"…"}]}

Set USBMUXD_SOCKET_ADDRESS to that socket. The phone runs until it is stopped by a signal; "keepsake
virtual ctl" lets it live, erases it or unplugs it.`,
		Example: `  keepsake virtual --state /tmp/phone
  keepsake virtual --state /tmp/phone --passcode after=2s --fault cut@upload:100000
  USBMUXD_SOCKET_ADDRESS=127.0.0.1:4711 keepsake devices`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("0 stopped; 1 error"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			cfg, err := f.config(cmd)
			if err != nil {
				return err
			}
			if a.verbose {
				cfg.Log = slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
			}
			return a.virtual(cmd.Context(), cfg)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.cfg.Dir, "state", "", "the `DIR` that keeps the phone; made if missing")
	flags.StringVar(&f.cfg.Listen, "listen", "127.0.0.1:0", "the `ADDRESS` of its usbmuxd socket; port 0 takes a free one")
	flags.Uint64Var(&f.cfg.Seed, "seed", 1, "what its identity and contents come from")
	flags.StringVar(&f.cfg.Profile, "profile", "small", "how much a new phone holds: `SIZE` is tiny, small (100 MB), typical (3 GB), album (100,000 pictures) or huge")
	flags.BoolVar(&f.cfg.Empty, "empty", false, "a new phone holds no files")
	flags.StringVar(&f.cfg.IOS, "ios", "", "`VERSION` of iOS, such as 18.6")
	flags.StringVar(&f.cfg.DeviceName, "name", "", "`NAME` of the phone")
	flags.IntVar(&f.cfg.Count, "count", 1, "that many phones on one socket")
	flags.StringVar(&f.passcode, "passcode", "", "how its owner answers: none (no passcode), after=2s, refuse")
	flags.StringVar(&f.trust, "trust", "", "how its owner answers \"Trust This Computer?\": auto, after=2s, refuse")
	flags.BoolVar(&f.cfg.WiFi, "wifi", false, "be on the network too, once a host has allowed it")
	flags.StringVar(&f.cfg.WiFiListen, "wifi-listen", "", "`ADDRESS` of lockdownd on the network (default 127.0.0.1:62078); \":62078\" is every address")
	flags.StringSliceVar(&f.announce, "announce", nil, "announce it by multicast DNS on these network `INTERFACES`; \"all\" is every network")
	flags.BoolVar(&f.cfg.PrivateAddress, "private-address", false, "announce another Wi-Fi address than its own, as phones do")
	flags.StringVar(&f.faults, "fault", "", "`SPEC` of what goes wrong: ACTION@POINT[:AT][*TIMES][=ARG],…")
	flags.IntVar(&f.cfg.KDFRounds, "kdf-rounds", 0, "PBKDF2 rounds of its backup password (0: as Apple, 10,000,000)")
	flags.DurationVar(&f.cfg.RebootTime, "reboot-time", 0, "how long a restart takes (0: 3s)")
	flags.DurationVar(&f.cfg.PasscodeTimeout, "passcode-timeout", 0, "until an unanswered passcode prompt goes away (0: 3m)")
	flags.DurationVar(&f.cfg.SleepAfter, "sleep-after", 0, "fall asleep after this time unless a host keeps it awake (0: never)")
	c.AddCommand(newVirtualCtl(a))
	return c
}

// config is what the flags say.
func (f *virtualFlags) config(cmd *cobra.Command) (virtualphone.Config, error) {
	cfg := f.cfg
	if cfg.Dir == "" {
		return cfg, usageOf(cmd, errors.New("virtual: give --state DIR, where the phone is kept"))
	}
	if f.passcode != "" {
		p, err := virtualphone.ParsePasscode(f.passcode)
		if err != nil {
			return cfg, usageOf(cmd, err)
		}
		cfg.Passcode = &p
	}
	if f.trust != "" {
		p, err := virtualphone.ParseTrust(f.trust)
		if err != nil {
			return cfg, usageOf(cmd, err)
		}
		cfg.Trust = &p
	}
	switch {
	case len(f.announce) > 0 && !cfg.WiFi:
		return cfg, usageOf(cmd, errors.New("virtual: --announce needs --wifi"))
	case slices.Equal(f.announce, []string{"all"}):
		cfg.Announce = mdns.Networks
	case len(f.announce) > 0:
		cfg.Announce = mdns.Named(f.announce...)
	}
	var err error
	if cfg.Faults, err = virtualphone.ParseFaults(f.faults); err != nil {
		return cfg, usageOf(cmd, err)
	}
	if cfg.Count < 1 {
		return cfg, usageOf(cmd, fmt.Errorf("virtual: --count %d: at least 1", cfg.Count))
	}
	return cfg, nil
}

// virtual serves until ctx ends, which is how this command is meant to end.
func (a *app) virtual(ctx context.Context, cfg virtualphone.Config) error {
	// The phone outlives the signal until Close has told its hosts.
	server, err := virtualphone.Start(context.WithoutCancel(ctx), cfg)
	if err != nil {
		return err
	}
	a.emit(server.Ready())
	err = server.Wait(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, server.Close())
}
