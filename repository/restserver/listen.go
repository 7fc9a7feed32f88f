package restserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	headerTime = 20 * time.Second
	idleTime   = 2 * time.Minute
	// leaveTime is how long requests may go on when the server is to stop.
	leaveTime = 10 * time.Second
	maxHeader = 16 << 10 // bytes
	// certificateCheckInterval is how often new certificates are looked for.
	certificateCheckInterval = time.Minute
)

// Rules say on what a server may listen, and with which certificate.
type Rules struct {
	// CertFile and KeyFile are the certificate chain and its key (PEM). They are
	// read again when they change. Both or none; without them there is no TLS.
	CertFile, KeyFile string
	// Insecure allows listening without TLS beyond this computer, for instance
	// behind a proxy that has it: passwords then cross the network in the clear.
	Insecure bool
	// LocalOnly forbids to listen beyond this computer, as is right without users.
	LocalOnly bool
}

// ErrNeedsTLS: an address that others reach is not served without encryption.
var ErrNeedsTLS = errors.New("beyond this computer, passwords need TLS")

// ErrLocalOnly: an address that others reach is not served without users.
var ErrLocalOnly = errors.New("beyond this computer, users are needed")

// Listener is a socket that Serve serves.
type Listener struct {
	net.Listener
	tls *tls.Config // nil: none
}

// Listen opens the socket; port 0 takes a free one, which URL names. An address
// that others can reach needs TLS (ErrNeedsTLS) and users (ErrLocalOnly),
// depending on the rules.
func Listen(ctx context.Context, address string, rules Rules) (*Listener, error) {
	l := &Listener{}
	if (rules.CertFile == "") != (rules.KeyFile == "") {
		return nil, errors.New("listen: a certificate needs its key, and the key its certificate")
	}
	if rules.CertFile != "" {
		c := &certificate{certFile: rules.CertFile, keyFile: rules.KeyFile}
		if err := c.load(); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		l.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	// What will be bound decides, not what was said.
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if !resolved.IP.IsLoopback() {
		switch {
		case rules.LocalOnly:
			return nil, fmt.Errorf("listen on %s: %w", address, ErrLocalOnly)
		case l.tls == nil && !rules.Insecure:
			return nil, fmt.Errorf("listen on %s: %w", address, ErrNeedsTLS)
		}
	}
	var config net.ListenConfig
	if l.Listener, err = config.Listen(ctx, "tcp", resolved.String()); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

// URL is where the root of the server is.
func (l *Listener) URL() string {
	if l.tls != nil {
		return "https://" + l.Addr().String() + "/"
	}
	return "http://" + l.Addr().String() + "/"
}

// Serve answers requests until ctx ends. Those under way then have ten seconds
// to finish. It closes l. log gets what goes wrong with connections; nil:
// nothing does.
func Serve(ctx context.Context, l *Listener, h http.Handler, log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &http.Server{
		Handler:           h,
		TLSConfig:         l.tls,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 64,
			// The windows bound what a client sends ahead; the defaults are made for
			// small requests.
			MaxReceiveBufferPerConnection: 4<<20 - 1,
			MaxReceiveBufferPerStream:     2 << 20,
		},
	}
	ended := make(chan error, 1)
	go func() {
		if l.tls != nil {
			ended <- s.ServeTLS(l.Listener, "", "")
			return
		}
		ended <- s.Serve(l.Listener)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", l.Addr(), errors.Join(err, s.Close()))
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	err := s.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.Close() // what still runs is cut off; nothing half of it is visible
	}
	<-ended // http.ErrServerClosed
	return err
}

// certificate is a key pair in two files.
type certificate struct {
	certFile, keyFile string

	mu      sync.Mutex
	pair    *tls.Certificate
	checked time.Time
	changed time.Time // the later of the files' times
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pair, c.checked, c.changed = &pair, time.Now(), c.lastChange()
	return nil
}

func (c *certificate) lastChange() (t time.Time) {
	for _, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil && info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t
}

// get is the certificate, read anew if it has changed. A pair that cannot be
// read, such as one that is just being renewed, leaves the old one in force.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	due := time.Since(c.checked) >= certificateCheckInterval && !c.lastChange().Equal(c.changed)
	if time.Since(c.checked) >= certificateCheckInterval {
		c.checked = time.Now()
	}
	old := c.pair
	c.mu.Unlock()
	if !due || c.load() != nil {
		return old, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair, nil
}
