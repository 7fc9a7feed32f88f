package daemon

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/keepsake-backup/keepsake/auth"
	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/localca"
	"github.com/keepsake-backup/keepsake/internal/lockfile"
	"github.com/keepsake-backup/keepsake/internal/place"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/usbmux"
)

// Options of Open. Data is needed.
type Options struct {
	Data string // the folder, made if only it is missing
	// Key seals secrets; zero takes the one in the folder, or makes it.
	Key secret.Bytes
	// Mux is the daemon that knows phones on cables; nil is none.
	Mux    *usbmux.Client
	NoWiFi bool
	// Access and Repository are how the place of the backups is reached and opened.
	Access     place.Access
	Repository repository.Options
	Sheet      Sheet
	// Free is the room on a folder's disk, -1 unknown.
	Free func(dir string) int64

	Origins        []string // of the page, the one people use first
	Hosts          []string // names that the page is reached by besides loopback's
	Plain          bool     // without TLS beyond loopback: behind a proxy, or for tests
	HSTS           bool
	TrustedProxies []netip.Prefix
	MetricsOpen    bool
	AfterBackup    string
	Version        string

	Limits mobilebackup2.Limits
	Pace   service.Pace
	Now    func() time.Time
	Hash   *argon2id.Params // of passwords; nil is package auth's
	Log    *slog.Logger
}

// Daemon is a service with its page.
type Daemon struct {
	Service *service.Service
	Auth    *auth.Keeper
	DB      *catalog.DB
	// SetUpCode is wanted for the first account from other computers; zero when there
	// is one.
	SetUpCode secret.Text

	opt     Options
	root    *os.Root
	lock    *lockfile.Lock
	handler http.Handler
	trust   trust // of commands in the page's certificate
}

// Open opens the folder of a service, which no other process may have open, and
// everything in it.
func Open(ctx context.Context, o Options) (d *Daemon, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Access.Getenv == nil {
		o.Access.Getenv = func(string) string { return "" }
	}
	if err := place.MakeFolder(o.Data); err != nil {
		return nil, err
	}
	d = &Daemon{opt: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()
	if d.root, err = os.OpenRoot(o.Data); err != nil {
		return d, fmt.Errorf("open the service's folder: %w", err)
	}
	if err := private(o.Data); err != nil {
		return d, err
	}
	if d.lock, err = lockfile.Acquire(d.root, "lock"); err != nil {
		return d, &device.HintError{Err: fmt.Errorf("open the service's folder %s: %w", o.Data, err), Remedy: "a service runs there already: use that one, or end it first"}
	}
	key := o.Key
	if key.IsZero() {
		if key, err = d.keyFile(); err != nil {
			return d, err
		}
	}
	if d.DB, err = catalog.Open(ctx, filepath.Join(o.Data, "keepsake.db"), catalog.Options{Key: key, Now: o.Now}); err != nil {
		return d, err
	}
	return d, d.assemble(ctx)
}

// assemble makes everything over the catalog.
func (d *Daemon) assemble(ctx context.Context) (err error) {
	o := d.opt
	watcher := discovery.New(discovery.Options{Mux: o.Mux, Known: service.KnownPhones(d.DB), Recorder: service.Records{DB: d.DB}, NoWiFi: o.NoWiFi, Now: o.Now, Log: o.Log})
	host, err := os.Hostname()
	if err != nil {
		host = "Keepsake"
	}
	d.Service, err = service.Open(ctx, service.Options{Data: o.Data, DB: d.DB, Phones: watcher, Places: places{o.Access, o.Repository, o.Sheet, o.Free},
		AfterBackup: o.AfterBackup, HostName: host, Program: "keepsake " + o.Version, Limits: o.Limits, Pace: o.Pace, Now: o.Now, Log: o.Log})
	if err != nil {
		return err
	}
	if d.Auth, err = auth.New(d.DB, auth.Options{Origins: o.Origins, Now: o.Now, Hash: o.Hash}); err != nil {
		return err
	}
	first, err := d.Auth.FirstRun(ctx)
	if err != nil {
		return err
	}
	if first {
		d.SetUpCode = secret.NewText(rand.Text()[:8])
	}
	d.handler, err = server.New(server.Options{Service: d.Service, Auth: d.Auth, Version: o.Version, HSTS: o.HSTS, Hosts: o.Hosts, Plain: o.Plain,
		TrustedProxies: o.TrustedProxies, SetUpCode: d.SetUpCode, MetricsOpen: o.MetricsOpen, Now: o.Now, Log: o.Log})
	return err
}

// private refuses a folder that others may look into.
func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open the service's folder: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 && filepath.Separator == '/' {
		return &device.HintError{Err: fmt.Errorf("open the service's folder %s: others may enter it (%v)", dir, info.Mode().Perm()), Remedy: "chmod 700 " + dir}
	}
	return nil
}

// keyFile reads the key that lies in the folder, and makes it for a new one.
func (d *Daemon) keyFile() (secret.Bytes, error) {
	b, err := d.root.ReadFile("key")
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := d.root.Stat("keepsake.db"); err == nil {
			return secret.Bytes{}, &device.HintError{Err: fmt.Errorf("open the service's folder %s: its key is not there", d.opt.Data), Remedy: "put your copy of the file \"key\" back. Without it the passwords that the service remembers are lost; the backups are not: move keepsake.db away and set the service up anew"}
		}
		b = make([]byte, catalog.KeySize)
		rand.Read(b)
		err = d.writeKey(b)
	}
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("read the service's key: %w", err)
	}
	if len(b) != catalog.KeySize {
		return secret.Bytes{}, fmt.Errorf("read the service's key: it has %d bytes, not %d", len(b), catalog.KeySize)
	}
	return secret.NewBytes(b), nil
}

func (d *Daemon) writeKey(b []byte) error {
	f, err := d.root.OpenFile("key", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// Handler answers all requests.
func (d *Daemon) Handler() http.Handler {
	if d.trust.ca == nil {
		return d.handler
	}
	// Devices ask for these before they trust anything, and before anybody is known.
	mux := http.NewServeMux()
	mux.Handle(localca.CertificatePath, d.trust.ca.Handler())
	mux.Handle(localca.TrustPath, d.trust.ca.Handler())
	page := d.handler
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
}

// Serve runs the service and answers requests that come to l until ctx ends, and
// then ends in order: backups that run are left in a state that the next ones
// continue. conf is for TLS, nil is none. ready is called when both run.
func (d *Daemon) Serve(ctx context.Context, l net.Listener, conf *tls.Config, ready func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	running := make(chan error, 1)
	go func() {
		err := d.Service.Run(ctx)
		if err != nil {
			cancel(err)
		}
		running <- err
	}()
	hs := server.NewHTTP(ctx, d.Handler(), d.opt.Log)
	serve := func() error { return hs.Serve(l) }
	if conf != nil {
		hs.TLSConfig = conf
		serve = func() error { return hs.ServeTLS(redirector{l}, "", "") } // which offers HTTP/2, too
	}
	serving := make(chan error, 1)
	go func() {
		err := serve()
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		} else {
			cancel(err)
		}
		serving <- err
	}()
	announced := make(chan struct{})
	go func() {
		defer close(announced)
		d.announce(ctx, l.Addr(), conf != nil)
	}()
	if ready != nil {
		ready()
	}
	<-ctx.Done()
	grace, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	err := hs.Shutdown(grace)
	if err != nil {
		err = hs.Close() // who is still downloading is cut off
	}
	err = errors.Join(err, <-serving, <-running)
	<-announced
	return errors.Join(err, d.retract(grace))
}

// Close gives everything back. Serve has to have ended.
func (d *Daemon) Close() error {
	var errs []error
	if d.DB != nil {
		errs = append(errs, d.DB.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Release())
	}
	if d.root != nil {
		errs = append(errs, d.root.Close())
	}
	return errors.Join(errs...)
}
