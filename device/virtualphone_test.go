package device_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/afc"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/heartbeat"
	"github.com/keepsake-backup/keepsake/installationproxy"
	"github.com/keepsake-backup/keepsake/lockdown"
	"github.com/keepsake-backup/keepsake/notificationproxy"
	"github.com/keepsake-backup/keepsake/springboard"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// bench is a virtual phone and a client of its muxer.
type bench struct {
	*virtualphone.Phone
	srv *virtualphone.Server
	mux *usbmux.Client
}

func start(t *testing.T, cfg virtualphone.Config) *bench {
	t.Helper()
	cfg.Dir, cfg.Empty, cfg.KDFRounds, cfg.RebootTime = t.TempDir(), true, 1000, 50*time.Millisecond
	cfg.WiFiListen = "127.0.0.1:0"
	srv, err := virtualphone.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { srv.Close() })
	addr, err := usbmux.ParseAddress(srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return &bench{srv.Phones()[0], srv, &usbmux.Client{Address: addr}}
}

// open gives a handle on the phone.
func (b *bench) open(t *testing.T, transport device.Transport) *device.Device {
	t.Helper()
	d, err := device.Open(t.Context(), device.Options{Mux: b.mux, Select: b.UDID(), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// paired gives a handle on a phone that trusts us.
func (b *bench) paired(t *testing.T) *device.Device {
	t.Helper()
	d := b.open(t, device.USB)
	if err := d.Pair(t.Context(), device.PairOptions{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func (b *bench) set(t *testing.T, pairs ...string) {
	t.Helper()
	if err := b.Set(pairs...); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) fault(t *testing.T, specs string) {
	t.Helper()
	faults, err := virtualphone.ParseFaults(specs)
	if err != nil {
		t.Fatal(err)
	}
	b.AddFaults(faults...)
}

// is checks an error and that it says what to do.
func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || device.Hint(err) == "" {
		t.Errorf("got %v with hint %q, want %v", err, device.Hint(err), want)
	}
}

func TestOpen(t *testing.T) {
	b := start(t, virtualphone.Config{Count: 2, Seed: 7})
	b.set(t, "name=Anna’s iPhone")
	ctx := t.Context()
	for _, by := range []string{b.UDID(), strings.ToLower(b.UDID()), b.UDID()[:20], "anna's iphone", "Anna"} {
		d, err := device.Open(ctx, device.Options{Mux: b.mux, Select: by})
		if err != nil {
			t.Errorf("%q: %v", by, err)
			continue
		}
		if d.UDID().String() != b.UDID() || d.Transport() != device.USB {
			t.Errorf("%q: got %s over %s", by, d.UDID(), d.Transport())
		}
		d.Close()
	}
	_, err := device.Open(ctx, device.Options{Mux: b.mux})
	is(t, err, device.ErrSeveral)
	if !strings.Contains(err.Error(), "Anna’s iPhone") || !strings.Contains(err.Error(), b.UDID()) {
		t.Errorf("the phones are not named: %v", err)
	}
	_, err = device.Open(ctx, device.Options{Mux: b.mux, Select: "Bert's iPhone"})
	is(t, err, device.ErrNoDevice)
	_, err = device.Open(ctx, device.Options{Mux: b.mux, Transport: device.Network})
	is(t, err, device.ErrNoDevice)
	all, err := device.Discover(ctx, b.mux)
	if err != nil || len(all) != 2 {
		t.Errorf("discovered %d, %v", len(all), err)
	}
	for _, d := range all {
		d.Close()
	}
}

func TestOpen_withoutDaemon(t *testing.T) {
	_, err := device.Open(t.Context(), device.Options{Mux: &usbmux.Client{Address: usbmux.Address{Network: "tcp", Addr: "127.0.0.1:1"}}})
	var absent *usbmux.DaemonError
	if !errors.As(err, &absent) || device.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
}

func TestDevice_Pair(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.open(t, "")
	before, err := d.Info(ctx)
	if err != nil || before.Paired || before.ProductVersion == "" {
		t.Errorf("before: %v, %v, %q", before.Paired, err, before.ProductVersion)
	}
	if ok, err := d.Paired(ctx); ok || err != nil {
		t.Errorf("before: paired %v, %v", ok, err)
	}
	_, err = d.StartService(ctx, afc.Service)
	is(t, err, device.ErrNotPaired)
	for range 2 { // the second finds it done
		err := d.Pair(ctx, device.PairOptions{HostName: "desk", Prompt: func(p device.Prompt) { t.Errorf("prompt %v", p) }})
		if err != nil {
			t.Fatal(err)
		}
	}
	after, err := d.Info(ctx)
	if err != nil || !after.Paired || after.UDID.String() != b.UDID() || after.Name != "iPhone" || d.Name() != "iPhone" ||
		after.SerialNumber == "" || after.IMEI == "" || after.PhoneNumber == "" || after.UniqueChipID == 0 || after.BuildVersion == "" {
		t.Errorf("after: %+v, %v", after, err)
	}
	if n := b.Count("paired"); n != 1 {
		t.Errorf("paired %d times", n)
	}
	if err := d.Unpair(ctx); err != nil {
		t.Errorf("unpair: %v", err)
	}
	if err := d.Unpair(ctx); err != nil {
		t.Errorf("unpair again: %v", err)
	}
	if ok, err := d.Paired(ctx); ok || err != nil || b.Count("unpaired") != 1 {
		t.Errorf("after Unpair: paired %v, %v", ok, err)
	}
}

func TestDevice_Pair_dialog(t *testing.T) {
	b := start(t, virtualphone.Config{})
	d := b.open(t, "")
	b.set(t, "trust=refuse")
	prompts := 0
	opt := device.PairOptions{Prompt: func(device.Prompt) { prompts++ }}
	is(t, d.Pair(t.Context(), opt), device.ErrRefused)

	b.set(t, "trust=after=1h")
	ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
	defer cancel()
	prompts = 0
	err := d.Pair(ctx, opt)
	is(t, err, device.ErrTrustPending)
	if prompts != 1 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d prompts, %v", prompts, err)
	}
	b.set(t, "trust=auto", "passcode=after=1h", "lock=locked")
	is(t, d.Pair(t.Context(), opt), device.ErrLocked)
}

func TestDevice_Pair_waitsForTheOwner(t *testing.T) {
	b := start(t, virtualphone.Config{})
	b.set(t, "trust=after=100ms")
	d := b.open(t, "")
	prompts := 0
	if err := d.Pair(t.Context(), device.PairOptions{Prompt: func(device.Prompt) { prompts++ }}); err != nil || prompts != 1 {
		t.Errorf("got %v with %d prompts", err, prompts)
	}
}

func TestDevice_Pair_afterAnErase(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.paired(t)
	if err := b.Erase(ctx); err != nil {
		t.Fatal(err)
	}
	b.set(t, "setup=setup", "trust=refuse")
	is(t, d.Pair(ctx, device.PairOptions{}), device.ErrNotPaired)
	if ok, err := d.Paired(ctx); ok || !errors.Is(err, device.ErrNotPaired) {
		t.Errorf("paired %v, %v", ok, err)
	}
	// A phone in set-up asks nobody.
	if err := d.Pair(ctx, device.PairOptions{Renew: true}); err != nil {
		t.Fatal(err)
	}
	for setup, want := range map[string]device.SetupState{"new": device.SetupNew, "setup": device.InSetup, "done": device.SetUp} {
		b.set(t, "setup="+setup)
		if got, err := d.SetupState(ctx); got != want || err != nil {
			t.Errorf("%s: got %v, %v", setup, got, err)
		}
	}
}

func TestDevice_state(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.paired(t)
	flag := func(name string, f func(context.Context) (bool, bool, error), want bool) {
		t.Helper()
		if on, known, err := f(ctx); on != want || !known || err != nil {
			t.Errorf("%s: got %v, %v, %v", name, on, known, err)
		}
	}
	flag("Find My", d.FindMy, false)
	flag("supervised", d.Supervised, false)
	b.set(t, "find-my=on", "supervised=on", "requires-encryption=on", "passcode=after=1s")
	flag("Find My", d.FindMy, true)
	flag("supervised", d.Supervised, true)
	if s, err := d.BackupState(ctx); err != nil || s.WillEncrypt || !s.RequiresEncryption {
		t.Errorf("backup state %+v, %v", s, err)
	}
	if has, err := d.PasscodeConfigured(ctx); err != nil || !has {
		t.Errorf("passcode %v, %v", has, err)
	}
	b.set(t, "passcode=none")
	if has, err := d.PasscodeConfigured(ctx); err != nil || has {
		t.Errorf("no passcode: %v, %v", has, err)
	}
	if s, err := d.Battery(ctx); err != nil || s.Percent < 0 || s.Percent > 100 {
		t.Errorf("battery %+v, %v", s, err)
	}
	if u, err := d.DiskUsage(ctx); err != nil || u.DataAvailable > u.TotalCapacity {
		t.Errorf("disk usage %+v, %v", u, err)
	} else if used := u.DataCapacity - u.DataAvailable; used < 1<<20 || used > 10<<20 { // it holds next to nothing
		t.Errorf("%d bytes are used: %+v", used, u)
	}
	if err := d.EnableWiFi(ctx, true); err != nil {
		t.Error(err)
	}
	flag("Wi-Fi", d.WiFiEnabled, true)
	if _, err := d.Get(ctx, "", "NoSuchValue"); !errors.Is(err, lockdown.MissingValue) {
		t.Errorf("missing value: %v", err)
	}
	if v, err := d.Values(ctx, ""); err != nil || v["ProductType"] == nil {
		t.Errorf("all values: %d, %v", len(v), err)
	}
}

func TestDevice_opensTheSessionAgain(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.paired(t)
	for _, fault := range []string{"cut@lockdown.GetValue", "refuse@lockdown.GetValue=SessionInactive", "refuse@lockdown.GetValue=InvalidConnection", "garbage@lockdown.GetValue"} {
		b.fault(t, fault)
		sessions := b.Count("lockdown.StartSession")
		if _, err := d.Get(ctx, "", "DeviceName"); err != nil {
			t.Errorf("%s: %v", fault, err)
		}
		if n := b.Count("lockdown.StartSession") - sessions; n != 1 {
			t.Errorf("%s: %d new sessions", fault, n)
		}
		b.ClearFaults()
	}
	b.fault(t, "cut@lockdown.GetValue*9")
	if _, err := d.Get(ctx, "", "DeviceName"); err == nil {
		t.Error("no error from a phone that always hangs up")
	}
	b.ClearFaults()
	if err := b.Reboot(ctx); err != nil {
		t.Fatal(err)
	}
	if err := d.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(ctx, "", "DeviceName"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	b.Unplug()
	_, err := d.Get(ctx, "", "DeviceName")
	is(t, err, device.ErrNoDevice)
	if !strings.Contains(device.Hint(err), "USB Restricted Mode") {
		t.Errorf("hint %q", device.Hint(err))
	}
}

func TestDevice_StartService(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.paired(t)
	conn, err := d.StartService(ctx, afc.Service)
	if err != nil {
		t.Fatal(err)
	}
	media := afc.New(conn)
	defer media.Close()
	if err := media.MakeDir(ctx, "/DCIM/100APPLE"); err != nil {
		t.Error(err)
	}
	want := strings.Repeat("picture", 300_000) // more than one piece
	if err := media.WriteFile(ctx, "/DCIM/100APPLE/a.jpg", []byte(want)); err != nil {
		t.Error(err)
	}
	if got, err := fs.ReadFile(media.FS(ctx, "/DCIM"), "100APPLE/a.jpg"); err != nil || string(got) != want {
		t.Errorf("read %d bytes back, %v", len(got), err)
	}
	if _, err := media.Stat(ctx, "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := d.StartService(ctx, "com.example.none"); !errors.Is(err, lockdown.InvalidService) {
		t.Errorf("unknown service: %v", err)
	}
	for fault, kind := range map[string]error{"PasswordProtected": device.ErrLocked, "ServiceLimit": device.ErrRefused} {
		b.fault(t, "refuse@lockdown.StartService="+fault)
		_, err := d.StartService(ctx, afc.Service)
		is(t, err, kind)
		b.ClearFaults()
	}
	b.set(t, "passcode=after=1h", "lock=before-first-unlock")
	_, err = d.StartService(ctx, "com.apple.mobilebackup2", device.WithEscrow())
	is(t, err, device.ErrLocked)
}

func TestDevice_lock(t *testing.T) {
	b := start(t, virtualphone.Config{})
	d := b.paired(t)
	var files []*afc.File
	for range 2 {
		conn, err := d.StartService(t.Context(), afc.Service)
		if err != nil {
			t.Fatal(err)
		}
		c := afc.New(conn)
		defer c.Close()
		f, err := c.OpenFile(t.Context(), "/com.apple.itunes.lock_sync", afc.ModeReadWriteCreate)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	if err := files[0].Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := files[1].Lock(ctx); !errors.Is(err, afc.StatusWouldBlock) {
		t.Errorf("locked twice: %v", err)
	}
	if err := files[0].Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	if err := files[1].Lock(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDevice_smallServices(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.paired(t)
	conn, err := d.StartService(ctx, notificationproxy.Service)
	if err != nil {
		t.Fatal(err)
	}
	n := notificationproxy.New(conn)
	defer n.Close()
	if err := n.Post(ctx, notificationproxy.SyncWillStart); err != nil {
		t.Error(err)
	}
	if err := n.Observe(ctx, notificationproxy.SyncCancelRequest, notificationproxy.AuthenticationPresented); err != nil {
		t.Error(err)
	}
	if err := b.Await(ctx, "observe."+notificationproxy.AuthenticationPresented, 1); err != nil {
		t.Error(err)
	}
	b.Notify("com.example.unobserved")
	b.Notify(notificationproxy.SyncCancelRequest)
	if name, err := n.Receive(ctx); err != nil || name != notificationproxy.SyncCancelRequest {
		t.Errorf("received %q, %v", name, err)
	}
	if err := n.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if b.Count("posted."+notificationproxy.SyncWillStart) != 1 {
		t.Error("not posted")
	}
	conn, err = d.StartService(ctx, installationproxy.Service)
	if err != nil {
		t.Fatal(err)
	}
	apps := installationproxy.New(conn)
	defer apps.Close()
	list, err := apps.Browse(ctx, installationproxy.AttrSINF, installationproxy.AttrMetadata)
	if err != nil {
		t.Error(err)
	}
	conn, err = d.StartService(ctx, springboard.Service)
	if err != nil {
		t.Fatal(err)
	}
	icons := springboard.New(conn)
	defer icons.Close()
	for _, app := range list {
		if _, err := icons.IconPNG(ctx, app.BundleID); err != nil {
			t.Error(err)
		}
	}
}

func TestDevice_KeepAwake(t *testing.T) {
	b := start(t, virtualphone.Config{})
	d := b.paired(t)
	release := d.KeepAwake(t.Context(), func(err error) { t.Error(err) })
	if err := b.Await(t.Context(), "assertion", 1); err != nil {
		t.Fatal(err)
	}
	release()
	release()
	if err := b.Await(t.Context(), "assertion-released", 1); err != nil {
		t.Error(err)
	}
	d.KeepAwake(t.Context(), nil) // ends with the handle
	if err := b.Await(t.Context(), "assertion", 2); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := b.Await(t.Context(), "assertion-released", 2); err != nil {
		t.Error(err)
	}
}

func TestDevice_overTheNetwork(t *testing.T) {
	b := start(t, virtualphone.Config{WiFi: true})
	ctx := t.Context()
	usb := b.paired(t)
	if err := usb.EnableWiFi(ctx, true); err != nil {
		t.Fatal(err)
	}
	if err := b.Await(ctx, "network-attached", 1); err != nil {
		t.Fatal(err)
	}
	all, err := device.Discover(ctx, b.mux)
	if err != nil || len(all) != 1 || all[0].Transport() != device.USB {
		t.Errorf("by cable and Wi-Fi: got %d, %v", len(all), err)
	}
	wifi := b.open(t, device.Network)
	if _, err := wifi.Info(ctx); err != nil {
		t.Errorf("through the muxer: %v", err)
	}
	if b.Count("service."+heartbeat.Service) != 0 {
		t.Error("a heartbeat beside the muxer's own")
	}
	b.fault(t, "refuse@mux.Connect*1000=1") // a muxer that does not connect to Wi-Fi
	direct := b.open(t, device.Network)
	if _, err := direct.Info(ctx); err != nil {
		t.Errorf("past the muxer: %v", err)
	}
	if err := b.Await(ctx, "service."+heartbeat.Service, 1); err != nil {
		t.Errorf("no heartbeat: %v", err)
	}
	if err := direct.Unpair(ctx); err != nil {
		t.Error(err)
	}
	again := b.open(t, device.Network)
	is(t, again.Pair(ctx, device.PairOptions{Renew: true}), device.ErrRefused)
}

func TestAwait(t *testing.T) {
	b := start(t, virtualphone.Config{})
	ctx := t.Context()
	d := b.paired(t)
	b.Unplug()
	if err := d.AwaitGone(ctx); err != nil {
		t.Error(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := device.Await(short, device.Options{Mux: b.mux})
	is(t, err, device.ErrNoDevice)
	go func() {
		time.Sleep(20 * time.Millisecond)
		b.Plug()
	}()
	again, err := device.Await(ctx, device.Options{Mux: b.mux, Select: b.UDID()})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.AwaitReady(ctx); err != nil {
		t.Error(err)
	}
}

func TestDevice_isSharedByGoroutines(t *testing.T) {
	b := start(t, virtualphone.Config{})
	d := b.paired(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%4 == 3 {
				cancel() // one that gives up spoils nothing for the others
			}
			_, err := d.Info(ctx)
			if errors.Is(err, context.Canceled) != (i%4 == 3) || err != nil && i%4 != 3 {
				t.Errorf("%d: %v", i, err)
			}
			conn, err := d.StartService(t.Context(), afc.Service)
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
		})
	}
	wg.Wait()
}

// Example shows the way from a cable to a file of the phone.
func Example() {
	ctx := context.Background()
	phone, err := device.Open(ctx, device.Options{Select: "Anna's iPhone"})
	if err != nil {
		fmt.Println(err)
		fmt.Println(device.Hint(err)) // what to do about it
		return
	}
	defer phone.Close()
	if err := phone.Pair(ctx, device.PairOptions{Prompt: func(p device.Prompt) { fmt.Println(p) }}); err != nil {
		fmt.Println(err)
		return
	}
	conn, err := phone.StartService(ctx, afc.Service)
	if err != nil {
		fmt.Println(err)
		return
	}
	media := afc.New(conn)
	defer media.Close()
	pictures, err := fs.Glob(media.FS(ctx, "/"), "DCIM/*/*.HEIC")
	fmt.Println(len(pictures), err)
}
