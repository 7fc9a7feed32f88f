package restore

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

// told is a phone that says what it was told to say.
type told struct {
	state      device.SetupState
	version    string
	findMy     bool
	supervised bool
	free       uint64
	broken     error
}

func (p told) UDID() device.UDID           { return device.UDID{} }
func (p told) Name() string                { return "phone" }
func (p told) Transport() device.Transport { return device.USB }
func (p told) StartService(context.Context, string, ...device.ServiceOption) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
func (p told) Get(context.Context, string, string) (any, error) { return nil, errors.ErrUnsupported }
func (p told) Values(context.Context, string) (map[string]any, error) {
	return nil, errors.ErrUnsupported
}
func (p told) Info(context.Context) (device.Info, error) {
	return device.Info{ProductVersion: p.version}, p.broken
}
func (p told) SetupState(context.Context) (device.SetupState, error) { return p.state, p.broken }
func (p told) FindMy(context.Context) (on, known bool, err error) {
	return p.findMy, p.findMy, p.broken
}
func (p told) Supervised(context.Context) (on, known bool, err error) {
	return p.supervised, p.supervised, p.broken
}
func (p told) DiskUsage(context.Context) (device.DiskUsage, error) {
	return device.DiskUsage{DataAvailable: p.free}, p.broken
}
func (p told) KeepAwake(context.Context, func(error)) func() { return func() {} }

func TestCheckPhone(t *testing.T) {
	yes, no := true, false
	const none = Level("")
	for name, c := range map[string]struct {
		phone  told
		backup string
		opt    Options
		want   map[string]Level
		choice Choice
	}{
		"fresh": {told{state: device.InSetup, version: "18.6", free: 1 << 40}, "17.3", Options{},
			map[string]Level{checkVersion: OK, checkFindMy: OK, checkSetup: OK, checkRemove: none, checkSpace: OK, checkManaged: none}, Choice{true, false, true, true}},
		"new": {told{state: device.SetupNew, version: "18.6"}, "18.6", Options{},
			map[string]Level{checkVersion: OK, checkSetup: Warning, checkSpace: none}, Choice{true, false, true, true}},
		"in use": {told{state: device.SetUp, version: "18.6"}, "18.6.1", Options{},
			map[string]Level{checkVersion: Blocker, checkSetup: Warning, checkRemove: Warning}, Choice{true, true, false, true}},
		"in use, like new": {told{state: device.SetUp, version: "18.10"}, "18.9", Options{SystemFiles: &yes, PreserveSettings: &no, RemoveItemsNotRestored: &yes, Reboot: &no},
			map[string]Level{checkVersion: OK, checkRemove: Warning}, Choice{true, false, true, false}},
		"iOS 27": {told{state: device.SetUp, version: "27.0"}, "26.5", Options{},
			map[string]Level{checkRemove: Warning}, Choice{true, true, false, true}},
		"unknown": {told{state: device.SetupUnknown}, "17.3", Options{},
			map[string]Level{checkVersion: Warning, checkSetup: Warning}, Choice{true, true, false, true}},
		"full":       {told{state: device.SetUp, version: "18", free: 5}, "17", Options{}, map[string]Level{checkSpace: Warning}, Choice{true, true, false, true}},
		"find my":    {told{state: device.SetUp, version: "18", findMy: true}, "17", Options{}, map[string]Level{checkFindMy: Blocker}, Choice{true, true, false, true}},
		"supervised": {told{state: device.SetUp, version: "18", supervised: true}, "17", Options{}, map[string]Level{checkManaged: Warning}, Choice{true, true, false, true}},
	} {
		r := &Report{Bytes: 1000}
		info := infoWith(c.backup)
		if err := r.checkPhone(t.Context(), c.phone, info, c.opt); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := map[string]Level{}
		for _, f := range r.Findings {
			got[f.Check] = f.Level
			if f.Level == Blocker && f.Remedy == "" {
				t.Errorf("%s: %s has no remedy", name, f.Check)
			}
		}
		for check, level := range c.want {
			if got[check] != level {
				t.Errorf("%s: %s is %q, want %q", name, check, got[check], level)
			}
		}
		if r.Choice != c.choice {
			t.Errorf("%s: choice %+v, want %+v", name, r.Choice, c.choice)
		}
	}
	broken := errors.New("cable")
	if err := (&Report{}).checkPhone(t.Context(), told{broken: broken}, infoWith("17"), Options{}); !errors.Is(err, broken) {
		t.Errorf("a broken cable is %v", err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	mk := func(names ...string) {
		for _, n := range names {
			if err := os.MkdirAll(filepath.Join(dir, n), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, n, "Manifest.plist"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(from, source, target, name string) {
		t.Helper()
		got, err := find(from, source, target)
		if name == "" {
			var none *NoBackupError
			if !errors.As(err, &none) || none.Hint() == "" {
				t.Errorf("find %q for %q: %q, %v", source, target, got, err)
			}
			return
		}
		if err != nil || got != filepath.Join(dir, name) {
			t.Errorf("find %q for %q: %q, %v; want %q", source, target, got, err, name)
		}
	}
	want(dir, "", "A", "")
	mk("B")
	want(dir, "", "A", "B")
	want(filepath.Join(dir, "B"), "", "A", "B")
	want(filepath.Join(dir, "B"), "B", "A", "B")
	want(filepath.Join(dir, "B"), "C", "A", "")
	mk("A", "B-20260102-030405")
	want(dir, "", "A", "A")
	want(dir, "", "C", "")
	want(dir, "B-20260102-030405", "A", "B-20260102-030405")
	for _, bad := range []string{"..", ".", "../" + filepath.Base(dir) + "/A", "A/", "/etc"} {
		want(dir, bad, "A", "")
	}
}

func infoWith(version string) itunesbackup.InfoPlist {
	return itunesbackup.InfoPlist{ProductVersion: version}
}
