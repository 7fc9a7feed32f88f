package rclone

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/rest"
)

// Config says what to start.
type Config struct {
	// Remote is rclone's name for the place: "remote:path".
	Remote string
	// Program is rclone's name or path; "": "rclone", searched in PATH.
	Program string
	// Args are the arguments before Remote; nil: DefaultArgs.
	Args []string
	// Env is the environment of the process; nil: that of this process. Whether
	// rclone may ask for the password of its configuration is decided here: it may
	// not, for it has no terminal of its own. RCLONE_CONFIG_PASS gives it.
	Env []string
	// Connections is how many operations are worth running at once; 0: 5.
	Connections int
}

// DefaultArgs are the arguments of rclone that serve a remote on its standard
// input and output. What is deleted on Backblaze B2 is deleted, not hidden.
func DefaultArgs() []string { return []string{"serve", "restic", "--stdio", "--b2-hard-delete"} }

// Backend is a repository that an rclone serves. It is safe for concurrent use.
type Backend struct {
	rest   *rest.Backend
	remote string // without secrets
	cfg    Config
	user   string
	pass   string

	mu     sync.Mutex
	proc   *process // the one in use, nil before the first; guarded by mu
	closed bool     // guarded by mu
}

var (
	_ backend.Backend = (*Backend)(nil)
	_ backend.Creator = (*Backend)(nil)
)

var errClosed = errors.New("the backend is closed")

// Open starts rclone and waits until it has answered a request. ctx ends the
// waiting; the process then runs until Close. A missing program is an error
// that says how to get it.
func Open(ctx context.Context, cfg Config) (*Backend, error) {
	if cfg.Remote == "" || strings.HasPrefix(cfg.Remote, "-") {
		return nil, fmt.Errorf("open rclone remote %q: it has the form remote:path", cfg.Remote)
	}
	if cfg.Program == "" {
		cfg.Program = "rclone"
	}
	if cfg.Args == nil {
		cfg.Args = DefaultArgs()
	}
	// rclone asks for them only where it listens on a port, as far as is known:
	// this way it does not matter, nor do those that the environment may set.
	b := &Backend{remote: WithoutSecrets(cfg.Remote), cfg: cfg, user: rand.Text(), pass: rand.Text()}
	b.cfg.Args = slices.Clone(cfg.Args)
	var err error
	b.rest, err = rest.Open(ctx, rest.Config{
		URL: "http://rclone.invalid/", Username: b.user, Password: secret.NewText(b.pass),
		Connections: cfg.Connections, Client: &http.Client{Transport: b},
	})
	if err != nil {
		return nil, fmt.Errorf("open rclone remote %s: %w", b.remote, err)
	}
	// It has started when it answers, whatever the answer is to: there may be no
	// repository yet.
	if _, err = b.Stat(ctx, backend.Handle{Type: backend.ConfigFile}); err != nil && !errors.Is(err, backend.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open rclone remote %s: %w", b.remote, err), b.Close())
	}
	return b, nil
}

// RoundTrip sends a request to the process, and starts one if there is none. It
// is for package rest.
func (b *Backend) RoundTrip(req *http.Request) (*http.Response, error) {
	p, err := b.running(req.Context())
	if err != nil {
		if req.Body != nil {
			err = errors.Join(err, req.Body.Close())
		}
		return nil, err
	}
	resp, err := p.conn.RoundTrip(req)
	if err != nil && req.Context().Err() == nil {
		err = p.explain(err)
	}
	return resp, err
}

func (b *Backend) running(ctx context.Context) (*process, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if b.proc != nil && b.proc.alive() {
		return b.proc, nil
	}
	if b.proc != nil {
		b.proc.stop()
		b.proc = nil
	}
	p, err := start(ctx, b.cfg, b.user, b.pass)
	if err != nil {
		return nil, err
	}
	b.proc = p
	return p, nil
}

// Properties names the remote as "rclone:remote:path".
func (b *Backend) Properties() backend.Properties {
	p := b.rest.Properties()
	p.Location = "rclone:" + b.remote
	return p
}

// WithoutSecrets leaves out the parameters that a remote can carry in itself:
// ":sftp,host=h,pass=p:path" becomes ":sftp,…:path".
func WithoutSecrets(remote string) string {
	name, options, path := splitRemote(remote)
	if options == "" {
		return remote
	}
	return name + ",…" + path
}

// splitRemote takes a remote apart: the name, the parameters behind its comma,
// and the path with its colon.
func splitRemote(remote string) (name, options, path string) {
	name, options, found := strings.Cut(remote, ",")
	if !found || strings.ContainsAny(name[min(len(name), 1):], ":/") {
		return remote, "", ""
	}
	quote := rune(0)
	for i, c := range options {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == ':':
			return name, options[:i], options[i:]
		}
	}
	return name, options, ""
}

// hiding makes a replacer for what rclone writes: it repeats the parameters of
// a remote, whole or one by one.
func hiding(remote string) *strings.Replacer {
	_, options, _ := splitRemote(remote)
	pairs := []string{}
	if options != "" {
		pairs = append(pairs, options, "…")
	}
	for field := range strings.SplitSeq(options, ",") {
		_, value, _ := strings.Cut(field, "=")
		if value = strings.Trim(value, `'"`); len(value) > 2 {
			pairs = append(pairs, value, "…")
		}
	}
	return strings.NewReplacer(pairs...)
}

// Create makes the repository's folders.
func (b *Backend) Create(ctx context.Context) error { return b.detail(b.rest.Create(ctx)) }

// Save sends a file. A file that exists is replaced, but for the config.
func (b *Backend) Save(ctx context.Context, h backend.Handle, data backend.Content) error {
	return b.detail(b.rest.Save(ctx, h, data))
}

// Load reads a file or a part of one.
func (b *Backend) Load(ctx context.Context, h backend.Handle, offset, length int64, fn func(io.Reader) error) error {
	return b.detail(b.rest.Load(ctx, h, offset, length, fn))
}

// Stat asks for the size of a file.
func (b *Backend) Stat(ctx context.Context, h backend.Handle) (backend.FileInfo, error) {
	info, err := b.rest.Stat(ctx, h)
	return info, b.detail(err)
}

// List asks for the names and sizes of all files of a type.
func (b *Backend) List(ctx context.Context, t backend.FileType, fn func(backend.FileInfo) error) error {
	return b.detail(b.rest.List(ctx, t, fn))
}

// Remove deletes a file.
func (b *Backend) Remove(ctx context.Context, h backend.Handle) error {
	return b.detail(b.rest.Remove(ctx, h))
}

// detail adds to a failure of the server's what rclone wrote about it: its
// answers only say "Internal Server Error".
func (b *Backend) detail(err error) error {
	var status *rest.StatusError
	if !errors.As(err, &status) || status.Code < 500 {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc == nil {
		return err
	}
	if line := b.proc.errors.lastLine(); line != "" {
		return fmt.Errorf("%w; rclone: %s", err, line)
	}
	return err
}

// Close ends the process: its input is closed, and if it has not gone five
// seconds later it is killed.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.proc != nil {
		b.proc.stop()
	}
	return b.rest.Close()
}

// tail keeps the end of what is written to it.
type tail struct {
	hide *strings.Replacer // what not to show; nil: nothing

	mu   sync.Mutex
	data []byte
}

const maxTail = 4096 // bytes; some lines of a log

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p[max(0, len(p)-maxTail):]...)
	if over := len(t.data) - maxTail; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

// lastLine is the last line that is not empty, at most 500 bytes of it and
// without the time that rclone's log lines begin with.
func (t *tail) lastLine() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.data), []byte("\n"))
	line := printable(lines[len(lines)-1])
	if t.hide != nil {
		line = t.hide.Replace(line)
	}
	if len(line) > 20 && line[4] == '/' && line[10] == ' ' && line[13] == ':' && line[19] == ' ' {
		line = line[20:]
	}
	return strings.ToValidUTF8(line[:min(len(line), 500)], "")
}
