package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/keepsake-backup/keepsake/device"
	"github.com/keepsake-backup/keepsake/internal/progress"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/repository/restserver"
)

const (
	annaUDID = "00008101-000A1B2C3D4E001E"
	bertUDID = "00008110-000A1B2C3D4E002F"
)

// stores are places of every way to find out what is there: a folder, which
// lists folders, and two that cannot.
func stores(t *testing.T) map[string]map[string]string {
	t.Helper()
	root := t.TempDir()
	handler, err := restserver.New(restserver.Options{Open: func(_ context.Context, path string) (backend.Backend, error) {
		return local.Open(filepath.Join(root, "rest", filepath.FromSlash(path)), local.Options{})
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "rest"), 0o700); err != nil {
		t.Fatal(err)
	}
	rest := httptest.NewServer(handler)
	t.Cleanup(rest.Close)
	s3 := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(s3.Close)
	return map[string]map[string]string{
		"folder": {"KEEPSAKE_REPOSITORY": filepath.Join(root, "disk")},
		"rest":   {"KEEPSAKE_REPOSITORY": "rest:" + rest.URL + "/ada/"},
		"s3":     {"KEEPSAKE_REPOSITORY": "s3:" + s3.URL + "/bucket/ada", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_REGION": "us-east-1"},
	}
}

func appWith(t *testing.T, env map[string]string) *app {
	t.Helper()
	a := &app{Program: Program{Stdin: eof{}, Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Getenv: func(name string) string { return env[name] }}, ctx: t.Context()}
	a.repo = repositoryFlags{env: "KEEPSAKE_REPOSITORY", password: mainPassword(), noCache: true}
	return a
}

// TestLocations: a place becomes a location with its first phone, is found
// again from another computer, and has one password.
func TestLocations(t *testing.T) {
	for name, env := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env["KEEPSAKE_PASSWORD"] = scriptPassword
			if code, _, stderr := runWith(t, env, "snapshots", "--no-cache"); code != exitNoRepository {
				t.Fatalf("nothing is there: code %d, %s", code, stderr)
			}
			for i, udid := range []string{annaUDID, bertUDID, annaUDID} {
				if made := makeMember(t, env, udid); made != (i < 2) {
					t.Errorf("%d: made %v", i, made)
				}
			}
			code, stdout, stderr := runWith(t, env, "recovery-kit", "--no-cache", "--json")
			if code != 0 || strings.Index(stdout, annaUDID) > strings.Index(stdout, bertUDID) || !strings.Contains(stdout, annaUDID) {
				t.Errorf("members: code %d, %s%s", code, stdout, stderr)
			}
			if code, _, stderr := runWith(t, env, "stats", "--no-cache"); code != exitUsage || !strings.Contains(stderr, bertUDID) {
				t.Errorf("several phones: code %d, %s", code, stderr)
			}
			if code, _, stderr := runWith(t, env, "stats", "--no-cache", "--udid", annaUDID[:10]); code != 0 {
				t.Errorf("one of them: code %d, %s", code, stderr)
			}
			env["KEEPSAKE_PASSWORD"] = "another"
			a := appWith(t, env)
			if _, err := a.openHome(t.Context(), env["KEEPSAKE_REPOSITORY"], &a.repo); !errors.Is(err, repository.ErrWrongPassword) {
				t.Errorf("a phone could get another password: %v", err)
			}
		})
	}
}

func makeMember(t *testing.T, env map[string]string, text string) (made bool) {
	t.Helper()
	a := appWith(t, env)
	udid, err := device.ParseUDID(text)
	if err != nil {
		t.Fatal(err)
	}
	h, err := a.openHome(t.Context(), env["KEEPSAKE_REPOSITORY"], &a.repo)
	if err != nil {
		t.Fatal(err)
	}
	say := progress.NewQuiet(a.Stderr)
	r, made, err := h.Of(t.Context(), udid, say)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Release(r), h.Close()); err != nil {
		t.Error(err)
	}
	return made
}

// TestMemberCutOff: a repository that was made before anybody could be told of
// it is taken, not refused.
func TestMemberCutOff(t *testing.T) {
	env := stores(t)["rest"]
	env["KEEPSAKE_PASSWORD"] = scriptPassword
	whole := env["KEEPSAKE_REPOSITORY"]
	env["KEEPSAKE_REPOSITORY"] = whole + annaUDID + "/"
	if code, _, stderr := runWith(t, env, "init", "--no-cache"); code != 0 {
		t.Fatalf("init: %d, %s", code, stderr)
	}
	env["KEEPSAKE_REPOSITORY"] = whole
	if code, _, _ := runWith(t, env, "snapshots", "--no-cache"); code != exitNoRepository {
		t.Errorf("before it is known: code %d", code)
	}
	makeMember(t, env, annaUDID)
	if code, _, stderr := runWith(t, env, "snapshots", "--no-cache"); code != 0 {
		t.Errorf("afterwards: code %d, %s", code, stderr)
	}
}

func TestSplitSnapshot(t *testing.T) {
	for text, want := range map[string][2]string{
		"0a1b":                 {"0a1b", ""},
		"0a1b:phone/x":         {"0a1b", "phone/x"},
		"0a1b:/phone":          {"0a1b", "/phone"},
		"latest":               {"latest", ""},
		"latest:":              {"latest", ""},
		"latest:/a/b":          {"latest", "/a/b"},
		"latest:Anna":          {"latest:Anna", ""},
		"latest:Anna:/a/b":     {"latest:Anna", "/a/b"},
		"latest:Anna: the 2nd": {"latest:Anna: the 2nd", ""},
	} {
		if id, path := splitSnapshot(text); id != want[0] || path != want[1] {
			t.Errorf("%q: %q, %q", text, id, path)
		}
	}
}
