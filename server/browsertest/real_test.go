package browsertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/keepsake-backup/keepsake/auth"
	"github.com/keepsake-backup/keepsake/catalog"
	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/discovery"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/targets"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// folders are places on this computer, one repository for each phone, whose keys
// cost nothing.
type folders struct{}

func (folders) Look(_ context.Context, where string) (service.Place, error) {
	f := folder{dir: where}
	entries, err := os.ReadDir(where)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, e := range entries {
		if udid, err := device.ParseUDID(e.Name()); err == nil {
			f.members = append(f.members, udid)
		}
	}
	return f, nil
}

func (folders) Keeper(book *targets.Book, _ func(context.Context, string) (secret.RepositoryPassword, error), _ func(context.Context, string) (map[string]string, error)) *targets.Keeper {
	return &targets.Keeper{Book: book, Mounts: func() ([]string, error) { return nil, nil }}
}

type folder struct {
	dir     string
	members []device.UDID
}

func (f folder) String() string         { return f.dir }
func (f folder) Shared() bool           { return false }
func (f folder) Members() []device.UDID { return f.members }
func (f folder) Empty() bool            { return len(f.members) == 0 }
func (f folder) Free() int64            { return 1 << 40 }

func (f folder) Prove(ctx context.Context, password secret.RepositoryPassword) error {
	r, err := f.Open(ctx, f.members[0], password)
	if err != nil {
		return err
	}
	return r.Close()
}

func (f folder) Open(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, error) {
	be, err := local.Open(filepath.Join(f.dir, udid.String()), local.Options{})
	if err != nil {
		return nil, err
	}
	return repository.Open(ctx, be, password, repository.Options{})
}

func (f folder) OpenOrMake(ctx context.Context, udid device.UDID, password secret.RepositoryPassword) (*repository.Repository, bool, error) {
	if _, err := os.Stat(filepath.Join(f.dir, udid.String(), "config")); err == nil {
		r, err := f.Open(ctx, udid, password)
		return r, false, err
	}
	be, err := local.Open(filepath.Join(f.dir, udid.String()), local.Options{})
	if err != nil {
		return nil, false, err
	}
	var o repository.InitOptions
	o.KDF.N, o.KDF.R, o.KDF.P = 1<<10, 8, 1
	r, err := repository.Init(ctx, be, password, o)
	return r, true, err
}

func (f folder) Sheet(_ context.Context, shown, _ secret.RepositoryPassword) ([]byte, error) {
	return fmt.Appendf(nil, "<!doctype html><html lang=en><style>b{color:green}</style><h1>Recovery sheet</h1><p>%s <b>%t</b>", f.dir, !shown.IsZero()), nil
}

// realHouse is the real service with real accounts, over one virtual phone.
func realHouse(t *testing.T) (svc *service.Service, base, place string) {
	t.Helper()
	trust, err := virtualphone.ParseTrust("after=1s")
	if err != nil {
		t.Fatal(err)
	}
	passcode, err := virtualphone.ParsePasscode("after=2s")
	if err != nil {
		t.Fatal(err)
	}
	phones, err := virtualphone.Start(t.Context(), virtualphone.Config{Dir: t.TempDir(), Profile: "tiny", KDFRounds: 1, DeviceName: "Emma's iPhone", Trust: &trust, Passcode: &passcode, RebootTime: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phones.Close() })
	data := t.TempDir()
	db, err := catalog.Open(t.Context(), filepath.Join(data, "keepsake.db"), catalog.Options{Key: secret.NewBytes(make([]byte, 32))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	addr, err := usbmux.ParseAddress(phones.Addr())
	if err != nil {
		t.Fatal(err)
	}
	svc, err = service.Open(t.Context(), service.Options{Data: data, DB: db, Places: folders{}, Pace: service.Pace{Look: 200 * time.Millisecond, Unlock: 100 * time.Millisecond},
		Phones: discovery.New(discovery.Options{Mux: &usbmux.Client{Address: addr}, Known: service.KnownPhones(db), Recorder: service.Records{DB: db}, NoWiFi: true})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})

	var handler http.Handler
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(merge(r.Context(), ctx)))
	}))
	t.Cleanup(func() { cancel(); s.CloseClientConnections(); s.Close() })
	// Passkeys belong to a name: an address has none.
	base = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	keeper, err := auth.New(db, auth.Options{Origins: []string{base}, Hash: &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	if err != nil {
		t.Fatal(err)
	}
	if handler, err = server.New(server.Options{Service: svc, Auth: keeper, Version: "v0.0.0"}); err != nil {
		t.Fatal(err)
	}
	return svc, base, filepath.Join(t.TempDir(), "backups")
}

// TestRealService goes from nothing to a backup that can be looked into, with the
// real service and a virtual phone whose owner takes his time; then it signs in
// with a passkey.
func TestRealService(t *testing.T) {
	t.Parallel()
	svc, base, place := realHouse(t)
	b := open(t, base, 390, false)
	b.visit("/")
	b.fill("name", "Emma")
	b.fill("login", "emma")
	b.fill("password", "too short")
	eval[bool](b, "(() => { document.querySelector('form').noValidate = true; return true })()")
	b.expect = []string{"400", "409"}
	b.press("Next")
	b.shows("That did not work")
	b.visit("/setup")
	b.fill("name", "Emma")
	b.fill("login", "emma")
	b.fill("password", "plum cake and tea")
	b.press("Next")
	b.shows("Where do the backups go?")
	b.fill("place", place)
	b.press("Next")
	b.shows("Print the recovery sheet")
	b.visit("/settings/sheet?password=1")
	b.shows("Recovery sheet")
	if got := eval[string](b, "getComputedStyle(document.querySelector('b')).color"); got != "rgb(0, 128, 0)" {
		t.Errorf("the sheet lacks its style: %s", got)
	}
	b.visit("/setup/phone")
	b.shows("Emma's iPhone")
	b.axe()
	b.picture("real-setup-phone")
	b.press("Pair")
	b.press("Next: encryption")
	b.shows("Encrypt the backups of Emma's iPhone?")
	b.fill("new", "river stone")
	b.fill("again", "river stone")
	b.press("Switch on encryption")
	b.shows("Its backups are encrypted.")
	b.press("Next: when")
	b.press("Finish")
	b.shows("All set.")
	b.press("Back Up Now")
	b.shows("Look inside")
	b.picture("real-backup-done")
	b.press("Look inside")
	b.shows("Search")
	b.axe()
	b.picture("real-inside")
	o, err := svc.Overview(t.Context(), service.System)
	if err != nil || len(o.Phones) != 1 || o.Phones[0].DaysVerified != 0 || !o.Phones[0].Encrypted {
		t.Fatalf("after the backup: %+v, %v", o, err)
	}
	b.visit("/")
	b.shows("days since the last verified backup")
	b.picture("real-home")
	b.visit("/phones/" + o.Phones[0].UDID)
	b.axe()
	b.picture("real-phone")
	b.visit("/phones/" + o.Phones[0].UDID + "/history")
	b.picture("real-history")

	b.passkey()
}

// passkey registers one, signs out, and signs in with it.
func (b *tab) passkey() {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}}); err != nil {
		b.t.Fatal(err)
	}
	b.visit("/account")
	b.fill("pkname", "My key")
	b.press("Add a passkey")
	b.shows("Your passkey is ready")
	b.shows("My key")
	b.picture("account-passkey")
	b.press("Sign out")
	b.shows("Welcome back")
	b.press("Use a passkey")
	b.shows("days since the last verified backup")
}
