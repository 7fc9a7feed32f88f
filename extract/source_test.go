package extract_test

import (
	"errors"
	"io/fs"
	"math"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

func TestMemo(t *testing.T) {
	src := &extract.Source{FS: fstest.MapFS{}}
	n := 0
	find := func() (int, error) {
		if n++; n == 1 {
			return 0, errors.New("not yet")
		}
		return n, nil
	}
	if _, err := extract.Memo(src, "k", find); err == nil {
		t.Error("no error")
	}
	for range 3 {
		if v, err := extract.Memo(src, "k", find); v != 2 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if v, _ := extract.Memo(src, "k", find); v != 3 {
		t.Errorf("after Close: %d", v)
	}
}

func TestTimes(t *testing.T) {
	day := time.Date(2021, 6, 1, 12, 0, 0, 0, time.UTC)
	seconds := float64(day.Unix() - 978307200)
	for name, x := range map[string]struct{ got, want time.Time }{
		"seconds":          {extract.CocoaTime(seconds), day},
		"with a fraction":  {extract.CocoaTime(seconds + 0.25), day.Add(250 * time.Millisecond)},
		"none":             {extract.CocoaTime(0), time.Time{}},
		"distant future":   {extract.CocoaTime(63113904000), time.Time{}},
		"distant past":     {extract.CocoaTime(-63114076800), time.Time{}},
		"not a number":     {extract.CocoaTime(math.NaN()), time.Time{}},
		"before 2001":      {extract.CocoaTime(-86400), time.Date(2000, 12, 31, 0, 0, 0, 0, time.UTC)},
		"nanoseconds":      {extract.CocoaNano(int64(seconds) * 1e9), day},
		"old, in seconds":  {extract.CocoaNano(int64(seconds)), day},
		"none, nano":       {extract.CocoaNano(0), time.Time{}},
		"nano, far beyond": {extract.CocoaNano(math.MaxInt64), time.Date(2293, 4, 11, 23, 47, 16, 854775807, time.UTC)},
		"unix":             {extract.UnixTime(float64(day.Unix())), day},
		"unix, none":       {extract.UnixTime(0), time.Time{}},
	} {
		if !x.got.Equal(x.want) {
			t.Errorf("%s: %v, want %v", name, x.got, x.want)
		}
	}
}

func TestSource_Find(t *testing.T) {
	src := &extract.Source{FS: fstest.MapFS{"HomeDomain/Library/Reminders/Data-1.sqlite": {}, "HomeDomain/Library/Reminders/Data-2.sqlite": {}, "HomeDomain/Library/Reminders/x": {}, "AppDomainGroup-a/S/Data-3.sqlite": {}}}
	got := src.Find("*/*/Data-*.sqlite")
	if len(got) != 1 || got[0] != "AppDomainGroup-a/S/Data-3.sqlite" {
		t.Error(got)
	}
	if got := src.Find("HomeDomain/Library/Reminders/Data-*.sqlite"); len(got) != 2 {
		t.Error(got)
	}
	if got := src.Find("nowhere/*"); got != nil {
		t.Error(got)
	}
}

func TestSource_ReadFile(t *testing.T) {
	src := &extract.Source{FS: fstest.MapFS{"a": {Data: []byte("12345")}}}
	if data, err := src.ReadFile("a", 5); err != nil || string(data) != "12345" {
		t.Error(data, err)
	}
	if _, err := src.ReadFile("a", 4); err == nil {
		t.Error("more than the limit was read")
	}
	if _, err := src.ReadFile("b", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if src.Has("../a") || src.Has("b") || !src.Has("a") {
		t.Error("Has is wrong")
	}
}
