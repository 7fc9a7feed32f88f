package virtualphone_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/virtualphone"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/hosttest"
)

// TestControlOffline: use, erase, digest and set work on the folder when no
// process owns it.
func TestControlOffline(t *testing.T) {
	dir := tinyPhone(t)
	ctx := within(t)
	c, err := virtualphone.OpenControl(dir, "")
	check(t, err)
	before := digest(t, c)
	if len(before) < 50 {
		t.Errorf("digest of %d lines", len(before))
	}
	if again := digest(t, c); strings.Join(again, "") != strings.Join(before, "") {
		t.Error("two digests differ")
	}
	changes, err := c.Use(ctx, 2)
	check(t, err)
	if len(changes.Added) == 0 || len(changes.Modified) == 0 {
		t.Errorf("two days without a change: %+v", changes)
	}
	if after := digest(t, c); strings.Join(after, "") == strings.Join(before, "") {
		t.Error("use changes no digest")
	}
	check(t, c.Set(ctx, "name=Bea’s phone", "find-my=on"))
	if st, err := c.Status(ctx); err != nil || st.Name != "Bea’s phone" || st.Running || st.UDID != c.UDID() {
		t.Errorf("%+v, %v", st, err)
	}
	for name, err := range map[string]error{
		"unplug": c.Unplug(ctx), "plug": c.Plug(ctx), "reboot": c.Reboot(ctx), "notify": c.Notify(ctx, "x"),
		"fault": c.AddFaults(ctx, "cut@upload"), "clear": c.ClearFaults(ctx),
	} {
		if !errors.Is(err, virtualphone.ErrNotRunning) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check(t, c.Erase(ctx))
	if st, err := c.Status(ctx); err != nil || st.Setup != "setup" || st.Name != "iPhone" {
		t.Errorf("%+v, %v", st, err)
	}
	if after := digest(t, c); len(after) >= len(before) {
		t.Errorf("an erased phone holds %d of %d files", len(after), len(before))
	}
	check(t, c.FinishSetup(ctx))
	if st, err := c.Status(ctx); err != nil || st.Setup != "done" {
		t.Errorf("%+v, %v", st, err)
	}
}

func digest(t testing.TB, c *virtualphone.Control) []string {
	t.Helper()
	var b bytes.Buffer
	check(t, c.Digest(within(t), &b))
	lines := strings.SplitAfter(b.String(), "\n")
	for _, l := range lines[:len(lines)-1] {
		// A backslash escapes odd names, as sha256sum does.
		if i := strings.Index(strings.TrimPrefix(l, `\`), "  "); i != 64 {
			t.Fatalf("digest line %q", l)
		}
	}
	return lines
}

// TestControlOnline: the same, and more, through the phone's process.
func TestControlOnline(t *testing.T) {
	dir := tinyPhone(t)
	s := start(t, func(c *virtualphone.Config) { c.Dir = dir })
	h := pair(t, s, hosttest.Styles[0])
	ctx := within(t)
	c, err := virtualphone.OpenControl(dir, h.phone.UDID())
	check(t, err)
	before := digest(t, c)
	changes, err := c.Use(ctx, 1)
	check(t, err)
	if len(changes.Added) == 0 || strings.Join(digest(t, c), "") == strings.Join(before, "") {
		t.Errorf("%+v", changes)
	}
	check(t, c.Set(ctx, "name=Bea’s phone"))
	if got := h.session().Value("", "DeviceName"); got != "Bea’s phone" {
		t.Error(got)
	}
	if err := c.Set(ctx, "name=x", "colour=red"); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown setting: %v", err)
	}
	if st, err := c.Status(ctx); err != nil || st.Name != "Bea’s phone" || !st.Running || !st.Attached || st.Pairings != 1 {
		t.Errorf("half a change was made, or: %+v, %v", st, err)
	}
	check(t, c.Unplug(ctx))
	if n := len(hosttest.Devices(t, s.Addr())); n != 0 {
		t.Errorf("%d devices", n)
	}
	check(t, c.Plug(ctx))
	check(t, c.AddFaults(ctx, "refuse@lockdown.QueryType=ServiceLimit, refuse@mux.ReadBUID*0=1"))
	h.lockdown().Refused("ServiceLimit", dict{"Request": "QueryType"})
	if _, reply := hosttest.Mux(t, s.Addr(), dict{"MessageType": "ReadBUID"}); reply["Number"] != uint64(1) {
		t.Errorf("%v", reply)
	}
	check(t, c.ClearFaults(ctx))
	if _, reply := hosttest.Mux(t, s.Addr(), dict{"MessageType": "ReadBUID"}); reply["BUID"] == nil {
		t.Errorf("%v", reply)
	}
	if err := c.AddFaults(ctx, "cut"); err == nil || !strings.Contains(err.Error(), "ACTION@POINT") {
		t.Errorf("a bad fault: %v", err)
	}
	n := h.service("com.apple.mobile.notification_proxy")
	n.Send(dict{"Command": "ObserveNotification", "Name": "com.apple.itunes-client.syncCancelRequest"})
	await(t, h.phone, "observe.com.apple.itunes-client.syncCancelRequest", 1)
	check(t, c.Notify(ctx, "com.apple.itunes-client.syncCancelRequest"))
	if got := n.Receive().(dict)["Name"]; got != "com.apple.itunes-client.syncCancelRequest" {
		t.Error(got)
	}
	rebooted := make(chan error, 1)
	go func() { rebooted <- c.Reboot(ctx) }()
	await(t, h.phone, "down", 1)
	digest(t, c) // which waits, since a restore is put in place then
	if st, err := c.Status(ctx); err != nil || !st.Attached {
		t.Errorf("a digest of a phone that is off: %+v, %v", st, err)
	}
	check(t, <-rebooted)
	check(t, c.Erase(ctx))
	h.lockdown().Refused("InvalidHostID", dict{"Request": "StartSession", "HostID": h.record.HostID})
	check(t, c.FinishSetup(ctx))
	if !strings.Contains(virtualphone.SettingsHelp(), "lock=unlocked|locked") {
		t.Error(virtualphone.SettingsHelp())
	}
}

func TestControlIsPrivate(t *testing.T) {
	s := start(t, nil)
	p := s.Phones()[0]
	file := filepath.Join(p.Dir(), "control.json")
	info, err := os.Stat(file)
	check(t, err)
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	b, err := os.ReadFile(file)
	check(t, err)
	addr := strings.Split(string(b), `"`)[3]
	for _, token := range []string{"", "wrong"} {
		req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/"+p.UDID()+"/erase", strings.NewReader("{}"))
		check(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}).Do(req)
		check(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("token %q: %s", token, resp.Status)
		}
	}
	check(t, s.Close())
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the token stays: %v", err)
	}
}

func TestOpenControl(t *testing.T) {
	several := t.TempDir()
	s, err := virtualphone.Start(context.Background(), virtualphone.Config{Dir: several, Empty: true, Count: 2})
	check(t, err)
	udid := s.Phones()[1].UDID()
	if c, err := virtualphone.OpenControl(several, udid); err != nil || c.UDID() != udid {
		t.Errorf("%v", err)
	} else if st, err := c.Status(within(t)); err != nil || !st.Running {
		t.Errorf("%+v, %v", st, err)
	}
	check(t, s.Close())
	for _, tt := range []struct{ dir, udid, want string }{
		{several, "", "holds 2 phones"},
		{several, "../..", "is no UDID"},
		{several, "00008101-0000000000000000", "no such file"},
		{filepath.Join(several, udid), "00008101-0000000000000000", "holds " + udid},
		{t.TempDir(), "", "no virtual phone"},
		{filepath.Join(several, "nowhere"), "", "no such file"},
	} {
		if _, err := virtualphone.OpenControl(tt.dir, tt.udid); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q, %q: %v, want %q", tt.dir, tt.udid, err, tt.want)
		}
	}
}

func TestParsePrompts(t *testing.T) {
	for _, good := range []string{"none", "after=2s", "refuse"} {
		if _, err := virtualphone.ParsePasscode(good); err != nil {
			t.Error(err)
		}
	}
	if _, err := virtualphone.ParsePasscode("auto"); err == nil {
		t.Error("passcode auto")
	}
	if _, err := virtualphone.ParseTrust("none"); err == nil {
		t.Error("trust none")
	}
}
