package mdns

import (
	"bufio"
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/netnstest"
)

const judged = "_apple-mobdev2._tcp"

// TestAvahi lets Debian's avahi hear what we say and say what we hear, both on
// one host and one port.
func TestAvahi(t *testing.T) {
	if !netnstest.Inside(t) {
		return
	}
	makeLink(t)
	startAvahi(t)

	t.Run("it hears us", func(t *testing.T) {
		ctx, bye := context.WithCancel(t.Context())
		changes := make(chan Service)
		ended := make(chan error, 1)
		s := Service{Type: judged, Instance: "02:00:00:aa:bb:cc@fe80::ff:feaa:bbcc", Host: "phone.local.", Port: 62078, TXT: []string{"identifier=abc", "authTag=AyDSy6pLk4Q="}}
		go func() {
			ended <- Announce(ctx, s, changes, Options{Interfaces: Named("v0"), poll: 200 * time.Millisecond})
		}()
		untilBrowsed(t, `;phone.local;10.9.0.1;62078;"authTag=AyDSy6pLk4Q=" "identifier=abc"`, true)
		next := s
		next.TXT = []string{"identifier=def"}
		changes <- next
		untilBrowsed(t, `62078;"identifier=def"`, true)
		bye()
		<-ended
		untilBrowsed(t, "=;v0;", false)
	})

	t.Run("we hear it", func(t *testing.T) {
		events := browseV0(t)
		cmd := exec.CommandContext(t.Context(), netnstest.Look(t, "avahi-publish"), "-s", "Max' iPhone 3.5", judged, "1234", "identifier=xyz")
		cmd.Env = avahiEnv()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ev := <-events
		i := ev.Instance
		for ev.Here && len(i.Addrs) < 2 { // each version of IP is told apart
			ev = <-events
			i = ev.Instance
		}
		if !ev.Here || i.Name != "Max' iPhone 3.5" || i.Port != 1234 || i.Host != "judge.local." || strings.Join(i.TXT, ",") != "identifier=xyz" || i.Interface != "v0" {
			t.Errorf("heard %+v", ev)
		}
		if !i.Addrs[0].Is4() || i.Addrs[1].Zone() != "v0" || !i.Addrs[1].IsLinkLocalUnicast() || i.Addrs[0] != netip.MustParseAddr("10.9.0.1") {
			t.Errorf("addresses %v", i.Addrs)
		}
		cmd.Process.Kill()
		cmd.Wait() // killed
		for ev = range events {
			if !ev.Here {
				break
			}
		}
	})

	t.Run("a link goes down and comes back", func(t *testing.T) {
		ctx, bye := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		s := Service{Type: judged, Instance: "phone@down", Host: "phone2.local.", Port: 62078}
		opt := Options{Interfaces: Named("v0"), poll: 100 * time.Millisecond}
		go func() { ended <- Announce(ctx, s, nil, opt) }()
		events := browseV0(t)
		await(t, events, "phone@down", true)
		netnstest.Run(t, "ip", "link", "set", "v0", "down")
		await(t, events, "phone@down", false)
		netnstest.Run(t, "ip", "link", "set", "v0", "up")
		await(t, events, "phone@down", true)
		bye()
		<-ended
		await(t, events, "phone@down", false)
	})
}

func await(t *testing.T, events <-chan Event, name string, here bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case ev := <-events:
			if ev.Instance.Name == name && ev.Here == here {
				return
			}
		case <-limit:
			t.Fatalf("%s: here=%v was never told", name, here)
		}
	}
}

func browseV0(t *testing.T) <-chan Event {
	events := make(chan Event, 64)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := Browse(ctx, judged, Options{Interfaces: Named("v0"), poll: 100 * time.Millisecond}, func(ev Event) { events <- ev }); ctx.Err() == nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return events
}

// makeLink makes a veth with an end that nobody holds.
func makeLink(t *testing.T) {
	netnstest.Run(t, "ip", "link", "set", "lo", "up")
	netnstest.Run(t, "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	netnstest.Run(t, "ip", "addr", "add", "10.9.0.1/24", "dev", "v0")
	netnstest.Run(t, "ip", "link", "set", "v0", "up")
	netnstest.Run(t, "ip", "link", "set", "v1", "up")
}

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/bus</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*"/><allow send_type="method_call"/><allow send_type="signal"/>
<allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
<allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
</policy></busconfig>`

const avahiConfig = `[server]
host-name=judge
use-ipv4=yes
use-ipv6=yes
allow-interfaces=v0
[publish]
publish-workstation=no
`

func avahiEnv() []string {
	return append(os.Environ(), "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/bus")
}

// startAvahi runs a D-Bus and an avahi in an empty /run. Its own user may not
// exist in this user namespace: there it is root.
func startAvahi(t *testing.T) {
	netnstest.Run(t, "mount", "-t", "tmpfs", "none", "/run")
	for _, name := range []string{"passwd", "group"} {
		data, err := os.ReadFile("/etc/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(data), "\n")
		for i, l := range lines {
			if f := strings.Split(l, ":"); f[0] == "avahi" {
				f[2] = "0"
				if name == "passwd" {
					f[3] = "0"
				}
				lines[i] = strings.Join(f, ":")
			}
		}
		write(t, "/run/"+name, strings.Join(lines, "\n"))
		netnstest.Run(t, "mount", "--bind", "/run/"+name, "/etc/"+name)
	}
	for _, dir := range []string{"/run/avahi-daemon", "/run/dbus"} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "/run/bus.conf", busConfig)
	write(t, "/run/avahi.conf", avahiConfig)
	daemon(t, "dbus-daemon", "--config-file=/run/bus.conf", "--nofork", "--print-address")
	daemon(t, "avahi-daemon", "-f", "/run/avahi.conf", "--no-drop-root", "--no-chroot", "--no-rlimits")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Clean(path), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// daemon starts a daemon and waits until it says that it is there.
func daemon(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), netnstest.Look(t, name), args...)
	cmd.Env = avahiEnv()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	said := make(chan string, 1)
	go func() {
		var text strings.Builder
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "unix:path") || strings.Contains(lines.Text(), "startup complete") {
				select {
				case said <- "":
				default:
				}
			}
		}
		select {
		case said <- text.String():
		default:
		}
	}()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); out.Close() })
	select {
	case complaint := <-said:
		if complaint != "" {
			t.Fatalf("%s: %s", name, complaint)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("%s says nothing", name)
	}
}

// untilBrowsed asks avahi until its list has a text in it, or has it no more.
func untilBrowsed(t *testing.T, want string, present bool) {
	t.Helper()
	var last string
	for range 20 {
		cmd := exec.CommandContext(t.Context(), netnstest.Look(t, "avahi-browse"), "-rpt", judged)
		cmd.Env = avahiEnv()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("avahi-browse: %v\n%s", err, out)
		}
		if last = string(out); strings.Contains(last, want) == present {
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	t.Fatalf("avahi-browse: %q present=%v never came:\n%s", want, present, last)
}
