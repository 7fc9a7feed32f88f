package sftp

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

func TestCommandAndLocation(t *testing.T) {
	for _, c := range []struct {
		config   Config
		command  string
		location string
	}{
		{Config{Host: "nas", Path: "backups"}, "ssh -o BatchMode=yes -s -- nas sftp", "sftp:nas:backups"},
		{Config{Host: "nas", User: "anna", Path: "/srv/b"}, "ssh -o BatchMode=yes -l anna -s -- nas sftp", "sftp:anna@nas:/srv/b"},
		{Config{Host: "fe80::1", User: "anna", Port: "2222", Path: "/srv/b"}, "ssh -o BatchMode=yes -p 2222 -l anna -s -- fe80::1 sftp", "sftp://anna@[fe80::1]:2222//srv/b"},
		{Config{Host: "nas", Port: "22", Path: "b"}, "ssh -o BatchMode=yes -p 22 -s -- nas sftp", "sftp://nas:22/b"},
		{Config{Host: "nas", Port: "22", Path: "b", Command: []string{"my", "own"}}, "my own", "sftp://nas:22/b"},
	} {
		if err := c.config.check(); err != nil {
			t.Errorf("%+v: %v", c.config, err)
		}
		if got := c.config.command(); !slices.Equal(got, strings.Fields(c.command)) {
			t.Errorf("command %q, want %q", got, c.command)
		}
		if got := c.config.location(); got != c.location {
			t.Errorf("location %q, want %q", got, c.location)
		}
	}
}

func TestOpen_refuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no host":                 {Path: "b"},
		"an option as host":       {Host: "-oProxyCommand=id"},
		"an option as user":       {Host: "nas", User: "-oProxyCommand=id"},
		"a space in the host":     {Host: "nas id"},
		"a port that is none":     {Host: "nas", Port: "0"},
		"a port that is a word":   {Host: "nas", Port: "ssh"},
		"an option as port":       {Host: "nas", Port: "-1"},
		"a null byte":             {Host: "nas", Path: "a\x00b"},
		"a line feed in the user": {Host: "nas", User: "an\nna"},
	} {
		if b, err := Open(t.Context(), c); err == nil {
			b.Close()
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOpen_failures(t *testing.T) {
	l := quick
	l.exit = 300 * time.Millisecond
	for name, c := range map[string]struct {
		fault     string
		is        error // or nil
		permanent bool
		says      string
	}{
		"an unknown host key":       {"say=No ED25519 host key is known for nas.\r\nHost key verification failed.\r\n", backend.ErrDenied, true, "by hand"},
		"a changed host key":        {"say=@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@\nHost key verification failed.", backend.ErrDenied, true, "another key than before"},
		"no key for us":             {"say=anna@nas: Permission denied (publickey,password).", backend.ErrDenied, true, "ssh-copy-id"},
		"no SFTP":                   {"say=subsystem request failed on channel 0", nil, true, "does not offer SFTP"},
		"nobody there":              {"say=ssh: connect to host nas port 22: No route to host", nil, false, "No route to host"},
		"nothing said":              {"say=", nil, false, "exit status 255"},
		"escapes":                   {"say=\x1b[2Jred " + strings.Repeat("x", 5000), nil, false, "xxx"},
		"a shell that greets":       {"greet", nil, true, "does not speak SFTP"},
		"silence":                   {"mute", nil, false, "no answer within"},
		"silence that does not end": {"stubborn", nil, false, "no answer within"},
	} {
		t.Run(name, func(t *testing.T) {
			l := l
			if c.says == "no answer within" {
				l.connect = 400 * time.Millisecond
			}
			b, err := open(t.Context(), withFaults(t, c.fault), l)
			if err == nil {
				b.Close()
				t.Fatal("opened")
			}
			if c.is != nil && !errors.Is(err, c.is) || backend.IsPermanent(err) != c.permanent || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v (permanent: %v)", err, backend.IsPermanent(err))
			}
			if len(err.Error()) > 3000 || strings.ContainsAny(err.Error(), "\n\x1b\x00") {
				t.Errorf("not fit for a line: %q", err)
			}
		})
	}
	t.Run("no program", func(t *testing.T) {
		for _, program := range []string{"no-such-program-anywhere", "/no/such/program"} {
			_, err := Open(t.Context(), Config{Host: "nas", Command: []string{program}})
			if err == nil || !backend.IsPermanent(err) || errors.Is(err, backend.ErrNotExist) || !strings.Contains(err.Error(), program) {
				t.Errorf("%v", err)
			}
		}
	})
	t.Run("the context ends", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := open(ctx, withFaults(t, "mute"), quick); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		cancel()
		if _, err := open(ctx, atOpenSSH(t), quick); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

func TestPermissionDenied(t *testing.T) {
	c := atOpenSSH(t)
	h := save(t, created(t, c, quick), backend.IndexFile, []byte("index"))
	root := c.Path
	c = withFaults(t, "deny")
	c.Path = root
	b := opened(t, c, quick)
	for op, err := range map[string]error{
		"save":   b.Save(t.Context(), h, strings.NewReader("index")),
		"load":   b.Load(t.Context(), h, 0, 0, func(io.Reader) error { return nil }),
		"remove": b.Remove(t.Context(), h),
	} {
		if !errors.Is(err, backend.ErrDenied) || !strings.Contains(err.Error(), h.Name) {
			t.Errorf("%s: %v", op, err)
		}
	}
	c.Path = filepath.Join(root, "new")
	if err := opened(t, c, quick).Create(t.Context()); !errors.Is(err, backend.ErrDenied) || !strings.Contains(err.Error(), c.Path) {
		t.Errorf("create: %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 3, packetName, 1, 2, 0, 0, 0, 1, packetName, 0, 0, 0, 0, 9, 0, 0, 0, 2, 5, 1}, 3)
	f.Fuzz(func(t *testing.T, stream []byte, at int) {
		at = max(0, min(at, len(stream)))
		var whole, parts frames
		want := whole.names(stream)
		if got := parts.names(stream[:at]) + parts.names(stream[at:]); got != want {
			t.Errorf("%d bytes of names in one piece, %d when cut at %d", want, got, at)
		}
	})
}
