package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/restserver"
)

type serveRESTFlags struct {
	path, listen, htpasswd  string
	noAuth, private, access bool
	noAppend                bool
	rules                   restserver.Rules
}

func newServeREST(a *app) *cobra.Command {
	var f serveRESTFlags
	c := &cobra.Command{
		Use:   "serve-rest --path DIR (--htpasswd FILE | --no-auth)",
		Short: "Let other computers back up into this one (restic's REST protocol)",
		Long: `Serve the repositories below DIR to keepsake, restic and rustic on other computers. What they store
is encrypted before it leaves them. The server is append-only: what is there cannot be removed or
replaced by anyone who has a password, unless --no-append-only is given.

Users and their passwords are kept in FILE; "keepsake serve-rest user" writes it, and Apache's
"htpasswd -B" does too. Beyond this computer a certificate is needed. With --private-repos each user
has the repositories below a folder of the user's name, and no others.

The address of a repository, for the flag -r of keepsake and of restic, is

  rest:https://HOST:8421/USER/phone/

keepsake takes the user's name and password from RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD, as
newer versions of restic do.`,
		Example: `  keepsake serve-rest user ada --htpasswd users
  keepsake serve-rest --path /srv/backups --htpasswd users --private-repos \
      --listen 192.168.1.10:8421 --tls-cert cert.pem --tls-key key.pem
  keepsake serve-rest --path /srv/backups --no-auth`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("0 stopped; 1 error; 2 usage"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			if err := f.check(cmd); err != nil {
				return err
			}
			return a.serveREST(cmd.Context(), &f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.path, "path", "", "the `DIR` that the repositories lie below; it must exist")
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8421", "the `ADDRESS` to listen on; port 0 takes a free one")
	flags.StringVar(&f.htpasswd, "htpasswd", "", "the `FILE` of the users, NAME:HASH on each line")
	flags.BoolVar(&f.noAuth, "no-auth", false, "everybody on this computer may come in")
	flags.BoolVar(&f.private, "private-repos", false, "each user has the paths below /USER/ and no others")
	flags.BoolVar(&f.noAppend, "no-append-only", false, "clients may remove files: forget and prune work")
	flags.StringVar(&f.rules.CertFile, "tls-cert", "", "the `FILE` of the certificate and those that vouch for it (PEM)")
	flags.StringVar(&f.rules.KeyFile, "tls-key", "", "the `FILE` of its key (PEM)")
	flags.BoolVar(&f.rules.Insecure, "insecure", false, "no TLS beyond this computer, because something in front of keepsake has it")
	flags.BoolVar(&f.access, "log", false, "a line on standard error for each request")
	c.AddCommand(newServeRESTUser(a))
	return c
}

func (f *serveRESTFlags) check(cmd *cobra.Command) error {
	switch {
	case f.path == "":
		return usageOf(cmd, errors.New("serve-rest: give --path DIR, where the repositories lie"))
	case f.htpasswd == "" && !f.noAuth:
		return &usageError{errors.New("serve-rest: say who may come in"),
			"make a user with \"keepsake serve-rest user NAME --htpasswd FILE\" and give --htpasswd FILE; or, on this computer only, --no-auth"}
	case f.htpasswd != "" && f.noAuth:
		return usageOf(cmd, errors.New("serve-rest: --htpasswd and --no-auth exclude each other"))
	case f.private && f.noAuth:
		return usageOf(cmd, errors.New("serve-rest: --private-repos needs users"))
	case (f.rules.CertFile == "") != (f.rules.KeyFile == ""):
		return usageOf(cmd, errors.New("serve-rest: --tls-cert and --tls-key go together"))
	}
	return nil
}

type serveReady struct {
	MessageType  string `json:"message_type"` // "ready"
	Address      string `json:"address"`      // host:port
	URL          string `json:"url"`
	TLS          bool   `json:"tls"`
	AppendOnly   bool   `json:"append_only"`
	PrivateRepos bool   `json:"private_repos"`
}

// serveREST serves until ctx ends, which is how this command is meant to end.
func (a *app) serveREST(ctx context.Context, f *serveRESTFlags) error {
	if info, err := os.Stat(f.path); err != nil {
		return fmt.Errorf("serve repositories: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("serve repositories: %s is no folder", f.path)
	}
	log := a.serverLog(f.access)
	o := restserver.Options{
		Open:         restserver.Folder(f.path),
		PrivateRepos: f.private,
		AllowRemoval: f.noAppend,
		Log:          log,
	}
	if !f.noAuth {
		var err error
		if o.Users, err = restserver.OpenUsers(f.htpasswd, log); err != nil {
			return withUserHint(err)
		}
		if len(o.Users.Names()) == 0 {
			return withUserHint(fmt.Errorf("read user file %s: there is no user in it", f.htpasswd))
		}
	}
	h, err := restserver.New(o)
	if err != nil {
		return err
	}
	f.rules.LocalOnly = f.noAuth
	l, err := restserver.Listen(ctx, f.listen, f.rules)
	switch {
	case errors.Is(err, restserver.ErrNeedsTLS):
		return &hintError{err: err, hint: "give --tls-cert and --tls-key; or, if something in front of keepsake does TLS, --insecure"}
	case errors.Is(err, restserver.ErrLocalOnly):
		return &hintError{err: err, hint: "make a user with \"keepsake serve-rest user NAME --htpasswd FILE\", and give --htpasswd FILE instead of --no-auth"}
	case err != nil:
		return err
	}
	ready := serveReady{"ready", l.Addr().String(), l.URL(), f.rules.CertFile != "", !o.AllowRemoval, f.private}
	if a.json {
		a.emit(ready)
	}
	a.printf("Serving the repositories below %s at %s (%s). Ctrl-C ends it.\n", f.path, ready.URL, ready.mode())
	return restserver.Serve(ctx, l, h, log)
}

func (r serveReady) mode() string {
	mode := "append-only"
	if !r.AppendOnly {
		mode = "files may be removed"
	}
	if r.PrivateRepos {
		mode += ", private repositories"
	}
	return mode
}

// serverLog is where a server notes what happens: the store's failures always,
// requests if they are wanted.
func (a *app) serverLog(requests bool) *slog.Logger {
	level := slog.LevelWarn
	if requests {
		level = slog.LevelInfo
	}
	if a.verbose {
		level = slog.LevelDebug
	}
	o := &slog.HandlerOptions{Level: level}
	if a.json {
		return slog.New(slog.NewJSONHandler(a.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(a.Stderr, o))
}

func withUserHint(err error) error {
	return &hintError{err: err, hint: "\"keepsake serve-rest user NAME --htpasswd FILE\" makes a user"}
}

func newServeRESTUser(a *app) *cobra.Command {
	var htpasswd, passwordFile string
	var remove bool
	c := &cobra.Command{
		Use:   "user NAME --htpasswd FILE",
		Short: "Give a user of the server a password, or take it away",
		Long: `Write the user NAME with a new password into FILE, which is made if it is missing. A running server
takes notice. The password is read from --new-password-file, from standard input if that is no terminal,
or asked for twice; what is kept of it is an argon2id hash.`,
		Example: `  keepsake serve-rest user ada --htpasswd users
  keepsake serve-rest user ada --htpasswd users --remove`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("0 done; 1 error; 2 usage"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usageOf(cmd, errors.New("serve-rest user: give one name"))
			case htpasswd == "":
				return usageOf(cmd, errors.New("serve-rest user: give --htpasswd FILE, where the users are kept"))
			case remove && passwordFile != "":
				return usageOf(cmd, errors.New("serve-rest user: --remove needs no password"))
			}
			if remove {
				return a.removeServerUser(htpasswd, args[0])
			}
			return a.setServerUser(cmd.Context(), htpasswd, args[0], passwordFile)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().StringVar(&htpasswd, "htpasswd", "", "the `FILE` of the users")
	c.Flags().StringVar(&passwordFile, "new-password-file", "", "read the user's password from `FILE`")
	c.Flags().BoolVar(&remove, "remove", false, "take the user out of the file")
	return c
}

type serverUserMessage struct {
	MessageType string `json:"message_type"` // "user"
	User        string `json:"user"`
	Action      string `json:"action"` // "added", "changed" or "removed"
}

func (a *app) setServerUser(ctx context.Context, htpasswd, name, passwordFile string) error {
	password, err := a.serverPassword(ctx, passwordFile)
	if err != nil {
		return err
	}
	added, err := restserver.SetUser(htpasswd, name, password)
	if err != nil {
		return err
	}
	action := "changed"
	if added {
		action = "added"
	}
	a.serverUser(name, action)
	return nil
}

func (a *app) removeServerUser(htpasswd, name string) error {
	if err := restserver.RemoveUser(htpasswd, name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return &hintError{err: err, hint: "see the names in " + htpasswd}
		}
		return err
	}
	a.serverUser(name, "removed")
	return nil
}

func (a *app) serverUser(name, action string) {
	if a.json {
		a.emit(serverUserMessage{"user", name, action})
	}
	a.printf("User %s is %s.\n", name, action)
}

// serverPassword takes a new password for a user of the server from a file, from
// a pipe, or from a person who types it twice.
func (a *app) serverPassword(ctx context.Context, file string) (secret.Text, error) {
	if file != "" {
		p, err := readPasswordFile(file)
		return p.Text, err
	}
	fd, isTerminal := terminal(a.Stdin)
	if !isTerminal {
		return readPasswordLine(a.Stdin)
	}
	for {
		first, err := readHidden(ctx, a.Stderr, fd, "Password for the user: ")
		if err == nil && len(first) == 0 {
			err = errors.New("nothing was typed")
		}
		if err != nil {
			return secret.Text{}, fmt.Errorf("read password: %w", err)
		}
		second, err := readHidden(ctx, a.Stderr, fd, "The same again: ")
		if err != nil {
			return secret.Text{}, fmt.Errorf("read password: %w", err)
		}
		if string(first) == string(second) {
			return secret.NewText(string(first)), nil
		}
		fmt.Fprintln(a.Stderr, "They differ. Once more:")
	}
}

// readPasswordLine reads the first line of a stream.
func readPasswordLine(r io.Reader) (secret.Text, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxPassword+1)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	switch {
	case err != nil && err != io.EOF:
		return secret.Text{}, fmt.Errorf("read password: %w", err)
	case line == "":
		return secret.Text{}, &hintError{
			err:  errors.New("read password: standard input is empty"),
			hint: "type it at a terminal, pipe it in, or put it in a file and give --new-password-file FILE",
		}
	case len(line) > maxPassword:
		return secret.Text{}, fmt.Errorf("read password: longer than %d bytes", maxPassword)
	}
	return secret.NewText(line), nil
}
