//go:build linux

package resticinterop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// password opens every repository here, unless a test changes it.
const password = "correct horse"

// patience is how long a command may take before it counts as hanging.
const patience = 2 * time.Minute

// program is one of the two that judge each other.
type program string

const (
	restic   program = "restic"
	keepsake program = "keepsake"
)

// both, restic first: where restic itself does not do what the test expects, the
// test is wrong and not we.
var both = []program{restic, keepsake}

func (p program) other() program {
	if p == restic {
		return keepsake
	}
	return restic
}

// call is a command line of one of the programs. keepsake is this very test
// binary (TestMain): a process of its own, with the real command line.
type call struct {
	who   program
	args  []string
	repo  string // folder; "": none
	dir   string // to run in
	env   []string
	cache string // folder of restic's cache; "": none
}

// result is how it ended.
type result struct {
	stdout, stderr string
	code           int
}

func (c call) command(ctx context.Context) *exec.Cmd {
	path, args := "restic", c.args
	if c.who == restic && c.cache == "" {
		args = append([]string{"--no-cache"}, args...)
	}
	if c.who != restic {
		path = self
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + shared.home, "TMPDIR=" + os.TempDir(), "TZ=UTC", "LANG=C.UTF-8",
		roleVariable + "=" + string(c.who), "RESTIC_CACHE_DIR=" + c.cache, "XDG_CACHE_HOME=" + shared.home + "/cache",
		"RESTIC_PASSWORD=" + password, "KEEPSAKE_PASSWORD=" + password, "RESTIC_FROM_PASSWORD=" + password, "KEEPSAKE_FROM_PASSWORD=" + password,
		"RESTIC_REPOSITORY=" + c.repo, "KEEPSAKE_REPOSITORY=" + c.repo, "RESTIC_PROGRESS_FPS=0.1"}, c.env...)
	// A test that is over must not wait for pipes that somebody still holds.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// try runs it, whatever its exit code.
func (c call) try(t testing.TB) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := c.command(ctx)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		t.Fatalf("%s: %v\n%s", c, err, tail(errs.String()))
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// run runs it, wants success, and returns what it printed.
func (c call) run(t testing.TB) string {
	t.Helper()
	r := c.try(t)
	if r.code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", c, r.code, tail(r.stdout), tail(r.stderr))
	}
	return r.stdout
}

// refused runs it and wants that exit code, and text in what it says.
func (c call) refused(t testing.TB, code int, texts ...string) {
	t.Helper()
	r := c.try(t)
	if r.code != code {
		t.Errorf("%s: exit code %d, want %d\n%s%s", c, r.code, code, tail(r.stdout), tail(r.stderr))
	}
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("%s: does not say %q:\n%s%s", c, text, tail(r.stdout), tail(r.stderr))
		}
	}
}

func (c call) String() string { return string(c.who) + " " + strings.Join(c.args, " ") }

// tail is the end of a long text.
func tail(s string) string {
	const most = 2000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// process is a command that runs beside the test.
type process struct {
	t     testing.TB
	call  call
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *buffer
	done  chan struct{} // closed when it ended
	err   error         // set before
}

// start runs c beside the test, with a pipe as standard input.
func (c call) start(t testing.TB) *process {
	t.Helper()
	cmd := c.command(context.WithoutCancel(t.Context()))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, call: c, cmd: cmd, stdin: in, out: &buffer{}, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		select {
		case <-p.done:
		default:
			t.Errorf("%s still runs:\n%s", c, tail(p.out.String()))
			_ = cmd.Process.Kill() // it may just have ended
			<-p.done
		}
	})
	return p
}

func (p *process) write(data []byte) {
	p.t.Helper()
	if _, err := p.stdin.Write(data); err != nil {
		p.t.Fatalf("%s: %v\n%s", p.call, err, tail(p.out.String()))
	}
}

// finish closes its standard input and wants it to succeed.
func (p *process) finish() {
	p.t.Helper()
	if err := p.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		p.t.Error(err)
	}
	p.ends(0)
}

// ends waits for its end and wants one of these exit codes; -1 is a signal.
func (p *process) ends(codes ...int) {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end:\n%s", p.call, tail(p.out.String()))
	}
	if got := p.cmd.ProcessState.ExitCode(); !slices.Contains(codes, got) {
		p.t.Fatalf("%s: exit code %d, want %d\n%s", p.call, got, codes, tail(p.out.String()))
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// says waits until it has printed text.
func (p *process) says(text string) {
	p.t.Helper()
	p.until("says "+text, func() bool { return strings.Contains(p.out.String(), text) })
}

// until waits for something while the process runs.
func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if !p.running() || time.Now().After(end) {
			if ok() {
				return
			}
			p.t.Fatalf("%s: never %s (running: %v)\n%s", p.call, what, p.running(), tail(p.out.String()))
		}
	}
}
