package restore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/installationproxy"
	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/itunesbackup"
)

func metadata(t *testing.T, m map[string]any) []byte {
	t.Helper()
	b, err := plist.Marshal(m, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAppsToFetch(t *testing.T) {
	info := itunesbackup.InfoPlist{
		InstalledApplications: []string{"org.b", "org.side", "org.nolicence"},
		Applications: map[string]any{
			"org.b": map[string]any{"ApplicationSINF": []byte{1}, "iTunesMetadata": metadata(t, map[string]any{
				"itemName": "Bird", "artistName": "Nest", "bundleShortVersionString": "1.2", "itemId": 361309726,
				"com.apple.iTunesStore.downloadInfo": map[string]any{"accountInfo": map[string]any{"AppleID": "a@example.org"}}})},
			"org.offloaded": map[string]any{"ApplicationSINF": []byte{1}, "iTunesMetadata": []byte("not a property list"), "IsDemotedApp": true},
			"org.nolicence": map[string]any{"iTunesMetadata": metadata(t, map[string]any{"itemName": "apple"})},
			"org.odd":       "no dictionary",
		},
	}
	const unknown = "it is not from the App Store, or the backup does not say so"
	want := []App{
		{BundleID: "org.nolicence", Name: "apple", ByHand: true, Why: "the backup lacks its licence"},
		{BundleID: "org.b", Name: "Bird", Developer: "Nest", Version: "1.2", Account: "a@example.org", StoreID: 361309726},
		{BundleID: "org.odd", ByHand: true, Why: unknown},
		{BundleID: "org.offloaded"},
		{BundleID: "org.side", ByHand: true, Why: unknown},
	}
	got := AppsToFetch(info)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if link := got[1].StoreLink(); link != "https://apps.apple.com/app/id361309726" || got[0].StoreLink() != "" {
		t.Error(link)
	}
	p := Compare(got, []installationproxy.App{{BundleID: "org.b"}, {BundleID: "org.new"}})
	if len(p.Present) != 1 || p.Present[0].BundleID != "org.b" || len(p.Missing) != 4 {
		t.Errorf("%+v", p)
	}
	if len(AppsToFetch(itunesbackup.InfoPlist{})) != 0 {
		t.Error("apps of nothing")
	}
}
