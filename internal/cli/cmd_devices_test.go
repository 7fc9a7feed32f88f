package cli

import (
	"testing"
	"time"
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
		"table": {false, 90, `NAME           MODEL      IOS   BY    TRUSTS US  BACKUPS    UDID
Anna’s iPhone  iPhone 12  18.6  usb   yes        encrypted  00008101-000F6E93752ECD42
iPad           iPad Air   17.7  wifi  no         ?          00008120-001C25D81A3B401E
`},
		"narrow": {true, 80, `Anna’s iPhone
  iPhone 12, iOS 18.6, by usb
  trusts us: yes; backups: encrypted
  last backup: 1 day ago
  00008101-000F6E93752ECD42
iPad
  iPad Air, iOS 17.7, by wifi
  trusts us: no; backups: ?
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
