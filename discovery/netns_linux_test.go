package discovery_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/backup"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/mdns"
	"github.com/keepsake-backup/keepsake/internal/netnstest"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/mobilebackup2"
	"github.com/keepsake-backup/keepsake/repository"
	inmemory "github.com/keepsake-backup/keepsake/repository/backend/memory"
	"github.com/keepsake-backup/keepsake/snapshot"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// The network of the test: one wire between two computers.
//
//	host 10.9.0.1, v0 ───────── v1, 10.9.0.2 phone; after a while 10.9.0.3
const (
	hostAddr  = "10.9.0.1/24"
	phoneAddr = "10.9.0.2"
	laterAddr = "10.9.0.3"
)

// TestAcrossNetworks is a phone's evening on a Wi-Fi of its own: it is found
// under a private address, without any usbmuxd, by a pair record that was
// imported; backed up; the link drops in the middle; it comes back with another
// address, and the next run goes on where the last one ended.
func TestAcrossNetworks(t *testing.T) {
	if netnstest.Role() == "phone" {
		phoneSide(t)
		return
	}
	if !netnstest.Inside(t) {
		return
	}
	dir := t.TempDir()
	phone := startPhoneSide(t, dir)
	udid, record, err := discovery.ReadRecordFile(phone.record)
	check(t, err)
	book := &memory{}
	check(t, book.Save(t.Context(), udid, record))
	w, events := watch(t, discovery.Options{
		Recorder: book, Interfaces: mdns.Named("v0"), Known: knowing(discovery.Known{UDID: udid}),
		Pace: discovery.Pace{Probe: 3 * time.Second, Recheck: time.Second, Retry: 100 * time.Millisecond},
	})
	ev := until(t, events, "the phone on Wi-Fi", is(discovery.Appeared, udid))
	if ev.Sighting.Address.String() != phoneAddr+":62078" || ev.Sighting.How != discovery.ByAuthTag {
		t.Errorf("found as %+v", ev.Sighting)
	}
	if f := w.Facts(udid); !f.PrivateAddress || f.AdvertisedOn != "v0" {
		t.Errorf("facts %+v", f)
	}

	repo := newRepository(t)
	opt := backup.RepositoryOptions{State: t.TempDir(), Limits: mobilebackup2.Limits{First: 5 * time.Second, Silence: 5 * time.Second, Transfer: 2 * time.Second}}
	dev, err := w.Open(within(t), udid, discovery.Any)
	check(t, err)
	rep := &dropper{drop: func() { netnstest.Run(t, "ip", "link", "set", "v0", "down") }}
	if _, err := backup.ToRepository(t.Context(), dev, repo, opt, rep); err == nil {
		t.Fatal("the backup did not notice that the link dropped")
	} else {
		t.Log("as it must:", err)
	}
	check(t, dev.Close())
	until(t, events, "the end of the link", is(discovery.Gone, udid))
	if f := w.Facts(udid); f.LastWiFi.IsZero() || f.LastHow != discovery.ByAuthTag || f.LastAddr.String() != phoneAddr+":62078" {
		t.Errorf("facts %+v", f)
	}

	phone.tell(t, "move")
	netnstest.Run(t, "ip", "link", "set", "v0", "up")
	ev = until(t, events, "the phone's return", is(discovery.Appeared, udid))
	if ev.Sighting.Address.String() != laterAddr+":62078" {
		t.Errorf("back as %+v", ev.Sighting)
	}
	dev, err = w.Open(within(t), udid, discovery.WiFi)
	check(t, err)
	defer dev.Close()
	res, err := backup.ToRepository(t.Context(), dev, repo, opt, &dropper{drop: func() {}})
	check(t, err)
	if res.Kept == 0 || res.Files == 0 {
		t.Errorf("of %d files none was kept from the run that was interrupted, of %d kept none came new", res.Files, res.Kept)
	}
	sound(t, repo, res)
}

// phoneProcess is the phone's computer.
type phoneProcess struct {
	in     io.Writer
	out    *bufio.Scanner
	record string // the file of the pair record
}

// startPhoneSide runs this test as the phone, in a network of its own at the
// other end of a wire.
func startPhoneSide(t *testing.T, dir string) *phoneProcess {
	t.Helper()
	cmd := netnstest.Self(context.Background(), t.Name(), "phone") // it ends with its input
	cmd.Args = append([]string{"unshare", "--net", "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = netnstest.Look(t, "unshare")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		in.Close() // its end
		if err := cmd.Wait(); err != nil {
			t.Errorf("the phone's side: %v", err)
		}
	})
	p := &phoneProcess{in: in, out: bufio.NewScanner(out)}
	p.hear(t, "here") // in its own network from now on
	netnstest.Run(t, "ip", "link", "set", "lo", "up")
	netnstest.Run(t, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1", "netns", strconv.Itoa(cmd.Process.Pid))
	netnstest.Run(t, "ip", "addr", "add", hostAddr, "dev", "v0")
	netnstest.Run(t, "ip", "link", "set", "v0", "up")
	p.tell(t, "wire")
	p.record = filepath.Join(dir, p.hear(t, "record"))
	return p
}

func (p *phoneProcess) tell(t *testing.T, what string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		t.Fatal(err)
	}
	p.hear(t, "did "+what)
}

// hear waits for a line of the phone, and gives the rest of it.
func (p *phoneProcess) hear(t *testing.T, what string) string {
	t.Helper()
	for p.out.Scan() {
		if rest, ok := strings.CutPrefix(p.out.Text(), "phone: "+what); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Fatalf("the phone's side ended before it said %q", what)
	return ""
}

// phoneSide is the phone: paired by cable in its own network, where its usbmuxd
// is, and unplugged before anybody looks for it.
func phoneSide(t *testing.T) {
	fmt.Println("phone: here")
	var phone *virtualphone.Phone
	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		switch orders.Text() {
		case "wire":
			netnstest.Run(t, "ip", "link", "set", "lo", "up")
			netnstest.Run(t, "ip", "addr", "add", phoneAddr+"/24", "dev", "v1")
			netnstest.Run(t, "ip", "link", "set", "v1", "up")
			fmt.Println("phone: did wire")
			phone = servePhone(t)
		case "move": // a phone that loses its Wi-Fi ends its connections; this system does not
			check(t, phone.Set("wifi=off"))
			netnstest.Run(t, "ip", "addr", "del", phoneAddr+"/24", "dev", "v1")
			netnstest.Run(t, "ip", "addr", "add", laterAddr+"/24", "dev", "v1")
			check(t, phone.Set("wifi=on"))
			fmt.Println("phone: did move")
		}
	}
}

func servePhone(t *testing.T) *virtualphone.Phone {
	dir, err := os.Getwd()
	check(t, err)
	pause, err := virtualphone.ParseFaults("delay@upload.file:100=4s")
	check(t, err)
	s := startPhones(t, func(c *virtualphone.Config) {
		c.Dir, c.Empty, c.Profile, c.IOS = filepath.Join(dir, "phone"), false, "tiny", "26.4"
		c.Faults = pause
		c.WiFiListen, c.Announce, c.PrivateAddress = ":62078", mdns.Named("v1"), true
	})
	known := pairByCable(t, s, s.Phones()[0])
	s.Phones()[0].Unplug()
	data, err := known.Record.Marshal()
	check(t, err)
	name := known.UDID.String() + ".plist"
	check(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	fmt.Println("phone: record " + name)
	return s.Phones()[0]
}

// dropper is a Reporter that does something in the middle of receiving: the
// phone, which pauses then, has sent some files.
type dropper struct {
	drop func()
	once sync.Once
}

func (d *dropper) Phase(id, _ string) {
	if id == string(mobilebackup2.Receiving) {
		d.once.Do(func() { time.Sleep(500 * time.Millisecond); d.drop() })
	}
}

func (*dropper) Update(progress.Counters)  {}
func (*dropper) Say(progress.Kind, string) {}
func (*dropper) Close()                    {}

func newRepository(t *testing.T) *repository.Repository {
	t.Helper()
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(t.Context(), inmemory.New(), secret.NewRepositoryPassword("correct horse"), o)
	check(t, err)
	return r
}

// sound opens the version that was made.
func sound(t *testing.T, r *repository.Repository, res *backup.RepositoryResult) {
	t.Helper()
	s, err := r.Begin(context.Background(), repository.Shared, time.Minute)
	check(t, err)
	defer func() { check(t, s.Close()) }()
	p, err := snapshot.Open(t.Context(), s, res.Snapshot)
	check(t, err)
	if m := p.Meta(); m.UDID != res.UDID || m.Sealed {
		t.Errorf("meta %+v", m)
	}
}
