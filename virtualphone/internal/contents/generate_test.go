package contents

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

func TestGenerate_sameOptionsSameFiles(t *testing.T) {
	again := t.TempDir()
	if err := Generate(t.Context(), again, Options{Seed: 1, Profile: Tiny}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(files(t, sharedPhone(t)), files(t, again)); diff != "" {
		t.Errorf("a second phone differs (-first +second):\n%s", diff)
	}
}

func TestGenerate_otherSeedOtherFiles(t *testing.T) {
	other := t.TempDir()
	if err := Generate(t.Context(), other, Options{Seed: 2, Profile: Tiny}); err != nil {
		t.Fatal(err)
	}
	a, b := digest(t, sharedPhone(t), true), digest(t, other, true)
	for _, key := range []string{roll + "/Media/DCIM/100APPLE/IMG_0001.HEIC", roll + "/" + photosDB, "HomeDomain/" + preferences + "com.apple.mobilesafari.plist"} {
		if a[key] == "" || b[key] == "" || a[key] == b[key] {
			t.Errorf("%s: %q and %q", key, a[key], b[key])
		}
	}
}

func TestGenerate_counts(t *testing.T) {
	small := t.TempDir()
	if err := Generate(t.Context(), small, Options{Seed: 3, Profile: Small}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dir                                    string
		minFiles, maxFiles, minBytes, maxBytes int64
	}{
		{sharedPhone(t), 250, 450, 3e6, 7e6},
		{small, 2500, 3500, 80e6, 125e6},
	} {
		var count, size int64
		err := filepath.WalkDir(test.dir, func(_ string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			info, err := e.Info()
			if err == nil {
				count++
				size += info.Size()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if count < test.minFiles || count > test.maxFiles || size < test.minBytes || size > test.maxBytes {
			t.Errorf("%s: %d files of %d bytes, want %d to %d files and %d to %d bytes", filepath.Base(test.dir), count, size,
				test.minFiles, test.maxFiles, test.minBytes, test.maxBytes)
		}
	}
	settings, err := filepath.Glob(filepath.Join(small, "fs/HomeDomain", preferences, "*.plist"))
	if err != nil || len(settings) < 340 {
		t.Errorf("%d settings, %v", len(settings), err)
	}
}

func TestGenerate_times(t *testing.T) {
	now := Options{}.state().Now
	for rel, line := range files(t, sharedPhone(t)) {
		at := line[strings.LastIndex(line, " ")+1:]
		if rel == "" || rel == appsFile || rel == stateFile {
			continue
		}
		var nano int64
		if _, err := fmt.Sscan(at, &nano); err != nil {
			t.Fatal(err)
		}
		if mtime := time.Unix(0, nano); mtime.Nanosecond() != 0 || mtime.After(now) || mtime.Before(now.AddDate(-6, 0, 0)) {
			t.Errorf("%s has the time %v", rel, mtime.UTC())
		}
	}
}

func TestGenerate_oddThingsAreThere(t *testing.T) {
	base := filepath.Join(sharedPhone(t), "fs/AppDomainGroup-group.com.apple.FileProvider.LocalStorage/File Provider Storage")
	if len(longName) != 200 {
		t.Errorf("the long name has %d bytes", len(longName))
	}
	for _, name := range oddNames {
		if !hostAllows(name) {
			continue
		}
		if _, err := os.Stat(filepath.Join(base, name)); err != nil {
			t.Error(err)
		}
	}
	if target, err := os.Readlink(filepath.Join(base, "dangling 🔗")); err != nil || target != "../does/not exist" {
		t.Errorf("dangling link: %q, %v", target, err)
	}
	for _, rel := range []string{"Nested/empty/folders", "Empty folder"} {
		if entries, err := os.ReadDir(filepath.Join(base, rel)); err != nil || len(entries) != 0 {
			t.Errorf("%s: %v, %v", rel, entries, err)
		}
	}
	apps := filepath.Join(sharedPhone(t), "fs", appData+"com.example.lumora")
	for _, rel := range []string{"Library/Caches/Cache.db", "tmp/upload.part", "Library/Application Support/Model.sqlite-wal", "Documents/.keep"} {
		if _, err := os.Stat(filepath.Join(apps, rel)); err != nil {
			t.Error(err)
		}
	}
}

func TestGenerate_settingsAreBinaryPropertyLists(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(sharedPhone(t), "fs/HomeDomain", preferences, "*.plist"))
	if err != nil || len(all) < 14 {
		t.Fatalf("%d settings, %v", len(all), err)
	}
	for _, at := range all {
		data, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		var value map[string]any
		if err := plist.Unmarshal(data, &value); err != nil || !bytes.HasPrefix(data, []byte("bplist00")) || len(value) == 0 {
			t.Errorf("%s: %d keys, %v", filepath.Base(at), len(value), err)
		}
	}
}

func TestGenerate_picturesOpen(t *testing.T) {
	kinds := map[string]int{}
	for rel := range files(t, sharedPhone(t)) {
		at := filepath.Join(sharedPhone(t), rel)
		if rel != path.Clean(rel) || strings.Contains(rel, "PhotoCloudSharingData") {
			continue
		}
		info, err := os.Lstat(at)
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(rel, "fs/MediaDomain") || strings.HasPrefix(rel, "fs/AppDomainGroup-group.net") {
			continue
		}
		ext := strings.ToLower(path.Ext(rel))
		kinds[ext]++
		if err := openPicture(at, ext); err != nil {
			t.Errorf("%s: %v", rel, err)
		}
	}
	for _, ext := range []string{".heic", ".jpg", ".png", ".mov", ".mp4", ".m4a", ".m4p"} {
		if kinds[ext] == 0 {
			t.Errorf("no %s is there", ext)
		}
	}
}

func openPicture(at, ext string) error {
	switch ext {
	case ".jpg", ".png":
		data, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		if ext == ".png" {
			_, err = png.Decode(bytes.NewReader(data))
		} else {
			_, err = jpeg.Decode(bytes.NewReader(data))
		}
		return err
	case ".heic":
		return run("heif-info", at)
	case ".mov", ".mp4":
		return run("ffprobe", "-v", "error", at)
	}
	return nil
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	return nil
}

func TestGenerate_refuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		dir  string
		o    Options
		want error
		text string
	}{
		{"a phone that is there", t.Context(), sharedPhone(t), Options{Profile: Tiny}, os.ErrExist, "file already exists"},
		{"an ended context", cancelled, t.TempDir(), Options{Profile: Tiny}, context.Canceled, "context canceled"},
		{"an unknown profile", t.Context(), t.TempDir(), Options{Profile: "vast"}, nil, `unknown profile "vast"`},
		{"a version that is none", t.Context(), t.TempDir(), Options{Profile: Tiny, IOS: "eleven"}, nil, `parse iOS version "eleven"`},
	} {
		err := Generate(test.ctx, test.dir, test.o)
		if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, want %q", test.name, err, test.text)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for _, name := range []string{"tiny", "small", "typical", "huge"} {
		if p, err := ParseProfile(name); err != nil || string(p) != name {
			t.Errorf("%s: %q, %v", name, p, err)
		}
	}
	if _, err := ParseProfile("Small"); err == nil || !strings.Contains(err.Error(), `parse profile "Small"`) {
		t.Errorf("Small: %v", err)
	}
}
