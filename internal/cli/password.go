package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

// maxPassword bounds a password file, in bytes; a longer one is the wrong file.
const maxPassword = 4096

// passwordSource says where one of the phone's backup passwords comes from: a
// file, the environment, or a person at the terminal. It is never the value of
// a flag, which every user of the computer could read.
type passwordSource struct {
	flag, env, what string
	file            string
}

func currentPassword() *passwordSource {
	return &passwordSource{flag: "backup-password-file", env: "BACKUP_PASSWORD", what: "backup password"}
}

func newPassword() *passwordSource {
	return &passwordSource{flag: "new-backup-password-file", env: "BACKUP_PASSWORD_NEW", what: "new backup password"}
}

func (s *passwordSource) addFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, s.flag, "", fmt.Sprintf("read the %s from `FILE` (else: %s, else: you are asked)", s.what, s.env))
}

// given returns the password if it was given without asking anybody.
func (s *passwordSource) given(a *app) (secret.BackupPassword, bool, error) {
	if s.file != "" {
		p, err := readPasswordFile(s.file)
		return p, err == nil, err
	}
	if v := a.Getenv(s.env); v != "" {
		return secret.NewBackupPassword(v), true, nil
	}
	return secret.BackupPassword{}, false, nil
}

// get returns the password, and asks for it at the terminal if need be.
func (s *passwordSource) get(ctx context.Context, a *app) (secret.BackupPassword, error) {
	p, ok, err := s.given(a)
	if ok || err != nil {
		return p, err
	}
	return s.ask(ctx, a, "Backup password: ")
}

// choose is get for a password that is being made up: it is typed twice.
func (s *passwordSource) choose(ctx context.Context, a *app) (secret.BackupPassword, error) {
	p, ok, err := s.given(a)
	if ok || err != nil {
		return p, err
	}
	for {
		first, err := s.ask(ctx, a, "New backup password: ")
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

func (s *passwordSource) ask(ctx context.Context, a *app, prompt string) (secret.BackupPassword, error) {
	fd, isTerminal := terminal(a.Stdin)
	if !isTerminal {
		return secret.BackupPassword{}, &hintError{
			err:  fmt.Errorf("read %s: nobody to ask: standard input is no terminal", s.what),
			hint: fmt.Sprintf("put it in a file and give --%s FILE, or set %s", s.flag, s.env),
			code: exitWrongPassword,
		}
	}
	b, err := readHidden(ctx, a.Stderr, fd, prompt)
	if err == nil && len(b) == 0 {
		err = errors.New("nothing was typed")
	}
	if err != nil {
		return secret.BackupPassword{}, fmt.Errorf("read %s: %w", s.what, err)
	}
	return secret.NewBackupPassword(string(b)), nil
}

// readHidden reads a line from a terminal without showing it. When ctx ends
// the terminal is put back as it was; the reader then hangs on until the
// program ends.
func readHidden(ctx context.Context, w io.Writer, fd int, prompt string) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(w, prompt)
	defer fmt.Fprintln(w)
	type result struct {
		line []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		done <- result{line, err}
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), term.Restore(fd, before))
	}
}

// readPasswordFile reads a backup password from a file.
func readPasswordFile(name string) (secret.BackupPassword, error) {
	s, err := readSecretFile(name)
	return secret.NewBackupPassword(s), err
}

// readSecretFile takes the whole file but for one line end at its end.
func readSecretFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return "", fmt.Errorf("read password file: %w", err)
	}
	return trimSecret(b, "password file "+name)
}

// trimSecret takes what was read from a source but for one line end at its end.
func trimSecret(b []byte, source string) (string, error) {
	tooLong := len(b) > maxPassword
	b = bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
	switch {
	case len(b) == 0:
		return "", fmt.Errorf("read %s: it is empty", source)
	case tooLong:
		return "", fmt.Errorf("read %s: longer than %d bytes", source, maxPassword)
	}
	return string(b), nil
}
