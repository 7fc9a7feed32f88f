package rclone

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// leaveTime is how long a process has to go by itself.
	leaveTime = 5 * time.Second
	// deathTime is how long a broken connection waits for the end of the process,
	// which has the reason.
	deathTime = time.Second
)

// process is a running rclone and the connection to it.
type process struct {
	cmd     *exec.Cmd
	conn    *http.ClientConn
	pipes   *stdio
	errors  tail
	stopped sync.Once

	exited chan struct{} // closed after status is set
	status error         // what Wait returned
}

func start(ctx context.Context, cfg Config, user, pass string) (*process, error) {
	p := &process{exited: make(chan struct{}), errors: tail{hide: hiding(cfg.Remote)}}
	p.cmd = exec.Command(cfg.Program, append(cfg.Args[:len(cfg.Args):len(cfg.Args)], cfg.Remote)...)
	p.cmd.Env = append(environment(p.cmd, cfg.Env), "RCLONE_USER="+user, "RCLONE_PASS="+pass, "RCLONE_ASK_PASSWORD=false")
	p.cmd.Stderr = &p.errors
	p.cmd.WaitDelay = leaveTime
	ownGroup(p.cmd)
	if err := p.launch(); err != nil {
		return nil, missing(cfg.Program, err)
	}
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return p.pipes, nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	var err error
	if p.conn, err = transport.NewClientConn(ctx, "http", "rclone.invalid:80"); err != nil {
		err = p.explain(fmt.Errorf("begin HTTP/2 with rclone: %w", err))
		p.stop()
		return nil, err
	}
	return p, nil
}

func environment(cmd *exec.Cmd, given []string) []string {
	if given == nil {
		return cmd.Environ()
	}
	return append([]string{}, given...)
}

// launch starts the process with its pipes. Each end is closed on both sides
// of every error.
func (p *process) launch() error {
	stdin, toChild, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	fromChild, stdout, err := os.Pipe()
	if err != nil {
		return errors.Join(err, toChild.Close())
	}
	defer stdout.Close()
	p.cmd.Stdin, p.cmd.Stdout = stdin, stdout
	p.pipes = &stdio{in: fromChild, out: toChild}
	if err := p.cmd.Start(); err != nil {
		return errors.Join(err, p.pipes.Close())
	}
	go func() {
		p.status = p.cmd.Wait()
		close(p.exited)
	}()
	return nil
}

// missing says how to get a program that is not there. What it returns is no
// os.ErrNotExist: that would mean that a file of the repository is missing.
func missing(program string, err error) error {
	text := fmt.Errorf("start %s: %v", program, err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return &hintedError{text, "install rclone (Debian, Ubuntu: sudo apt install rclone; macOS: brew install rclone; https://rclone.org/downloads), or say where it is"}
	}
	return text
}

// hintedError is an error that trying again cannot mend, with its remedy.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string   { return e.err.Error() }
func (e *hintedError) Unwrap() error   { return e.err }
func (e *hintedError) Hint() string    { return e.hint }
func (e *hintedError) Permanent() bool { return true }

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return p.conn.Err() == nil
	}
}

// explain adds to an error of the connection why the process ended, if it has.
func (p *process) explain(err error) error {
	if p.conn != nil && p.conn.Err() == nil {
		return err // of one request only
	}
	select {
	case <-p.exited:
	case <-time.After(deathTime):
		return err
	}
	why := "it ended"
	if p.status != nil {
		why = p.status.Error()
	}
	if line := p.errors.lastLine(); line != "" {
		why += ": " + line
	}
	return fmt.Errorf("rclone has ended (%s): %w", why, err)
}

// stop ends the process, and returns when it has gone.
func (p *process) stop() {
	p.stopped.Do(func() {
		if p.conn != nil {
			_ = p.conn.Close() // closes the pipes
		}
		_ = p.pipes.Close() // is where an error would matter to nobody
		timer := time.NewTimer(leaveTime)
		defer timer.Stop()
		select {
		case <-p.exited:
			return
		case <-timer.C:
		}
		_ = p.cmd.Process.Kill() // fails only if it has ended meanwhile
		<-p.exited
	})
}

// printable makes one clean line of what a program wrote.
func printable(line []byte) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(strings.ToValidUTF8(string(line), "")))
}

// stdio makes a connection of the two pipes.
type stdio struct {
	in, out *os.File
	once    sync.Once
	err     error
}

func (s *stdio) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *stdio) Write(p []byte) (int, error) { return s.out.Write(p) }

func (s *stdio) Close() error {
	s.once.Do(func() { s.err = errors.Join(s.out.Close(), s.in.Close()) })
	return s.err
}

func (s *stdio) LocalAddr() net.Addr  { return pipeAddr{} }
func (s *stdio) RemoteAddr() net.Addr { return pipeAddr{} }
func (s *stdio) SetDeadline(t time.Time) error {
	return errors.Join(s.in.SetDeadline(t), s.out.SetDeadline(t))
}
func (s *stdio) SetReadDeadline(t time.Time) error  { return s.in.SetReadDeadline(t) }
func (s *stdio) SetWriteDeadline(t time.Time) error { return s.out.SetWriteDeadline(t) }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "rclone" }
