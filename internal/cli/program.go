package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
)

// Program is one run of keepsake. Zero fields are empty streams and an empty
// environment.
type Program struct {
	Args           []string // without the program's name
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// Limits are the patience with a phone that says nothing; tests have less.
	Limits mobilebackup2.Limits
	// KDF is what the keys of repositories cost that are made; tests have less.
	KDF repository.KDF
}

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// Main runs the program of this process, changed as change says, and returns its exit
// code. The first
// signal asks it to stop, the second ends it at once.
func Main(change ...func(*Program)) int {
	if os.Getenv("GOGC") == "" {
		// Most memory is large buffers that are used again and hold no pointers:
		// looking for garbage often costs little and keeps the process small.
		debug.SetGCPercent(30)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel(errInterrupted)
	}()
	p := Program{Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	for _, c := range change {
		c(&p)
	}
	return p.Run(ctx)
}

// Run does what Args say and returns the exit code. It returns soon after ctx
// ends.
func (p Program) Run(ctx context.Context) int {
	a := &app{Program: p, ctx: ctx}
	if a.Stdin == nil {
		a.Stdin = eof{}
	}
	if a.Stdout == nil {
		a.Stdout = io.Discard
	}
	if a.Stderr == nil {
		a.Stderr = io.Discard
	}
	if a.Getenv == nil {
		a.Getenv = func(string) string { return "" }
	}
	root := newRoot(a)
	root.SetArgs(append([]string{}, a.Args...)) // nil would mean os.Args
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && a.writeErr != nil {
		err = a.writeErr
	}
	return a.finish(err)
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// app is what the commands share.
type app struct {
	Program
	ctx context.Context // of the whole run, to know afterwards that it was interrupted

	// Global flags.
	phone                string
	json, quiet, verbose bool

	repo repositoryFlags // of the commands on repositories

	interruptHint string // what to do after an interruption, if the command knows better

	mu       sync.Mutex        // guards what follows and writes to Stdout
	writeErr error             // the first failure to write to Stdout
	reporter progress.Reporter // of the work that is being done; nil in between
}

// now is the time in the form that JSON shows.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// release is the version of a release build; the linker sets it (internal/release).
var release string

// version is what the build says of itself.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "development"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " (" + s.Value[:12] + ")"
		}
	}
	return v
}
