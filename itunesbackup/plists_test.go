package itunesbackup

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// realStatus is the Status.plist of a real interrupted first backup, protocol.md 8.4.
const realStatus = "YnBsaXN0MDDWAQIDBAUGBwgJCgsMXElzRnVsbEJhY2t1cFdWZXJzaW9uVFVVSURURGF0ZVtCYWNrdXBTdGF0ZV1TbmFwc2hvdFN0YXRlCVMzLjNfECQ2MUFDNDYzMi1DNDZFLTRCRjgtODg4QS0wQjFDODlGQUEzOUQzQcgf5+ZAILxVZW1wdHlZdXBsb2FkaW5nCBUiKi80QE5PU3qDiQAAAAAAAAEBAAAAAAAAAA0AAAAAAAAAAAAAAAAAAACT"

func decodeStatus(t testing.TB) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(realStatus)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestStatusPlist_realBytes(t *testing.T) {
	raw := decodeStatus(t)
	got, err := ParseStatusPlist(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := StatusPlist{IsFullBackup: true, Version: "3.3", UUID: "61AC4632-C46E-4BF8-888A-0B1C89FAA39D", Date: got.Date,
		BackupState: BackupEmpty, SnapshotState: SnapshotUploading}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if at := got.Date.Truncate(time.Second); !at.Equal(time.Date(2026, 8, 27, 1, 52, 12, 0, time.UTC)) {
		t.Errorf("date %v", got.Date)
	}
	again, err := got.Marshal()
	if err != nil || !bytes.Equal(again, raw) {
		t.Errorf("encoding again: %v\n got %x\nwant %x", err, again, raw)
	}
}

// The sizes of protocol.md 8.4, by which real logs are recognised.
func TestStatusPlist_sizes(t *testing.T) {
	for _, tt := range []struct {
		backup   BackupState
		snapshot SnapshotState
		want     int
	}{
		{BackupEmpty, SnapshotUploading, 192},
		{BackupNew, SnapshotUploading, 190},
		{BackupEmpty, SnapshotMoving, 189},
		{BackupNew, SnapshotMoving, 187},
		{BackupNew, SnapshotRemoving, 189},
		{BackupNew, SnapshotFinished, 189},
	} {
		p := StatusPlist{Version: StatusVersion, UUID: "61AC4632-C46E-4BF8-888A-0B1C89FAA39D", Date: time.Unix(1706400000, 0), BackupState: tt.backup, SnapshotState: tt.snapshot}
		b, err := p.Marshal()
		if err != nil || len(b) != tt.want {
			t.Errorf("%s, %s: %d bytes, %v; want %d", tt.backup, tt.snapshot, len(b), err, tt.want)
		}
		back, err := ParseStatusPlist(b)
		if err != nil || !back.Date.Equal(p.Date) || back.SnapshotState != tt.snapshot {
			t.Errorf("%s, %s: read back %+v, %v", tt.backup, tt.snapshot, back, err)
		}
	}
}

func TestParseStatusPlist_wantsAllSix(t *testing.T) {
	good := map[string]any{"IsFullBackup": true, "Version": "3.3", "UUID": "X", "Date": time.Unix(0, 0), "BackupState": "new", "SnapshotState": "finished"}
	encode := func(change func(map[string]any)) []byte {
		m := map[string]any{}
		for k, v := range good {
			m[k] = v
		}
		change(m)
		b, err := plist.Marshal(m, plist.XML)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := ParseStatusPlist(encode(func(map[string]any) {})); err != nil {
		t.Fatalf("XML: %v", err)
	}
	for key := range good {
		if _, err := ParseStatusPlist(encode(func(m map[string]any) { delete(m, key) })); !errors.Is(err, ErrMalformed) {
			t.Errorf("without %s: got %v", key, err)
		}
		if _, err := ParseStatusPlist(encode(func(m map[string]any) { m[key] = []any{1} })); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), key) {
			t.Errorf("%s of another type: got %v", key, err)
		}
	}
	if _, err := ParseStatusPlist(nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("empty: got %v", err)
	}
}

func TestManifestPlist_roundTrip(t *testing.T) {
	want := ManifestPlist{
		Version: "10.0", SystemDomainsVersion: "24.0", Date: time.Date(2026, 8, 21, 6, 0, 0, 0, time.UTC), IsEncrypted: true,
		BackupKeyBag: []byte("bag"), ManifestKey: make([]byte, 44), WasPasscodeSet: true,
		Lockdown:     map[string]any{"DeviceName": "Phone", "com.apple.Accessibility": map[string]any{"X": uint64(1)}},
		Applications: map[string]any{"org.example": map[string]any{"CFBundleVersion": "1"}},
		Other:        map[string]any{"Containers": map[string]any{"a": []any{"b"}}, "BudyStashData": []byte{1, 2}},
	}
	b, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseManifestPlist(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.LockdownText("DeviceName") != "Phone" || got.LockdownText("com.apple.Accessibility") != "" {
		t.Error("LockdownText is wrong")
	}
	empty, err := ManifestPlist{Version: "10.0"}.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var d map[string]any
	if err := plist.Unmarshal(empty, &d); err != nil {
		t.Fatal(err)
	}
	if _, ok := d["ManifestKey"]; ok || d["IsEncrypted"] != false || d["Lockdown"] == nil {
		t.Errorf("unencrypted: %v", d)
	}
	for name, bad := range map[string]map[string]any{
		"IsEncrypted": {"IsEncrypted": "yes"},
		"Lockdown":    {"Lockdown": []any{}},
	} {
		b, err := plist.Marshal(bad, plist.Binary)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseManifestPlist(b); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s of another type: got %v", name, err)
		}
	}
}

func TestInfoPlist_roundTrip(t *testing.T) {
	want := InfoPlist{
		Applications:          map[string]any{"org.example": map[string]any{"ApplicationSINF": []byte{1}}},
		InstalledApplications: []string{"org.example"},
		BuildVersion:          "21D50", ProductVersion: "17.3", ProductType: "iPhone12,1", ProductName: "iPhone 11",
		DeviceName: "Jürgens <Phone> & \U0001F600", DisplayName: "Phone", GUID: strings.Repeat("A", 32), ICCID: "89", IMEI: "35", IMEI2: "36", MEID: "37",
		PhoneNumber: "+49 30", SerialNumber: "C39", TargetIdentifier: "00008030-00", TargetType: "Device", UniqueIdentifier: "00008030-00",
		LastBackupDate: time.Date(2026, 8, 21, 6, 0, 0, 0, time.UTC), ITunesVersion: "12.13.4.4",
		ITunesSettings: map[string]any{}, ITunesFiles: map[string][]byte{"iTunesPrefs": {1, 2}}, IBooksData2: []byte("books"),
		Other: map[string]any{"macOS Version": "27.0"},
	}
	b, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := plist.FormatOf(b); !ok || f != plist.XML {
		t.Error("Info.plist must be XML")
	}
	got, err := ParseInfoPlist(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if xml := plistutil(t, mustBinary(t, b)); !strings.Contains(xml, "<key>Target Identifier</key>") {
		t.Errorf("plistutil reads\n%s", xml)
	}
}

// mustBinary re-encodes any list as binary.
func mustBinary(t *testing.T, b []byte) []byte {
	t.Helper()
	var v any
	if err := plist.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	b, err := plist.Marshal(v, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseInfoPlist_oddTypesAreKept(t *testing.T) {
	odd := map[string]any{"GUID": bytes.Repeat([]byte{0xAB}, 16), "IMEI": uint64(35), "Installed Applications": []any{"a", uint64(1)}, "iTunes Files": map[string]any{"x": "y"}}
	b, err := plist.Marshal(odd, plist.XML)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseInfoPlist(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.GUID != strings.Repeat("AB", 16) {
		t.Errorf("GUID %q", got.GUID)
	}
	delete(odd, "GUID")
	if diff := cmp.Diff(odd, got.Other); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := ParseInfoPlist([]byte("<plist><array/></plist>")); !errors.Is(err, ErrMalformed) {
		t.Errorf("an array: got %v", err)
	}
}

func FuzzPlists(f *testing.F) {
	f.Add(decodeStatus(f))
	manifest, err := ManifestPlist{Version: "10.0", BackupKeyBag: []byte{1}, Lockdown: map[string]any{"a": "b"}}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(manifest)
	info, err := InfoPlist{GUID: "AB", InstalledApplications: []string{"x"}, ITunesFiles: map[string][]byte{"a": {1}}}.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(info)
	f.Fuzz(func(t *testing.T, data []byte) {
		status, err := ParseStatusPlist(data)
		checkParsed(t, err, status.Marshal)
		m, err := ParseManifestPlist(data)
		checkParsed(t, err, m.Marshal)
		i, err := ParseInfoPlist(data)
		checkParsed(t, err, i.Marshal)
	})
}

func checkParsed(t *testing.T, err error, marshal func() ([]byte, error)) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("error without ErrMalformed: %v", err)
		}
		return
	}
	if _, err := marshal(); err != nil {
		t.Errorf("what was parsed does not encode: %v", err)
	}
}
