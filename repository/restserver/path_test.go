package restserver

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/keepsake-backup/keepsake/repository/backend"
)

const id = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b" // SHA-256 of "1"

func TestParsePath(t *testing.T) {
	for _, c := range []struct {
		path string
		kind kind // 0: an error
		repo string
		h    backend.Handle
	}{
		{"/", folder, "", backend.Handle{}},
		{"/config", file, "", backend.Handle{Type: backend.ConfigFile}},
		{"/data/", list, "", backend.Handle{}},
		{"/data/" + id, file, "", backend.Handle{Type: backend.PackFile, Name: id}},
		{"/ada/", folder, "ada", backend.Handle{}},
		{"/ada/phone/", folder, "ada/phone", backend.Handle{}},
		{"/ada/phone/config", file, "ada/phone", backend.Handle{Type: backend.ConfigFile}},
		{"/ada/phone/locks/", list, "ada/phone", backend.Handle{}},
		{"/ada/phone/locks/" + id, file, "ada/phone", backend.Handle{Type: backend.LockFile, Name: id}},
		{"/00008101-000A1B2C3D4E001E/snapshots/", list, "00008101-000A1B2C3D4E001E", backend.Handle{}},
		{"/ada@example.org/a+b=c_d.e/keys/", list, "ada@example.org/a+b=c_d.e", backend.Handle{}},
		{"/a/b/c/d/e/f/g/h/", folder, "a/b/c/d/e/f/g/h", backend.Handle{}},
		{"/a/b/c/d/e/f/g/h/i/", 0, "", backend.Handle{}},
		{"", 0, "", backend.Handle{}},
		{"config", 0, "", backend.Handle{}},
		{"/ada", 0, "", backend.Handle{}},
		{"/ada/phone", 0, "", backend.Handle{}},
		{"/data", 0, "", backend.Handle{}},
		{"//", 0, "", backend.Handle{}},
		{"/ada//config", 0, "", backend.Handle{}},
		{"/./config", 0, "", backend.Handle{}},
		{"/../config", 0, "", backend.Handle{}},
		{"/ada/../bob/config", 0, "", backend.Handle{}},
		{"/.hidden/", 0, "", backend.Handle{}},
		{"/-rf/", 0, "", backend.Handle{}},
		{"/dot./", 0, "", backend.Handle{}},
		{"/a b/", 0, "", backend.Handle{}},
		{"/a\\b/", 0, "", backend.Handle{}},
		{"/c:/", 0, "", backend.Handle{}},
		{"/a\x00/", 0, "", backend.Handle{}},
		{"/ü/", 0, "", backend.Handle{}},
		{"/" + strings.Repeat("a", 101) + "/", 0, "", backend.Handle{}},
		{"/data/x/config", 0, "", backend.Handle{}},
		{"/Data/x/config", 0, "", backend.Handle{}},
		{"/config/", 0, "", backend.Handle{}},
		{"/data/keys/", 0, "", backend.Handle{}},
		{"/data/" + id + "/", 0, "", backend.Handle{}},
		{"/data/6b/" + id, 0, "", backend.Handle{}},
		{"/data/" + strings.ToUpper(id), 0, "", backend.Handle{}},
		{"/data/" + id[1:], 0, "", backend.Handle{}},
		{"/keys/..", 0, "", backend.Handle{}},
		{"/keys/config", file, "", backend.Handle{}}, // see below
	} {
		got, err := parsePath(c.path)
		if c.path == "/keys/config" {
			c.kind = 0 // the folder of keys is no repository
		}
		if (err != nil) != (c.kind == 0) {
			t.Errorf("%q: got %+v, %v", c.path, got, err)
			continue
		}
		if err == nil && (got.kind != c.kind || got.repo() != c.repo || got.handle != c.h) {
			t.Errorf("%q: got %+v, want %+v", c.path, got, c)
		}
	}
}

// FuzzParsePath: what is accepted stays below the root and can be written in one
// way only.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/config", "/a/data/", "/a/b/keys/" + id, "/../config", "//", "/a/./b/", "/CON/", "/data/data/" + id} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parsePath(path)
		if err != nil {
			return
		}
		repo := got.repo()
		if repo != "" && (!filepath.IsLocal(filepath.FromSlash(repo)) || filepath.ToSlash(filepath.Clean(filepath.FromSlash(repo))) != repo) {
			t.Errorf("%q: repository %q", path, repo)
		}
		again := "/"
		if repo != "" {
			again += repo + "/"
		}
		switch got.kind {
		case list:
			again += got.fileType.Folder() + "/"
		case file:
			if err := got.handle.Check(); err != nil {
				t.Errorf("%q: %v", path, err)
			}
			if got.handle.Type == backend.ConfigFile {
				again += "config"
			} else {
				again += got.handle.Type.Folder() + "/" + got.handle.Name
			}
		}
		if again != path {
			t.Errorf("%q means %q", path, again)
		}
	})
}
