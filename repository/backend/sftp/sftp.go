// Package sftp keeps a repository on a machine that one reaches with ssh. It
// starts the system's ssh, whose keys, host keys and configuration it so uses,
// and speaks SFTP version 3 with the server behind it:
//
//	ssh -o BatchMode=yes [-p port] [-l user] -s -- host sftp
//	     │ stdin, stdout: SFTP packets      stderr: what ssh has to say
//	     └─ one process, started again by the next operation after it died;
//	        all operations share it, their requests overlap
//
// BatchMode, because a backup runs when nobody is there to answer: where ssh
// would ask for a password or about an unknown host key it fails, and the error
// says what to do (run ssh by hand once, install a key, use an agent).
// Config.Command replaces the whole command line for those who want it otherwise.
//
// The layout is restic's "default" (restic-format.md 1), with its folders data/00
// to data/ff made by Create. A file is written as
//
//	open <name>-tmp-<random> (exclusive), write with many requests in flight,
//	fsync@openssh.com, chmod 0400, close, posix-rename@openssh.com to <name>,
//	open the folder, fsync@openssh.com, close
//
// so that it is whole under its name or not there. The extensions are used where
// the server offers them; the last line works with OpenSSH's server on systems
// whose open(2) opens folders, and is left out silently elsewhere. Without
// posix-rename a plain rename follows, after removing what is in its way.
//
// The config must never be overwritten: it is placed with hardlink@openssh.com,
// which fails when the name is taken whoever else writes at the same moment. Not
// every server and file system has hard links; then a plain rename does it, of
// which SFTP says the same, though not every server obeys.
//
// SFTP has no error for a full disk: the server says "failure" to that as to
// everything unusual, and statvfs@openssh.com is asked what it meant.
//
// The protocol's library waits without end and knows no context. Here an
// operation looks at its context between requests; when a server does not answer
// even the one under way within two seconds of the end of a context, or does not
// move a byte for two minutes while something is asked of it, the process is
// killed. That ends all operations under way, and they can be tried again.
package sftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// DefaultConnections is how many operations run at the same time unless Config
// says otherwise. They share one ssh connection.
const DefaultConnections = 5

// Config says where a repository is.
type Config struct {
	// User and Port may be empty: what ssh's own configuration says.
	User, Host, Port string
	// Path is a folder on the server; a relative one begins in the user's home.
	Path string
	// Command is a program and its arguments that speaks SFTP on its standard
	// input and output, instead of ssh. User, Host and Port then only tell the
	// owner where the repository is.
	Command []string
	// Connections is how many operations are worth running at the same time; 0 is
	// DefaultConnections.
	Connections int
}

// command is what to start.
func (c Config) command() []string {
	if len(c.Command) > 0 {
		return c.Command
	}
	args := []string{"ssh", "-o", "BatchMode=yes"}
	if c.Port != "" {
		args = append(args, "-p", c.Port)
	}
	if c.User != "" {
		args = append(args, "-l", c.User)
	}
	// Options behind the host would be taken for a command of the other side.
	return append(args, "-s", "--", c.Host, "sftp")
}

// check refuses what ssh would take for something else.
func (c Config) check() error {
	if c.Host == "" && len(c.Command) == 0 {
		return errors.New("no host is named")
	}
	for _, s := range []string{c.User, c.Host} {
		if strings.HasPrefix(s, "-") || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return fmt.Errorf("%q is no name of a user or host", s)
		}
	}
	if c.Port != "" {
		if n, err := strconv.ParseUint(c.Port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%q is no port", c.Port)
		}
	}
	if strings.ContainsRune(c.Path, 0) {
		return errors.New("the path has a null byte in it")
	}
	return nil
}

// location is how restic would write it.
func (c Config) location() string {
	user := ""
	if c.User != "" {
		user = c.User + "@"
	}
	if c.Port != "" {
		return "sftp://" + user + net.JoinHostPort(c.Host, c.Port) + "/" + c.Path
	}
	return "sftp:" + user + c.Host + ":" + c.Path
}

// limits on standing still; tests shorten them.
type limits struct {
	connect time.Duration // until the server has said its version
	stall   time.Duration // without a byte in either direction while it owes an answer
	cancel  time.Duration // from the end of a context to the end of the connection
	exit    time.Duration // from the end of the connection to that of the process
	listing int64         // bytes of the names and attributes of one folder
}

var usual = limits{
	connect: time.Minute, stall: 2 * time.Minute, cancel: 2 * time.Second, exit: 3 * time.Second,
	listing: 256 << 20, // some million files
}

// Backend is a repository's folder on a server. It implements backend.Backend
// and backend.Creator.
type Backend struct {
	config Config
	limits limits
	root   string
	props  backend.Properties

	life context.Context // ends with Close
	end  context.CancelFunc

	turn chan struct{} // holds one token; who has it may use conn
	conn *conn
}

var (
	_ backend.Backend = (*Backend)(nil)
	_ backend.Creator = (*Backend)(nil)
)

var errClosed = permanent{errors.New("the connection is closed")}

// Open connects to the server; it does not look yet whether there is a
// repository. A refused key or host key is backend.ErrDenied.
func Open(ctx context.Context, c Config) (*Backend, error) { return open(ctx, c, usual) }

func open(ctx context.Context, c Config, l limits) (*Backend, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("open %s: %w", c.location(), err)
	}
	b := &Backend{config: c, limits: l, root: path.Clean(c.Path), turn: make(chan struct{}, 1)}
	b.props = backend.Properties{Location: c.location(), Connections: c.Connections, Remote: true}
	if c.Connections <= 0 {
		b.props.Connections = DefaultConnections
	}
	b.life, b.end = context.WithCancel(context.Background())
	if _, err := b.connect(ctx); err != nil {
		b.end()
		return nil, fmt.Errorf("open %s: %w", c.location(), err)
	}
	return b, nil
}

// Properties are the location ("sftp:user@host:/path") and how many operations
// to run at the same time.
func (b *Backend) Properties() backend.Properties { return b.props }

// connect gives the connection, a new one if the last has died.
func (b *Backend) connect(ctx context.Context) (*conn, error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.life.Err() != nil {
		return nil, errClosed
	}
	if b.conn != nil && !b.conn.dying.Load() {
		return b.conn, nil
	}
	if b.conn != nil {
		select {
		case <-b.conn.done: // one process at a time
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	dialing, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.life, cancel)()
	c, err := dial(dialing, b.config.command(), b.limits)
	switch {
	case err == nil:
		b.conn = c
		return c, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case b.life.Err() != nil:
		return nil, errClosed
	}
	return nil, err
}

// Close ends what still runs and the process.
func (b *Backend) Close() error {
	b.end()
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	if b.conn != nil {
		b.conn.close()
	}
	return nil
}

// do runs one operation on the connection and gives its error the name of the
// file.
func (b *Backend) do(ctx context.Context, verb string, h backend.Handle, op func(context.Context, *conn) error) error {
	if err := h.Check(); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	if err := b.run(ctx, op); err != nil {
		return fmt.Errorf("%s %v: %w", verb, h, err)
	}
	return nil
}

func (b *Backend) run(ctx context.Context, op func(context.Context, *conn) error) error {
	c, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer c.giveUpWith(ctx)()
	err = op(ctx, c)
	var caller *callerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &caller):
		return caller.error
	case ctx.Err() != nil:
		return ctx.Err()
	}
	err = c.explain(err)
	if b.life.Err() != nil {
		return errClosed
	}
	return err
}

// path is where a file lies on the server.
func (b *Backend) path(h backend.Handle) string { return path.Join(b.root, h.Path()) }
