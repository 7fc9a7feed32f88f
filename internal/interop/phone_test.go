package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// phone is a virtual phone and the means to point clients at it.
type phone struct {
	*virtualphone.Phone
	t    testing.TB
	addr string
}

// start starts a phone with few files and quick restarts, and pairs with it
// through idevicepair.
func start(t testing.TB, change ...func(*virtualphone.Config)) *phone {
	t.Helper()
	cfg := virtualphone.Config{Dir: t.TempDir(), Seed: 3, Profile: "tiny", KDFRounds: 1000, RebootTime: 100 * time.Millisecond}
	for _, c := range change {
		c(&cfg)
	}
	s, err := virtualphone.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close virtual phone: %v", err)
		}
	})
	p := &phone{s.Phones()[0], t, s.Addr()}
	p.run("idevicepair", "pair")
	return p
}

func seed(n uint64) func(*virtualphone.Config) {
	return func(c *virtualphone.Config) { c.Seed = n }
}

func profile(name string) func(*virtualphone.Config) {
	return func(c *virtualphone.Config) { c.Profile = name }
}

// command prepares a client that sees only this phone.
func (p *phone) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "USBMUXD_SOCKET_ADDRESS="+p.addr)
	return cmd
}

const patience = 2 * time.Minute

// try runs a client to its end and returns what it printed.
func (p *phone) try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := p.command(ctx, name, args...).CombinedOutput()
	return string(out), err
}

// run is try for a client that must succeed.
func (p *phone) run(name string, args ...string) string {
	p.t.Helper()
	out, err := p.try(name, args...)
	if err != nil {
		p.t.Fatalf("%s %q: %v\n%s", name, args, err, tail(out))
	}
	return out
}

func tail(s string) string {
	const most = 3000
	return s[max(0, len(s)-most):]
}

var received = regexp.MustCompile(`Received (\d+) files from device`)

// backup lets idevicebackup2 back the phone up and returns how many files came.
func (p *phone) backup(dir string, args ...string) int {
	p.t.Helper()
	out := p.run("idevicebackup2", append(append([]string{"backup"}, args...), dir)...)
	m := received.FindStringSubmatch(out)
	if m == nil || !strings.Contains(out, "Backup Successful") {
		p.t.Fatalf("idevicebackup2 backup did not say how it went:\n%s", tail(out))
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// digest is what a backup must bring back, as text to compare.
func (p *phone) digest() string {
	p.t.Helper()
	var b bytes.Buffer
	if err := p.Digest(context.Background(), &b); err != nil {
		p.t.Fatal(err)
	}
	if strings.Count(b.String(), "\n") < 20 {
		p.t.Fatalf("the phone has next to nothing to lose:\n%s", &b)
	}
	return b.String()
}

// sameDigest compares digests and names what differs.
func sameDigest(t testing.TB, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	w, g := lines(want), lines(got)
	var diff []string
	for path, sum := range w {
		switch other, ok := g[path]; {
		case !ok:
			diff = append(diff, "lost    "+path)
		case other != sum:
			diff = append(diff, "changed "+path)
		}
	}
	for path := range g {
		if _, ok := w[path]; !ok {
			diff = append(diff, "extra   "+path)
		}
	}
	t.Errorf("%d files differ after the restore:\n%s", len(diff), strings.Join(diff[:min(len(diff), 40)], "\n"))
}

func lines(digest string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(digest) {
		// As sha256sum does, a leading backslash marks a name with escapes.
		line, escaped := strings.CutPrefix(strings.TrimSuffix(line, "\n"), `\`)
		sum, path, _ := strings.Cut(line, "  ")
		if escaped {
			path = strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(path)
		}
		m[path] = sum
	}
	return m
}

func (p *phone) use(days int) virtualphone.Changes {
	p.t.Helper()
	c, err := p.Use(context.Background(), days)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *phone) erase() {
	p.t.Helper()
	if err := p.Erase(context.Background()); err != nil {
		p.t.Fatal(err)
	}
}

// await waits for the nth event, since a client may return before the phone is done.
func (p *phone) await(event string, n int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Await(ctx, event, n); err != nil {
		p.t.Fatalf("wait for %s: %v", event, err)
	}
}

// restore lets idevicebackup2 restore and waits until the phone has restarted,
// if it was asked to.
func (p *phone) restore(dir string, args ...string) {
	p.t.Helper()
	boots := p.Count("up")
	all := append([]string{}, args...)
	out := p.run("idevicebackup2", append(all, dir)...)
	if !strings.Contains(out, "Restore Successful") {
		p.t.Fatalf("idevicebackup2 did not say that it restored:\n%s", tail(out))
	}
	if !strings.Contains(strings.Join(args, " "), "--no-reboot") {
		p.await("up", boots+1)
	}
}

// size of all below dir, in bytes and files. Nothing has none, and what a
// client moves away meanwhile does not count.
func size(t testing.TB, dir string) (bytes int64, files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
			files++
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes, files
}

func name(parts ...any) string { return strings.ReplaceAll(fmt.Sprint(parts...), " ", "_") }
