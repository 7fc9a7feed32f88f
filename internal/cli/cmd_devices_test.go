package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/server/api"
)

func TestShowDevices(t *testing.T) {
	yes := true
	when := time.Now().Add(-25 * time.Hour)
	list := []deviceMessage{
		{UDID: "00008101-000F6E93752ECD42", Name: "Anna’s iPhone", Model: "iPhone 12", IOS: "18.6", Transport: "usb", Paired: true, Encrypted: &yes, LastBackup: &when},
		{UDID: "00008120-001C25D81A3B401E", Name: "iPad", Model: "iPad Air", IOS: "17.7", Transport: "wifi"},
	}
	for name, c := range map[string]struct {
		withBackup bool
		width      int
		want       string
	}{
		"table": {false, 90, `NAME           MODEL      IOS   BY     TRUSTED  BACKUPS    UDID
Anna’s iPhone  iPhone 12  18.6  cable  yes      encrypted  00008101-000F6E93752ECD42
iPad           iPad Air   17.7  Wi-Fi  no       ?          00008120-001C25D81A3B401E
`},
		"narrow": {true, 80, `Anna’s iPhone
  iPhone 12, iOS 18.6, by cable
  trusts this computer: yes; backups: encrypted
  last backup: 1 day ago
  00008101-000F6E93752ECD42
iPad
  iPad Air, iOS 17.7, by Wi-Fi
  trusts this computer: no; backups: ?
  last backup: never
  00008120-001C25D81A3B401E
`},
	} {
		if got := showDevices(list, c.withBackup, c.width); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for m, want := range map[*deviceMessage]string{
		{Paired: true}:      "yes",
		{}:                  "no",
		{Setup: "in_setup"}: "in set-up",
		{Error: "x"}:        "?",
	} {
		if got := trustWord(*m); got != want {
			t.Errorf("trustWord(%+v) = %q, want %q", *m, got, want)
		}
	}
}

// TestDevices_service: phones that only a service reaches are listed, too.
func TestDevices_service(t *testing.T) {
	asked := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "Bearer ksk_test" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(api.Overview{Phones: []api.Phone{
			{UDID: "00008101-000F6E93752ECD42", Name: "Anna’s iPhone", Model: "iPhone 12", IOS: "18.6", WiFi: true, Paired: true},
			{UDID: "00008101-001F6E93752ECD43", Name: "On a cable", Cable: true}}}); err != nil {
			t.Error(err)
		}
	}))
	defer service.Close()
	data := t.TempDir()
	env := map[string]string{"KEEPSAKE_DATA": data, "USBMUXD_SOCKET_ADDRESS": filepath.Join(data, "none")}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(data, "service.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"address":"` + service.URL + `","token":"ksk_test"}`)
	code, stdout, stderr := runWith(t, env, "devices")
	if code != 0 || !strings.Contains(stdout, "Anna’s iPhone") || strings.Contains(stdout, "On a cable") || !strings.Contains(stderr, "Phones on cables are not listed") {
		t.Errorf("code %d\n%s%s", code, stdout, stderr)
	}
	if code, stdout, _ := runWith(t, env, "devices", "--json", "--udid", "anna’s iphone"); code != 0 || !strings.Contains(stdout, `"transport":"wifi"`) || !strings.Contains(stdout, `"service":true`) {
		t.Errorf("as JSON: code %d\n%s", code, stdout)
	}
	write(`{"address":"` + service.URL + `","token":"ksk_wrong"}`)
	code, _, stderr = runWith(t, env, "devices")
	if code != exitNoPhone || !strings.Contains(stderr, "The service was not asked") || strings.Contains(stderr, "ksk_") || asked != 3 {
		t.Errorf("with a wrong token: code %d, asked %d times\n%s", code, asked, stderr)
	}
}
