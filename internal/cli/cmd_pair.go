package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

const trustPrompt = "On the iPhone: unlock it, tap Trust, and enter its passcode."

type pairMessage struct {
	MessageType string `json:"message_type"` // "paired" or "unpaired"
	UDID        string `json:"udid"`
	Name        string `json:"name"`
	WiFi        *bool  `json:"wifi,omitempty"` // switched on
}

func newPair(a *app) *cobra.Command {
	var wifi, wait bool
	c := &cobra.Command{
		Use:   "pair",
		Short: "Make the phone trust this computer",
		Long: `Make the iPhone trust this computer. It asks "Trust This Computer?": tap Trust and enter the
passcode. This is needed once, by cable.

Pairing again after the iPhone was erased replaces the old pairing.`,
		Example:     "  keepsake pair\n  keepsake pair --wifi        also allow connections over Wi-Fi",
		Args:        noArgs,
		Annotations: exits("0 paired; 1 error; 20 no phone; 21 refused or locked; 130 interrupted"),
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.pair(cmd.Context(), wifi, wait) },
	}
	c.Flags().BoolVar(&wifi, "wifi", false, "switch on connections over Wi-Fi")
	c.Flags().BoolVar(&wait, "wait", false, "wait for a phone when none is connected")
	return c
}

func (a *app) pair(ctx context.Context, wifi, wait bool) error {
	m := pairMessage{MessageType: "paired"}
	err := a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, wait)
		if err != nil {
			return err
		}
		defer d.Close()
		if err := trust(ctx, d, say); err != nil {
			return err
		}
		m.UDID, m.Name = d.UDID().String(), nameOf(ctx, d)
		if !wifi {
			return nil
		}
		m.WiFi = &wifi
		return d.EnableWiFi(ctx, true)
	})
	if err != nil {
		return err
	}
	if a.json {
		a.emit(m)
	}
	a.printf("%s trusts this computer.\n", m.Name)
	if wifi {
		a.printf("Connections over Wi-Fi are on.\n")
	}
	return nil
}

// trust pairs with the phone unless it trusts us already.
func trust(ctx context.Context, d *device.Device, say progress.Reporter) error {
	return d.Pair(ctx, device.PairOptions{Renew: true, Prompt: func(p device.Prompt) {
		if p == device.PromptTrust {
			say.Phase("trust", "Waiting for Trust on the iPhone")
			say.Say(progress.Action, trustPrompt)
		}
	}})
}

// nameOf is the phone's name, or what is known of it.
func nameOf(ctx context.Context, d *device.Device) string {
	ctx, cancel := context.WithTimeout(ctx, askPhone)
	defer cancel()
	if info, err := d.Info(ctx); err == nil && info.Name != "" {
		return info.Name
	}
	return d.Name()
}

func newUnpair(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "unpair",
		Short: "Make the phone forget this computer",
		Long: `Make the iPhone forget this computer, and remove the pairing that is kept here. Other programs on
this computer use the same pairing. Backups stay.`,
		Example:     "  keepsake unpair --udid 00008101",
		Args:        noArgs,
		Annotations: exits("0 done; 1 error; 20 no phone; 21 refused or locked"),
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.unpair(cmd.Context()) },
	}
}

func (a *app) unpair(ctx context.Context) error {
	m := pairMessage{MessageType: "unpaired"}
	err := a.work(func(say progress.Reporter) error {
		d, err := a.open(ctx, say, false)
		if err != nil {
			return err
		}
		defer d.Close()
		m.UDID, m.Name = d.UDID().String(), nameOf(ctx, d)
		return d.Unpair(ctx)
	})
	if err != nil {
		return err
	}
	if a.json {
		a.emit(m)
	}
	a.printf("%s no longer trusts this computer.\n", m.Name)
	return nil
}
