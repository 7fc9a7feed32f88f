//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/cli"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

const (
	password = "correct horse"
	patience = time.Minute
)

// short is the patience of rows in which the phone goes silent.
var short = mobilebackup2.Limits{First: 3 * time.Second, Silence: 3 * time.Second, Transfer: 2 * time.Second, Farewell: 200 * time.Millisecond}

// templates are made once and copied for every row.
type templates struct {
	dir           string
	udid, other   string
	first, second string // digests: at the first backup, and of the phone that was used since
}

var (
	templateDir string
	once        sync.Once
	made        *templates
)

func removeTemplates() {
	if templateDir != "" {
		_ = os.RemoveAll(templateDir) // what stays is in the system's own folder for such things
	}
}

func (x *templates) phone() string   { return filepath.Join(x.dir, "phone") }
func (x *templates) backups() string { return filepath.Join(x.dir, "backups") }
func (x *templates) target() string  { return filepath.Join(x.dir, "target") }

// prepared makes the templates: a phone with encrypted backups, its first one,
// some days of use since; and another phone, erased.
func prepared(t *testing.T) *templates {
	t.Helper()
	once.Do(func() {
		dir, err := os.MkdirTemp("", "faults")
		if err != nil {
			t.Fatal(err)
		}
		templateDir = dir
		x := &templates{dir: dir}
		p := boot(t, x.phone(), 3)
		x.udid = p.UDID()
		p.must(t, "pair")
		p.must(t, "encryption", "on")
		p.must(t, "backup", "--folder", x.backups())
		x.first = p.digest(t)
		if _, err := p.Use(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		x.second = p.digest(t)
		p.stop(t)
		q := boot(t, x.target(), 77)
		x.other = q.UDID()
		if err := q.Erase(t.Context()); err != nil {
			t.Fatal(err)
		}
		q.must(t, "pair")
		q.stop(t)
		made = x
	})
	if made == nil {
		t.Fatal("no templates")
	}
	return made
}

// phone is a virtual phone and what is needed to run the program on it.
type phone struct {
	*virtualphone.Phone
	server *virtualphone.Server
	addr   string
	limits mobilebackup2.Limits // of the program
}

func boot(t *testing.T, dir string, seed uint64) *phone {
	t.Helper()
	s, err := virtualphone.Start(context.Background(), virtualphone.Config{Dir: dir, Seed: seed, Profile: "tiny", KDFRounds: 1000, RebootTime: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return &phone{Phone: s.Phones()[0], server: s, addr: s.Addr()}
}

func (p *phone) stop(t *testing.T) {
	t.Helper()
	if err := p.server.Close(); err != nil {
		t.Errorf("close virtual phone: %v", err)
	}
}

func (p *phone) digest(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := p.Digest(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// run is one run of the program.
type run struct {
	code   int
	output lockedBuffer
	done   chan struct{}
	cancel context.CancelFunc
}

// keepsake runs the program in this process and does not wait.
func (p *phone) keepsake(args ...string) *run {
	return p.keepsakeWith(password, args...)
}

func (p *phone) keepsakeWith(password string, args ...string) *run {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{done: make(chan struct{}), cancel: cancel}
	env := map[string]string{"USBMUXD_SOCKET_ADDRESS": p.addr, "BACKUP_PASSWORD": password, "BACKUP_PASSWORD_NEW": password}
	program := cli.Program{Args: append([]string{"--json"}, args...), Stdout: &r.output, Stderr: &r.output,
		Getenv: func(name string) string { return env[name] }, Limits: p.limits}
	go func() {
		defer close(r.done)
		r.code = program.Run(ctx)
	}()
	return r
}

// wait ends with the program, and with the test if that takes too long.
func (r *run) wait(t *testing.T) {
	t.Helper()
	select {
	case <-r.done:
		r.cancel()
	case <-time.After(patience):
		r.cancel()
		t.Fatalf("the program hangs:\n%s", r.output.String())
	}
}

// until waits for text in the output.
func (r *run) until(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if strings.Contains(r.output.String(), text) {
			return
		}
		select {
		case <-r.done:
			t.Errorf("the program ended before it said %s:\n%s", text, r.output.String())
			return
		default:
		}
	}
	t.Errorf("the program never said %s:\n%s", text, r.output.String())
}

// phase is how the output says that a phase has begun.
func phase(name string) string { return `"phase":"` + name + `"` }

// must runs the program to a good end.
func (p *phone) must(t *testing.T, args ...string) *run {
	t.Helper()
	r := p.keepsake(args...)
	r.wait(t)
	if r.code != 0 {
		t.Fatalf("keepsake %s: exit code %d:\n%s", strings.Join(args, " "), r.code, r.output.String())
	}
	return r
}

// message is a line of --json; see docs/cli.md.
type message struct {
	MessageType string `json:"message_type"`
	Error       string `json:"error"`
	Hint        string `json:"hint"`
	Text        string `json:"text"`
	Unreadable  []struct{ Path, Error string }
}

func (r *run) messages(t *testing.T) []message {
	t.Helper()
	var all []message
	for line := range strings.Lines(r.output.String()) {
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("not JSON: %q", line)
			continue
		}
		all = append(all, m)
	}
	return all
}

// told is what the person reads at the end: the error and the remedy, or the
// files that could not be read.
func (r *run) told(t *testing.T) (what, remedy string) {
	t.Helper()
	for _, m := range r.messages(t) {
		if m.MessageType == "error" {
			what, remedy = m.Error, m.Hint
		}
		for _, u := range m.Unreadable {
			what = fmt.Sprintf("The phone could not read 1 file; this backup lacks it: %s: %s", u.Path, u.Error)
			remedy = "The rest of the backup is complete."
		}
	}
	return what, remedy
}

// lockedBuffer is written by the program and read by the test.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// copyTree copies a folder with the times of its files, which a phone goes by.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", from, err, out)
	}
}
