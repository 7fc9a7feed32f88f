package itunesbackup

import (
	"strings"
	"testing"
)

// The check values of backup-format.md 1.3.
func TestMakeFileID(t *testing.T) {
	for name, want := range map[string]string{
		"HomeDomain-":                   "70765829101933f25994c71bbee6dfd685535bff",
		"HomeDomain-Library/SMS/sms.db": "3d0d7e5fb2ce288813306e4d4636395e047a3d28",
		"HomeDomain-Library/AddressBook/AddressBook.sqlitedb":                            "31bb7ba8914766d4ba40d6dfb6113c8b614be442",
		"HomeDomain-Library/CallHistoryDB/CallHistory.storedata":                         "5a4935c78a5255723f707230a451d79c540d2741",
		"HomeDomain-Library/Voicemail/voicemail.db":                                      "992df473bbb9e132f4b3b6e4d33f72171e97bc7a",
		"CameraRollDomain-Media/PhotoData/Photos.sqlite":                                 "12b144c0bd44f2b3dffd9186d3f9c05b917cee25",
		"AppDomainGroup-group.com.apple.notes-NoteStore.sqlite":                          "4f98687d8ab0d6d1a371110e6b7300f6e465bef2",
		"AppDomainGroup-group.com.apple.VoiceMemos.shared-Recordings/CloudRecordings.db": "0184f304aede0effc040e5afb4acf16f210f8472",
		"AppDomainGroup-group.net.whatsapp.WhatsApp.shared-ChatStorage.sqlite":           "7c7fba66680ef796b916b067077cc246adacf01d",
		"KeychainDomain-keychain-backup.plist":                                           "51a4616e576dd33cd2abadfea874eb8ff246bf0e",
		"HealthDomain-Health/healthdb_secure.sqlite":                                     "516d7e19a4a0c9475c0015fae195626377b1b810",
	} {
		i := strings.LastIndex(name, "-")
		if strings.HasSuffix(name, "keychain-backup.plist") {
			i = strings.Index(name, "-")
		}
		id := MakeFileID(name[:i], name[i+1:])
		if id.String() != want || id.Shard() != want[:2] || id.Path() != want[:2]+"/"+want {
			t.Errorf("%s: got %s, %s, %s; want %s", name, id, id.Shard(), id.Path(), want)
		}
		back, err := ParseFileID(want)
		if err != nil || back != id {
			t.Errorf("parse %s: %v, %v", want, back, err)
		}
	}
}

func TestParseFileID_refuses(t *testing.T) {
	const good = "70765829101933f25994c71bbee6dfd685535bff"
	for _, bad := range []string{"", good[1:], good + "0", strings.ToUpper(good), "../" + good[3:], strings.Repeat("z", 40), strings.Repeat("x", 1<<16)} {
		if _, err := ParseFileID(bad); err == nil || len(err.Error()) > 200 {
			t.Errorf("%.50q: %v", bad, err)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for _, tt := range []struct {
		domain, path string
		ok           bool
	}{
		{"HomeDomain", "", true},
		{"HomeDomain", "Library/SMS/sms.db", true},
		{"AppDomain-org.example", "Documents/Gr\u00fc\u00dfe \U0001F600 \\ : * ...", true},
		{"HomeDomain", strings.Repeat("a", maxPathLen), true},
		{"", "a", false},
		{".", "a", false},
		{"..", "a", false},
		{"a/b", "c", false},
		{"a\x00", "c", false},
		{"\xff", "c", false},
		{strings.Repeat("d", maxDomainLen+1), "c", false},
		{"HomeDomain", "/etc/passwd", false},
		{"HomeDomain", "..", false},
		{"HomeDomain", "a/../../b", false},
		{"HomeDomain", "./a", false},
		{"HomeDomain", "a//b", false},
		{"HomeDomain", "a/", false},
		{"HomeDomain", "a\x00b", false},
		{"HomeDomain", "\xff", false},
		{"HomeDomain", strings.Repeat("a", maxPathLen+1), false},
	} {
		err := CheckPath(tt.domain, tt.path)
		if (err == nil) != tt.ok {
			t.Errorf("%.40q, %.40q: %v", tt.domain, tt.path, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d characters", len(err.Error()))
		}
	}
}

func TestHasDigest(t *testing.T) {
	for domain, want := range map[string]bool{
		"HomeDomain": true, "KeychainDomain": true, "SysContainerDomain-x": true, "CameraRollDomain": false, "MediaDomain": false,
		"TonesDomain": false, "AppDomain-x": false, "AppDomainGroup-x": false, "AppDomainPlugin-x": false,
	} {
		if HasDigest(domain) != want {
			t.Errorf("%s: want %t", domain, want)
		}
	}
}

func TestRecord_Kind(t *testing.T) {
	for _, tt := range []struct {
		flags Flags
		mode  uint32
		want  Flags
	}{
		{FlagFile, 0o100644, FlagFile},
		{FlagFile, 0o40755, FlagDirectory}, // the mode wins
		{FlagDirectory, 0, FlagDirectory},
		{FlagSymlink | 64, 0, FlagSymlink},
		{16, 0o120755, FlagSymlink},
		{16, 0, 0},
		{FlagFile | FlagDirectory, 0, 0},
	} {
		if got := (Record{Flags: tt.flags, File: MBFile{Mode: tt.mode}}).Kind(); got != tt.want {
			t.Errorf("flags %d, mode %#o: got %d, want %d", tt.flags, tt.mode, got, tt.want)
		}
	}
}
