package client_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/client"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/server"
	"github.com/keepsake-backup/keepsake/server/api"
	"github.com/keepsake-backup/keepsake/server/fake"
	"github.com/keepsake-backup/keepsake/service"
)

const token = "ksk_made-up-for-the-test"

// anna lets one token in, which is Anna's, with all scopes. What else a client may
// ask of accounts it answers with nothing.
type anna struct{ server.Auth }

func (anna) Token(_ context.Context, text secret.Text) (server.Token, error) {
	if text.Reveal() != token {
		return server.Token{}, server.ErrNobody
	}
	return server.Token{Account: server.Account{ID: 1, Name: "Anna", Login: "anna", Admin: true}, Scopes: []string{"admin"}}, nil
}

func (anna) FirstRun(context.Context) (bool, error) { return false, nil }
func (anna) Accounts(context.Context) ([]server.Account, error) {
	return []server.Account{{ID: 7}}, nil
}
func (anna) Tokens(context.Context, int64) ([]server.Token, error)      { return nil, nil }
func (anna) Passkeys(context.Context, int64) ([]server.Passkey, error)  { return nil, nil }
func (anna) DeletePasskey(context.Context, int64, []byte) error         { return nil }
func (anna) DeleteToken(context.Context, int64, int64) error            { return nil }
func (anna) DeleteAccount(context.Context, int64, int64) error          { return nil }
func (anna) UpdateAccount(context.Context, int64, server.Account) error { return nil }
func (anna) SetPassword(context.Context, int64, int64, secret.Text, secret.Text) error {
	return nil
}
func (anna) CreateAccount(_ context.Context, _ int64, a server.Account, _ secret.Text) (server.Account, error) {
	return a, nil
}
func (anna) CreateToken(context.Context, int64, server.Token) (secret.Text, error) {
	return secret.NewText("ksk_new"), nil
}
func (anna) Audit(context.Context, int64, int) ([]server.AuditEntry, error) { return nil, nil }

// recorder keeps what was asked for.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	r.mu.Lock()
	r.seen = append(r.seen, q.Method+" "+q.URL.EscapedPath())
	r.mu.Unlock()
	return http.DefaultTransport.RoundTrip(q)
}

func start(t *testing.T, o fake.Options) (*client.Client, *fake.Household, *recorder, string) {
	t.Helper()
	home := fake.New(o)
	h, err := server.New(server.Options{Service: home, Auth: anna{}, Version: "v9"})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	rec := &recorder{}
	c, err := client.New(s.URL, client.Options{Token: secret.NewText(token), HTTP: &http.Client{Transport: rec}})
	if err != nil {
		t.Fatal(err)
	}
	return c, home, rec, s.URL
}

// The client asks for every operation that the API describes.
func TestEveryOperationHasAMethod(t *testing.T) {
	c, _, rec, url := start(t, fake.Options{Still: true})
	ctx := t.Context()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	drop := func(...any) {} // results are not what this is about; refusals are fine
	login := "x"
	u, v := "U", "V"
	drop(c.Version(ctx))
	drop(c.Me(ctx))
	drop(c.Overview(ctx))
	drop(c.Phone(ctx, u))
	drop(c.Versions(ctx, u))
	drop(c.Jobs(ctx, u, 0, 5))
	drop(c.Job(ctx, 1))
	drop(c.Cancel(ctx, 1))
	drop(c.Follow(short, 1, nil))
	drop(c.Watch(short, func(api.Event) error { return nil }))
	drop(c.BackUp(ctx, u, false))
	drop(c.CopyMedia(ctx, u))
	drop(c.Pair(ctx, u))
	drop(c.SetEncryption(ctx, u, api.Encryption{}))
	drop(c.Rehearse(ctx, u, v))
	drop(c.Check(ctx, u))
	drop(c.Copy(ctx, "T"))
	drop(c.Signal(ctx, u))
	drop(c.Preflight(ctx, api.Restore{}))
	drop(c.Restore(ctx, api.Restore{}))
	drop(c.List(ctx, u, v, "", "", 1))
	drop(c.SearchContent(ctx, u, client.ContentQuery{Text: "x"}))
	drop(c.CompareVersions(ctx, u, "", v))
	drop(c.Search(ctx, u, v, "x", "", 1))
	drop(c.Download(ctx, u, v, "x", 0))
	drop(c.Kinds(ctx, u, v))
	drop(c.Groups(ctx, u, v, "K"))
	drop(c.Records(ctx, u, v, "K", client.RecordQuery{}))
	drop(c.Preview(ctx, u, v, "K", "x"))
	drop(c.Extract(ctx, u, v, "K", "", ""))
	drop(c.SetPolicy(ctx, u, api.Policy{}))
	drop(c.SetRetention(ctx, u, api.Retention{}))
	drop(c.SetOwner(ctx, u, 1))
	drop(c.SetGrant(ctx, u, true))
	drop(c.SetWiFi(ctx, u, true))
	drop(c.SetAddress(ctx, u, ""))
	drop(c.RememberPassword(ctx, u, api.Password{}))
	drop(c.Pin(ctx, u, v, true))
	drop(c.Forget(ctx, u, v))
	drop(c.SetUp(ctx, api.SetUp{}))
	drop(c.RecoverySheet(ctx, false))
	drop(c.AddTarget(ctx, api.NewTarget{}))
	drop(c.RemoveTarget(ctx, "T"))
	drop(c.Settings(ctx))
	drop(c.SetSettings(ctx, api.Settings{}))
	drop(c.TestNotification(ctx))
	drop(c.Accounts(ctx))
	drop(c.CreateAccount(ctx, api.NewAccount{}))
	drop(c.ChangeAccount(ctx, 7, api.ChangeAccount{Login: &login}))
	drop(c.DeleteAccount(ctx, 7))
	drop(c.Sessions(ctx))
	drop(c.EndSession(ctx, 1))
	drop(c.ChangePassword(ctx, api.ChangePassword{}))
	drop(c.Tokens(ctx))
	drop(c.CreateToken(ctx, api.NewToken{}))
	drop(c.DeleteToken(ctx, 1))
	drop(c.Passkeys(ctx))
	drop(c.DeletePasskey(ctx, "AA"))
	drop(c.Audit(ctx, 0, 5))

	resp, err := http.Get(url + "/api/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var d struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
		t.Fatal(err)
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for path, ops := range d.Paths {
		for method := range ops {
			fill := strings.NewReplacer("{udid}", u, "/versions/{id}", "/versions/"+v, "{name}", "T", "/jobs/{id}", "/jobs/1", "/tokens/{id}", "/tokens/1", "/sessions/{id}", "/sessions/1", "/accounts/{id}", "/accounts/7", "/passkeys/{id}", "/passkeys/AA", "{kind}", "K")
			if want := strings.ToUpper(method) + " /api/v1" + fill.Replace(path); !slices.Contains(rec.seen, want) {
				t.Errorf("no method of Client asks for %s", want)
			}
		}
	}
}

func TestFollow(t *testing.T) {
	c, _, _, _ := start(t, fake.Options{Still: true, Step: 20 * time.Millisecond})
	id, err := c.BackUp(t.Context(), fake.Anna, false)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	job, err := c.Follow(t.Context(), id, func(j api.Job) { seen = append(seen, j.State) })
	if err != nil || job.State != "done" || job.ID != id {
		t.Fatalf("followed to %+v, %v", job, err)
	}
	if len(seen) < 2 || seen[len(seen)-1] != "done" {
		t.Errorf("seen on the way: %v", seen)
	}
	if _, err := c.Follow(t.Context(), 999_999, nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
}

func TestFollowSurvivesBreaks(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n++
		switch n {
		case 1:
			fmt.Fprintln(w, `{"id":3,"state":"running"}`)
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			fmt.Fprint(w, `{"id":3,"state":"run`)
		default:
			fmt.Fprintln(w, `{"id":3,"state":"refused"}`)
		}
	}))
	defer s.Close()
	c, err := client.New(s.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	job, err := c.Follow(t.Context(), 3, nil)
	if err != nil || job.State != "refused" || n != 4 {
		t.Errorf("after %d requests: %+v, %v", n, job, err)
	}
}

func TestWatch(t *testing.T) {
	c, home, _, _ := start(t, fake.Options{Still: true})
	done := errors.New("seen enough")
	go func() {
		for range 50 { // until the watcher listens
			time.Sleep(20 * time.Millisecond)
			_ = home.SetWiFi(context.Background(), service.System, fake.Anna, true)
		}
	}()
	err := c.Watch(t.Context(), func(e api.Event) error {
		if e.Kind == "phone" && e.UDID == fake.Anna {
			return done
		}
		return nil
	})
	if err != done {
		t.Error(err)
	}
}

func TestDownloads(t *testing.T) {
	c, _, _, _ := start(t, fake.Options{Still: true})
	ctx := t.Context()
	vs, err := c.Versions(ctx, fake.Anna)
	if err != nil || len(vs) == 0 {
		t.Fatal(err)
	}
	l, err := c.List(ctx, fake.Anna, vs[0].ID, "AppDomain-com.example.recipes/Documents", "", 1)
	if err != nil || len(l.Entries) != 1 || l.Next == "" {
		t.Fatalf("%+v, %v", l, err)
	}
	name := l.Entries[0].Path
	read := func(offset int64) []byte {
		f, err := c.Download(ctx, fake.Anna, vs[0].ID, name, offset)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	whole := read(0)
	if int64(len(whole)) != l.Entries[0].Size || !bytes.Equal(read(1000), whole[1000:]) {
		t.Errorf("%d bytes of %d", len(whole), l.Entries[0].Size)
	}
	z, err := c.DownloadZip(ctx, fake.Anna, vs[0].ID, "AppDomain-com.example.recipes")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, body)
		if err != nil || uint64(n) != f.UncompressedSize64 {
			t.Errorf("%s: %d bytes, %v", f.Name, n, err)
		}
	}
	if want := []string{"Documents/100% rye_.json", "Documents/Grandmother’s plum cake.json", "Documents/Lentil soup.json"}; !slices.Equal(names, want) {
		t.Errorf("the ZIP has %q", names)
	}
	if _, err := c.Download(ctx, fake.Anna, vs[0].ID, "no/such", 0); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	c, _, _, url := start(t, fake.Options{Still: true})
	ctx := t.Context()
	err := c.SetPolicy(ctx, fake.Anna, api.Policy{EveryDays: 99, From: "25:00", To: "00:00"})
	refused, ok := errors.AsType[*client.Error](err)
	if !ok || refused.Status != http.StatusUnprocessableEntity || len(refused.Fields) != 2 || !strings.Contains(err.Error(), "body.every_days") {
		t.Errorf("a bad policy: %v", err)
	}
	err = c.Cancel(ctx, 1)
	if refused, ok := errors.AsType[*client.Error](err); !ok || refused.Hint() == "" || refused.Status != http.StatusConflict {
		t.Errorf("cancelling what is over: %v", err)
	}
	stranger, err := client.New(url, client.Options{Token: secret.NewText("ksk_wrong")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Overview(ctx); !errors.Is(err, client.ErrSignIn) || strings.Contains(err.Error(), "ksk_") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestNewRefusesPlainNetworks(t *testing.T) {
	for address, good := range map[string]bool{
		"https://nas.local:8443": true, "http://localhost:8080": true, "http://127.0.0.1:1/sub": true, "http://[::1]:80": true,
		"http://nas.local": false, "http://localhost.evil.example": false, "nas.local": false, "ftp://x": false, "https://u:p@x": false, "https://x/?a=b": false, "": false, ":": false,
	} {
		if _, err := client.New(address, client.Options{}); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	var got []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Get("Authorization")) }))
	defer elsewhere.Close()
	s := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	c, err := client.New(s.URL, client.Options{Token: secret.NewText(token)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Overview(t.Context()); err == nil || len(got) != 0 {
		t.Errorf("a redirect was followed: %v, %d requests", err, len(got))
	}
}

func TestContent(t *testing.T) {
	c, home, _, _ := start(t, fake.Options{Still: true})
	ctx := t.Context()
	versions, err := home.Versions(ctx, service.Who{Account: 1, Admin: true}, fake.Anna)
	if err != nil {
		t.Fatal(err)
	}
	v := versions[0].ID
	kinds, err := c.Kinds(ctx, fake.Anna, v)
	if err != nil || len(kinds.Kinds) < 3 || kinds.Kinds[0].Kind != "photos" || kinds.Kinds[0].State != "there" {
		t.Errorf("%+v, %v", kinds, err)
	}
	page, err := c.Records(ctx, fake.Anna, v, "photos", client.RecordQuery{Limit: 3})
	if err != nil || len(page.Records) != 3 || page.Next != 3 {
		t.Fatalf("%+v, %v", page, err)
	}
	if groups, err := c.Groups(ctx, fake.Anna, v, "photos"); err != nil || len(groups.Groups) != 2 {
		t.Errorf("%+v, %v", groups, err)
	}
	if data, err := c.Preview(ctx, fake.Anna, v, "photos", page.Records[0].Key); err != nil || len(data) < 100 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	z, err := c.Extract(ctx, fake.Anna, v, "photos", "jsonl", "")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if data, err := io.ReadAll(z); err != nil || string(data[:2]) != "PK" {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	if _, err := c.Records(ctx, fake.Anna, v, "voicemail", client.RecordQuery{}); err == nil {
		t.Error("a kind that is not there")
	}
	found, err := c.SearchContent(ctx, fake.Anna, client.ContentQuery{Text: "attic", Kind: "messages", Version: v, Limit: 3})
	if err != nil || len(found.Hits) != 3 || found.Next == "" || found.Hits[0].Kind != "messages" || found.Index.Of != 1 || found.Index.Ready != 1 {
		t.Errorf("%+v, %v", found, err)
	}
	c2, err := c.CompareVersions(ctx, fake.Anna, versions[len(versions)-2].ID, v)
	if text, bad := json.Marshal(c2.Changes); err != nil || bad != nil || !strings.Contains(string(text), "310 of 412 contacts are gone at once.") {
		t.Errorf("%s, %v", text, err)
	}
}
