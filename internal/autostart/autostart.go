package autostart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
)

// Options say what is to start, and for whom.
type Options struct {
	// Executable is the absolute path of the program; a folder that the next
	// update or reboot empties would be a bad one.
	Executable string
	// Args follow it: "serve", "--data", "/home/anna/keepsake".
	Args []string
	// Name is that of the unit, agent or task: lower-case letters, digits and
	// hyphens, at most 40. "" is "keepsake".
	Name string
	// Home is the user's folder, UserID their number (macOS), User their name
	// (Windows: DOMAIN\name). "" are those of whoever runs this.
	Home, UserID, User string
	// System is a GOOS: "linux", "darwin", "windows". "" is this one.
	System string
	// Run executes a command and gives what it printed. nil executes it for real.
	Run func(ctx context.Context, argv []string) ([]byte, error)
}

// State is what a system knows of the program that starts by itself.
type State struct {
	Installed bool   // the file is there
	Running   bool   // the system says that it runs now
	Changed   bool   // the file is not what Install would write now: another version wrote it, or somebody
	File      string // where it is, or would be
	Text      string // what the system says, for people; may have several lines
	Hint      string // what would make it better; "" nothing
}

// ErrUnsupported: nothing here starts programs that this package knows.
var ErrUnsupported = errors.New("starting by itself is not supported on this system")

// CommandError is a command of the system that did not do its part.
type CommandError struct {
	Command string
	Output  string // what it printed, shortened
	Err     error
}

func (e *CommandError) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("run %s: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("run %s: %v: %s", e.Command, e.Err, e.Output)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Install makes the program start by itself, now and whenever the user signs in.
// Installed anew, it takes over what is there. It gives the state afterwards.
func Install(ctx context.Context, o Options) (State, error) {
	o, p, err := o.plan()
	if err != nil {
		return State{}, err
	}
	if err := writeFile(p.File, p.Data); err != nil {
		return State{}, fmt.Errorf("install autostart: %w", err)
	}
	for _, c := range p.Install {
		if err := o.do(ctx, c); err != nil {
			return State{}, fmt.Errorf("install autostart: %w", err)
		}
	}
	return Status(ctx, o)
}

// Uninstall stops the program and forgets it. What it has kept stays. That it is
// not there is no error.
func Uninstall(ctx context.Context, o Options) error {
	o, p, err := o.plan()
	if err != nil {
		return err
	}
	_, err = os.Stat(p.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, c := range p.Uninstall {
		if err := o.do(ctx, c); err != nil {
			return fmt.Errorf("uninstall autostart: %w", err)
		}
	}
	if err := os.Remove(p.File); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("uninstall autostart: %w", err)
	}
	for _, c := range p.Afterwards {
		if err := o.do(ctx, c); err != nil {
			return fmt.Errorf("uninstall autostart: %w", err)
		}
	}
	return nil
}

// Status asks the system.
func Status(ctx context.Context, o Options) (State, error) {
	o, p, err := o.plan()
	if err != nil {
		return State{}, err
	}
	s := State{File: p.File}
	data, err := os.ReadFile(p.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.Text = "It does not start by itself."
		return s, nil
	case err != nil:
		return s, fmt.Errorf("read autostart: %w", err)
	}
	s.Installed, s.Changed = true, string(data) != string(p.Data)
	out, err := o.Run(ctx, p.Status)
	s.Text = shorten(out)
	// The commands say by their status that it does not run, which is an answer.
	s.Running = err == nil && (p.Runs == nil || p.Runs(string(out)))
	if err != nil && s.Text == "" {
		s.Text = (&CommandError{strings.Join(p.Status, " "), "", err}).Error()
	}
	s.Hint = p.Hint
	if p.Hinted != nil {
		if out, err := o.Run(ctx, p.Hinted); err == nil && p.HintDone(string(out)) {
			s.Hint = ""
		}
	}
	return s, nil
}

// plan fills in what is not said, and makes the plan.
func (o Options) plan() (Options, Plan, error) {
	if o.System == "" {
		o.System = runtime.GOOS
	}
	if o.Name == "" {
		o.Name = "keepsake"
	}
	if o.Run == nil {
		o.Run = execute
	}
	if o.Home == "" || o.UserID == "" || o.User == "" {
		me, err := user.Current()
		if err != nil {
			return o, Plan{}, fmt.Errorf("find the user's folder: %w", err)
		}
		for _, v := range []struct{ field, value *string }{{&o.Home, &me.HomeDir}, {&o.UserID, &me.Uid}, {&o.User, &me.Username}} {
			if *v.field == "" {
				*v.field = *v.value
			}
		}
	}
	p, err := Make(o)
	return o, p, err
}

// do runs a command; one that may fail because there is nothing to undo, may.
func (o Options) do(ctx context.Context, c Command) error {
	out, err := o.Run(ctx, c.Argv)
	if err == nil || c.MayFail {
		return nil
	}
	return &CommandError{strings.Join(c.Argv, " "), shorten(out), err}
}

func execute(ctx context.Context, argv []string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("%w", err)
	}
	return out, nil
}

// shorten keeps what a person reads of the output of a command.
func shorten(out []byte) string {
	const most = 1000
	text := strings.TrimSpace(strings.ToValidUTF8(string(out), "?"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// writeFile replaces a file as a whole; only its owner may read it.
func writeFile(path string, data []byte) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".keepsake-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
