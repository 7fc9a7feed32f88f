package autostart

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Plan is all that makes a program start by itself on a system.
type Plan struct {
	File       string // the one file, absolute, in the notation of the system
	Data       []byte
	Install    []Command // after the file is written
	Uninstall  []Command // before it is removed
	Afterwards []Command // and after
	Status     []string  // says whether it runs, in words and by its exit code
	// Runs reads what Status printed, where its exit code does not say it; or nil.
	Runs func(output string) bool
	// Hint is what the owner may want to do; Hinted prints whether it is done, which
	// HintDone reads. Hinted may be nil.
	Hint     string
	Hinted   []string
	HintDone func(output string) bool
}

// Command is one command with its arguments.
type Command struct {
	Argv    []string
	MayFail bool // it undoes what may not be there
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// Make plans without touching anything. All fields of the options but Run must
// be there.
func Make(o Options) (Plan, error) {
	if err := o.check(); err != nil {
		return Plan{}, fmt.Errorf("plan autostart: %w", err)
	}
	switch o.System {
	case "linux":
		return systemdPlan(o), nil
	case "darwin":
		return launchdPlan(o)
	case "windows":
		return taskPlan(o)
	}
	return Plan{}, fmt.Errorf("plan autostart on %s: %w", o.System, ErrUnsupported)
}

func (o Options) check() error {
	if !goodName.MatchString(o.Name) {
		return fmt.Errorf("name %q: only lower-case letters, digits and hyphens, at most 40", o.Name)
	}
	for _, s := range append([]string{o.Executable, o.Home, o.User, o.UserID}, o.Args...) {
		if strings.ContainsFunc(s, unicode.IsControl) || !isUTF8(s) {
			return fmt.Errorf("%q has characters that cannot stand in a file of settings", s)
		}
	}
	absolute := strings.HasPrefix
	if o.System == "windows" {
		absolute = func(s, _ string) bool { return len(s) > 2 && s[1] == ':' && s[2] == '\\' || strings.HasPrefix(s, `\\`) }
	}
	if !absolute(o.Executable, "/") || !absolute(o.Home, "/") {
		return errors.New("the program and the user's folder need absolute paths")
	}
	return nil
}

func isUTF8(s string) bool { return strings.ToValidUTF8(s, "") == s }
