package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/internal/autostart"
	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/sdnotify"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
)

type serveFlags struct {
	listen, data       string
	cert, key          string
	noTLS, noWiFi      bool
	names, proxies     []string
	metricsOpen        bool
	afterBackup        string
	install, uninstall bool
	status             bool
}

func newServe(a *app) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Back up by itself, and serve the page",
		Long: `Notice phones on the cable and on Wi-Fi, back them up when they are due, keep copies and proofs, and serve
the page on which the family sees and steers it. The first time, open the page that is printed: it leads
through the set-up.

It listens on this computer only, unless --listen says otherwise. Beyond this computer everything is encrypted
(TLS): by a certificate that you have (--tls-cert, --tls-key), or by one of Keepsake's own, which each
device has to be told to trust once; the page says how. Behind a proxy that does this, --no-tls and
--trusted-proxy are for you.

What it remembers lies in the folder --data. The secrets in there are sealed by the file "key": keep a copy of it
elsewhere. Credentials of storage (AWS_ACCESS_KEY_ID and so on) come from the environment.`,
		Example: `  keepsake serve
  keepsake serve --install                       start it whenever you sign in
  keepsake serve --listen :8420 --name nas.home`,
		Args:        noArgs,
		Annotations: exits("0 ended as it was asked to; 1 error; 2 usage"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkServe(cmd, f); err != nil {
				return err
			}
			if f.install || f.uninstall || f.status {
				return a.autostart(cmd.Context(), f)
			}
			return a.serve(cmd.Context(), f)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.listen, "listen", serviceAddress, "`ADDRESS` (host:port) to listen on; :8420 is every address of this computer")
	flags.StringVar(&f.data, "data", "", "`DIR` of the service (else: KEEPSAKE_DATA, or \"service\" in the folder for state)")
	flags.StringVar(&f.cert, "tls-cert", "", "certificate, with its chain, in `FILE` (PEM)")
	flags.StringVar(&f.key, "tls-key", "", "its key in `FILE` (PEM)")
	flags.BoolVar(&f.noTLS, "no-tls", false, "encrypt nothing, because a proxy does")
	flags.StringArrayVar(&f.names, "name", nil, "a `NAME` by which other devices reach this computer; may be repeated")
	flags.StringArrayVar(&f.proxies, "trusted-proxy", nil, "believe the proxy at `ADDRESS` (or network/bits) for whom it asks; may be repeated")
	flags.BoolVar(&f.metricsOpen, "metrics-open", false, "give /metrics to everybody who reaches the page")
	flags.StringVar(&f.afterBackup, "after-backup", "", "run `COMMAND` after each backup, with what happened in its environment")
	flags.BoolVar(&f.noWiFi, "no-wifi", false, "look for phones on cables only")
	flags.BoolVar(&f.install, "install", false, "start it whenever you sign in, from now on")
	flags.BoolVar(&f.uninstall, "uninstall", false, "and no more")
	flags.BoolVar(&f.status, "status", false, "say whether it starts by itself, and runs")
	return c
}

func (a *app) checkServe(cmd *cobra.Command, f serveFlags) error {
	chosen := 0
	for _, on := range []bool{f.install, f.uninstall, f.status} {
		if on {
			chosen++
		}
	}
	switch {
	case chosen > 1:
		return usageOf(cmd, errors.New("serve: --install, --uninstall and --status contradict each other"))
	case (f.cert == "") != (f.key == ""):
		return usageOf(cmd, errors.New("serve: --tls-cert and --tls-key belong together"))
	case f.noTLS && f.cert != "":
		return usageOf(cmd, errors.New("serve: --no-tls and --tls-cert contradict each other"))
	}
	if _, _, err := net.SplitHostPort(f.listen); err != nil {
		return usageOf(cmd, fmt.Errorf("serve: --listen %q: want host:port", f.listen))
	}
	_, err := prefixes(f.proxies)
	if err != nil {
		return usageOf(cmd, err)
	}
	return nil
}

// prefixes reads addresses and networks.
func prefixes(texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			addr, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("serve: --trusted-proxy %q: want an address, or network/bits", text)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		list = append(list, p)
	}
	return list, nil
}

// dataDir is the folder of the service.
func (a *app) dataDir(given string) (string, error) {
	if given == "" {
		given = a.Getenv("KEEPSAKE_DATA")
	}
	if given != "" {
		return filepath.Abs(given)
	}
	state, err := a.stateDir()
	return filepath.Join(state, "service"), err
}

// args are the command line that serves as these flags say, from any folder.
func (f serveFlags) args(data string) ([]string, error) {
	args := []string{"serve", "--data", data, "--listen", f.listen}
	for _, file := range []struct{ flag, path string }{{"--tls-cert", f.cert}, {"--tls-key", f.key}} {
		if file.path == "" {
			continue
		}
		path, err := filepath.Abs(file.path)
		if err != nil {
			return nil, fmt.Errorf("serve: %w", err)
		}
		args = append(args, file.flag, path)
	}
	for _, on := range []struct {
		flag string
		set  bool
	}{{"--no-tls", f.noTLS}, {"--metrics-open", f.metricsOpen}, {"--no-wifi", f.noWiFi}} {
		if on.set {
			args = append(args, on.flag)
		}
	}
	for _, name := range f.names {
		args = append(args, "--name", name)
	}
	for _, proxy := range f.proxies {
		args = append(args, "--trusted-proxy", proxy)
	}
	if f.afterBackup != "" {
		args = append(args, "--after-backup", f.afterBackup)
	}
	return args, nil
}

func (a *app) autostart(ctx context.Context, f serveFlags) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	data, err := a.dataDir(f.data)
	if err != nil {
		return err
	}
	args, err := f.args(data)
	if err != nil {
		return err
	}
	o := autostart.Options{Executable: self, Args: args, Home: a.Getenv("HOME")}
	if f.uninstall {
		if err := autostart.Uninstall(ctx, o); err != nil {
			return autostartError(err)
		}
		a.printf("It does not start by itself any more. What it has kept is still in %s.\n", data)
		return nil
	}
	do := autostart.Status
	if f.install {
		do = autostart.Install
	}
	state, err := do(ctx, o)
	if err != nil {
		return autostartError(err)
	}
	switch {
	case !state.Installed:
		a.printf("It does not start by itself. \"keepsake serve --install\" changes that.\n")
	case state.Running:
		a.printf("It starts by itself, and runs%s.\n", a.whereItRuns(data))
	default:
		a.printf("It starts by itself, and does not run now.\n")
	}
	if state.Hint != "" {
		a.printf("%s\n", progressSentence(state.Hint))
	}
	return nil
}

// autostartError tells what to do when the system has not done its part.
func autostartError(err error) error {
	var refused *autostart.CommandError
	if !errors.As(err, &refused) {
		return err
	}
	return &hintError{err: err, hint: "what starts programs does not answer this account, as in a container, or behind sudo or su: sign in as yourself and repeat it, or start \"keepsake serve\" in another way; docs/running.md has some"}
}

// whereItRuns is the address of the service, if it has said so already.
func (a *app) whereItRuns(data string) string {
	local, err := daemon.FindLocal(data)
	if err != nil {
		return "" // nobody has set it up yet
	}
	return ": " + local.Address + "/"
}

// progressSentence makes a sentence of a hint.
func progressSentence(hint string) string { return capital(strings.TrimSuffix(hint, ".")) + "." }

func (a *app) serve(ctx context.Context, f serveFlags) (err error) {
	if err := noCoreDumps(); err != nil {
		a.mention(progress.Warn, fmt.Sprintf("core dumps could not be switched off, and would hold keys: %v", err))
	}
	data, err := a.dataDir(f.data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(data), 0o700); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return &hintError{err: fmt.Errorf("serve: %w", err), hint: "another program may listen there, perhaps another keepsake: --listen 127.0.0.1:0 takes a free port"}
	}
	defer l.Close()
	o, err := a.daemonOptions(f, data, l.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	d, err := daemon.Open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	conf, url, err := a.serveTLS(ctx, f, d, l.Addr().(*net.TCPAddr))
	if err != nil {
		return err
	}
	say := sdnotify.Notifier{Socket: a.Getenv("NOTIFY_SOCKET")}
	interval, err := sdnotify.Interval(a.Getenv("WATCHDOG_USEC"), a.Getenv("WATCHDOG_PID"), os.Getpid())
	if err != nil {
		return err
	}
	watched := make(chan error, 1)
	a.interruptHint = ""
	err = d.Serve(ctx, l, conf, func() {
		a.welcome(url, d.SetUpCode)
		if err := say.Ready("serving " + url); err != nil {
			o.Log.Warn("systemd was not told", "err", err)
		}
		go func() {
			watched <- say.Watch(ctx, interval, func(ctx context.Context) error { return alive(ctx, d.Handler()) })
		}()
	})
	if stopErr := say.Stopping(); stopErr != nil {
		o.Log.Warn("systemd was not told", "err", stopErr)
	}
	return err
}

// welcome says where the page is.
func (a *app) welcome(url string, code secret.Text) {
	if a.json {
		a.emit(serving{"serving", url, !code.IsZero()})
	} else {
		a.printf("Keepsake serves its page at %s\n", url)
	}
	if !code.IsZero() {
		fmt.Fprintf(a.Stderr, "Open it to set Keepsake up. From another device you are asked for this code: %s\n", code.Reveal())
	}
}

type serving struct {
	MessageType string `json:"message_type"` // "serving"
	URL         string `json:"url"`
	SetUp       bool   `json:"set_up"` // is still to be done
}

// alive asks the page itself how it is: what hangs is to be noticed.
func alive(ctx context.Context, h http.Handler) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/healthz", nil)
	if err != nil {
		return err
	}
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", "/healthz"
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(discard{http.Header{}}, r)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// discard is an answer that nobody reads: that there is one is enough.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// daemonOptions are what the flags and the environment say of a service.
func (a *app) daemonOptions(f serveFlags, data string, at *net.TCPAddr) (daemon.Options, error) {
	proxies, err := prefixes(f.proxies)
	if err != nil {
		return daemon.Options{}, err
	}
	mux, err := a.mux()
	if err != nil {
		return daemon.Options{}, err
	}
	level := slog.LevelInfo
	if a.verbose {
		level = slog.LevelDebug
	}
	key, err := a.handedKey()
	if err != nil {
		return daemon.Options{}, err
	}
	compression, err := repository.ParseCompression(phoneCompression)
	if err != nil {
		return daemon.Options{}, err
	}
	o := daemon.Options{Data: data, Key: key, Mux: mux, NoWiFi: f.noWiFi,
		Access: place.Access{Getenv: a.Getenv}, Repository: repository.Options{KDF: a.KDF, Compression: compression}, Sheet: writeSheet, Free: freeOrUnknown,
		Hosts: f.hosts(), Plain: f.noTLS, HSTS: f.cert != "", TrustedProxies: proxies, MetricsOpen: f.metricsOpen,
		AfterBackup: f.afterBackup, Version: version(), Limits: a.Limits,
		Log: slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: level}))}
	o.Access.Mention = func(_ progress.Kind, text string) { o.Log.Info(text) }
	scheme := "http"
	if f.secured(at) {
		scheme = "https"
	}
	for _, name := range append([]string{"localhost"}, f.hosts()...) {
		o.Origins = append(o.Origins, fmt.Sprintf("%s://%s", scheme, net.JoinHostPort(name, fmt.Sprint(at.Port))))
	}
	if len(f.names) > 0 { // the one that people use is the one passkeys are for
		o.Origins = append(o.Origins[1:], o.Origins[0])
		for _, name := range f.names { // a proxy serves it on the usual port
			o.Origins = append(o.Origins, "https://"+name)
		}
	}
	return o, nil
}

// hosts are the names that the page may be reached by.
func (f serveFlags) hosts() []string {
	hosts := append([]string(nil), f.names...)
	if name, err := os.Hostname(); err == nil {
		name = strings.ToLower(name)
		hosts = append(hosts, name)
		if !strings.Contains(name, ".") {
			hosts = append(hosts, name+".local")
		}
	}
	return hosts
}

// secured tells whether the page is served by TLS.
func (f serveFlags) secured(at *net.TCPAddr) bool {
	return f.cert != "" || !f.noTLS && !at.IP.IsLoopback()
}

// handedKey is the key of the service as systemd hands it over (LoadCredential), or
// none.
func (a *app) handedKey() (secret.Bytes, error) {
	dir := a.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return secret.Bytes{}, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, "keepsake-key"))
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Bytes{}, nil
	}
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read the service's key: %w", err)
	}
	return secret.NewBytes(b), nil
}

func freeOrUnknown(dir string) int64 {
	n, err := freeSpace(context.Background(), dir)
	if err != nil {
		return -1
	}
	return n
}

// writeSheet is the recovery sheet of a service.
func writeSheet(w io.Writer, at location.Location, all []daemon.SheetEntry, password secret.RepositoryPassword) error {
	k := newKit(at)
	k.Made, k.Password = time.Now(), password
	for _, e := range all {
		k.add(e.Repository, e.Snapshots)
	}
	return k.writeHTML(w)
}
