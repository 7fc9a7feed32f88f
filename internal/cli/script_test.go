package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"keepsake": func() { os.Exit(Main(cheapKeys)) }})
}

// cheapKeys spares every command of a script half a second.
func cheapKeys(p *Program) { p.KDF = repository.KDF{N: 1 << 10, R: 8, P: 1} }

// TestScript runs testdata/script, one file for each topic. Besides the
// commands of testscript there are
//
//	virtual [FLAGS]           start a virtual phone; sets USBMUXD_SOCKET_ADDRESS and UDID
//	exits CODE COMMAND ARGS   run a command that ends with this very exit code
//	interrupt REGEXP COMMAND  run a command, interrupt it when it has printed REGEXP
//	awaitdigest FILE          wait until the phone has restarted and holds what FILE lists
//	waitready DIR             wait until the phone in DIR can be controlled
//	jsonlines FILE [TYPE…]    every line is an object with message_type; each TYPE occurs
//
// and those of repositoryCommands.
func TestScript(t *testing.T) {
	commands := repositoryCommands()
	maps.Copy(commands, map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"virtual":     startVirtual,
		"exits":       exitsWith,
		"interrupt":   interrupt,
		"jsonlines":   jsonLines,
		"awaitdigest": awaitDigest,
		"waitready":   waitReady,
	})
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// No phone unless the script starts one, whatever runs on this computer.
			env.Setenv("USBMUXD_SOCKET_ADDRESS", filepath.Join(env.WorkDir, "no-usbmuxd"))
			env.Setenv("LANG", "C.UTF-8")
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("BACKUP_PASSWORD", "")
			env.Setenv("BACKUP_PASSWORD_NEW", "")
			env.Values[held{}] = &lockEnd{func() {}}
			return nil
		},
		Cmds:                commands,
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(9 * time.Minute), // a hang shows its goroutines; go test ends after 10
	})
}

// startVirtual runs "keepsake virtual" in this process until the script ends.
func startVirtual(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("unsupported: ! virtual")
	}
	out, in := io.Pipe()
	var errs syncBuffer
	p := Program{
		Args:   append([]string{"virtual", "--state", ts.MkAbs("phone"), "--profile", "tiny", "--kdf-rounds", "50", "--reboot-time", "100ms"}, args...),
		Stdout: in, Stderr: &errs,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		code := p.Run(ctx)
		in.CloseWithError(fmt.Errorf("keepsake virtual ended with %d: %s", code, errs.String()))
		ended <- code
	}()
	ts.Defer(func() {
		cancel()
		if code := <-ended; code != exitOK {
			ts.Logf("keepsake virtual: exit code %d: %s", code, errs.String())
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	ts.Check(err)
	go func() {
		// Nothing more is expected; keep the pipe from blocking.
		_, _ = io.Copy(io.Discard, out)
	}()
	var ready virtualphone.Ready
	ts.Check(json.Unmarshal(line, &ready))
	if ready.MessageType != "ready" || len(ready.Devices) == 0 {
		ts.Fatalf("no ready line: %s", line)
	}
	ts.Setenv("USBMUXD_SOCKET_ADDRESS", ready.Socket)
	for i, d := range ready.Devices {
		ts.Setenv("UDID"+strings.TrimPrefix(strconv.Itoa(i+1), "1"), d.UDID)
	}
}

func exitsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// interrupt sends the signal of Ctrl-C once the output matches, and wants exit
// code 130 soon afterwards.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupt REGEXP COMMAND ARGS...")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	program := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, args[1]); program == "" && exists(path) {
			program = path
		}
	}
	cmd := exec.CommandContext(ctx, program, args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"USBMUXD_SOCKET_ADDRESS", "HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "KEEPSAKE_PASSWORD", "BACKUP_PASSWORD"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var output syncBuffer
	output.notify = make(chan struct{}, 1)
	cmd.Stdout, cmd.Stderr = &output, &output
	ts.Check(cmd.Start())
	for !pattern.MatchString(output.String()) {
		select {
		case <-output.notify:
		case <-ctx.Done():
			ts.Fatalf("never printed %s:\n%s", pattern, output.String())
		}
	}
	ts.Check(cmd.Process.Signal(os.Interrupt))
	err = cmd.Wait()
	ts.Logf("%s", output.String())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		ts.Fatalf("ended with %v, want exit code %d", err, exitInterrupted)
	}
}

func waitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitready DIR")
	}
	var err error
	for range 400 {
		var control *virtualphone.Control
		if control, err = virtualphone.OpenControl(ts.MkAbs(args[0]), ""); err == nil {
			var status virtualphone.Status
			if status, err = control.Status(context.Background()); err == nil && status.Running {
				return
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the phone is not ready: %v", err)
}

// awaitDigest: a restore takes effect at the restart, which no host can see the
// end of (protocol.md 11.7).
func awaitDigest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: awaitdigest FILE")
	}
	want := strings.Split(ts.ReadFile(args[0]), "\n")
	control, err := virtualphone.OpenControl(ts.MkAbs("phone"), "")
	ts.Check(err)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var b bytes.Buffer
		ts.Check(control.Digest(context.Background(), &b))
		got := strings.Split(b.String(), "\n")
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("the phone does not hold what it held:\n%s", firstDifferences(got, want))
		}
	}
}

// firstDifferences is short, where a whole digest would not be.
func firstDifferences(got, want []string) string {
	var b strings.Builder
	for _, d := range []struct {
		mark     string
		in, from []string
	}{{"- ", want, got}, {"+ ", got, want}} {
		n := 0
		for _, line := range d.in {
			if slices.Contains(d.from, line) {
				continue
			}
			if n++; n <= 10 {
				b.WriteString(d.mark + line + "\n")
			}
		}
		fmt.Fprintf(&b, "%s%d lines\n", d.mark, n)
	}
	return b.String()
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: jsonlines FILE [TYPE...]")
	}
	var seen []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("no JSON object: %q: %v", line, err)
		}
		kind, ok := object["message_type"].(string)
		if !ok {
			ts.Fatalf("no message_type: %s", line)
		}
		for key := range object {
			if key != strings.ToLower(key) || strings.ContainsAny(key, "- ") {
				ts.Fatalf("key %q is not snake_case: %s", key, line)
			}
		}
		seen = append(seen, kind)
	}
	for _, want := range args[1:] {
		if !slices.Contains(seen, want) {
			ts.Fatalf("no line of type %s among %v", want, seen)
		}
	}
}

// syncBuffer is a buffer that several goroutines may use.
type syncBuffer struct {
	mu     sync.Mutex
	b      bytes.Buffer  // guarded by mu
	notify chan struct{} // gets a value after writes; may be nil
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.notify <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
