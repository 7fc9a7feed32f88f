package contents

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "contents"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// shared is a tiny phone that no test changes.
var shared = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, "shared")
	return dir, Generate(context.Background(), dir, Options{Seed: 1, Profile: Tiny})
})

func sharedPhone(t *testing.T) string {
	t.Helper()
	dir, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyPhone gives a copy of the shared phone, times and modes included.
func copyPhone(t *testing.T) string {
	t.Helper()
	from, to := sharedPhone(t), filepath.Join(t.TempDir(), "phone")
	type stamp struct {
		at   string
		info fs.FileInfo
	}
	var stamps []stamp
	err := filepath.WalkDir(from, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		dest := filepath.Join(to, strings.TrimPrefix(at, from))
		stamps = append(stamps, stamp{dest, info})
		switch {
		case e.IsDir():
			return os.Mkdir(dest, 0o755)
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(at)
			return errors.Join(err, os.Symlink(target, dest))
		}
		data, err := os.ReadFile(at)
		return errors.Join(err, writeFile(dest, data, 0, info.Mode().Perm()))
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(stamps) - 1; i >= 0; i-- {
		if err := setTime(stamps[i].at, stamps[i].info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// files gives one line of everything about each entry below a folder, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, content := filepath.ToSlash(strings.TrimPrefix(strings.TrimPrefix(at, dir), "/")), ""
		switch e.Type() {
		case 0:
			data, err := os.ReadFile(at)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(data))
		case fs.ModeSymlink:
			if content, err = os.Readlink(at); err != nil {
				return err
			}
		}
		line := fmt.Sprintf("%v %s", info.Mode(), content)
		if rel != "" && rel != appsFile && rel != stateFile {
			line += fmt.Sprint(" ", info.ModTime().UnixNano())
		}
		all[rel] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// digest gives the digest of a phone as Domain/path → line.
func digest(t *testing.T, dir string, encrypted bool) map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := Digest(t.Context(), dir, encrypted, &b); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(b.String()) {
		sum, key, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			t.Fatalf("digest line %q has no two blanks", line)
		}
		if escaped, ok := strings.CutPrefix(sum, `\`); ok {
			sum, key = escaped, strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(key)
		}
		all[key] = sum
	}
	return all
}
