package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/format"
)

func TestRepositoryPasswordGiven(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	one, two := write("one", "from file\n"), write("two", "from the environment's file\n")
	for name, c := range map[string]struct {
		file, command string
		env           map[string]string
		want          string // "" is none
		fails         bool
	}{
		"nothing":            {},
		"file":               {file: one, want: "from file"},
		"the flag wins":      {file: one, env: map[string]string{"KEEPSAKE_PASSWORD_FILE": two, "KEEPSAKE_PASSWORD": "x"}, want: "from file"},
		"command":            {command: "echo from command", env: map[string]string{"KEEPSAKE_PASSWORD_FILE": two}, want: "from command"},
		"file of the env":    {env: map[string]string{"KEEPSAKE_PASSWORD_FILE": two, "KEEPSAKE_PASSWORD_COMMAND": "echo no", "KEEPSAKE_PASSWORD": "no"}, want: "from the environment's file"},
		"command of the env": {env: map[string]string{"KEEPSAKE_PASSWORD_COMMAND": "echo yes", "KEEPSAKE_PASSWORD": "no"}, want: "yes"},
		"environment":        {env: map[string]string{"KEEPSAKE_PASSWORD": "plain"}, want: "plain"},
		"another's":          {env: map[string]string{"KEEPSAKE_FROM_PASSWORD": "x", "RESTIC_PASSWORD": "x"}},
		"both flags":         {file: one, command: "echo x", fails: true},
		"no such file":       {file: filepath.Join(dir, "none"), fails: true},
		"command fails":      {command: "exit 1", fails: true},
		"command is silent":  {command: "exit 0", fails: true},
		"endless":            {env: map[string]string{"KEEPSAKE_PASSWORD_FILE": write("long", strings.Repeat("x", maxPassword+1))}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{Program: Program{Getenv: func(name string) string { return c.env[name] }, Stdin: eof{}}}
			s := mainPassword()
			s.file, s.command = c.file, c.command
			p, ok, err := s.given(t.Context(), a)
			if (err != nil) != c.fails || ok != (c.want != "") || p.Reveal() != c.want {
				t.Errorf("%q, %v, %v; want %q", p.Reveal(), ok, err, c.want)
			}
			if c.want != "" && strings.Contains(fmt.Sprint(p, err), c.want) {
				t.Error("the password can be printed")
			}
		})
	}
}

// A command that prints for ever is cut off, not waited for in memory.
func TestRepositoryPasswordOfNoise(t *testing.T) {
	s := mainPassword()
	s.command = "head -c 1000000 /dev/zero"
	_, _, err := s.given(t.Context(), &app{Program: Program{Getenv: func(string) string { return "" }, Stdin: eof{}}})
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("%v", err)
	}
}

// Every command on a repository takes the same flags, and none of them a secret.
func TestRepositoryFlags(t *testing.T) {
	root := newRoot(&app{Program: Program{Getenv: func(string) string { return "" }}})
	found := 0
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		for _, child := range c.Commands() {
			visit(child)
		}
		if c.Flags().Lookup("repo") == nil {
			return
		}
		found++
		for _, flag := range []string{"password-file", "password-command", "no-lock", "retry-lock", "key-hint", "no-cache", "cache-dir", "compression", "pack-size"} {
			if c.Flags().Lookup(flag) == nil {
				t.Errorf("%s has no --%s", c.CommandPath(), flag)
			}
		}
		for _, flag := range []string{"password", "new-password", "from-password"} {
			if c.Flags().Lookup(flag) != nil {
				t.Errorf("%s takes a secret: --%s", c.CommandPath(), flag)
			}
		}
		if c.Annotations["exit"] == "" || c.Example == "" || c.Long == "" {
			t.Errorf("%s: help lacks exit codes, an example or a text", c.CommandPath())
		}
	}
	visit(root)
	if found < 15 {
		t.Errorf("%d commands on repositories", found)
	}
}

func TestRepositoryExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
		hint string
	}{
		{repository.ErrNoRepository, 10, "keepsake init"},
		{&repository.LockedError{Locks: []repository.LockInfo{{}}}, 11, "--retry-lock"},
		{&repository.LockedError{Locks: []repository.LockInfo{{Stale: true}}}, 11, "keepsake unlock"},
		{repository.ErrLocked, 11, "--retry-lock"},
		{repository.ErrWrongPassword, 12, "keepsake init"},
		{repository.ErrLockLost, 1, "start the same command again"},
		{backend.ErrFull, 1, "make room"},
		{backend.ErrReadOnly, 1, "append-only"},
		{backend.ErrDenied, 1, "user name"},
		{&repository.DamageError{Object: "pack 12", Err: errors.New("x")}, 1, "keepsake check"},
		{&repository.MissingError{}, 1, "keepsake repair"},
	} {
		err := fmt.Errorf("do something: %w", c.err)
		code := exitCode(t.Context(), err)
		if got := remedy(err, code); code != c.want || !strings.Contains(got, c.hint) {
			t.Errorf("%v: code %d, %q; want %d and %q", err, code, got, c.want, c.hint)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := exitCode(ended, repository.ErrLocked); got != exitInterrupted {
		t.Errorf("after a signal: %d", got)
	}
}

func TestParsePart(t *testing.T) {
	for text, want := range map[string]float64{"5%": 0.05, "0": 0, "0%": 0, "100%": 1, "unlimited": 1, "2.5%": 0.025} {
		if got, err := parsePart(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "5", "101%", "-1%", "NaN%", "x%", "5G"} {
		if got, err := parsePart(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "17": 17, "3k": 3 << 10, "500M": 500 << 20, "2G": 2 << 30, "1t": 1 << 40} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "M", "1MM", "-1", "1.5G", "9999999999T", "1 M"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestReadDataSubset(t *testing.T) {
	var packs []packSize
	for i := range 1000 {
		packs = append(packs, packSize{format.Hash([]byte{byte(i), byte(i >> 8)}), 1 << 20})
	}
	pick := func(text string) map[format.ID]bool {
		choose, err := (&dataFlags{subset: text}).choice()
		if err != nil {
			t.Fatal(err)
		}
		return choose(packs)
	}
	all := map[format.ID]bool{}
	for _, part := range []string{"1/3", "2/3", "3/3"} {
		for id := range pick(part) {
			if all[id] {
				t.Fatal("a pack is in two parts")
			}
			all[id] = true
		}
	}
	if len(all) != len(packs) {
		t.Errorf("three thirds are %d of %d packs", len(all), len(packs))
	}
	for text, want := range map[string]int{"10%": 100, "100%": 1000, "0.001%": 1, "50M": 50, "1K": 1, "10T": 1000} {
		if got := len(pick(text)); got != want {
			t.Errorf("%s: %d packs, want %d", text, got, want)
		}
	}
	for _, text := range []string{"0/3", "4/3", "1/257", "1/", "0%", "101%", "0", "x", "-5%", "1/2/3"} {
		if _, err := (&dataFlags{subset: text}).choice(); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
	if _, err := (&dataFlags{all: true, subset: "1/2"}).choice(); err == nil {
		t.Error("both flags: no error")
	}
}

func TestSnapshotTable(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.Local)
	got := snapshotTable([]repository.Snapshot{
		{ID: format.ID{2}, Snapshot: format.Snapshot{Time: at.Add(time.Hour), Hostname: "b\x1b[31m", Paths: []string{"/x", "/y"}}},
		{ID: format.ID{1}, Snapshot: format.Snapshot{Time: at, Hostname: "a", Paths: []string{"/x"}, Summary: &format.SnapshotSummary{TotalBytesProcessed: 5e9}}},
	}, nil)
	want := `ID        TIME                 HOST   PATHS  SIZE
01000000  2026-03-01 10:00:00  a      /x     5.0 GB
02000000  2026-03-01 11:00:00  b�[31m  /x
                                      /y
`
	if strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(want), " ") {
		t.Errorf("got\n%s", got)
	}
	if strings.ContainsRune(got, '\x1b') {
		t.Error("a label can write to the terminal")
	}
}
