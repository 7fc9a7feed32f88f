package restserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// defaultPatience is how long a client may send or take nothing: a laptop in a
// bad network is given time, a sleeping one is not waited for.
const defaultPatience = 2 * time.Minute

// Options say what is served to whom.
type Options struct {
	// Open gives the backend of the repository at a path: names and slashes, ""
	// for the root. It is called for every request, and what it gives is closed
	// afterwards. A repository need not exist. The backend's Save must read a
	// content once and in order, and make nothing of one whose reading fails
	// visible: local and memory do.
	Open func(ctx context.Context, repo string) (backend.Backend, error)
	// Users are those who may come in. nil: everybody who gets through to the
	// server under a name or address of this very computer.
	Users *Users
	// PrivateRepos gives each user the paths below /<user>/ and no others.
	PrivateRepos bool
	// AllowRemoval lets clients remove any file. Otherwise the repositories are
	// append-only: only locks can be removed.
	AllowRemoval bool
	// Patience is how long a transfer may stand still; 0: 2 minutes.
	Patience time.Duration
	// Log gets a line for each request, and the errors of the store; nil: none.
	Log *slog.Logger
}

type server struct {
	o      Options
	logins *logins // nil: no users
	cross  http.CrossOriginProtection
}

// New returns the handler. It expects the server around it to have time limits
// for headers and idle connections, as Serve has, and sets those of bodies itself.
func New(o Options) (http.Handler, error) {
	switch {
	case o.Open == nil:
		return nil, errors.New("make REST server: Options.Open is missing")
	case o.PrivateRepos && o.Users == nil:
		return nil, errors.New("make REST server: private repositories need users")
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{o: o}
	if o.Users != nil {
		s.logins = newLogins(o.Users)
	}
	return s, nil
}

// ServeHTTP answers a request and notes it.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	resp := newResponse(w, r, s.o.Patience)
	x := &exchange{server: s, w: resp, r: r, began: time.Now()}
	defer x.note() // also when a transfer is broken off
	resp.wait()
	if err := x.admit(); err != nil {
		x.fail(err)
		return
	}
	if err := x.serve(); err != nil {
		x.fail(err)
	}
	resp.wait() // what is buffered is still to be sent
}

// exchange is one request being answered.
type exchange struct {
	*server
	w      *response
	r      *http.Request
	began  time.Time
	user   string // "" without users
	target target
	cause  error // of a failure, for the log
}

// admit lets in who may come in, and finds out what is wanted.
func (x *exchange) admit() error {
	if x.logins == nil && !isThisComputer(x.r.Host) {
		// A page in a browser can reach a server on the same computer under a
		// name of its choice. Without a password, the name is all there is to see.
		return refuse(http.StatusForbidden, "without users, this server answers to localhost only")
	}
	if err := x.cross.Check(x.r); err != nil {
		return &httpError{http.StatusForbidden, "cross-site request", err}
	}
	if x.logins != nil {
		user, err := x.logins.admit(x.r)
		if err != nil {
			return err
		}
		x.user = user
	}
	if strings.Contains(strings.ToLower(x.r.URL.EscapedPath()), "%2f") {
		return refuse(http.StatusBadRequest, "a slash in a name")
	}
	var err error
	if x.target, err = parsePath(x.r.URL.Path); err != nil {
		return &httpError{http.StatusNotFound, err.Error(), err}
	}
	if x.o.PrivateRepos && (len(x.target.segments) == 0 || x.target.segments[0] != x.user) {
		return refuse(http.StatusForbidden, "this user's repositories lie below /"+x.user+"/")
	}
	return nil
}

func isThisComputer(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// serve does what is wanted.
func (x *exchange) serve() (err error) {
	var do func(context.Context, backend.Backend) error
	switch key := [2]any{x.target.kind, x.r.Method}; key {
	case [2]any{folder, http.MethodPost}:
		do = x.create
	case [2]any{list, http.MethodGet}:
		do = x.list
	case [2]any{file, http.MethodHead}, [2]any{file, http.MethodGet}:
		do = x.get
	case [2]any{file, http.MethodPost}:
		do = x.post
	case [2]any{file, http.MethodDelete}:
		do = x.remove
	default:
		x.w.Header().Set("Allow", map[kind]string{folder: "POST", list: "GET", file: "HEAD, GET, POST, DELETE"}[x.target.kind])
		return refuse(http.StatusMethodNotAllowed, "")
	}
	ctx := x.r.Context()
	b, err := x.o.Open(ctx, x.target.repo())
	if err != nil {
		return fmt.Errorf("open repository: %w", err)
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	return do(ctx, b)
}

// note writes the line of the log.
func (x *exchange) note() {
	attrs := []slog.Attr{
		slog.String("method", x.r.Method), slog.String("path", x.r.URL.Path), slog.Int("status", x.w.status),
		slog.Int64("sent", x.w.sent), slog.Duration("took", time.Since(x.began)),
		slog.String("remote", x.r.RemoteAddr), slog.String("user", x.user),
	}
	level := slog.LevelInfo
	if x.cause != nil && x.w.status != http.StatusNotFound { // clients ask in order to know
		attrs = append(attrs, slog.Any("cause", x.cause))
		if x.w.status >= 500 {
			level = slog.LevelError
		}
	}
	x.o.Log.LogAttrs(context.WithoutCancel(x.r.Context()), level, "request", attrs...)
}
