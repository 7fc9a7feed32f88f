package rclone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
)

// TestRestic copies a repository that Debian's restic made, file by file, to a
// folder that rclone serves; restic then finds every byte.
func TestRestic(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	env := append(os.Environ(), "RESTIC_PASSWORD=sealed", "HOME="+dir)
	restic := func(repo string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, "restic", append([]string{"--no-cache", "-r", repo}, args...)...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("restic %v: %v\n%s", args, err, out)
		}
	}
	first := filepath.Join(dir, "first")
	restic(first, "init")
	program, err := os.Executable() // some MB that are there
	if err != nil {
		t.Fatal(err)
	}
	restic(first, "backup", program)

	source, err := local.Open(first, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	cfg := localRemote(t)
	b := open(t, cfg)
	if err := b.Create(ctx); err != nil {
		t.Fatal(err)
	}
	for _, typ := range backend.FileTypes {
		handles := []backend.Handle{{Type: typ}}
		if typ != backend.ConfigFile {
			handles = nil
			if err := source.List(ctx, typ, func(f backend.FileInfo) error {
				handles = append(handles, backend.Handle{Type: typ, Name: f.Name})
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		for _, h := range handles {
			data, err := backend.ReadAll(ctx, source, h, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Save(ctx, h, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			again, err := backend.ReadAll(ctx, b, h, 1<<30)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("%v came back as %d other bytes, %v", h, len(again), err)
			}
		}
	}
	restic(folderOf(cfg), "check", "--read-data")
	restic("rclone:"+cfg.Remote, "check", "-o", "rclone.args=serve restic --stdio --config "+filepath.Join(filepath.Dir(folderOf(cfg)), "rclone.conf"))
}

func folderOf(cfg Config) string { return strings.TrimPrefix(cfg.Remote, ":local:") }

// TestAppendOnly: rclone's own append-only mode, given by Args.
func TestAppendOnly(t *testing.T) {
	cfg := localRemote(t)
	cfg.Args = append(DefaultArgs(), "--append-only")
	b := open(t, cfg)
	name, data := file("hello")
	h := backend.Handle{Type: backend.PackFile, Name: name}
	for range 2 { // the second is a 403 with the right size
		if err := b.Save(t.Context(), h, data); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Save(t.Context(), h, strings.NewReader("longer than that")); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("another size: %v", err)
	}
	if err := b.Remove(t.Context(), h); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("remove: %v", err)
	}
	lock := backend.Handle{Type: backend.LockFile, Name: name}
	if err := b.Save(t.Context(), lock, data); err != nil {
		t.Error(err)
	}
	if err := b.Remove(t.Context(), lock); err != nil {
		t.Errorf("remove a lock: %v", err)
	}
}

// TestOpen_silentProgram: something that says nothing is waited for as long as
// the context says, and is gone afterwards.
func TestOpen_silentProgram(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no sh
	}
	cfg := Config{Remote: "x:", Program: "sh", Args: []string{"-c", "echo starting >&2; cat >&2"}}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := Open(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > leaveTime {
		t.Errorf("it took %v", took)
	}
}

// TestOpen_noServer: what ends at once, or talks of something else, is an error
// that shows what it wrote, and not all of that.
func TestOpen_noServer(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there is no sh
	}
	for _, script := range []string{
		"for i in $(seq 3000); do echo noise noise noise noise $i >&2; done; echo '2026/01/02 03:04:05 the reason' >&2; exit 3",
		"echo hello; echo the reason >&2; exit 3",
		"cat >/dev/null & sleep 0.1; echo the reason >&2; exit 3",
	} {
		_, err := Open(t.Context(), Config{Remote: "x:", Program: "sh", Args: []string{"-c", script}})
		if err == nil || !strings.Contains(err.Error(), "the reason") || strings.Contains(err.Error(), "noise") || strings.Contains(err.Error(), "2026") {
			t.Errorf("%s: got %v", script, err)
		}
	}
}

func TestOpen_remotes(t *testing.T) {
	for _, remote := range []string{"", "-rf", "--config=x"} {
		if _, err := Open(t.Context(), Config{Remote: remote}); err == nil {
			t.Errorf("%q is accepted", remote)
		}
	}
}

// TestClose: the process is gone, and nothing works any more.
func TestClose(t *testing.T) {
	b, err := Open(t.Context(), localRemote(t))
	if err != nil {
		t.Fatal(err)
	}
	p := b.proc
	loading := make(chan error, 1)
	name, data := file(strings.Repeat("x", 1<<20))
	h := backend.Handle{Type: backend.PackFile, Name: name}
	if err := b.Save(t.Context(), h, data); err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	go func() {
		loading <- b.Load(t.Context(), h, 0, 0, func(r io.Reader) error {
			close(entered)
			<-p.exited
			_, err := io.Copy(io.Discard, r)
			return err
		})
	}()
	<-entered
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-p.exited:
	default:
		t.Error("the process is there after Close")
	}
	if err := <-loading; err == nil {
		t.Log("the megabyte was buffered") // and whole: Load has checked
	}
	if _, err := b.Stat(t.Context(), h); !errors.Is(err, errClosed) {
		t.Errorf("stat after Close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestWithoutSecrets(t *testing.T) {
	for _, c := range []struct{ remote, want string }{
		{"drive:backups/phone", "drive:backups/phone"},
		{":local:/srv", ":local:/srv"},
		{"/srv/a,b", "/srv/a,b"},
		{"drive:a,b", "drive:a,b"},
		{":sftp,host=h,pass=hunter2:dir", ":sftp,…:dir"},
		{`:webdav,url="http://u:hunter2@h/",pass='x:y':dir`, ":webdav,…:dir"},
		{"drive,token=hunter2:dir", "drive,…:dir"},
		{":sftp,pass=hunter2", ":sftp,…"},
	} {
		if got := WithoutSecrets(c.remote); got != c.want {
			t.Errorf("%s: got %s, want %s", c.remote, got, c.want)
		}
	}
	b, err := Open(t.Context(), Config{Remote: ":nosuch,pass=hunter2:x", Env: localRemote(t).Env})
	if err == nil {
		b.Close()
	}
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password, or there is none: %v", err)
	}
}

func TestTail(t *testing.T) {
	var log tail
	if got := log.lastLine(); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	for _, part := range []string{"one\ntwo", " is cut\n", strings.Repeat("x", 3*maxTail), "\n2026/01/02 03:04:05 ERROR : \x1b[31mno\n\n"} {
		if n, err := log.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("write: %d, %v", n, err)
		}
	}
	if got := log.lastLine(); got != "ERROR :  [31mno" || len(log.data) > maxTail {
		t.Errorf("got %q of %d bytes", got, len(log.data))
	}
	log.Write(slices.Repeat([]byte("é"), 1000))
	if got := log.lastLine(); len(got) > 500 {
		t.Errorf("a line of %d bytes", len(got))
	}
}
