package state

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/secret"
)

func create(t *testing.T, dir string, seed uint64) *Phone {
	t.Helper()
	if err := Begin(dir); err != nil {
		t.Fatal(err)
	}
	p, err := Create(dir, NewIdentity(seed), DefaultSettings(seed))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewIdentity(t *testing.T) {
	a, b := NewIdentity(7), NewIdentity(7)
	if d := cmp.Diff(a, b); d != "" {
		t.Errorf("the same seed gives another phone: %s", d)
	}
	seen := map[string]bool{}
	for seed := range uint64(200) {
		id := NewIdentity(seed)
		for _, v := range []string{id.UDID, id.SerialNumber, id.WiFiAddress, id.IMEI, id.ICCID} {
			if seen[v] {
				t.Errorf("seed %d: %s again", seed, v)
			}
			seen[v] = true
		}
		if !ValidUDID(id.UDID) || len(id.UDID) != 25 || len(id.SerialNumber) != 12 || len(id.IMEI) != 15 || !strings.HasPrefix(id.PhoneNumber, "+1 (555) 555-01") {
			t.Errorf("seed %d: %+v", seed, id)
		}
	}
	// The example of every description of the check digit.
	if got := luhn("7992739871"); got != "79927398713" {
		t.Errorf("luhn: %s", got)
	}
}

// TestBonjourName: the EUI-64 pair of protocol.md 8.5.
func TestBonjourName(t *testing.T) {
	p := &Phone{identity: Identity{WiFiAddress: "18:f1:d8:df:17:9f"}, pairings: []Pairing{{HostID: "A"}, {HostID: "B"}}}
	want := "18:f1:d8:df:17:9f@fe80::1af1:d8ff:fedf:179f._apple-mobdev2._tcp.local."
	a := p.Announcement()
	if a.FullName() != want || len(a.HostIDs) != 2 || a.Identifier == "" {
		t.Errorf("got %+v, want %s", a, want)
	}
	p.settings.PrivateAddress = true
	private := p.Announcement()
	if first := private.MAC[1]; private.MAC == a.MAC || !strings.ContainsRune("26ae", rune(first)) {
		t.Errorf("private address %s is not locally administered", private.MAC)
	}
	if private.Identifier != a.Identifier || p.Announcement().MAC != private.MAC {
		t.Error("a private address changes by itself")
	}
}

func TestBuild(t *testing.T) {
	for version, want := range map[string]string{
		"18.6": "22G86", "17.4.1": "21E236", "15.7.1": "19H117", "27.0": "24A437", // listed
		"14.2": "18C100", "26.1.2": "23B102", "18.6.2": "22G102", // by the rule
	} {
		if got, err := Build(version); err != nil || got != want {
			t.Errorf("Build(%s) = %s, %v; want %s", version, got, err, want)
		}
	}
	for _, bad := range []string{"", "18", "x", "18.6.1.2", "118.0", "18.", "-1.0", "18.6 "} {
		if got, err := Build(bad); err == nil {
			t.Errorf("Build(%q) = %s", bad, got)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "phone")
	p := create(t, dir, 3)
	if err := p.Update(func(s *Settings) error {
		s.DeviceName, s.Lock, s.MediaProtected = "Ann’s phone", Locked, []string{"DCIM"}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	x := Pairing{HostID: "H", HostCertificate: []byte("c"), EscrowBag: []byte("bag")}
	for _, err := range []error{
		p.Pair(Pairing{HostID: "other"}), p.Pair(x), p.SetBackupPassword(secret.NewBackupPassword("geheim")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	again, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p.Settings(), again.Settings()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(p.Identity(), again.Identity()); d != "" {
		t.Error(d)
	}
	if got, ok := again.Pairing("H"); !ok || !cmp.Equal(got, x) || again.Pairings() != 2 {
		t.Errorf("pairing: %+v, %v", got, ok)
	}
	if !again.Key().Equal(p.Key()) || again.BackupPassword().Reveal() != "geheim" {
		t.Error("key or password lost")
	}
	if known, err := again.Unpair("H"); !known || err != nil {
		t.Errorf("Unpair: %v, %v", known, err)
	}
	if known, err := again.Unpair("H"); known || err != nil {
		t.Errorf("Unpair again: %v, %v", known, err)
	}
	if err := again.Forget(); err != nil || again.Pairings() != 0 || !again.BackupPassword().IsZero() {
		t.Errorf("Forget: %v", err)
	}
}

func TestSecretsArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // no such modes there
	}
	dir := t.TempDir()
	p := create(t, dir, 3)
	if err := errors.Join(p.Pair(Pairing{HostID: "H"}), p.SetBackupPassword(secret.NewBackupPassword("x"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{phoneFile, keyFile, pairingsFile, secretsFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestUpdateFailureChangesNothing(t *testing.T) {
	p := create(t, t.TempDir(), 1)
	before := p.Settings()
	boom := errors.New("boom")
	if err := p.Update(func(s *Settings) error { s.DeviceName = "x"; return boom }); !errors.Is(err, boom) {
		t.Errorf("Update: %v", err)
	}
	if d := cmp.Diff(before, p.Settings()); d != "" {
		t.Error(d)
	}
}

func TestForeignFolders(t *testing.T) {
	for name, content := range map[string]string{
		"no JSON":       "hello",
		"cut short":     `{"format": "keepsake virtual ph`,
		"another thing": `{"format": "something else", "version": 1}`,
		"newer":         `{"format": "keepsake virtual phone", "version": 99, "identity": {"udid": "00008101-000123456789ABCD"}}`,
		"no UDID":       `{"format": "keepsake virtual phone", "version": 1}`,
		"evil UDID":     `{"format": "keepsake virtual phone", "version": 1, "identity": {"udid": "../../etc"}}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, phoneFile), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: Load: %v", name, err)
		}
		if err := Begin(dir); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: Begin: %v", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, phoneFile)); err != nil || string(got) != content {
			t.Errorf("%s: the file was touched: %q, %v", name, got, err)
		}
	}
	for _, broken := range []string{keyFile, pairingsFile, secretsFile} {
		dir := t.TempDir()
		create(t, dir, 1)
		if err := os.WriteFile(filepath.Join(dir, broken), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(dir); !errors.Is(err, ErrForeign) {
			t.Errorf("broken %s: Load: %v", broken, err)
		}
	}
}

// TestUnfinished: a process that died while it made a phone leaves a folder
// that the next one may empty.
func TestUnfinished(t *testing.T) {
	dir := t.TempDir()
	if err := Begin(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "fs", "HomeDomain"), 0o700); err != nil {
		t.Fatal(err)
	}
	if there, err := Exists(dir); there || err != nil {
		t.Errorf("Exists: %v, %v", there, err)
	}
	create(t, dir, 1)
	if _, err := os.Stat(filepath.Join(dir, "fs")); !os.IsNotExist(err) {
		t.Errorf("leftovers: %v", err)
	}
	if _, err := Load(dir); err != nil {
		t.Error(err)
	}
}

func TestAcquire(t *testing.T) {
	dir := t.TempDir()
	l, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Acquire(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("second Acquire: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	l, err = Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestPairingsAreBounded(t *testing.T) {
	p := create(t, t.TempDir(), 1)
	for i := range maxPairings { // not one by one: each would be made durable
		p.pairings = append(p.pairings, Pairing{HostID: time.Duration(i).String()})
	}
	if err := p.Pair(Pairing{HostID: "new"}); err != nil {
		t.Fatal(err)
	}
	_, oldest := p.Pairing("0s")
	_, newest := p.Pairing("new")
	if oldest || !newest || p.Pairings() != maxPairings {
		t.Errorf("oldest %v, newest %v, %d in all", oldest, newest, p.Pairings())
	}
}

func TestParsePrompt(t *testing.T) {
	for text, want := range map[string]Prompt{
		"none": {}, "after=2s": {Delayed, 2 * time.Second}, "refuse": {Kind: Refused}, "refuse=50ms": {Refused, 50 * time.Millisecond},
	} {
		got, err := ParsePrompt(text, NoPasscode)
		if err != nil || got != want {
			t.Errorf("ParsePrompt(%q) = %+v, %v", text, got, err)
		}
		if back := got.Text(NoPasscode); back != text {
			t.Errorf("%q comes back as %q", text, back)
		}
	}
	for _, bad := range []string{"", "auto", "after", "after=", "after=-1s", "after=x", "refuse=x", "yes"} {
		if got, err := ParsePrompt(bad, NoPasscode); err == nil {
			t.Errorf("ParsePrompt(%q) = %+v", bad, got)
		}
	}
}
