package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/phonename"
	"github.com/keepsake-backup/keepsake/server/api"
)

// askPhone bounds the questions to one phone: a list must not wait for a phone
// that has fallen asleep on Wi-Fi.
const askPhone = 15 * time.Second

type deviceMessage struct {
	MessageType string     `json:"message_type"` // "device"
	UDID        string     `json:"udid"`
	Name        string     `json:"name"`
	Model       string     `json:"model,omitempty"`
	ProductType string     `json:"product_type,omitempty"`
	IOS         string     `json:"ios,omitempty"`
	Transport   string     `json:"transport"` // "usb" or "wifi"
	Paired      bool       `json:"paired"`
	Setup       string     `json:"setup,omitempty"`       // "new", "in_setup" or "set_up"
	Encrypted   *bool      `json:"encrypted,omitempty"`   // backups; absent when the phone does not say
	LastBackup  *time.Time `json:"last_backup,omitempty"` // into --folder
	Error       string     `json:"error,omitempty"`
	Service     bool       `json:"service,omitempty"` // only the service reaches it
}

func newDevices(a *app) *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "devices",
		Short: "List the phones that are connected",
		Long: `List the iPhones and iPads that are connected by cable, or that usbmuxd sees on the network: name,
model, iOS, whether the phone trusts this computer and whether it encrypts its backups. When "keepsake serve" runs
on this computer, those that it reaches over Wi-Fi are listed as well.`,
		Example:     "  keepsake devices\n  keepsake devices --folder ~/Backups",
		Args:        noArgs,
		Annotations: exits("0 listed; 1 error; 20 no phone"),
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.devices(cmd.Context(), folder) },
	}
	c.Flags().StringVar(&folder, "folder", "", "also say when each was last backed up into `DIR`")
	return c
}

func (a *app) devices(ctx context.Context, folder string) error {
	mux, err := a.mux()
	if err != nil {
		return err
	}
	beyond := a.devicesOfService(ctx)
	phones, err := device.Discover(ctx, mux)
	if err != nil && len(beyond) > 0 { // the service needs no usbmuxd for Wi-Fi
		fmt.Fprintf(a.Stderr, "Phones on cables are not listed: %v\n", err)
	} else if err != nil {
		return err
	}
	var list []deviceMessage
	for _, d := range phones {
		m := describe(ctx, d)
		if folder != "" {
			m.LastBackup = lastBackup(folder, m.UDID)
		}
		if err := d.Close(); err != nil && a.verbose {
			fmt.Fprintf(a.Stderr, "%s: close: %v\n", m.Name, err)
		}
		if a.phone == "" || matches(m, a.phone) {
			list = append(list, m)
		}
	}
	for _, m := range beyond {
		if !slices.ContainsFunc(list, func(o deviceMessage) bool { return o.UDID == m.UDID }) && (a.phone == "" || matches(m, a.phone)) {
			if folder != "" {
				m.LastBackup = lastBackup(folder, m.UDID)
			}
			list = append(list, m)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(list) == 0 {
		return fmt.Errorf("list phones: %w", device.ErrNoDevice)
	}
	if a.json {
		for _, m := range list {
			a.emit(m)
		}
		return nil
	}
	a.printf("%s", showDevices(list, folder != "", a.columns()))
	return nil
}

// devicesOfService are the phones that the service of this account reaches over Wi-Fi;
// none when none runs. One that does not answer is told of, and no more: phones on
// cables are listed without it.
func (a *app) devicesOfService(ctx context.Context) []deviceMessage {
	data, err := a.dataDir("")
	if err != nil {
		return nil
	}
	local, err := daemon.FindLocal(data)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	c, err := clientOf(local)
	var o api.Overview
	if err == nil {
		o, err = c.Overview(ctx)
	}
	if err != nil {
		fmt.Fprintf(a.Stderr, "The service was not asked: %v\n", err)
		return nil
	}
	var list []deviceMessage
	for _, p := range slices.Concat(o.Phones, o.Fresh) {
		if !p.WiFi {
			continue
		}
		m := deviceMessage{MessageType: "device", UDID: p.UDID, Name: printable(p.Name), Model: p.Model, ProductType: p.ProductType, IOS: p.IOS, Transport: "wifi", Paired: p.Paired, Encrypted: p.Encrypted, Service: true}
		if p.InSetup {
			m.Setup = "in_setup"
		}
		list = append(list, m)
	}
	return list
}

// showDevices is a table, or, where that is too wide, a few lines for each phone.
func showDevices(list []deviceMessage, withBackup bool, width int) string {
	rows := [][]string{{"NAME", "MODEL", "IOS", "BY", "TRUSTED", "BACKUPS", "LAST BACKUP", "UDID"}}
	for _, m := range list {
		rows = append(rows, []string{m.Name, m.Model, m.IOS, wayWord(m.Transport), trustWord(m), encryptedWord(m), ago(m.LastBackup), m.UDID})
	}
	if !withBackup {
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 6, 7)
		}
	}
	if s, widest := table(rows); widest <= width {
		return s
	}
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "%s\n  %s, iOS %s, by %s\n  trusts this computer: %s; backups: %s\n", m.Name, m.Model, m.IOS, wayWord(m.Transport), trustWord(m), encryptedWord(m))
		if withBackup {
			fmt.Fprintf(&b, "  last backup: %s\n", ago(m.LastBackup))
		}
		fmt.Fprintf(&b, "  %s\n", m.UDID)
	}
	return b.String()
}

// lastBackup is when the phone was last backed up into the folder; nil when it
// was not.
func lastBackup(folder, udid string) *time.Time {
	info := openStored(filepath.Join(folder, udid)).info
	if info.LastBackupDate.IsZero() {
		return nil
	}
	t := info.LastBackupDate.UTC()
	return &t
}

func ago(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return humanize.Time(*t)
}

// describe asks a phone what it is. What it does not say stays empty.
func describe(ctx context.Context, d *device.Device) deviceMessage {
	ctx, cancel := context.WithTimeout(ctx, askPhone)
	defer cancel()
	m := deviceMessage{MessageType: "device", UDID: d.UDID().String(), Name: d.Name(), Transport: transportWord(d.Transport())}
	info, err := d.Info(ctx)
	if err != nil {
		m.Error = err.Error()
		return m
	}
	m.Name, m.ProductType, m.IOS, m.Paired = info.Name, info.ProductType, info.ProductVersion, info.Paired
	if m.Model = info.ModelName; m.Model == "" {
		m.Model = info.ProductType
	}
	if setup, err := d.SetupState(ctx); err == nil {
		m.Setup = map[device.SetupState]string{device.SetupNew: "new", device.InSetup: "in_setup", device.SetUp: "set_up"}[setup]
	}
	if !info.Paired {
		return m
	}
	switch state, err := d.BackupState(ctx); {
	case err == nil:
		m.Encrypted = &state.WillEncrypt
	case !errors.Is(err, context.DeadlineExceeded):
		m.Error = err.Error()
	}
	return m
}

func matches(m deviceMessage, wanted string) bool {
	udid, err := device.ParseUDID(m.UDID)
	return err == nil && udid.HasPrefix(wanted) || phonename.Begins(m.Name, wanted)
}

func transportWord(t device.Transport) string {
	if t == device.Network {
		return "wifi"
	}
	return "usb"
}

// wayWord is a transport for people.
func wayWord(transport string) string {
	return map[string]string{"usb": "cable", "wifi": "Wi-Fi"}[transport]
}

func trustWord(m deviceMessage) string {
	switch {
	case m.Error != "" && !m.Paired:
		return "?"
	case m.Paired:
		return "yes"
	case m.Setup == "new" || m.Setup == "in_setup":
		return "in set-up"
	default:
		return "no"
	}
}

func encryptedWord(m deviceMessage) string {
	switch {
	case m.Encrypted == nil:
		return "?"
	case *m.Encrypted:
		return "encrypted"
	default:
		return "not encrypted"
	}
}
