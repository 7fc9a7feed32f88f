package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/pflag"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/internal/shell"
)

// repositoryPassword says where a password of a repository comes from: a file,
// the output of a command, the environment, or a person at the terminal. It is
// never the value of a flag, which every user of the computer could read.
type repositoryPassword struct {
	prefix string // of the flags: "", "from-" or "new-"
	env    string // of the variables: env, env_FILE, env_COMMAND
	what   string // for people

	file, command string

	typed secret.RepositoryPassword // what was typed and opened a repository
}

// noPassword is a password that nobody gave.
var noPassword secret.Text

func mainPassword() *repositoryPassword {
	return &repositoryPassword{env: "KEEPSAKE_PASSWORD", what: "repository password"}
}

func fromPassword() *repositoryPassword {
	return &repositoryPassword{prefix: "from-", env: "KEEPSAKE_FROM_PASSWORD", what: "password of the other repository"}
}

func anotherPassword() *repositoryPassword {
	return &repositoryPassword{prefix: "new-", env: "KEEPSAKE_NEW_PASSWORD", what: "new repository password"}
}

func (s *repositoryPassword) addFlags(set *pflag.FlagSet) {
	set.StringVar(&s.file, s.prefix+"password-file", "", fmt.Sprintf("read the %s from `FILE` (else: %s_FILE, %s, else: you are asked)", s.what, s.env, s.env))
	set.StringVar(&s.command, s.prefix+"password-command", "", fmt.Sprintf("run `COMMAND`, which prints it (else: %s_COMMAND)", s.env))
}

// given returns the password if it was given without asking anybody. Flags win
// over the environment.
func (s *repositoryPassword) given(ctx context.Context, a *app) (secret.RepositoryPassword, bool, error) {
	none := secret.RepositoryPassword{}
	if s.file != "" && s.command != "" {
		return none, false, &usageError{fmt.Errorf("--%spassword-file and --%spassword-command contradict each other", s.prefix, s.prefix), "give one of them"}
	}
	for _, source := range []struct {
		value string
		read  func(string) (string, error)
	}{
		{s.file, readSecretFile},
		{s.command, func(c string) (string, error) { return s.run(ctx, a, c) }},
		{a.Getenv(s.env + "_FILE"), readSecretFile},
		{a.Getenv(s.env + "_COMMAND"), func(c string) (string, error) { return s.run(ctx, a, c) }},
		{a.Getenv(s.env), func(value string) (string, error) { return value, nil }},
	} {
		if source.value == "" {
			continue
		}
		text, err := source.read(source.value)
		if err != nil {
			return none, false, err
		}
		return secret.NewRepositoryPassword(text), true, nil
	}
	return none, false, nil
}

// get returns the password, and asks for it at the terminal if need be; typed
// tells that somebody did.
func (s *repositoryPassword) get(ctx context.Context, a *app) (password secret.RepositoryPassword, typed bool, err error) {
	password, ok, err := s.given(ctx, a)
	if ok || err != nil {
		return password, false, err
	}
	if !s.typed.IsZero() {
		return s.typed, true, nil
	}
	password, err = s.ask(ctx, a, capital(s.what)+": ")
	return password, true, err
}

// choose is get for a password that is being made up: it is typed twice.
func (s *repositoryPassword) choose(ctx context.Context, a *app) (secret.RepositoryPassword, error) {
	password, ok, err := s.given(ctx, a)
	if ok || err != nil {
		return password, err
	}
	for {
		first, err := s.ask(ctx, a, capital(s.what)+": ")
		if err != nil {
			return first, err
		}
		second, err := s.ask(ctx, a, "The same again: ")
		if err != nil {
			return second, err
		}
		if first.Reveal() == second.Reveal() {
			return first, nil
		}
		fmt.Fprintln(a.Stderr, "They differ. Once more:")
	}
}

func (s *repositoryPassword) ask(ctx context.Context, a *app, prompt string) (secret.RepositoryPassword, error) {
	fd, isTerminal := terminal(a.Stdin)
	if !isTerminal {
		return secret.RepositoryPassword{}, &hintError{
			err:  fmt.Errorf("read %s: nobody to ask: standard input is no terminal", s.what),
			hint: fmt.Sprintf("put it in a file and give --%spassword-file FILE, or set %s_FILE or %s", s.prefix, s.env, s.env),
			code: exitWrongPassword,
		}
	}
	b, err := readHidden(ctx, a.Stderr, fd, prompt)
	if err == nil && len(b) == 0 {
		err = errors.New("nothing was typed")
	}
	if err != nil {
		return secret.RepositoryPassword{}, fmt.Errorf("read %s: %w", s.what, err)
	}
	return secret.NewRepositoryPassword(string(b)), nil
}

// run takes what a command prints, but for one line end at its end. The command
// may ask its own questions: it has our standard input and error.
func (s *repositoryPassword) run(ctx context.Context, a *app, command string) (string, error) {
	cmd := shell.Command(ctx, command)
	cmd.Stdin, cmd.Stderr = a.Stdin, a.Stderr
	if _, isTerminal := terminal(a.Stdin); !isTerminal {
		cmd.Stdin = nil
	}
	var out bytes.Buffer
	cmd.Stdout = &limited{w: &out, left: maxPassword + 1}
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("it ended with %v", exit)
	}
	if err != nil {
		return "", &hintError{err: fmt.Errorf("run the command for the %s: %w", s.what, err), hint: "run it by itself: it has to print the password and to end with 0"}
	}
	return trimSecret(out.Bytes(), "output of the password command")
}

// limited takes so many bytes and passes over the rest.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	if _, err := l.w.Write(keep); err != nil {
		return 0, err
	}
	return len(p), nil
}
