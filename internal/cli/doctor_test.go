package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// told collects what the doctor says.
type told []symptom

func (l *told) tell(check, state, text, remedy string) {
	*l = append(*l, symptom{"check", check, state, text, remedy})
}

func (l told) has(state, part string) bool {
	for _, s := range l {
		if s.State == state && strings.Contains(s.Text, part) {
			return true
		}
	}
	return false
}

func TestAskHealth(t *testing.T) {
	answer, status := "ok\n", 200
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			status = 404
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	})
	plain, sealed := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer sealed.Close()
	sealed.Config.ErrorLog, plain.Config.ErrorLog = nil, nil
	for name, address := range map[string]string{"http": plain.URL, "https": sealed.URL, "plain": strings.TrimPrefix(plain.URL, "http://"), "sealed": strings.TrimPrefix(sealed.URL, "https://")} {
		answer, status = "ok\n", 200
		if text, err := health(t.Context(), address); err != nil || text != "ok" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		answer, status = "the place of the backups\ncannot be reached", 503
		if _, err := health(t.Context(), address); err == nil || err.Error() != "the service is not well: the place of the backups cannot be reached (503 Service Unavailable)" {
			t.Errorf("%s, ill: %v", name, err)
		}
	}
	for _, address := range []string{"127.0.0.1:1", "ftp://127.0.0.1:1", "http://127.0.0.1:1/", "%zz", ""} {
		if text, err := health(t.Context(), address); err == nil {
			t.Errorf("%s is well: %q", address, text)
		}
	}
}

func TestDoctor_health(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	defer s.Close()
	for arg, want := range map[string]int{"--health=" + strings.TrimPrefix(s.URL, "http://"): exitOK, "--health=127.0.0.1:1": exitError} {
		for _, json := range []bool{false, true} {
			var out, errs strings.Builder
			p := Program{Args: []string{"doctor", arg}, Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
			if json {
				p.Args = append(p.Args, "--json")
			}
			if code := p.Run(t.Context()); code != want {
				t.Errorf("%s: exit code %d, want %d\n%s%s", arg, code, want, &out, &errs)
			}
			if json && !strings.Contains(out.String(), `"check":"service"`) {
				t.Errorf("%s: %s", arg, &out)
			}
		}
	}
}

// certificate makes one that is valid from and until, in a file with its key.
func certificate(t *testing.T, path string, from, until time.Time, mode os.FileMode) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(path, text, mode); err != nil {
		t.Fatal(err)
	}
}

func TestExamineCertificates(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		from, until time.Time
		mode        os.FileMode
		state, part string
	}{
		{now.Add(-day), now.Add(300 * day), 0o600, stateOK, "is valid until"},
		{now.Add(-day), now.Add(10 * day), 0o600, stateNote, "is valid only until 2026-05-11"},
		{now.Add(-9 * day), now.Add(-day), 0o600, stateMissing, "was valid until 2026-04-30"},
		{now.Add(day), now.Add(300 * day), 0o600, stateMissing, "is valid only from 2026-05-02"},
		{now.Add(-day), now.Add(300 * day), 0o644, stateMissing, "others on this computer"},
	} {
		if runtime.GOOS == "windows" && c.mode == 0o644 {
			continue // modes say nothing there
		}
		dir := t.TempDir()
		certificate(t, filepath.Join(dir, "cert.pem"), c.from, c.until, c.mode)
		var l told
		examineCertificates(dir, now, l.tell)
		if !l.has(c.state, c.part) {
			t.Errorf("want %s %q, got %+v", c.state, c.part, l)
		}
	}
	var l told
	if examineCertificates(filepath.Join(t.TempDir(), "none"), now, l.tell); len(l) != 0 {
		t.Errorf("without certificates: %+v", l)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.pem"), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if examineCertificates(dir, now, l.tell); !l.has(stateMissing, "x.pem") {
		t.Errorf("damaged: %+v", l)
	}
}

func TestExamineService(t *testing.T) {
	home := t.TempDir()
	env := map[string]string{"HOME": home}
	a := &app{Program: Program{Getenv: func(name string) string { return env[name] }}}
	dir := filepath.Join(t.TempDir(), "data")
	look := func() told {
		var l told
		a.examineService(t.Context(), dir, l.tell)
		return l
	}
	want := func(when, state, part string) {
		t.Helper()
		if l := look(); !l.has(state, part) {
			t.Errorf("%s: want %s %q, got %+v", when, state, part, l)
		}
	}
	write := func(name string, size int, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	want("no folder", stateNote, "is not there yet")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	want("empty", stateOK, "it makes its key then")
	want("empty", stateOK, "belongs to its owner alone")
	write("keepsake.db", 1, 0o600)
	want("no key", stateNote, "the key is not in the folder")
	write("key", 31, 0o600)
	want("short key", stateMissing, "has 31 bytes, not 32")
	write("key", 32, 0o600)
	want("key", stateOK, "the key is there")
	if runtime.GOOS != "windows" {
		write("key", 32, 0o640)
		want("open key", stateMissing, "others on this computer can get at "+filepath.Join(dir, "key"))
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		want("open folder", stateMissing, "others on this computer can get at "+dir+" ")
	}
	env["CREDENTIALS_DIRECTORY"] = t.TempDir()
	if err := os.WriteFile(filepath.Join(env["CREDENTIALS_DIRECTORY"], "keepsake-key"), make([]byte, 32), 0o400); err != nil {
		t.Fatal(err)
	}
	want("credential", stateOK, "the key is there")
	dir = filepath.Join(dir, "key")
	want("a file", stateMissing, "it is a file")
}

func TestExamineClock(t *testing.T) {
	var l told
	if examineClock(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), l.tell); !l.has(stateMissing, "says 1970") {
		t.Errorf("%+v", l)
	}
	if examineClock(time.Date(2026, 7, 1, 20, 0, 0, 0, time.FixedZone("CEST", 7200)), l.tell); !l.has(stateOK, "2026-07-01 20:00 CEST") && !l.has(stateNote, "2026-07-01 20:00 CEST") {
		t.Errorf("%+v", l)
	}
}

// A service that runs is found by its folder, and compared with this program.
func TestExamineRunning(t *testing.T) {
	build := version()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz":
			fmt.Fprintln(w, "ok")
		case r.URL.Path == "/api/v1/version" && r.Header.Get("Authorization") == "Bearer ksk_made-up":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"version":%q}`, build)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer s.Close()
	dir := t.TempDir()
	a := &app{Program: Program{Getenv: func(name string) string { return map[string]string{"HOME": dir}[name] }}}
	look := func(local string) (l told) {
		if err := os.WriteFile(filepath.Join(dir, "service.json"), []byte(local), 0o600); err != nil {
			t.Fatal(err)
		}
		a.examineRunning(t.Context(), dir, l.tell)
		return l
	}
	good := fmt.Sprintf(`{"address":%q,"token":"ksk_made-up"}`, s.URL)
	if l := look(good); !l.has(stateOK, "the service runs and says: ok") || !l.has(stateOK, "is this version") {
		t.Errorf("%+v", l)
	}
	build = "v0.0.1"
	if l := look(good); !l.has(stateNote, "the service that runs is v0.0.1") {
		t.Errorf("%+v", l)
	}
	if l := look(strings.Replace(good, "made-up", "wrong-one", 1)); !l.has(stateNote, "does not tell its version") || strings.Contains(fmt.Sprint(l), "wrong-one") {
		t.Errorf("%+v", l)
	}
	if l := look("{"); !l.has(stateNote, "it is damaged") {
		t.Errorf("%+v", l)
	}
}
