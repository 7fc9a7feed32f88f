package itunesbackup

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"os"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/keybag"
)

// goldenDirectory is the archive of a directory, byte for byte: four objects,
// $null, the MBFile, its path and class MBFile (backup-format.md 1.5).
const goldenDirectory = "62706c6973743030d4010203040506070a582476657273696f6e592461726368697665725424746f7058246f626a65637473" +
	"12000186a05f100f4e534b657965644172636869766572d1080954726f6f748001"

func regular() MBFile {
	return MBFile{
		RelativePath: "Library/SMS/sms.db", Mode: 0o100644, Inode: 12884971321, UserID: 501, GroupID: 501,
		LastModified: 1706400000, LastStatusChange: 1706400001, Birth: 1706300000, Size: 36864, ProtectionClass: keybag.ClassCompleteUntilFirstAuth,
	}
}

func files() map[string]MBFile {
	plain := regular()
	encrypted := regular()
	encrypted.EncryptionKey = append([]byte{3, 0, 0, 0}, bytes.Repeat([]byte{0xAB}, 40)...)
	encrypted.Digest = bytes.Repeat([]byte{0xCD}, 20)
	inline := encrypted
	inline.DigestForm, inline.AttributesForm = DataInline, DataInline
	inline.ExtendedAttributes = []byte("bplist00 not really")
	boxed := inline
	boxed.DigestForm, boxed.AttributesForm = DataBoxed, DataBoxed
	mixed := inline
	mixed.DigestForm, mixed.AttributesForm = DataBoxed, DataObject
	link := MBFile{RelativePath: "Library/Link", Target: "../../Grüße", Mode: 0o120755, Inode: 7}
	unicode := regular()
	unicode.RelativePath = "Documents/Grüße \U0001F600/" + strings.Repeat("long ", 100)
	large := regular()
	large.Size, large.Inode, large.StatFlags, large.LastModified = 5<<30, 1<<62, -1, -3600
	extra := regular()
	extra.Extra = []ExtraInt{{"ContentEncodingMethod", 2, false}, {"Purgeable", 1, true}}
	return map[string]MBFile{
		"plain": plain, "encrypted": encrypted, "inline": inline, "boxed": boxed, "mixed": mixed, "link": link,
		"unicode": unicode, "large": large, "extra": extra, "zero": {},
		"directory": {RelativePath: "Library", Mode: 0o40755, Inode: 5, UserID: 501, GroupID: 501},
	}
}

func mustMarshal(t testing.TB, f MBFile) []byte {
	t.Helper()
	b, err := f.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMBFile_roundTrip(t *testing.T) {
	for name, f := range files() {
		t.Run(name, func(t *testing.T) {
			b := mustMarshal(t, f)
			got, err := ParseMBFile(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(f, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !bytes.Equal(mustMarshal(t, got), b) {
				t.Error("encoding again gives other bytes")
			}
		})
	}
}

// The general decoder and Debian's plistutil must read what we write, and see a
// keyed archive.
func TestMBFile_isAKeyedArchive(t *testing.T) {
	for name, f := range files() {
		t.Run(name, func(t *testing.T) {
			b := mustMarshal(t, f)
			var a struct {
				Version  int                  `plist:"$version"`
				Archiver string               `plist:"$archiver"`
				Top      map[string]plist.UID `plist:"$top"`
				Objects  []any                `plist:"$objects"`
			}
			if err := plist.Unmarshal(b, &a); err != nil {
				t.Fatal(err)
			}
			if a.Version != 100000 || a.Archiver != "NSKeyedArchiver" || a.Top["root"] != 1 || a.Objects[0] != "$null" {
				t.Fatalf("not a keyed archive: %+v", a)
			}
			root := a.Objects[1].(map[string]any)
			class := a.Objects[root["$class"].(plist.UID)].(map[string]any)
			if want := map[string]any{"$classname": "MBFile", "$classes": []any{"MBFile", "NSObject"}}; !reflect.DeepEqual(class, want) {
				t.Errorf("class %v, want %v", class, want)
			}
			if path := a.Objects[root["RelativePath"].(plist.UID)]; path != f.RelativePath {
				t.Errorf("path %q, want %q", path, f.RelativePath)
			}
			if f.EncryptionKey != nil {
				key := a.Objects[root["EncryptionKey"].(plist.UID)].(map[string]any)
				keyClass := a.Objects[key["$class"].(plist.UID)].(map[string]any)
				if !bytes.Equal(key["NS.data"].([]byte), f.EncryptionKey) || keyClass["$classname"] != "NSMutableData" {
					t.Errorf("encryption key %v of class %v", key, keyClass)
				}
			}
			if xml := plistutil(t, b); !strings.Contains(xml, "<string>MBFile</string>") {
				t.Errorf("plistutil reads\n%s", xml)
			}
		})
	}
}

// plistutil converts b to XML with the tool of Debian's libplist-utils.
func plistutil(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("plistutil", "-i", name, "-o", "-").Output()
	if err != nil {
		t.Fatalf("plistutil (package libplist-utils must be installed): %v", err)
	}
	return string(out)
}

func TestMBFile_commonOrder(t *testing.T) {
	f := files()["directory"]
	b := mustMarshal(t, f)
	if got := hex.EncodeToString(b[:len(goldenDirectory)/2]); got != goldenDirectory {
		t.Errorf("head\n got %s\nwant %s", got, goldenDirectory)
	}
	var a struct {
		Objects []any `plist:"$objects"`
	}
	if err := plist.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Objects) != 4 || a.Objects[2] != "Library" {
		t.Errorf("objects %v, want $null, MBFile, path, class", a.Objects)
	}
	a.Objects = nil
	if err := plist.Unmarshal(mustMarshal(t, files()["encrypted"]), &a); err != nil {
		t.Fatal(err)
	}
	if name := a.Objects[4].(map[string]any)["$classname"]; name != "NSMutableData" {
		t.Errorf("object 4 is class %v, want NSMutableData after the key", name)
	}
	if n := len(mustMarshal(t, files()["encrypted"])); n < 580 || n > 680 {
		t.Errorf("%d bytes; real rows have about 630", n)
	}
}

// archive encodes a keyed archive with the general encoder.
func encodeArchive(t testing.TB, root map[string]any, objects ...any) []byte {
	t.Helper()
	list := append([]any{"$null", root}, objects...)
	b, err := plist.Marshal(map[string]any{
		"$version": 100000, "$archiver": "NSKeyedArchiver", "$top": map[string]any{"root": plist.UID(1)}, "$objects": list,
	}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseMBFile_variants(t *testing.T) {
	digest := bytes.Repeat([]byte{1}, 20)
	filler := make([]any, 300) // so that UIDs need two bytes
	for i := range filler {
		filler[i] = i
	}
	for _, tt := range []struct {
		name string
		data []byte
		want MBFile
	}{
		{"digest as object", encodeArchive(t, map[string]any{"Digest": plist.UID(2)}, digest), MBFile{Digest: digest}},
		{"digest boxed", encodeArchive(t, map[string]any{"Digest": plist.UID(2)}, map[string]any{"NS.data": digest}), MBFile{Digest: digest, DigestForm: DataBoxed}},
		{"digest boxed by reference", encodeArchive(t, map[string]any{"Digest": plist.UID(2)}, map[string]any{"NS.data": plist.UID(3)}, digest), MBFile{Digest: digest, DigestForm: DataBoxed}},
		{"digest inline", encodeArchive(t, map[string]any{"Digest": digest}), MBFile{Digest: digest, DigestForm: DataInline}},
		{"digest null", encodeArchive(t, map[string]any{"Digest": plist.UID(0)}), MBFile{}},
		{"target null", encodeArchive(t, map[string]any{"Target": plist.UID(0)}), MBFile{}},
		{"attributes inline", encodeArchive(t, map[string]any{"ExtendedAttributes": []byte("x")}), MBFile{ExtendedAttributes: []byte("x"), AttributesForm: DataInline}},
		{"path inline", encodeArchive(t, map[string]any{"RelativePath": "a/b"}), MBFile{RelativePath: "a/b"}},
		{"wide UID", encodeArchive(t, map[string]any{"RelativePath": plist.UID(302)}, append(filler, "far")...), MBFile{RelativePath: "far"}},
		{"NSDate", encodeArchive(t, map[string]any{"LastModified": plist.UID(2)}, map[string]any{"NS.time": 728092800.5}), MBFile{LastModified: 728092800 + appleEpoch}},
		{"date", encodeArchive(t, map[string]any{"Birth": time.Unix(1706400000, 0)}), MBFile{Birth: 1706400000}},
		{"real", encodeArchive(t, map[string]any{"Birth": 1706400000.9}), MBFile{Birth: 1706400000}},
		{"negative time", encodeArchive(t, map[string]any{"Birth": -5}), MBFile{Birth: -5}},
		{"unknown keys", encodeArchive(t, map[string]any{"New": 7, "Other": "text"}), MBFile{Extra: []ExtraInt{{"New", 7, false}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseMBFile(tt.data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseMBFile_refuses(t *testing.T) {
	good := mustMarshal(t, regular())
	extra := map[string]any{}
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ" {
		extra[string(c)] = 1
	}
	noTop, err := plist.Marshal(map[string]any{"$objects": []any{"$null", map[string]any{}}}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty":            nil,
		"text":             []byte("<?xml version=\"1.0\"?><plist><dict/></plist>"),
		"cut":              good[:len(good)-1],
		"cut in half":      good[:len(good)/2],
		"too long":         append(bytes.Clone(good), make([]byte, maxMBFileLen)...),
		"no $top":          noTop,
		"UID too large":    encodeArchive(t, map[string]any{"RelativePath": plist.UID(9)}),
		"path is a number": encodeArchive(t, map[string]any{"RelativePath": 3}),
		"mode is text":     encodeArchive(t, map[string]any{"Mode": "rw"}),
		"digest is text":   encodeArchive(t, map[string]any{"Digest": plist.UID(2)}, "abc"),
		"time is endless":  encodeArchive(t, map[string]any{"Birth": 1e300}),
		"too many keys":    encodeArchive(t, extra),
	} {
		if _, err := ParseMBFile(data); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestMBFile_Marshal_refuses(t *testing.T) {
	for name, f := range map[string]MBFile{
		"short key":     {EncryptionKey: []byte{1}},
		"too many keys": {Extra: make([]ExtraInt, maxExtra+1)},
		"too long":      {ExtendedAttributes: make([]byte, maxMBFileLen)},
	} {
		if _, err := f.Marshal(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	most := regular()
	most.Extra = make([]ExtraInt, maxExtra)
	for i := range most.Extra {
		most.Extra[i] = ExtraInt{Key: string(rune('a' + i)), Value: int64(i) << 40}
	}
	if _, err := ParseMBFile(mustMarshal(t, most)); err != nil {
		t.Errorf("the most keys allowed: %v", err)
	}
}

func TestParseMBFile_sharesNoMemory(t *testing.T) {
	b := mustMarshal(t, files()["encrypted"])
	f, err := ParseMBFile(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if diff := cmp.Diff(files()["encrypted"], f); diff != "" {
		t.Errorf("the result changed with the input\n%s", diff)
	}
}

func FuzzParseMBFile(f *testing.F) {
	for _, file := range files() {
		f.Add(mustMarshal(f, file))
	}
	f.Add(encodeArchive(f, map[string]any{"LastModified": plist.UID(2)}, map[string]any{"NS.time": 1.5}))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseMBFile(data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error without ErrMalformed: %v", err)
			}
			return
		}
		if file.EncryptionKey != nil && len(file.EncryptionKey) != keybag.WrappedKeySize {
			return // found out when the key is used
		}
		b, err := file.Marshal()
		if err != nil {
			if len(data) > maxMBFileLen/4 {
				return
			}
			t.Fatalf("what was parsed does not encode: %v", err)
		}
		again, err := ParseMBFile(b)
		if err != nil {
			t.Fatalf("what was encoded does not parse: %v", err)
		}
		if !reflect.DeepEqual(normal(file), normal(again)) {
			t.Errorf("first %+v\nthen %+v", file, again)
		}
	})
}

// normal takes away what has no encoding of its own: the form of absent data,
// and a key that came twice.
func normal(f MBFile) MBFile {
	if f.Digest == nil {
		f.DigestForm = 0
	}
	if f.ExtendedAttributes == nil {
		f.AttributesForm = 0
	}
	return f
}

func BenchmarkParseMBFile(b *testing.B) {
	data := mustMarshal(b, files()["encrypted"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseMBFile(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMBFile_Marshal(b *testing.B) {
	f := files()["encrypted"]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
