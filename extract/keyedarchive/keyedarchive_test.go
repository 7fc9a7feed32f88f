package keyedarchive_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/extract/keyedarchive"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

type (
	dict = map[string]any
	uid  = plist.UID
)

// class is an entry of $objects for a class.
func class(names ...any) dict { return dict{"$classname": names[0], "$classes": names} }

func archive(t testing.TB, top dict, objects ...any) []byte {
	t.Helper()
	data, err := plist.Marshal(dict{"$archiver": "NSKeyedArchiver", "$version": 100000, "$top": top, "$objects": append([]any{"$null"}, objects...)}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func link(t testing.TB) []byte {
	return archive(t, dict{"root": uid(1)},
		dict{"$class": uid(6), "richLinkMetadata": uid(2), "richLinkIsPlaceholder": false},
		dict{"$class": uid(7), "title": uid(3), "URL": uid(4), "nothing": uid(0), "version": 1},
		"The ridge walk",
		dict{"$class": uid(8), "NS.base": uid(0), "NS.relative": uid(5)}, "https://example.org/walk",
		class("RichLink", "NSObject"), class("LPLinkMetadata", "NSObject"), class("NSURL", "NSObject"))
}

func TestDecode(t *testing.T) {
	const id = "00112233-4455-6677-8899-aabbccddeeff"
	for name, x := range map[string]struct {
		data []byte
		want any
	}{
		"link": {link(t), dict{"$class": "RichLink", "richLinkIsPlaceholder": false, "richLinkMetadata": dict{
			"$class": "LPLinkMetadata", "title": "The ridge walk", "URL": "https://example.org/walk", "nothing": nil, "version": uint64(1)}}},
		"dictionary": {archive(t, dict{"root": uid(1)}, dict{"$class": uid(2), "NS.keys": []any{uid(3), uid(4)}, "NS.objects": []any{uid(5), uid(5)}},
			class("NSMutableDictionary", "NSDictionary", "NSObject"), "a", 7, "x"), dict{"a": "x", "7": "x"}},
		"set": {archive(t, dict{"root": uid(1)}, dict{"$class": uid(2), "NS.objects": []any{uid(3), uid(0)}}, class("NSSet", "NSObject"), "x"), []any{"x", nil}},
		"values": {archive(t, dict{"root": uid(1)}, dict{"$class": uid(2), "NS.objects": []any{uid(3), uid(5), uid(7), uid(9), uid(11), uid(13)}}, class("NSArray", "NSObject"),
			dict{"$class": uid(4), "NS.string": "mutable"}, class("NSMutableString", "NSString", "NSObject"),
			dict{"$class": uid(6), "NS.data": []byte("bytes")}, class("NSMutableData", "NSData", "NSObject"),
			dict{"$class": uid(8), "NS.time": 86400.5}, class("NSDate", "NSObject"),
			dict{"$class": uid(10), "NS.uuidbytes": []byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")}, class("NSUUID", "NSObject"),
			dict{"$class": uid(12), "NSString": uid(3)}, class("NSAttributedString", "NSObject"),
			dict{"$class": uid(14)}, class("NSNull", "NSObject")),
			[]any{"mutable", []byte("bytes"), time.Date(2001, 1, 2, 0, 0, 0, 5e8, time.UTC), id, "mutable", nil}},
		"relative": {archive(t, dict{"root": uid(1)}, dict{"$class": uid(5), "NS.base": uid(2), "NS.relative": uid(4)},
			dict{"$class": uid(5), "NS.base": uid(0), "NS.relative": uid(3)}, "https://example.org/a/b", "c?d=1", class("NSURL", "NSObject")), "https://example.org/a/c?d=1"},
		"cycle":      {archive(t, dict{"root": uid(1)}, dict{"$class": uid(2), "self": uid(1), "list": uid(3)}, class("A"), []any{uid(3), uid(1), "x"}), dict{"$class": "A", "self": nil, "list": []any{nil, nil, "x"}}},
		"other name": {archive(t, dict{"$0": uid(1)}, "x"), "x"},
		"two tops":   {archive(t, dict{"a": uid(1), "b": uid(0)}, "x"), dict{"a": "x", "b": nil}},
		"no class":   {archive(t, dict{"root": uid(1)}, dict{"$class": uid(99), "a": true}), dict{"a": true}},
	} {
		got, err := keyedarchive.Decode(x.data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRefuses(t *testing.T) {
	// Each list has the next one twice: twenty of them are a million values.
	var bomb, deep []any
	for i := range 20 {
		bomb = append(bomb, []any{uid(i + 2), uid(i + 2)})
	}
	for i := range 200 {
		deep = append(deep, []any{uid(i + 2)})
	}
	empty, err := plist.Marshal(dict{"a": 1}, plist.Binary)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing": nil, "no list": []byte("bplist00"), "no archive": empty, "bomb": archive(t, dict{"root": uid(1)}, append(bomb, "x")...), "deep": archive(t, dict{"root": uid(1)}, append(deep, "x")...),
		"outside": archive(t, dict{"root": uid(9)}, "x"), "a reference": archive(t, dict{"root": uid(1)}, uid(1)), "too long": make([]byte, keyedarchive.MaxSize+1),
		"key": archive(t, dict{"root": uid(1)}, dict{"$class": uid(2), "NS.keys": []any{uid(1)}, "NS.objects": []any{uid(0)}}, class("NSDictionary", "NSObject")),
	} {
		if v, err := keyedarchive.Decode(data); !errors.Is(err, keyedarchive.ErrMalformed) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
}

func TestFind(t *testing.T) {
	v, err := keyedarchive.Decode(link(t))
	if err != nil {
		t.Fatal(err)
	}
	if m := keyedarchive.Find([]any{1, v}, "LPLinkMetadata"); m["title"] != "The ridge walk" {
		t.Errorf("%v", m)
	}
	if m := keyedarchive.Find(v, "NSURL"); m != nil {
		t.Errorf("%v", m)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(link(f))
	f.Add(archive(f, dict{"root": uid(1)}, dict{"$class": uid(2), "self": uid(1), "list": uid(3)}, class("A"), []any{uid(3), uid(1), "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := keyedarchive.Decode(slices.Clone(data))
		if err != nil && !errors.Is(err, keyedarchive.ErrMalformed) {
			t.Error(err)
		}
		keyedarchive.Find(v, "LPLinkMetadata")
	})
}
