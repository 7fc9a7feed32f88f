package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/davfs"
	"github.com/keepsake-backup/keepsake/internal/inside"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
)

type webdavFlags struct {
	in                contentFlags
	listen, cert, key string
	password          string
}

type webdavReady struct {
	MessageType string `json:"message_type"` // "ready"
	URL         string `json:"url"`
	User        string `json:"user"`
	Password    string `json:"password,omitempty"` // made up for this run; not one that was given
}

func newServeWebDAV(a *app) *cobra.Command {
	var f webdavFlags
	c := &cobra.Command{
		Use:   "serve-webdav (SNAPSHOT | --folder DIR)",
		Short: "Show a backup as a network drive (WebDAV), read-only",
		Long: `Show a backup as a network drive, until Ctrl-C: what "keepsake mount" shows, for computers without FUSE.
Connect to the address with Finder (Go, Connect to Server), Windows Explorer (Map network drive), or any
WebDAV program. Nothing can be changed through it.

A user name and a password are always wanted; without --dav-password-file a password is made up and shown.
Beyond this computer a certificate is needed.`,
		Example: `  keepsake serve-webdav latest
  keepsake serve-webdav --folder ~/Backups --listen 127.0.0.1:8423`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits(repositoryExits),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, rest, err := f.in.take(cmd, a, args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return usageOf(cmd, fmt.Errorf("serve-webdav: %q is too much", rest[0]))
			}
			password, shown, err := f.secret()
			if err != nil {
				return err
			}
			l, err := f.open(cmd)
			if err != nil {
				return err
			}
			defer l.Close() // Serve has closed it
			return a.withContent(cmd, &f.in, text, func(ctx context.Context, c *content) error { return a.serveWebDAV(ctx, c, &f, l, password, shown) })
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8422", "the `ADDRESS` to listen on; port 0 takes a free one")
	flags.StringVar(&f.password, "dav-password-file", "", "the `FILE` with the password to be asked for")
	flags.StringVar(&f.cert, "tls-cert", "", "the `FILE` of the certificate and those that vouch for it (PEM)")
	flags.StringVar(&f.key, "tls-key", "", "the `FILE` of its key (PEM)")
	f.in.addFlags(c)
	return a.repositoryCommand(c)
}

// secret gives the password, and what is to be shown of it.
func (f *webdavFlags) secret() (password secret.Text, shown string, err error) {
	if f.password == "" {
		shown = rand.Text()
		return secret.NewText(shown), shown, nil
	}
	text, err := readSecretFile(f.password)
	if err == nil && text == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return password, "", fmt.Errorf("read the password for WebDAV: %w", err)
	}
	return secret.NewText(text), "", nil
}

func (f *webdavFlags) open(cmd *cobra.Command) (net.Listener, error) {
	if (f.cert == "") != (f.key == "") {
		return nil, usageOf(cmd, errors.New("serve-webdav: --tls-cert and --tls-key go together"))
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return nil, &hintError{err: fmt.Errorf("serve-webdav: %w", err), hint: "choose another port with --listen"}
	}
	if at := l.Addr().(*net.TCPAddr); !at.IP.IsLoopback() && f.cert == "" {
		l.Close()
		return nil, &usageError{fmt.Errorf("serve-webdav: %s can be reached by others, and there is no certificate", at),
			"give --tls-cert and --tls-key, or listen on 127.0.0.1"}
	}
	return l, nil
}

// serveWebDAV serves until ctx ends, which is how this command is meant to end.
func (a *app) serveWebDAV(ctx context.Context, c *content, f *webdavFlags, l net.Listener, password secret.Text, shown string) error {
	say := progress.NewQuiet(a.Stderr)
	defer say.Close()
	problems := &problemTeller{a: a, say: say}
	server := &http.Server{Handler: davfs.Handler(inside.Tree(c.Source), password, func(err error) { problems.tell("WebDAV", err) }),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	scheme := "http"
	if f.cert != "" {
		scheme = "https"
	}
	url := fmt.Sprintf("%s://%s/", scheme, l.Addr())
	if a.json {
		a.emit(webdavReady{"ready", url, davfs.User, shown})
	} else {
		a.printf("%s is at %s\nUser %s, password %s. Ctrl-C when you are done.\n", c.title(), url, davfs.User, orGiven(shown))
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	var err error
	if f.cert != "" {
		err = server.ServeTLS(l, f.cert, f.key)
	} else {
		err = server.Serve(l)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve-webdav: %w", err)
	}
	return incomplete(problems.count())
}

func orGiven(shown string) string {
	if shown == "" {
		return "as in the file"
	}
	return shown
}
