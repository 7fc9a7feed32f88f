package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

// content calls at before the first byte at or behind from is read.
type content struct {
	*bytes.Reader
	from int64
	at   func()
	once sync.Once
}

func (c *content) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > c.from {
		c.once.Do(c.at)
	}
	return c.Reader.ReadAt(p, off)
}

// files are all paths below a repository's root, without the empty folders.
func files(t testing.TB, b *Backend) (list []string) {
	t.Helper()
	err := filepath.WalkDir(b.root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			p, err = filepath.Rel(b.root, p)
			list = append(list, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The server is killed in the middle of a Save: nothing lies under the name,
// the error can be tried again, and the next operation has a new connection.
func TestKilledDuringSave(t *testing.T) {
	b := created(t, atOpenSSH(t), quick)
	data := random(6 << 20)
	h := file(backend.PackFile, data)
	process := b.conn.cmd.Process
	err := b.Save(t.Context(), h, &content{Reader: bytes.NewReader(data), from: 2 << 20, at: func() {
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
	}})
	if err == nil || backend.IsPermanent(err) || !strings.Contains(err.Error(), h.Name) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("save while the server is killed: %v", err)
	}
	left := files(t, b)
	if len(left) != 1 || !strings.Contains(left[0], h.Name+"-tmp-") {
		t.Errorf("after the kill there are %v", left)
	}
	if _, err := b.Stat(t.Context(), h); !errors.Is(err, backend.ErrNotExist) {
		t.Errorf("stat over a new connection: %v", err)
	}
	if b.conn.cmd.Process == process {
		t.Error("the connection is still the old one")
	}
	if err := b.List(t.Context(), backend.PackFile, func(f backend.FileInfo) error { return fmt.Errorf("there is %v", f) }); err != nil {
		t.Error(err)
	}
	if err := b.Save(t.Context(), h, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	if got, err := load(t, b, h); err != nil || !bytes.Equal(got, data) {
		t.Errorf("load: %d bytes, %v", len(got), err)
	}
}

func TestKilledDuringLoad(t *testing.T) {
	b := created(t, atOpenSSH(t), quick)
	data := random(6 << 20)
	h := save(t, b, backend.PackFile, data)
	mine := errors.New("what the caller says of it")
	for _, wrap := range []func(error) error{
		func(err error) error { return err },
		func(error) error { return mine },
		func(error) error { return nil },
	} {
		err := b.Load(t.Context(), h, 0, 0, func(r io.Reader) error {
			if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
				return err
			}
			if err := b.conn.cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			n, err := io.Copy(io.Discard, r)
			if err == nil {
				t.Errorf("%d bytes and no error from a dead server", n)
			}
			return wrap(err)
		})
		if err == nil || backend.IsPermanent(err) {
			t.Errorf("load from a dead server: %v", err)
		}
	}
	if got, err := load(t, b, h); err != nil || !bytes.Equal(got, data) {
		t.Errorf("load: %d bytes, %v", len(got), err)
	}
}

func TestLostConnection_saysWhatSSHSaid(t *testing.T) {
	b := created(t, withFaults(t, "die=20"), quick)
	err := b.Save(t.Context(), file(backend.PackFile, nil), bytes.NewReader(make([]byte, 2<<20)))
	if err == nil || backend.IsPermanent(err) || !strings.Contains(err.Error(), "dropped its anchor") {
		t.Errorf("got %v", err)
	}
}

// Every operation ends soon after its context, whatever the server does, and
// the others find a connection again.
func TestEndOfContext(t *testing.T) {
	h := file(backend.PackFile, nil)
	for name, c := range map[string]struct {
		fault string
		op    func(context.Context, *Backend) error
	}{
		"save": {"stall=30", func(ctx context.Context, b *Backend) error {
			return b.Save(ctx, h, bytes.NewReader(make([]byte, 20<<20)))
		}},
		"stat": {"deaf", func(ctx context.Context, b *Backend) error { _, err := b.Stat(ctx, h); return err }},
		"save a config": {"deaf", func(ctx context.Context, b *Backend) error {
			return b.Save(ctx, backend.Handle{Type: backend.ConfigFile}, bytes.NewReader(nil))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := quick
			l.cancel = 100 * time.Millisecond
			b := opened(t, withFaults(t, c.fault), l)
			if err := os.MkdirAll(filepath.Dir(b.path(h)), 0o700); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			if err := c.op(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if d := time.Since(began); d > 10*time.Second {
				t.Errorf("it took %v", d)
			}
			if err := b.List(t.Context(), backend.LockFile, func(backend.FileInfo) error { return nil }); err != nil {
				t.Errorf("the next operation: %v", err)
			}
		})
	}
}

// On a healthy connection the end of one context does not disturb the others.
func TestEndOfContext_leavesTheConnection(t *testing.T) {
	b := created(t, atOpenSSH(t), quick)
	pid := b.conn.cmd.Process.Pid
	data := random(8 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := b.Save(ctx, file(backend.PackFile, data), &content{Reader: bytes.NewReader(data), from: 4 << 20, at: cancel}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left := files(t, b); len(left) != 0 {
		t.Errorf("a save that was given up left %v", left)
	}
	if b.conn.cmd.Process.Pid != pid || b.conn.dying.Load() {
		t.Error("the connection was ended")
	}
}

func TestStandstill(t *testing.T) {
	l := quick
	l.stall = 400 * time.Millisecond
	b := created(t, withFaults(t, "stall=30"), l)
	began := time.Now()
	err := b.Save(t.Context(), file(backend.PackFile, nil), bytes.NewReader(make([]byte, 4<<20)))
	if err == nil || backend.IsPermanent(err) || !strings.Contains(err.Error(), "nothing moved") || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	// A slow reader is no standstill of the server.
	data := random(4 << 20)
	slow := created(t, atOpenSSH(t), l)
	h := save(t, slow, backend.PackFile, data)
	err = slow.Load(t.Context(), h, 0, 0, func(r io.Reader) error {
		if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
			return err
		}
		time.Sleep(4 * l.stall)
		_, err := io.Copy(io.Discard, r)
		return err
	})
	if err != nil {
		t.Errorf("a load with a slow reader: %v", err)
	}
}

func TestFullAndReadOnly(t *testing.T) {
	data := make([]byte, 1<<20)
	for name, c := range map[string]struct {
		faults []string
		want   error
	}{
		"no room":                  {[]string{"fail-write=5", "statvfs=full"}, backend.ErrFull},
		"no inodes":                {[]string{"fail-write=0", "statvfs=inodes"}, backend.ErrFull},
		"read-only":                {[]string{"fail-write=0", "statvfs=readonly"}, backend.ErrReadOnly},
		"room, and yet a failure":  {[]string{"fail-write=5", "statvfs=roomy"}, nil},
		"a server without statvfs": {[]string{"fail-write=5", "strip=statvfs@openssh.com"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := created(t, withFaults(t, c.faults...), quick)
			err := b.Save(t.Context(), file(backend.PackFile, data), bytes.NewReader(data))
			if err == nil || c.want != nil && !errors.Is(err, c.want) || backend.IsPermanent(err) != (c.want != nil) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if left := files(t, b); len(left) != 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
	b := opened(t, withFaults(t, "fail-mkdir", "statvfs=readonly"), quick)
	if err := b.Create(t.Context()); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("create: %v", err)
	}
	if err := b.Save(t.Context(), file(backend.PackFile, data), bytes.NewReader(data)); !errors.Is(err, backend.ErrReadOnly) {
		t.Errorf("save where there is no folder: %v", err)
	}
}

// Servers without OpenSSH's extensions, one by one.
func TestWithoutExtensions(t *testing.T) {
	config := backend.Handle{Type: backend.ConfigFile}
	for _, strip := range []string{"all", "posix-rename@openssh.com", "hardlink@openssh.com", "fsync@openssh.com"} {
		t.Run(strip, func(t *testing.T) {
			b := created(t, withFaults(t, "strip="+strip), quick)
			data := random(100_000)
			h := save(t, b, backend.PackFile, data)
			save(t, b, backend.PackFile, data) // again
			// A torn file, from a program that does not write as we do.
			torn := file(backend.PackFile, []byte("torn"))
			if err := os.WriteFile(b.path(torn), []byte("to"), 0o400); err != nil {
				t.Fatal(err)
			}
			save(t, b, backend.PackFile, []byte("torn"))
			for h, want := range map[backend.Handle]string{h: string(data), torn: "torn"} {
				if got, err := load(t, b, h); err != nil || string(got) != want {
					t.Errorf("load %v: %d bytes, %v", h, len(got), err)
				}
			}
			if err := b.Save(t.Context(), config, strings.NewReader("first")); err != nil {
				t.Fatal(err)
			}
			if err := b.Save(t.Context(), config, strings.NewReader("second")); !errors.Is(err, backend.ErrExist) {
				t.Errorf("a second config: %v", err)
			}
			if got, err := load(t, b, config); err != nil || string(got) != "first" {
				t.Errorf("the config is %q, %v", got, err)
			}
			if left := files(t, b); len(left) != 3 {
				t.Errorf("there are %v", left)
			}
		})
	}
}

// The check before writing is not what protects the config.
func TestConfig_raceIsDecidedByTheServer(t *testing.T) {
	for _, strip := range []string{"", "hardlink@openssh.com"} {
		c := atOpenSSH(t)
		if strip != "" {
			root := c.Path
			c = withFaults(t, "strip="+strip)
			c.Path = root
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			b := created(t, c, quick)
			for j := range 4 {
				wg.Go(func() {
					err := b.Save(t.Context(), backend.Handle{Type: backend.ConfigFile}, strings.NewReader(fmt.Sprint("config ", i, j)))
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, backend.ErrExist) {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("without %q: %d configs were written", strip, won.Load())
		}
	}
}

func TestEndlessFolder(t *testing.T) {
	l := quick
	l.listing = 1 << 20
	b := opened(t, withFaults(t, "flood"), l)
	if err := os.MkdirAll(filepath.Join(b.root, "index"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := b.List(t.Context(), backend.IndexFile, func(backend.FileInfo) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "more than a folder can hold") {
		t.Errorf("got %v", err)
	}
}

func TestClose(t *testing.T) {
	h := file(backend.PackFile, nil)
	for name, fault := range map[string]string{"healthy": "strip=none", "stalled": "stall=30"} {
		t.Run(name, func(t *testing.T) {
			l := quick
			l.exit = 200 * time.Millisecond
			b := created(t, withFaults(t, fault), l)
			if name == "stalled" {
				entered := make(chan struct{})
				ended := make(chan error)
				go func() {
					ended <- b.Save(context.Background(), h, &content{Reader: bytes.NewReader(make([]byte, 20<<20)), from: 32 << 15, at: func() { close(entered) }})
				}()
				<-entered
				defer func() {
					if err := <-ended; !errors.Is(err, errClosed) || !backend.IsPermanent(err) {
						t.Errorf("an operation during Close: %v", err)
					}
				}()
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if b.conn.cmd.ProcessState == nil || !errors.Is(b.conn.cmd.Process.Signal(os.Kill), os.ErrProcessDone) {
				t.Error("the process is still there")
			}
			if _, err := b.Stat(t.Context(), h); !errors.Is(err, errClosed) {
				t.Errorf("after Close: %v", err)
			}
		})
	}
	t.Run("a helper of the process", func(t *testing.T) {
		l := quick
		l.exit = 200 * time.Millisecond
		c := atOpenSSH(t)
		pidFile := filepath.Join(t.TempDir(), "pid")
		c.Command = []string{"sh", "-c", `sleep 300 & echo $! >"$0"; exec "$1"`, pidFile, c.Command[0]}
		b := created(t, c, l)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(pidFile)
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Sscan(string(text), &pid); err != nil {
			t.Fatal(err)
		}
		// Its parent is gone: init reaps it in its own time.
		for deadline := time.Now().Add(10 * time.Second); running(pid); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
		}
	})
}

// running tells whether a process is there and no zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
