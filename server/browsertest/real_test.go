package browsertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/keepsake-backup/keepsake/internal/daemon"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/location"
	"github.com/keepsake-backup/keepsake/service"
	"github.com/keepsake-backup/keepsake/usbmux"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

// realHouse is the service as it is run, over virtual phones.
type realHouse struct {
	*daemon.Daemon
	base, place string
	phones      *virtualphone.Server
}

func newRealHouse(t *testing.T, cfg virtualphone.Config) *realHouse {
	t.Helper()
	cfg.Dir, cfg.Profile, cfg.KDFRounds, cfg.RebootTime = t.TempDir(), "tiny", 1, 50*time.Millisecond
	phones, err := virtualphone.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { phones.Close() })
	addr, err := usbmux.ParseAddress(phones.Addr())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &realHouse{place: filepath.Join(t.TempDir(), "backups"), phones: phones}
	// Passkeys belong to a name: an address has none.
	h.base = fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
	h.Daemon, err = daemon.Open(t.Context(), daemon.Options{Data: filepath.Join(t.TempDir(), "service"), Mux: &usbmux.Client{Address: addr}, NoWiFi: true, Origins: []string{h.base}, Version: "v0.0.0",
		Repository: repository.Options{KDF: repository.KDF{N: 1 << 10, R: 8, P: 1}},
		Pace:       service.Pace{Look: 200 * time.Millisecond, Unlock: 100 * time.Millisecond, Targets: 200 * time.Millisecond},
		Sheet: func(w io.Writer, at location.Location, _ []daemon.SheetEntry, shown secret.RepositoryPassword) error {
			_, err := fmt.Fprintf(w, "<!doctype html><html lang=en><title>Recovery sheet</title><style>b{color:green}</style><h1>Recovery sheet</h1><p>%s <b>%t</b>", at, !shown.IsZero())
			return err
		},
		Free: func(string) int64 { return 1 << 40 },
		Hash: &argon2id.Params{Memory: 1024, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		Log:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Serve(ctx, l, nil, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, h.Close()); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return h
}

// TestRealService goes from nothing to a backup that can be looked into, with the
// real service and a virtual phone whose owner takes his time; then it signs in
// with a passkey.
func TestRealService(t *testing.T) {
	t.Parallel()
	trust, err := virtualphone.ParseTrust("after=1s")
	if err != nil {
		t.Fatal(err)
	}
	passcode, err := virtualphone.ParsePasscode("after=2s")
	if err != nil {
		t.Fatal(err)
	}
	h := newRealHouse(t, virtualphone.Config{DeviceName: "Emma's iPhone", Trust: &trust, Passcode: &passcode})
	svc := h.Service
	b := open(t, h.base, 390, false)
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
	b.fill("place", h.place)
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
	b.press("Photos")
	b.shows("Albums")
	b.await("the pictures", "document.images.length > 5 && [...document.querySelectorAll('.pictures img')].slice(0, 6).every((i) => i.complete && i.naturalWidth > 0)")
	b.axe()
	b.picture("real-photos")
	b.do("a picture", chromedp.Click(chromedp.CSS(".pictures a")))
	b.shows("Taken")
	b.picture("real-photo")
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
	b.written("/phones/" + o.Phones[0].UDID)
	h.clickEverything(t, "emma", "plum cake and tea")

	b.passkey()
}

// written searches for what was written, from the phone's page on.
func (b *tab) written(phone string) {
	b.t.Helper()
	b.visit(phone)
	b.do("look for a word", chromedp.SendKeys(chromedp.CSS("form[action$='/search'] input[name=q]"), "the\r"))
	b.shows("there since")
	b.await("all has been read", "!document.getElementById('found').textContent.includes('being read')")
	b.axe()
	b.picture("real-find")
	b.do("the first", chromedp.Click(chromedp.CSS("#found a.row")))
	b.await("the record", "location.search.startsWith('?key=')")
	b.picture("real-found")
}

// clickEverything follows every link of the house.
func (h *realHouse) clickEverything(t *testing.T, login, password string) {
	t.Helper()
	token, session, err := h.Auth.SignIn(t.Context(), login, secret.NewText(password), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c := newCrawl(h.base, clientOf(t, h.base, token.Reveal()))
	c.run([]string{"/"})
	c.report(t, 100)
	if err := h.Auth.SignOut(t.Context(), session.ID); err != nil {
		t.Fatal(err)
	}
}

// TestRealFamily drives what needs more than one backup: a second copy, a restore onto
// the phone after it was erased, and a member who sees nothing of it.
func TestRealFamily(t *testing.T) {
	t.Parallel()
	h := newRealHouse(t, virtualphone.Config{DeviceName: "Emma's iPhone"})
	ctx := t.Context()
	emma, err := h.Auth.CreateFirst(ctx, "emma", "Emma", secret.NewText("plum cake and tea"))
	if err != nil {
		t.Fatal(err)
	}
	who := service.Who{Account: emma.ID, Name: "Emma", Admin: true}
	if _, err := h.Service.SetUp(ctx, who, h.place, secret.NewRepositoryPassword("river stone")); err != nil {
		t.Fatal(err)
	}
	b := open(t, h.base, 390, false)
	b.visit("/")
	b.fill("login", "emma")
	b.fill("password", "plum cake and tea")
	b.press("Sign in")
	b.shows("Emma's iPhone")
	phone := h.phones.Phones()[0]
	b.visit("/phones/" + phone.UDID())
	b.press("Pair")
	b.shows("The phone trusts this computer.")
	b.visit("/phones/" + phone.UDID())
	b.press("Back Up Now")
	b.shows("Look inside")
	var before strings.Builder
	if err := phone.Digest(ctx, &before); err != nil {
		t.Fatal(err)
	}

	// A second copy, in a folder as a disk would be.
	b.visit("/targets")
	b.press("Add a place")
	b.press("A hard disk")
	copies := t.TempDir()
	b.fill("name", "blue-disk")
	b.fill("location", copies)
	b.press("Add it and copy")
	b.shows("copied.")
	b.visit("/targets")
	b.shows("Holds everything.")
	b.picture("real-targets")
	if found, err := filepath.Glob(filepath.Join(copies, "*", "snapshots", "*")); err != nil || len(found) == 0 {
		t.Errorf("no snapshot in the copy: %v, %v", found, err)
	}

	// The phone is erased, and shows up as a fresh one.
	if err := phone.Erase(ctx); err != nil {
		t.Fatal(err)
	}
	b.visit("/")
	b.shows("Restore from…")
	b.picture("real-erased")
	b.press("Restore from…")
	b.shows("You see what would happen before anything is changed.")
	b.do("choose whose", chromedp.Click(chromedp.CSS(`a[href*="/restore?from="]`)))
	b.shows("Which version")
	b.do("choose the newest", chromedp.Click(chromedp.CSS(`section[aria-labelledby="which"] a.row`)))
	b.shows("Ready to restore")
	b.do("tick", chromedp.Click(chromedp.CSS("input[name=sure]")))
	ups := phone.Count("up")
	b.press("Restore now")
	b.shows("files restored.")
	b.picture("real-restored")
	if err := phone.Await(ctx, "up", ups+1); err != nil { // it puts its files in place while it starts
		t.Fatal(err)
	}
	var after strings.Builder
	if err := phone.Digest(ctx, &after); err != nil {
		t.Fatal(err)
	}
	if before.String() != after.String() {
		t.Errorf("the phone is not as it was:\n%s", differences(before.String(), after.String()))
	}

	// Somebody else sees nothing of it.
	b.visit("/people")
	b.fill("name", "Ben")
	b.fill("login", "ben")
	b.press("Make an account")
	b.shows("Give this to ben")
	password := eval[string](b, "document.getElementById('pw').textContent")
	ben := open(t, h.base, 1280, true)
	ben.visit("/")
	ben.fill("login", "ben")
	ben.fill("password", password)
	ben.press("Sign in")
	ben.shows("Plug")
	if strings.Contains(ben.text(), "Emma") {
		t.Errorf("Ben sees Emma's phone:\n%s", ben.text())
	}
	ben.expect = []string{"404", "403"}
	for _, path := range []string{"/phones/" + phone.UDID(), "/phones/" + phone.UDID() + "/history", "/people", "/settings", "/targets"} {
		ben.visit(path)
		if text := ben.text(); !strings.Contains(text, "There is no such page") && !strings.Contains(text, "That is not yours to do") {
			t.Errorf("%s shows Ben: %s", path, text)
		}
	}
}

// differences are the lines that only one of two digests has, at most twenty.
func differences(before, after string) string {
	var out []string
	only := func(mark, of, not string) {
		has := map[string]bool{}
		for line := range strings.Lines(not) {
			has[line] = true
		}
		for line := range strings.Lines(of) {
			if !has[line] && len(out) < 20 {
				out = append(out, mark+line)
			}
		}
	}
	only("before: ", before, after)
	only("after:  ", after, before)
	return strings.Join(out, "")
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
