package backupagent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/fault"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/vault"
)

const testUDID = "00008030-001A2B3C4D5E6F70"

// testPhone is a phone with a few files and nothing else.
type testPhone struct {
	fault.Set
	t     *testing.T
	ctx   context.Context
	dir   string
	rules Rules

	mu       sync.Mutex
	policy   Policy
	identity Identity
	password secret.BackupPassword
	vault    *vault.Vault
	auth     error
	prompt   func(context.Context) error
	apps     []contents.App
	reboots  int
	erased   int
	notified []string
}

func newPhone(t *testing.T) *testPhone {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	p := &testPhone{t: t, ctx: ctx, dir: t.TempDir(),
		policy: Policy{SetupDone: true, PasscodeSet: true, KDFRounds: 10},
		identity: Identity{UDID: testUDID, DeviceName: "Test phone", ProductType: "iPhone12,1", ProductVersion: "18.6",
			BuildVersion: "22G86", SerialNumber: "C39TEST", DeviceClass: "iPhone"},
		apps: []contents.App{{BundleID: "com.example.app", Version: "7", Path: "/var/containers/Bundle/Application/X/App.app", Groups: []string{"group.example"}}},
	}
	p.rules = phoneRules()
	p.rules.Apps = func(string) ([]contents.App, error) { return p.apps, nil }
	return p
}

func (p *testPhone) Dir() string         { return p.dir }
func (p *testPhone) Vault() *vault.Vault { return p.vault }
func (p *testPhone) Identity() Identity  { p.mu.Lock(); defer p.mu.Unlock(); return p.identity }
func (p *testPhone) Policy() Policy      { p.mu.Lock(); defer p.mu.Unlock(); return p.policy }
func (p *testPhone) BackupPassword() secret.BackupPassword {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.password
}
func (p *testPhone) SetBackupPassword(s secret.BackupPassword) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.password.IsZero() != s.IsZero() {
		p.notified = append(p.notified, "com.apple.mobile.backup.domain_changed")
	}
	p.password = s
	return nil
}
func (p *testPhone) Authenticate(ctx context.Context) (entered bool, err error) {
	if p.prompt != nil {
		err := p.prompt(ctx)
		return err == nil, err
	}
	return false, p.auth
}
func (p *testPhone) Reboot() { p.mu.Lock(); p.reboots++; p.mu.Unlock() }
func (p *testPhone) Erase()  { p.mu.Lock(); p.erased++; p.mu.Unlock() }
func (p *testPhone) Notify(name string) {
	p.mu.Lock()
	p.notified = append(p.notified, name)
	p.mu.Unlock()
}

func (p *testPhone) fault(specs string) {
	p.t.Helper()
	faults, err := fault.Parse(specs)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Clear()
	p.Add(faults...)
}

var testDay = time.Date(2026, 8, 20, 6, 0, 0, 0, time.UTC)

func (p *testPhone) at(name string) string {
	return filepath.Join(p.dir, "fs", filepath.FromSlash(name))
}

// write makes a file; name is Domain/path. Each write is a minute later.
func (p *testPhone) write(name string, data []byte) {
	p.t.Helper()
	at := p.at(name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(at, data, 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.stamp(name)
}

var clock = struct {
	sync.Mutex
	n int
}{}

func (p *testPhone) stamp(name string) {
	p.t.Helper()
	clock.Lock()
	clock.n++
	now := testDay.Add(time.Duration(clock.n) * time.Minute)
	clock.Unlock()
	if err := os.Chtimes(p.at(name), now, now); err != nil {
		p.t.Fatal(err)
	}
}

func (p *testPhone) remove(name string) {
	p.t.Helper()
	if err := os.RemoveAll(p.at(name)); err != nil {
		p.t.Fatal(err)
	}
}

// fill makes a small phone with one of everything.
func (p *testPhone) fill() {
	p.t.Helper()
	p.write("HomeDomain/Library/SMS/sms.db", []byte("not really a database"))
	p.write("HomeDomain/Library/Preferences/com.apple.a.plist", []byte("setting a"))
	p.write("HomeDomain/Library/Preferences/empty.plist", nil)
	p.write("HomeDomain/Library/Caches/never", []byte("in no backup"))
	p.write("HomeDomain/Library/SpringBoard/IconState.plist", []byte("icons"))
	p.write("CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC", bytes.Repeat([]byte("picture"), 100_000))
	p.write("CameraRollDomain/Media/DCIM/100APPLE/IMG_0002.HEIC", bytes.Repeat([]byte{7}, 2*256<<10))
	p.write("MediaDomain/Library/SMS/Attachments/ab/cd/e\u0301 😀.txt", []byte("sixteen bytes ok"))
	p.write("HealthDomain/Health/healthdb.sqlite", []byte("heart"))
	p.write("AppDomain-com.example.app/Documents/note.txt", []byte("note"))
	p.write("AppDomain-com.example.app/tmp/never", []byte("x"))
	p.write("AppDomainGroup-group.example/shared.txt", []byte("shared"))
	if err := os.MkdirAll(p.at("AppDomain-com.example.app/Documents/empty folder"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Symlink("note.txt", p.at("AppDomain-com.example.app/Documents/link")); err != nil && !os.IsExist(err) {
		p.t.Fatal(err)
	}
}

// files lists regular files as domain and path.
func (p *testPhone) files() [][2]string {
	p.t.Helper()
	var out [][2]string
	root := filepath.Join(p.dir, "fs")
	err := filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.Type().IsRegular() {
			rel, _ := filepath.Rel(root, at)
			domain, rest, _ := strings.Cut(filepath.ToSlash(rel), "/")
			out = append(out, [2]string{domain, rest})
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	return out
}

// digest lists everything a backup takes, with modes and times.
func (p *testPhone) digest(encrypted bool) []string {
	p.t.Helper()
	var out []string
	root := filepath.Join(p.dir, "fs")
	err := filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err != nil || at == root {
			return err
		}
		rel, _ := filepath.Rel(root, at)
		domain, rest, _ := strings.Cut(filepath.ToSlash(rel), "/")
		if !p.rules.Backed(domain, rest, encrypted) {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case e.Type().IsRegular():
			r, _, err := p.rules.SnapshotFile(p.ctx, at)
			if err != nil {
				return err
			}
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil {
				return err
			}
			r.Close()
			content = hex.EncodeToString(h.Sum(nil)[:8])
		case e.Type()&fs.ModeSymlink != 0:
			content, _ = os.Readlink(at)
		}
		out = append(out, fmt.Sprintf("%s %s %s %s", path.Join(domain, rest), info.Mode(), info.ModTime().UTC().Format(time.RFC3339), content))
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// wipe erases the phone as an owner does; the agent's own folder goes too.
func (p *testPhone) wipe() {
	p.t.Helper()
	for _, d := range []string{"fs", "backup", "media"} {
		if err := os.RemoveAll(filepath.Join(p.dir, d)); err != nil {
			p.t.Fatal(err)
		}
	}
}

// boot does what a phone does at boot.
func (p *testPhone) boot() {
	p.t.Helper()
	if err := commitStaged(p.ctx, p.dir, p.rules); err != nil {
		p.t.Fatal(err)
	}
}

// stored lists the data files that an unencrypted backup of the phone has.
func (p *testPhone) stored() []string {
	var out []string
	for _, f := range p.files() {
		if p.rules.Backed(f[0], f[1], !p.BackupPassword().IsZero()) {
			out = append(out, itunesbackup.MakeFileID(f[0], f[1]).Path())
		}
	}
	slices.Sort(out)
	return out
}

// wipeAgent makes the agent forget what it knows.
func (p *testPhone) wipeAgent() {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.dir, "backup")); err != nil {
		p.t.Fatal(err)
	}
}
