package contents

import (
	"strings"
	"testing"
)

func TestBacked(t *testing.T) {
	const never, encrypted, always = 0, 1, 2
	for _, test := range []struct {
		domain, rel string
		want        int
	}{
		{"HomeDomain", "", always},
		{"HomeDomain", "Library", always},
		{"HomeDomain", "Library/SMS", always},
		{"HomeDomain", "Library/SMS/sms.db", always},
		{"HomeDomain", "Library/SMS/sms.db-wal", never},
		{"HomeDomain", "Library/SMS/sms.db-shm", never},
		{"HomeDomain", "Library/SMS/sms.dbx", never},
		{"HomeDomain", "Library/SMS/Drafts/a/b", always},
		{"HomeDomain", "Library/Preferences/com.apple.springboard.plist", always},
		{"HomeDomain", "Library/Preferences/com.apple.springboard.notbackedup.plist", never},
		{"HomeDomain", "Library/Caches", never},
		{"HomeDomain", "Library/Mail/Accounts.plist", always},
		{"HomeDomain", "Library/Mail/Envelope Index", never},
		{"HomeDomain", "Library/CallHistoryDB/CallHistory.storedata", encrypted},
		{"HomeDomain", "Library/Safari", always},
		{"HomeDomain", "Library/Safari/Bookmarks.db", always},
		{"HomeDomain", "Library/Safari/History.db", encrypted},
		{"HomeDomain", "Library/Safari/History.db-wal", never},
		{"HomeDomain", "Library/CoreDuet", encrypted},
		{"HomeDomain", "Library/CoreDuet/People/interactionC.db", encrypted},
		{"HomeDomain", "Library/Calendar/Attachments/a.pdf", never},
		{"HomeDomain", "Library/SpringBoard/PushStore", never},
		{"HomeDomain", "Media", never},
		{"CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC", always},
		{"CameraRollDomain", "Media/PhotoData/Photos.sqlite", always},
		{"CameraRollDomain", "Media/PhotoData/Photos.sqlite-wal", never},
		{"CameraRollDomain", "Media/PhotoData/Caches/x", never},
		{"CameraRollDomain", "Media/PhotoData/changes-123", never},
		{"CameraRollDomain", "Media/Books", never},
		{"MediaDomain", "Library/SMS/Attachments/ab/11/X/a.jpg", always},
		{"MediaDomain", "Media/iTunes_Control/Music/F00/AAAA.m4a", never},
		{"KeyboardDomain", "Library/Keyboard/user_model_database.sqlite-wal", never},
		{"HealthDomain", "", encrypted},
		{"HealthDomain", "Health/healthdb_secure.sqlite", encrypted},
		{"HomeKitDomain", "Library/homed/datastore3.sqlite", encrypted},
		{"KeychainDomain", "keychain-backup.plist", always},
		{"KeychainDomain", "keychain-2.db", never},
		{"SystemPreferencesDomain", "com.apple.wifi.known-networks.plist", encrypted},
		{"SystemPreferencesDomain", "com.apple.networkextension.necp.plist", always},
		{"SystemPreferencesDomain", "SystemConfiguration/preferences.plist", always},
		{"SystemPreferencesDomain", "SystemConfiguration/com.apple.wifi.plist", encrypted},
		{"RootDomain", "Library/Caches/locationd", always},
		{"RootDomain", "Library/Caches/locationd/cache_encryptedB.db", never},
		{"BooksDomain", "", never},
		{"BooksDomain", "a", never},
		{"TonesDomain", "Media/iTunes_Control/iTunes/Ringtones.plist", always},
		{"AppDomain-com.example.a", "", always},
		{"AppDomain-com.example.a", "Library", always},
		{"AppDomain-com.example.a", "Library/Caches", never},
		{"AppDomain-com.example.a", "Library/Caches/x/y", never},
		{"AppDomain-com.example.a", "Library/CachesNot", always},
		{"AppDomain-com.example.a", "tmp", never},
		{"AppDomain-com.example.a", "Library/Saved Application State/x", never},
		{"AppDomain-com.example.a", "Library/SyncedPreferences/x.plist", never},
		{"AppDomain-com.example.a", "Documents/a.sqlite-wal", always},
		{"AppDomainGroup-group.a", "Library/Caches/x", never},
		{"AppDomainGroup-group.a", "store.sqlite-shm", always},
		{"AppDomainPlugin-a", "Library/Preferences/a.plist", always},
		{"SysContainerDomain-a", "Library/Preferences/a.plist", always},
		{"SysSharedContainerDomain-a", "x.db-wal", never},
		{"AppDomain", "x", never},
		{"AppDomain-", "x", never},
		{"NoSuchDomain", "", never},
		{"", "", never},
	} {
		got := never
		if Backed(test.domain, test.rel, true) {
			got = encrypted
		}
		if Backed(test.domain, test.rel, false) {
			got++
		}
		if got != test.want {
			t.Errorf("%s %q: %d, want %d (0 never, 1 when encrypted, 2 always)", test.domain, test.rel, got, test.want)
		}
	}
}

func TestHasDigest(t *testing.T) {
	for domain, want := range map[string]bool{
		"HomeDomain": true, "KeychainDomain": true, "HealthDomain": true, "SysContainerDomain-a": true, "SysSharedContainerDomain-a": true,
		"CameraRollDomain": false, "MediaDomain": false, "TonesDomain": false, "AppDomain-a": false, "AppDomainGroup-a": false, "AppDomainPlugin-a": false,
	} {
		if got := HasDigest(domain); got != want {
			t.Errorf("%s: %v, want %v", domain, got, want)
		}
	}
}

func TestProtectionClass(t *testing.T) {
	for where, want := range map[string]uint32{
		"HealthDomain/Health/healthdb.sqlite": 1, "HomeDomain/Library/SMS/sms.db": 3, "HomeDomain/Library/SpringBoard/IconState.plist": 4,
		"WirelessDomain/Library/Databases/CellularUsage.db": 4, "AppDomain-a/Documents/Private/x": 1, "AppDomain-a/Documents/x": 3,
		"AppDomainGroup-group.com.apple.VoiceMemos.shared/Recordings/a.m4a": 2, "CameraRollDomain/Media/DCIM/100APPLE/IMG_0001.HEIC": 3,
	} {
		domain, rel, _ := strings.Cut(where, "/")
		if got := ProtectionClass(domain, rel); got != want {
			t.Errorf("%s: %d, want %d", where, got, want)
		}
	}
}

// Every rule is exercised: the shared phone has files on both sides of it.
func TestBacked_generatedFilesOfEachSort(t *testing.T) {
	all := files(t, sharedPhone(t)+"/fs")
	plain, secret := digest(t, sharedPhone(t), false), digest(t, sharedPhone(t), true)
	if len(plain) == 0 || len(secret) <= len(plain) || len(all) <= len(secret) {
		t.Errorf("%d entries, %d in encrypted backups, %d in others", len(all), len(secret), len(plain))
	}
	for key, sum := range plain {
		if secret[key] != sum {
			t.Errorf("%s is only in unencrypted backups or differs there", key)
		}
	}
	for _, key := range []string{"HealthDomain/Health/healthdb.sqlite", "HomeDomain/Library/Safari/History.db", "HomeDomain/Library/CallHistoryDB/CallHistory.storedata",
		"SystemPreferencesDomain/com.apple.wifi.known-networks.plist", "HomeKitDomain/Library/homed/datastore3.sqlite"} {
		if secret[key] == "" || plain[key] != "" {
			t.Errorf("%s: %q encrypted, %q not", key, secret[key], plain[key])
		}
	}
}
