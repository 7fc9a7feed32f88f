package virtualphone

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// Config says which phones to start, and where. The zero value, but for Dir, is
// one unlocked phone that is set up, holds a small set of files and trusts
// every host at once. What a state folder already holds wins over Seed and
// Profile; the other fields, when set, win over the folder.
type Config struct {
	// Listen is the address of the usbmuxd socket; "" is 127.0.0.1:0, a free port.
	Listen string
	// Dir keeps the phone, and beside it the muxer's pair records in muxer/. With
	// Count > 1 each phone lives in Dir/<UDID>.
	Dir string
	// Count of phones; 0 is 1.
	Count int

	Seed    uint64 // of identity and contents; the nth phone has Seed+n
	Profile string // how much a new phone holds: tiny, small, typical, album, huge; "" is small
	Empty   bool   // a new phone holds no files at all
	// KeepNothing makes a phone that takes restores as every phone does and keeps
	// of each file its size and digest only: see [Phone.Received]. It makes no
	// backups to speak of. Set Empty too.
	KeepNothing bool
	IOS         string // such as "18.6"; "" leaves it, or is 18.6 for a new phone
	DeviceClass string // such as "iPad"; "" leaves it, or is "iPhone" for a new phone
	DeviceName  string // "" leaves it, or is "iPhone" for a new phone

	Passcode *Prompt // how the owner answers passcode prompts; nil leaves it, or is "no passcode"
	Trust    *Prompt // how the owner answers "Trust This Computer?"; nil leaves it, or is "yes, at once"

	// WiFi lets the phone appear on the network too, once a host has set
	// EnableWifiConnections: as a Network entry of the muxer, and with lockdownd
	// on WiFiListen, 127.0.0.1:62078 by default (only the first phone can have
	// it; the others take free ports).
	WiFi       bool
	WiFiListen string
	// Announce gives the network interfaces on which the phone announces itself by
	// multicast DNS while it is on Wi-Fi, as real ones do; nil announces nothing.
	// WiFiListen must then be an address that is reached there, or none, as in
	// ":62078", for all of them.
	Announce func() ([]net.Interface, error)
	// PrivateAddress lets it announce another Wi-Fi address than its own, as phones
	// do by default; false leaves it as the folder has it.
	PrivateAddress bool
	// BSDAddress announces NetworkAddress in the layout of BSD on every system,
	// as libimobiledevice before 2023 reads it; newer hosts want their system's
	// own, the default (protocol.md 1.3).
	BSDAddress bool

	Faults    []Fault // armed on every phone and on the muxer
	KDFRounds int     // of backup keybags made from now on; 0 leaves it, or is Apple's 10,000,000

	RebootTime        time.Duration // how long a restart takes; 0 is 3 s
	PasscodeTimeout   time.Duration // until an unanswered passcode prompt goes away; 0 is 3 minutes
	HeartbeatInterval time.Duration // 0 is 10 s
	HeartbeatGrace    time.Duration // Wi-Fi services live so long without a Polo; 0 is 30 s
	SleepAfter        time.Duration // services die after so long unless an assertion is held; 0 is never

	// Now is the phone's clock; nil is the real one. Time-outs and delays always
	// take real time.
	Now func() time.Time
	// Log gets what happens, at debug level; nil discards it.
	Log *slog.Logger
}

// Fault is something to go wrong: see the package comment.
type Fault = fault.Fault

// ParseFaults reads comma-separated specs ACTION@POINT[:AT][*TIMES][=ARG].
func ParseFaults(specs string) ([]Fault, error) { return fault.Parse(specs) }

// Prompt is how the owner deals with a dialog on the phone.
type Prompt = state.Prompt

// ParsePasscode reads none (the phone has no passcode), after=2s (the owner
// enters it so long after each prompt), refuse or refuse=2s.
func ParsePasscode(s string) (Prompt, error) {
	p, err := state.ParsePrompt(s, state.NoPasscode)
	if err != nil {
		return p, fmt.Errorf("parse passcode %w", err)
	}
	return p, nil
}

// ParseTrust reads auto (the owner trusts every host at once), after=2s, refuse
// or refuse=2s.
func ParseTrust(s string) (Prompt, error) {
	p, err := state.ParsePrompt(s, state.TrustAuto)
	if err != nil {
		return p, fmt.Errorf("parse trust %w", err)
	}
	return p, nil
}

const (
	defaultProfile = "small"
	defaultListen  = "127.0.0.1:0"
	wifiLockdown   = "127.0.0.1:62078"
)

func (c Config) withDefaults() Config {
	c.Listen = orElse(c.Listen, defaultListen)
	c.Count = orElse(c.Count, 1)
	c.Profile = orElse(c.Profile, defaultProfile)
	c.WiFiListen = orElse(c.WiFiListen, wifiLockdown)
	c.RebootTime = orElse(c.RebootTime, 3*time.Second)
	c.PasscodeTimeout = orElse(c.PasscodeTimeout, 3*time.Minute)
	c.HeartbeatInterval = orElse(c.HeartbeatInterval, 10*time.Second)
	c.HeartbeatGrace = orElse(c.HeartbeatGrace, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// apply puts what the configuration says into the settings of a phone.
func (c Config) apply(s *state.Settings) error {
	if c.IOS != "" {
		build, err := state.Build(c.IOS)
		if err != nil {
			return err
		}
		s.IOS, s.Build = c.IOS, build
	}
	s.DeviceName = orElse(c.DeviceName, s.DeviceName)
	s.PrivateAddress = s.PrivateAddress || c.PrivateAddress
	s.DeviceClass = orElse(c.DeviceClass, s.DeviceClass)
	s.KDFRounds = orElse(c.KDFRounds, s.KDFRounds)
	if c.Passcode != nil {
		if s.Passcode = c.Passcode.Text(state.NoPasscode); c.Passcode.Kind == state.Immediate {
			s.Lock = state.Unlocked // nothing keeps it locked
		}
	}
	if c.Trust != nil {
		s.Trust = c.Trust.Text(state.TrustAuto)
	}
	return nil
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
