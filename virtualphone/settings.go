package virtualphone

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// setting is one KEY of `ctl set KEY=VALUE`.
type setting struct {
	key, values, about string
	set                func(*state.Settings, string) error
}

// settingTable lists every KEY.
var settingTable = []setting{
	{"name", "TEXT", "the phone's name", func(s *state.Settings, v string) error {
		if v == "" {
			return errors.New("a phone has a name")
		}
		s.DeviceName = v
		return nil
	}},
	{"ios", "VERSION", "its iOS version", func(s *state.Settings, v string) (err error) {
		build, err := state.Build(v)
		if err == nil {
			s.IOS, s.Build = v, build
		}
		return err
	}},
	{"passcode", "none|after=2s|refuse", "whether there is a passcode, and how its owner answers prompts", func(s *state.Settings, v string) error {
		p, err := ParsePasscode(v)
		s.Passcode = p.Text(state.NoPasscode)
		return err
	}},
	{"trust", "auto|after=2s|refuse", "how the owner answers the trust dialog", func(s *state.Settings, v string) error {
		p, err := ParseTrust(v)
		s.Trust = p.Text(state.TrustAuto)
		return err
	}},
	{"lock", "unlocked|locked|restricted|before-first-unlock", "the screen; restricted keeps a new cable from being seen",
		oneOf(func(s *state.Settings) *state.Lock { return &s.Lock }, state.Unlocked, state.Locked, state.Restricted, state.BeforeFirstUnlock)},
	{"setup", "new|setup|done", "how far the phone is set up",
		oneOf(func(s *state.Settings) *state.Setup { return &s.Setup }, state.SetupNew, state.SetupBusy, state.SetupDone)},
	{"find-my", "BOOL", "Find My is on: no restore", boolean(func(s *state.Settings) *bool { return &s.FindMy })},
	{"supervised", "BOOL", "the phone is supervised", boolean(func(s *state.Settings) *bool { return &s.Supervised })},
	{"requires-encryption", "BOOL", "a profile allows encrypted backups only", boolean(func(s *state.Settings) *bool { return &s.RequiresEncryption })},
	{"encryption-locked", "BOOL", "a profile forbids switching encryption off", boolean(func(s *state.Settings) *bool { return &s.EncryptionLocked })},
	{"cloud-restore", "BOOL", "a restore from iCloud is running: no backup", boolean(func(s *state.Settings) *bool { return &s.CloudRestoreRunning })},
	{"wifi", "BOOL", "shown on Wi-Fi, if the process was started with it", boolean(func(s *state.Settings) *bool { return &s.WiFiConnections })},
	{"private-address", "BOOL", "it uses another Wi-Fi address than its own", boolean(func(s *state.Settings) *bool { return &s.PrivateAddress })},
	{"free-space", "BYTES", "room left on the phone; 0 is plenty", func(s *state.Settings, v string) error {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return errors.New("want a number of bytes")
		}
		s.FreeSpace = n
		return nil
	}},
	{"kdf-rounds", "N", "of backup keybags from now on; 0 is Apple's 10,000,000", func(s *state.Settings, v string) error {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 {
			return errors.New("want a number")
		}
		s.KDFRounds = int(n)
		return nil
	}},
	{"media-protected", "PATH|…", "media that AFC does not open while locked", list(func(s *state.Settings) *[]string { return &s.MediaProtected })},
	{"media-hard-links", "PATH|…", "media that AFC never opens", list(func(s *state.Settings) *[]string { return &s.MediaHardLinks })},
}

func boolean(field func(*state.Settings) *bool) func(*state.Settings, string) error {
	return func(s *state.Settings, v string) error {
		switch v {
		case "on", "yes", "true", "1":
			*field(s) = true
		case "off", "no", "false", "0":
			*field(s) = false
		default:
			return errors.New("want on or off")
		}
		return nil
	}
}

func oneOf[T ~string](field func(*state.Settings) *T, values ...T) func(*state.Settings, string) error {
	return func(s *state.Settings, v string) error {
		if !slices.Contains(values, T(v)) {
			return fmt.Errorf("want one of %v", values)
		}
		*field(s) = T(v)
		return nil
	}
}

func list(field func(*state.Settings) *[]string) func(*state.Settings, string) error {
	return func(s *state.Settings, v string) error {
		*field(s) = strings.FieldsFunc(v, func(r rune) bool { return r == '|' })
		return nil
	}
}

// SettingsHelp lists what Set knows, one "KEY=VALUES  about" a line.
func SettingsHelp() string {
	var b strings.Builder
	for _, x := range settingTable {
		fmt.Fprintf(&b, "%-60s %s\n", x.key+"="+x.values, x.about)
	}
	return b.String()
}

// applySettings carries out KEY=VALUE texts, all of them or none.
func applySettings(st *state.Phone, pairs []string) error {
	return st.Update(func(s *state.Settings) error {
		for _, pair := range pairs {
			key, value, ok := strings.Cut(pair, "=")
			i := slices.IndexFunc(settingTable, func(x setting) bool { return x.key == key })
			if !ok || i < 0 {
				return fmt.Errorf("set %q: want KEY=VALUE, KEY being one of %s", pair, settingKeys())
			}
			if err := settingTable[i].set(s, value); err != nil {
				return fmt.Errorf("set %s: %w", key, err)
			}
		}
		if _, has := s.PasscodePrompt(); !has && s.Lock != state.Unlocked {
			return fmt.Errorf("set: a phone without a passcode is not %s: add passcode=after=2s, or lock=unlocked", s.Lock)
		}
		return nil
	})
}

func settingKeys() string {
	keys := make([]string, len(settingTable))
	for i, x := range settingTable {
		keys[i] = x.key
	}
	return strings.Join(keys, ", ")
}

// Set changes settings of the running phone: KEY=VALUE texts as SettingsHelp
// lists them, all of them or none.
func (p *Phone) Set(pairs ...string) error {
	before := p.st.Settings()
	if err := applySettings(p.st, pairs); err != nil {
		return err
	}
	after := p.st.Settings()
	p.refresh()
	if before.DeviceName != after.DeviceName {
		p.Notify("com.apple.mobile.lockdown.device_name_changed")
	}
	if before.Setup != after.Setup {
		p.notifySetup(before.Setup, after.Setup)
	}
	return nil
}

// FinishSetup is the owner going through the set-up screens to the end.
func (p *Phone) FinishSetup() error {
	return p.Set("setup=" + string(state.SetupDone))
}

func (p *Phone) notifySetup(from, to state.Setup) {
	if from == state.SetupNew || to == state.SetupNew {
		p.Notify("com.apple.mobile.lockdown.activation_state")
		p.Notify("com.apple.mobile.lockdown.brick_state")
	}
	if to == state.SetupDone {
		p.Notify("com.apple.purplebuddy.setupdone")
		p.Notify("com.apple.purplebuddy.setupexited")
	} else {
		p.Notify("com.apple.purplebuddy.setuplaunched")
	}
}

// Use lets the phone live for some days: pictures, messages, deletions, a new
// app.
func (p *Phone) Use(ctx context.Context, days int) (Changes, error) { return use(ctx, p.st, days) }

// Erase resets the phone: nothing of its owner is left, it shows the set-up
// screens and knows no host. It restarts, and returns when it is back.
func (p *Phone) Erase(ctx context.Context) error {
	return p.restart(ctx, func(context.Context) error { return erase(p.st) })
}
