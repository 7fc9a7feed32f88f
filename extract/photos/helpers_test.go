package photos

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// readInto copies what belongs to the camera roll into memory, so that it outlives the
// test that made it.
func readInto(t testing.TB, fsys fs.FS) fstest.MapFS {
	t.Helper()
	into := fstest.MapFS{}
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		ours := strings.HasPrefix(name, "CameraRollDomain/") || strings.HasPrefix(name, syndication)
		if err != nil || !ours || !e.Type().IsRegular() || strings.HasSuffix(name, "-shm") {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		into[name] = &fstest.MapFile{Data: data, Mode: 0o600, ModTime: info.ModTime()}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return into
}
