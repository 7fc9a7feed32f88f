package rest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
)

const (
	defaultConnections = 5
	// defaultPatience is as long as restic waits: a server that asks a slow cloud
	// for a list has nothing to send for minutes.
	defaultPatience = 5 * time.Minute
	maxRedirects    = 5
	maxCAFile       = 4 << 20 // bytes; all the authorities of a system are 250 KB
)

// Config says where the server is and who asks.
type Config struct {
	// URL is the folder of the repository: http:// or https://, without
	// credentials, query and fragment. A slash at its end is added if missing.
	URL string
	// Username and Password are sent with every request, unless both are empty.
	// To http:// URLs they go in the clear.
	Username string
	Password secret.Text
	// CAFile holds certificates (PEM) of the authorities that may vouch for the
	// server, instead of the system's. "": the system's.
	CAFile string
	// Connections is how many operations are worth running at once; 0: 5.
	Connections int
	// Patience is how long a request may stand still; 0: 5 minutes.
	Patience time.Duration
	// Proxy finds the proxy for a request, as in http.Transport; nil: none.
	Proxy func(*http.Request) (*url.URL, error)
	// Client makes the requests instead of one of ours. CAFile and Proxy are then
	// not used, and Close leaves its connections alone. Its CheckRedirect is not
	// called: which redirects are followed is decided here.
	Client *http.Client
}

// Backend is a repository on a server. It is safe for concurrent use.
type Backend struct {
	root        *url.URL // ends in a slash
	user        string
	password    secret.Text
	connections int
	patience    time.Duration
	client      *http.Client
	transport   *http.Transport // ours to close, or nil
}

var (
	_ backend.Backend = (*Backend)(nil)
	_ backend.Creator = (*Backend)(nil)
)

// Open prepares the use of the repository at cfg.URL. It sends nothing: a wrong
// address or password shows at the first operation.
func Open(_ context.Context, cfg Config) (*Backend, error) {
	root, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("open REST server: %w", err)
	}
	b := &Backend{
		root: root, user: cfg.Username, password: cfg.Password,
		connections: cfg.Connections, patience: cfg.Patience,
	}
	if b.connections <= 0 {
		b.connections = defaultConnections
	}
	if b.patience <= 0 {
		b.patience = defaultPatience
	}
	client := cfg.Client
	if client == nil {
		if b.transport, err = newTransport(cfg, b.connections); err != nil {
			return nil, fmt.Errorf("open %s: %w", b.Properties().Location, err)
		}
		client = &http.Client{Transport: b.transport}
	}
	own := *client
	own.CheckRedirect = checkRedirect
	own.Timeout = 0 // it would end a transfer for its length
	own.Jar = nil
	b.client = &own
	return b, nil
}

// parseURL refuses what is no folder of a server. Its errors do not show text:
// a password may be in it.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the URL cannot be parsed")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the URL begins with neither http:// nor https://")
	case u.User != nil:
		return nil, errors.New("the URL has credentials in it; they are given apart")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("the URL names no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the URL of a repository has neither query nor fragment")
	}
	if !strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("/")
	}
	return u, nil
}

func newTransport(cfg Config, connections int) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:                  cfg.Proxy,
		DialContext:            (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    30 * time.Second,
		MaxIdleConns:           connections,
		MaxIdleConnsPerHost:    connections,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // sealed bytes; and lengths have to be exact
		ForceAttemptHTTP2:      true,
		// A dead connection shows even while nothing is under way on it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 30 * time.Second},
		// The sender of a large body fills bigger buffers at a time.
		WriteBufferSize: 64 << 10,
		ReadBufferSize:  64 << 10,
	}
	if cfg.CAFile == "" {
		return t, nil
	}
	pool, err := readCAFile(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return t, nil
}

func readCAFile(name string) (*x509.CertPool, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	defer f.Close()
	pem, err := io.ReadAll(io.LimitReader(f, maxCAFile+1))
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if len(pem) > maxCAFile || !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %s: there is no certificate in PEM form in it", name)
	}
	return pool, nil
}

// checkRedirect follows a server that has moved, and nothing else: a request
// that would lose its method (a POST turned GET) or its encryption is an error.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first, last := via[0], via[len(via)-1]
	switch {
	case len(via) > maxRedirects:
		return &permanentError{fmt.Errorf("more than %d redirects", maxRedirects)}
	case req.Method != first.Method:
		return &permanentError{fmt.Errorf("the server redirects a %s so that it becomes a %s", first.Method, req.Method)}
	case last.URL.Scheme == "https" && req.URL.Scheme != "https":
		return &permanentError{errors.New("the server redirects from https to http")}
	}
	return nil
}

// Properties names the server as "rest:https://host/path/".
func (b *Backend) Properties() backend.Properties {
	return backend.Properties{Location: "rest:" + b.root.String(), Connections: b.connections, Remote: true}
}

// Create makes the folders of the repository on the server. It is a success if
// they are there.
func (b *Backend) Create(ctx context.Context) error {
	u := *b.root
	u.RawQuery = "create=true"
	err := b.exchange(ctx, http.MethodPost, &u, nil)
	if err != nil {
		return fmt.Errorf("create %s: %w", b.Properties().Location, forWriting(err))
	}
	return nil
}

// Close closes idle connections. Operations under way end by their contexts.
func (b *Backend) Close() error {
	if b.transport != nil {
		b.transport.CloseIdleConnections()
	}
	return nil
}

// url is where the server has h, which has passed its Check.
func (b *Backend) url(h backend.Handle) *url.URL {
	if h.Type == backend.ConfigFile {
		return b.root.JoinPath("config")
	}
	return b.root.JoinPath(h.Type.Folder(), h.Name) // flat, for packs too
}
