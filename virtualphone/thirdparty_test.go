package virtualphone_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
)

// tools runs Debian's libimobiledevice-utils against a server.
type tools struct {
	t    *testing.T
	addr string
}

func (x tools) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "USBMUXD_SOCKET_ADDRESS="+x.addr)
	return cmd
}

// try runs a tool to its end.
func (x tools) try(name string, args ...string) (string, error) {
	out, err := x.command(within(x.t), name, args...).CombinedOutput()
	return string(out), err
}

// ok runs a tool that must succeed and say want.
func (x tools) ok(want, name string, args ...string) string {
	x.t.Helper()
	out, err := x.try(name, args...)
	if err != nil || !strings.Contains(out, want) {
		x.t.Errorf("%s %v: %v, want %q in\n%s", name, args, err, want, out)
	}
	return out
}

// fails runs a tool that must fail and say want.
func (x tools) fails(want, name string, args ...string) {
	x.t.Helper()
	out, err := x.try(name, args...)
	if err == nil || !strings.Contains(out, want) {
		x.t.Errorf("%s %v: %v, want a failure and %q in\n%s", name, args, err, want, out)
	}
}

// domains that ideviceinfo knows.
var domains = []string{
	"com.apple.disk_usage", "com.apple.disk_usage.factory", "com.apple.mobile.battery", "com.apple.iqagent", "com.apple.purplebuddy",
	"com.apple.PurpleBuddy", "com.apple.mobile.chaperone", "com.apple.mobile.third_party_termination", "com.apple.mobile.lockdownd",
	"com.apple.mobile.lockdown_cache", "com.apple.xcode.developerdomain", "com.apple.international", "com.apple.mobile.data_sync",
	"com.apple.mobile.tethered_sync", "com.apple.mobile.mobile_application_usage", "com.apple.mobile.backup", "com.apple.mobile.nikita",
	"com.apple.mobile.restriction", "com.apple.mobile.user_preferences", "com.apple.mobile.sync_data_class", "com.apple.mobile.software_behavior",
	"com.apple.mobile.iTunes.SQLMusicLibraryPostProcessCommands", "com.apple.mobile.iTunes.accessories", "com.apple.mobile.internal",
	"com.apple.mobile.wireless_lockdown", "com.apple.fairplay", "com.apple.iTunes", "com.apple.mobile.iTunes.store", "com.apple.mobile.iTunes",
	"com.apple.fmip", "com.apple.Accessibility",
}

// TestLibimobiledevice: unmodified tools take the phone for a real one.
func TestLibimobiledevice(t *testing.T) {
	t.Parallel() // the tools wait more than they work
	s := start(t, nil)
	p := s.Phones()[0]
	x := tools{t, s.Addr()}
	if out := x.ok(p.UDID(), "idevice_id", "-l"); strings.TrimSpace(out) != p.UDID() {
		t.Errorf("%q", out)
	}
	x.ok("ProductType: iPhone13,2", "ideviceinfo", "-s")
	x.ok("SUCCESS: Paired with device "+p.UDID(), "idevicepair", "pair")
	x.ok("SUCCESS: Validated", "idevicepair", "validate")
	x.ok("-", "idevicepair", "hostid")
	x.ok("-", "idevicepair", "systembuid")
	x.ok("SerialNumber: ", "ideviceinfo")
	x.ok("<key>PhoneNumber</key>", "ideviceinfo", "-x")
	x.ok(p.UDID(), "ideviceinfo", "-u", p.UDID(), "-k", "UniqueDeviceID")
	for _, d := range domains {
		x.ok("", "ideviceinfo", "-q", d)
	}
	x.ok("BonjourFullServiceName: 02:", "ideviceinfo", "-q", "com.apple.mobile.wireless_lockdown")
	x.ok("true", "ideviceinfo", "-q", "com.apple.purplebuddy", "-k", "SetupDone")
	x.ok("iPhone", "idevicename")
	x.ok("Zoë", "idevicename", "Zoë’s iPhone")
	x.ok("Zoë’s iPhone", "idevicename")
	x.ok("", "idevicedate")
	x.ok("<key>PasswordConfigured</key>", "idevicediagnostics", "mobilegestalt", "PasswordConfigured")
	x.ok("GasGauge", "idevicediagnostics", "diagnostics", "GasGauge")
	x.ok("SUCCESS: Unpaired", "idevicepair", "unpair")
	x.ok("SUCCESS: Paired", "idevicepair", "pair")
	x.ok("", "idevicediagnostics", "restart")
	await(t, p, "up", 2)
	x.ok("SUCCESS: Validated", "idevicepair", "validate")
}

func TestLibimobiledeviceNotifications(t *testing.T) {
	t.Parallel() // the tools wait more than they work
	s := start(t, nil)
	p := s.Phones()[0]
	x := tools{t, s.Addr()}
	x.ok("SUCCESS", "idevicepair", "pair")
	ctx, cancel := context.WithCancel(within(t))
	// The tool never flushes, so that only a line-buffered pipe shows what it hears.
	observer := x.command(ctx, "stdbuf", "-oL", "idevicenotificationproxy", "observe", "com.example.hello")
	out, err := observer.StdoutPipe()
	check(t, err)
	check(t, observer.Start())
	defer func() {
		cancel()
		_ = observer.Wait() // killed
	}()
	await(t, p, "observe.com.example.hello", 1)
	x.ok("posting", "idevicenotificationproxy", "post", "com.example.hello")
	await(t, p, "posted.com.example.hello", 1)
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			t.Fatal("the observer heard nothing")
		}
		check(t, err)
		if strings.HasPrefix(line, "> com.example.hello") {
			return
		}
	}
}

// TestLibimobiledeviceTrust: the dialog, seen by a tool that does not wait.
func TestLibimobiledeviceTrust(t *testing.T) {
	t.Parallel() // the tools wait more than they work
	s := start(t, func(c *virtualphone.Config) {
		c.Trust = &virtualphone.Prompt{Kind: 1, After: 50 * time.Millisecond}
	})
	p := s.Phones()[0]
	x := tools{t, s.Addr()}
	x.fails("Please accept the trust dialog", "idevicepair", "pair")
	await(t, p, "notify.com.apple.mobile.lockdown.request_pair", 1)
	// The tool makes a new HostID for each attempt unless it has a record, so the
	// phone asks again: trust it at once now.
	check(t, p.Set("trust=auto"))
	x.ok("SUCCESS", "idevicepair", "pair")
	check(t, p.Set("passcode=after=1ms", "lock=locked"))
	x.ok("SUCCESS", "idevicepair", "validate") // a known host needs no passcode
	x.ok("SUCCESS", "idevicepair", "unpair")
	x.fails("passcode is set", "idevicepair", "pair")
	check(t, p.Set("lock=unlocked", "passcode=refuse"))
	x.fails("trust dialog", "idevicepair", "pair")
}

// TestLibimobiledeviceAfterErase: after the phone was erased the tool's
// record is worthless, and it can pair anew (protocol.md 11.2).
func TestLibimobiledeviceAfterErase(t *testing.T) {
	t.Parallel() // the tools wait more than they work
	s := start(t, nil)
	p := s.Phones()[0]
	x := tools{t, s.Addr()}
	x.ok("SUCCESS", "idevicepair", "pair")
	check(t, p.Erase(within(t)))
	x.ok("SUCCESS", "idevicepair", "pair")
	x.ok("Activated", "ideviceinfo", "-k", "ActivationState")
}
