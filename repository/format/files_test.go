package format

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// refused is a document and what the error about it must say.
type refused struct{ json, want string }

func testRefused[T any](t *testing.T, decode func([]byte) (T, error), tests map[string]refused) {
	t.Helper()
	for name, test := range tests {
		if _, err := decode([]byte(test.json)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

const goodConfig = `{"version":2,"id":"` + digitsA + `","chunker_polynomial":"3da3358b4dc173"}`

func TestConfig(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		json := strings.Replace(goodConfig, "2", version, 1)
		c, err := DecodeConfig([]byte(json))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Encode(); err != nil || string(got) != json {
			t.Errorf("got %s, %v\nwant %s", got, err, json)
		}
	}
	rustic := strings.Replace(goodConfig, "}", `,"is_hot":true,"append_only":false,"compression":3,"treepack_size":4194304,"chunker":"rabin"}`, 1)
	if _, err := DecodeConfig([]byte(rustic)); err != nil {
		t.Errorf("rustic's: %v", err)
	}
	with := func(old, new string) string { return strings.Replace(goodConfig, old, new, 1) }
	testRefused(t, DecodeConfig, map[string]refused{
		"nothing":       {``, "decode config: "},
		"version 0":     {with("2", "0"), "version 0, want 1 to 2"},
		"version 3":     {with("2", "3"), "version 3, want 1 to 2"},
		"negative":      {with("2", "-1"), "decode config: "},
		"no ID":         {with(`"id"`, `"ix"`), "no ID"},
		"short ID":      {with(`"a`, `"`), "63 characters"},
		"no polynomial": {with(`"chunker_`, `"`), "degree -1, want 53"},
		"degree":        {with(`3da3358b4dc173`, `7`), "degree 2, want 53"},
		"reducible":     {with(`3da3358b4dc173`, `3da3358b4dc175`), "reducible"},
		"number":        {with(`"3da3358b4dc173"`, `5`), "decode config: "},
		"trailing":      {goodConfig + "x", "decode config: "},
	})
	if _, err := new(Config).Encode(); err == nil || !strings.Contains(err.Error(), "encode config: version 0") {
		t.Errorf("empty config: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	good := string(golden(t, "key.json"))
	if k, err := DecodeKeyFile([]byte(good)); err != nil || k.Hostname != "pc.example" || k.R != 8 || k.P != 4 || len(k.Salt) != 64 {
		t.Errorf("%+v, %v", k, err)
	}
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatal(old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, json := range map[string]string{
		"rustic's":         with(`"N":32768,"r":8,"p":4`, `"N":131072,"r":8,"p":1`),
		"largest":          with(`"N":32768,"r":8`, `"N":262144,"r":8`),
		"no date or names": with(`"created"`, `"x"`),
	} {
		if _, err := DecodeKeyFile([]byte(json)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	testRefused(t, DecodeKeyFile, map[string]refused{
		"nothing":      {``, "decode key file: "},
		"kdf":          {with(`"scrypt"`, `"argon2"`), `function "argon2", want "scrypt"`},
		"N zero":       {with(`"N":32768`, `"N":0`), "power of two"},
		"N one":        {with(`"N":32768`, `"N":1`), "power of two"},
		"N odd":        {with(`"N":32768`, `"N":32767`), "power of two"},
		"N negative":   {with(`"N":32768`, `"N":-9223372036854775808`), "decode key file: "},
		"N large":      {with(`"N":32768`, `"N":524288`), "more than 256 MiB"},
		"N very large": {with(`"N":32768`, `"N":4611686018427387904`), "decode key file: "},
		"N float":      {with(`"N":32768`, `"N":1e5`), "decode key file: "},
		"r zero":       {with(`"r":8`, `"r":0`), "at least 1"},
		"r large":      {with(`"r":8`, `"r":65`), "more than 256 MiB"},
		"r very large": {with(`"r":8`, `"r":9223372036854775807`), "decode key file: "},
		"p negative":   {with(`"p":4`, `"p":-1`), "at least 1"},
		"p large":      {with(`"p":4`, `"p":65`), "takes too long"},
		"p very large": {with(`"p":4`, `"p":9223372036854775807`), "decode key file: "},
		"salt short":   {with(`"salt":"9F7Z`, `"salt":"`), "salt of 61 bytes, want 64"},
		"salt no":      {with(`"salt"`, `"x"`), "salt of 0 bytes"},
		"salt broken":  {with(`"salt":"9F7Z`, `"salt":"*F7Z`), "decode key file: "},
		"data no":      {with(`"data"`, `"x"`), "sealed master key of 0 bytes"},
		"data large":   {with(`"data":"`, `"data":"`+strings.Repeat("AAAA", 2000)), "want 33 to 4096"},
	})
	if _, err := new(KeyFile).Encode(); err == nil || !strings.Contains(err.Error(), "encode key file: ") {
		t.Errorf("empty key file: %v", err)
	}
	k, err := DecodeKeyFile([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	k.Created = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := k.Encode(); err == nil {
		t.Error("no error for the year 10000")
	}
}

// fullSnapshot has every field that restic 0.17 writes.
func fullSnapshot() (*Snapshot, string) {
	a, b := Hash([]byte("a")), Hash([]byte("b"))
	start := time.Date(2026, 5, 4, 12, 0, 0, 500, time.FixedZone("", 7200))
	s := &Snapshot{
		Time: start, Parent: &a, Tree: &b, Paths: []string{"/iPhone <of> Ann & Bob"}, Hostname: "h", Username: "u", UID: 1, GID: 2,
		Excludes: []string{"*.tmp"}, Tags: []string{"t"}, Original: &a, ProgramVersion: "keepsake 1",
		Summary: &SnapshotSummary{start, start.Add(time.Second), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
	}
	return s, fmt.Sprintf(`{"time":"2026-05-04T12:00:00.0000005+02:00","parent":"%[1]v","tree":"%[2]v","paths":["/iPhone \u003cof\u003e Ann \u0026 Bob"],`+
		`"hostname":"h","username":"u","uid":1,"gid":2,"excludes":["*.tmp"],"tags":["t"],"original":"%[1]v","program_version":"keepsake 1",`+
		`"summary":{"backup_start":"2026-05-04T12:00:00.0000005+02:00","backup_end":"2026-05-04T12:00:01.0000005+02:00",`+
		`"files_new":1,"files_changed":2,"files_unmodified":3,"dirs_new":4,"dirs_changed":5,"dirs_unmodified":6,"data_blobs":7,"tree_blobs":8,`+
		`"data_added":9,"data_added_packed":10,"total_files_processed":11,"total_bytes_processed":12}}`, a, b)
}

func TestSnapshot(t *testing.T) {
	s, want := fullSnapshot()
	got, err := s.Encode()
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	back, err := DecodeSnapshot(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSnapshot_paths(t *testing.T) {
	tree := Hash(nil)
	s := &Snapshot{Tree: &tree}
	got, err := s.Encode()
	want := `{"time":"0001-01-01T00:00:00Z","tree":"` + tree.String() + `","paths":[]}`
	if err != nil || string(got) != want || s.Paths != nil {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	for _, json := range []string{want, strings.Replace(want, "[]", "null", 1), strings.Replace(want, `,"paths":[]`, "", 1)} {
		if s, err := DecodeSnapshot([]byte(json)); err != nil || s.Paths == nil || len(s.Paths) != 0 {
			t.Errorf("%s: %+v, %v", json, s, err)
		}
	}
}

func TestSnapshot_rustic(t *testing.T) {
	s, json := fullSnapshot()
	json = strings.Replace(json, `"uid"`, `"label":"x","parents":["`+digitsA+`"],"delete":"NotSet","description":"d","uid"`, 1)
	json = strings.Replace(json, `"data_blobs"`, `"command":"rustic backup","backup_duration":1.25,"total_duration":2e-1,"data_blobs"`, 1)
	got, err := DecodeSnapshot([]byte(json))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSnapshot_refuses(t *testing.T) {
	testRefused(t, DecodeSnapshot, map[string]refused{
		"nothing":   {``, "decode snapshot: "},
		"no tree":   {`{"time":"2026-05-04T12:00:00Z","paths":[]}`, "decode snapshot: no tree"},
		"null tree": {`{"tree":null}`, "no tree"},
		"zero tree": {`{"tree":"` + ID{}.String() + `"}`, "no tree"},
		"short":     {`{"tree":"ab"}`, "2 characters"},
		"time":      {`{"tree":"` + digitsA + `","time":"yesterday"}`, "decode snapshot: "},
		"trailing":  {`{"tree":"` + digitsA + `"}{}`, "decode snapshot: "},
	})
	if _, err := new(Snapshot).Encode(); err == nil || err.Error() != "encode snapshot: no tree" {
		t.Errorf("no tree: %v", err)
	}
	s, _ := fullSnapshot()
	s.Time = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := s.Encode(); err == nil {
		t.Error("no error for the year -1")
	}
}

func TestLock(t *testing.T) {
	l := &Lock{Time: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC), Exclusive: true, Hostname: "keepsake-1", Username: "u", PID: 7, UID: 1, GID: 2}
	want := `{"time":"2026-05-04T12:00:00Z","exclusive":true,"hostname":"keepsake-1","username":"u","pid":7,"uid":1,"gid":2}`
	got, err := l.Encode()
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	back, err := DecodeLock(got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l, back); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	testRefused(t, DecodeLock, map[string]refused{
		"nothing": {``, "decode lock: "},
		"empty":   {`{}`, "decode lock: no time"},
		"null":    {`null`, "no time"},
		"time":    {`{"time":"2026-05-04 12:00"}`, "decode lock: "},
		"pid":     {`{"time":"2026-05-04T12:00:00Z","pid":"x"}`, "decode lock: "},
	})
	if _, err := new(Lock).Encode(); err == nil || err.Error() != "encode lock: no time" {
		t.Errorf("no time: %v", err)
	}
	l.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := l.Encode(); err == nil {
		t.Error("no error for the year 10000")
	}
}
