package sftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/pkg/sftp"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// callerError is what a callback or the caller's content returned: not ours to
// explain.
type callerError struct{ error }

// permanent is an error that trying again cannot help.
type permanent struct{ error }

func (permanent) Permanent() bool { return true }
func (e permanent) Unwrap() error { return e.error }

// lostError is the end of a connection.
type lostError struct {
	cause error  // what we saw
	exit  error  // how the process ended
	said  string // the lines on stderr
}

func (e *lostError) Error() string {
	parts := []string{"the connection was lost"}
	// The library's "connection lost" says nothing more.
	known := e.cause != nil && !errors.Is(e.cause, io.EOF) && !errors.Is(e.cause, sftp.ErrSSHFxConnectionLost)
	if known {
		parts = append(parts, e.cause.Error())
	}
	if e.said != "" {
		parts = append(parts, oneLine(e.said))
	} else if e.exit != nil && !known {
		parts = append(parts, e.exit.Error())
	}
	return strings.Join(parts, ": ")
}

// explain turns the error of a request into one of ours. What is not an answer
// of the server is the end of the connection.
func (c *conn) explain(err error) error {
	var status *sftp.StatusError
	var mine interface{ Permanent() bool }
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", backend.ErrDenied, err)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &status),
		errors.Is(err, backend.ErrExist), errors.Is(err, backend.ErrFull), errors.Is(err, backend.ErrReadOnly), errors.As(err, &mine):
		return err
	}
	// That the wire is cut says nothing of why: its end will tell.
	if !errors.Is(err, sftp.ErrSSHFxConnectionLost) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, os.ErrClosed) {
		c.kill(err)
	}
	return c.ended()
}

// cannotStart is why there is no process.
func cannotStart(program string, err error) error {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		// Wrapped it would look like a missing file of the repository.
		return permanent{fmt.Errorf("start %s: %v: install it (ssh is in the package openssh-client) or name the command", program, err)}
	}
	return fmt.Errorf("start %s: %v", program, err)
}

// refusals are what ssh says on stderr when trying again cannot help.
var refusals = []struct {
	said   string
	kind   error // or nil
	remedy string
}{
	{"REMOTE HOST IDENTIFICATION HAS CHANGED", backend.ErrDenied, "the host shows another key than before; find out why, then remove the old one with ssh-keygen -R"},
	{"Host key verification failed", backend.ErrDenied, "run ssh to this host once by hand, as the same user, and accept its key"},
	{"Permission denied (", backend.ErrDenied, "let ssh log in without a password: install a key with ssh-copy-id, or use an agent"},
	{"Too many authentication failures", backend.ErrDenied, "name the key for this host in ~/.ssh/config"},
	{"subsystem request failed", nil, "the server does not offer SFTP"},
	{"This account is currently not available", backend.ErrDenied, "the user may not log in there"},
}

// cannotConnect is why a process did not become a session.
func cannotConnect(err error) error {
	var lost *lostError
	if !errors.As(err, &lost) {
		return err
	}
	why := oneLine(lost.said)
	switch {
	case why != "":
	case lost.exit != nil:
		why = lost.exit.Error()
	default:
		why = "the server closed the connection"
	}
	for _, r := range refusals {
		for line := range strings.Lines(lost.said) {
			switch {
			case !strings.Contains(line, r.said):
			case r.kind != nil:
				return fmt.Errorf("%w: %s: %s", r.kind, oneLine(line), r.remedy)
			default:
				return permanent{fmt.Errorf("%s: %s", oneLine(line), r.remedy)}
			}
		}
	}
	if cause := lost.cause; cause != nil && !errors.Is(cause, io.ErrUnexpectedEOF) && !errors.Is(cause, io.EOF) {
		if strings.Contains(cause.Error(), "packet too long") || strings.Contains(cause.Error(), "unexpected packet") {
			return permanent{errors.New("what answers does not speak SFTP: if a log-in script there prints text, it must not do so without a terminal")}
		}
		return fmt.Errorf("connect: %v: %s", cause, why)
	}
	return fmt.Errorf("connect: %s", why)
}

// tail keeps the end of what a process wrote.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const maxTail = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[max(0, len(p)-maxTail):]...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// oneLine makes what a program said fit for an error.
func oneLine(s string) string {
	return strings.Trim(strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " "), "@. ")
}
