package state

import (
	"fmt"
	"strings"
	"time"
)

// Prompt is how the owner deals with a dialog on the phone.
type Prompt struct {
	Kind  PromptKind
	After time.Duration // until the owner has answered
}

// PromptKind is what the owner does.
type PromptKind int

const (
	// Immediate answers at once: --trust auto; or there is nothing to ask:
	// --passcode none.
	Immediate PromptKind = iota
	// Delayed agrees after Prompt.After.
	Delayed
	// Refused says no after Prompt.After.
	Refused
)

// ParsePrompt reads "after=2s", "refuse", "refuse=2s" or the word for
// Immediate.
func ParsePrompt(s, immediate string) (Prompt, error) {
	if s == immediate {
		return Prompt{}, nil
	}
	kind, arg, hasArg := strings.Cut(s, "=")
	var p Prompt
	switch {
	case kind == "after" && hasArg:
		p.Kind = Delayed
	case kind == "refuse":
		p.Kind = Refused
	default:
		return p, fmt.Errorf("%q: want %s, after=2s or refuse", s, immediate)
	}
	if hasArg {
		d, err := time.ParseDuration(arg)
		if err != nil || d < 0 {
			return p, fmt.Errorf("%q: %q is not a duration such as 2s", s, arg)
		}
		p.After = d
	}
	return p, nil
}

// Text is what ParsePrompt reads.
func (p Prompt) Text(immediate string) string {
	switch {
	case p.Kind == Delayed:
		return "after=" + p.After.String()
	case p.Kind == Refused && p.After > 0:
		return "refuse=" + p.After.String()
	case p.Kind == Refused:
		return "refuse"
	}
	return immediate
}

// Words for Immediate.
const (
	NoPasscode = "none"
	TrustAuto  = "auto"
)

// PasscodePrompt is how the owner answers when the passcode is asked for; has
// is false when the phone has none.
func (s Settings) PasscodePrompt() (p Prompt, has bool) {
	p, err := ParsePrompt(s.Passcode, NoPasscode)
	return p, err == nil && p.Kind != Immediate
}

// TrustPrompt is how the owner answers "Trust This Computer?".
func (s Settings) TrustPrompt() Prompt {
	p, err := ParsePrompt(s.Trust, TrustAuto)
	if err != nil { // a hand-edited file: do not trust
		return Prompt{Kind: Refused}
	}
	return p
}

// PasswordProtected is lockdown's value of that name: a passcode stands before
// the phone now (protocol.md 2.4).
func (s Settings) PasswordProtected() bool {
	_, has := s.PasscodePrompt()
	return has && s.Lock != Unlocked
}
