package lockdownd

import (
	"context"
	"errors"
	"time"

	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/state"
)

// maxText bounds strings that a host may set.
const maxText = 1024

// errType is a value of the wrong type for its key.
var errType = errors.New("wrong type")

type setting struct {
	domain, key string
	// sessionless may be set by anybody who reaches the phone.
	sessionless bool
	set         func(s *state.Settings, v any) error
	reset       func(s *state.Settings)
	notify      string
}

// settable are the values that hosts may set; all others are prohibited.
var settable = []setting{
	{key: "DeviceName", set: textual(func(s *state.Settings) *string { return &s.DeviceName }), notify: "com.apple.mobile.lockdown.device_name_changed"},
	{key: "TimeZone", set: textual(func(s *state.Settings) *string { return &s.TimeZone }), notify: "com.apple.mobile.lockdown.timezone_changed"},
	{key: "Uses24HourClock", set: boolean(func(s *state.Settings) *bool { return &s.Uses24HourClock })},
	{
		key: "ActivationStateAcknowledged", set: boolean(func(s *state.Settings) *bool { return &s.ActivationAcked }),
		reset: func(s *state.Settings) { s.ActivationAcked = false },
	},
	{
		key: "UntrustedHostBUID", sessionless: true, set: textual(func(s *state.Settings) *string { return &s.UntrustedHostBUID }),
		reset: func(s *state.Settings) { s.UntrustedHostBUID = "" },
	},
	{
		domain: lockdown.DomainWirelessLockdown, key: "EnableWifiConnections",
		set:   boolean(func(s *state.Settings) *bool { return &s.WiFiConnections }),
		reset: func(s *state.Settings) { s.WiFiConnections = false },
	},
	{domain: domainInternational, key: "Language", set: textual(func(s *state.Settings) *string { return &s.Language })},
	{domain: domainInternational, key: "Locale", set: textual(func(s *state.Settings) *string { return &s.Locale })},
}

func textual(field func(*state.Settings) *string) func(*state.Settings, any) error {
	return func(s *state.Settings, v any) error {
		t, ok := v.(string)
		if !ok || t == "" || len(t) > maxText {
			return errType
		}
		*field(s) = t
		return nil
	}
}

func boolean(field func(*state.Settings) *bool) func(*state.Settings, any) error {
	return func(s *state.Settings, v any) error {
		b, ok := v.(bool)
		if !ok {
			return errType
		}
		*field(s) = b
		return nil
	}
}

func findSetting(domain, key string) (setting, bool) {
	for _, x := range settable {
		if x.domain == domain && x.key == key {
			return x, true
		}
	}
	return setting{}, false
}

// then runs once the answer is out: a host that switches Wi-Fi off over Wi-Fi
// still gets it.
type then func(context.Context) error

func (l *link) setValue(domain, key string, v any) (then, error) {
	switch {
	case key == "":
		return nil, lockdown.MissingKey
	case v == nil:
		return nil, lockdown.MissingValue
	case domain == "" && key == "TimeIntervalSince1970":
		return nil, l.setClock(v)
	}
	x, ok := findSetting(domain, key)
	if !ok || l.session == nil && !x.sessionless {
		return nil, lockdown.SetProhibited
	}
	return l.change(x, func(s *state.Settings) error { return x.set(s, v) }, lockdown.SetProhibited)
}

func (l *link) removeValue(domain, key string) (then, error) {
	if key == "" {
		return nil, lockdown.MissingKey
	}
	x, ok := findSetting(domain, key)
	if !ok || x.reset == nil || l.session == nil && !x.sessionless {
		return nil, lockdown.RemoveProhibited
	}
	return l.change(x, func(s *state.Settings) error { x.reset(s); return nil }, lockdown.RemoveProhibited)
}

func (l *link) change(x setting, change func(*state.Settings) error, refusal lockdown.Error) (then, error) {
	if err := l.s.phone.State().Update(change); err != nil {
		if !errors.Is(err, errType) {
			l.s.log.Error("value not saved", "key", x.key, "cause", err)
		}
		return nil, refusal
	}
	return func(context.Context) error {
		l.s.phone.SettingsChanged()
		if x.notify != "" {
			l.s.phone.Notify(x.notify)
		}
		return nil
	}, nil
}

// setClock takes seconds since 1970 and remembers how far off they are.
func (l *link) setClock(v any) error {
	if l.session == nil {
		return lockdown.SetProhibited
	}
	var seconds float64
	switch n := v.(type) {
	case float64:
		seconds = n
	case uint64:
		seconds = float64(n)
	default:
		return lockdown.SetProhibited
	}
	const year3000 = 32503680000
	if !(seconds >= 0 && seconds < year3000) {
		return lockdown.SetProhibited
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.clock = time.UnixMilli(int64(seconds * 1000)).Sub(l.s.phone.Now())
	return nil
}
