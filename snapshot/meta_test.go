package snapshot

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keepsake-backup/keepsake/itunesbackup"
	"github.com/keepsake-backup/keepsake/keybag"
)

func someKey(t testing.TB, first byte) keybag.Key {
	t.Helper()
	k, err := keybag.NewKey(append([]byte{first}, make([]byte, 31)...))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func someMeta(t testing.TB) Meta {
	t.Helper()
	id := itunesbackup.MakeFileID
	return Meta{Layout: 1, UDID: "00008030-001122334455667A", Name: "Anna's iPhone", ProductType: "iPhone12,1", ProductVersion: "26.1", Build: "23B85",
		Encrypted: true, Rows: 5, Files: 3, Directories: 1, Links: 1, StoredBytes: 48, ContentBytes: 20,
		Exceptions: []Exception{{ID: id("HomeDomain", "a<b"), Path: "HomeDomain/a<b", Why: WhySeal, Raw: true}},
		Unread:     []Unread{{ID: id("HomeDomain", "c"), Path: "HomeDomain/c", Why: "Operation not permitted"}},
		Keys:       Keys{classes: map[keybag.Class]keybag.Key{3: someKey(t, 3), 1: someKey(t, 1)}, manifest: someKey(t, 9)}}
}

const goldenMeta = `{
 "layout": 1,
 "udid": "00008030-001122334455667A",
 "name": "Anna's iPhone",
 "product_type": "iPhone12,1",
 "product_version": "26.1",
 "build": "23B85",
 "encrypted": true,
 "sealed": false,
 "rows": 5,
 "files": 3,
 "directories": 1,
 "links": 1,
 "stored_bytes": 48,
 "content_bytes": 20,
 "class_keys": {
  "1": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  "3": "AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
 },
 "manifest_key": "CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
 "exceptions": [
  {
   "id": "b9a1478cf89de7315bdbacb25a9266a37fffb414",
   "path": "HomeDomain/a\u003cb",
   "why": "seal",
   "raw": true
  }
 ],
 "unread": [
  {
   "id": "1aba4c4c5e99da266bf7803d5d114ccfc0f3f299",
   "path": "HomeDomain/c",
   "why": "Operation not permitted"
  }
 ]
}
`

func TestMeta_golden(t *testing.T) {
	m := someMeta(t)
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenMeta, string(data)); diff != "" {
		t.Error(diff)
	}
	got, err := decodeMeta(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, *got, cmpopts.IgnoreFields(Meta{}, "Keys")); diff != "" {
		t.Error(diff)
	}
	if len(got.Keys.classes) != 2 || !got.Keys.classes[3].Equal(someKey(t, 3)) || !got.Keys.manifest.Equal(someKey(t, 9)) {
		t.Error("other keys")
	}
}

func TestMeta_redacted(t *testing.T) {
	m := someMeta(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		text := fmt.Sprintf(verb, m) + fmt.Sprintf(verb, &m) + fmt.Sprintf(verb, m.Keys) + fmt.Sprintf(verb, &m.Keys)
		if strings.Contains(text, "AQAAAA") || strings.Contains(text, "010000") || strings.Contains(text, "0x1, 0x0, 0x0") || strings.Contains(text, "[1 0 0") {
			t.Errorf("%s shows a key: %s", verb, text)
		}
	}
}

func TestDecodeMeta_refused(t *testing.T) {
	for _, test := range []struct{ name, old, new, want string }{
		{"newer", `"layout": 1`, `"layout": 2`, "newer"},
		{"none", `"layout": 1`, `"layout": 0`, "no layout"},
		{"UDID", `"udid": "0000`, `"udid": "../0000`, "letters"},
		{"no UDID", `00008030-001122334455667A`, ``, "no phone's"},
		{"count", `"rows": 5`, `"rows": -5`, "-5"},
		{"reason", `"why": "seal"`, `"why": "mood"`, "unknown reason"},
		{"class", `"1": "AQ`, `"6": "AQ`, "none of files"},
		{"class text", `"1": "AQ`, `"one": "AQ`, "none of files"},
		{"key", `"1": "AQAA`, `"1": "`, "bytes"},
		{"sealed", `"sealed": false`, `"sealed": true`, "sealed"},
		{"not JSON", `{`, `[`, "invalid"},
		{"file ID", `"id": "`, `"id": "X`, "file ID"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := decodeMeta([]byte(strings.Replace(goldenMeta, test.old, test.new, 1)))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want something with %q", err, test.want)
			}
		})
	}
	// It may be in both lists: it came damaged.
	both := strings.Replace(goldenMeta, itunesbackup.MakeFileID("HomeDomain", "c").String(), itunesbackup.MakeFileID("HomeDomain", "a<b").String(), 1)
	if _, err := decodeMeta([]byte(both)); err != nil {
		t.Error(err)
	}
	entry := fmt.Sprintf(`{"id": "%s", "path": "x", "why": "gone"}, `, itunesbackup.MakeFileID("HomeDomain", "c"))
	twice := strings.Replace(goldenMeta, `"unread": [`, `"unread": [`+entry, 1)
	if _, err := decodeMeta([]byte(twice)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Error(err)
	}
	if _, err := decodeMeta([]byte(strings.Replace(goldenMeta, `"class_keys"`, `"keys_of_later"`, 1))); err == nil {
		t.Error("encrypted, not sealed, no keys, no error")
	}
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add([]byte(goldenMeta))
	f.Add([]byte(`{"layout":1,"udid":"a","encrypted":true,"sealed":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMeta(data)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		m2, err := decodeMeta(again)
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if third, err := m2.encode(); err != nil || !bytes.Equal(again, third) {
			t.Errorf("it is not the same again: %v", err)
		}
	})
}
