package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a module that is quick to build: what makes builds differ is the same in
// all. It prints what the linker stamped.
func sample(t *testing.T, dir string) *build {
	t.Helper()
	files := map[string]string{
		"go.mod":                "module sample\n\ngo 1.26\n",
		"cmd/sample/main.go":    "package main\n\nimport \"sample/inner\"\n\nvar release string\n\nfunc main() { println(release, inner.Where()) }\n",
		"inner/inner.go":        "package inner\n\nimport \"runtime\"\n\nfunc Where() string {\n\t_, file, _, _ := runtime.Caller(0)\n\treturn file\n}\n",
		"LICENSE":               "free\n",
		"packaging/b/two.conf":  "2\n",
		"packaging/b/a/one.txt": "1\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return &build{version: "v1.2.3", out: filepath.Join(dir, "dist"), goTool: "go", module: dir, program: "./cmd/sample", stamp: "main.release",
		extras: []string{"LICENSE", "packaging"}, targets: []target{{runtime.GOOS, runtime.GOARCH}}}
}

// names are the archives of a folder of releases, with their bytes.
func archives(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	return out
}

// The same in another folder, at another time, by a user with other settings, is
// the same to the bit.
func TestBuild_reproducible(t *testing.T) {
	one, two := sample(t, filepath.Join(t.TempDir(), "here")), sample(t, filepath.Join(t.TempDir(), "elsewhere", "deeper"))
	if err := one.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("GOAMD64", "v2")
	old := time.Now().Add(-999 * time.Hour)
	if err := os.Chtimes(filepath.Join(two.module, "LICENSE"), old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(two.module, "LICENSE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := two.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b := archives(t, one.out), archives(t, two.out)
	if len(a) != 2 {
		t.Errorf("%d files, want an archive and its checksum", len(a))
	}
	for name := range a {
		if a[name] != b[name] {
			t.Errorf("%s differs (%d and %d bytes)", name, len(a[name]), len(b[name]))
		}
		if strings.Contains(a[name], one.module) {
			t.Errorf("%s holds a path of this computer", name)
		}
	}
}

func TestBuild_archive(t *testing.T) {
	b := sample(t, t.TempDir())
	if err := b.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	top := fmt.Sprintf("keepsake_v1.2.3_%s_%s", runtime.GOOS, runtime.GOARCH)
	files := archives(t, b.out)
	archive, binary := top+".tar.gz", "keepsake"
	read := untar
	if runtime.GOOS == "windows" {
		archive, binary, read = top+".zip", "keepsake.exe", unzip
	}
	sum := sha256.Sum256([]byte(files[archive]))
	if want := fmt.Sprintf("%x  %s\n", sum, archive); files["SHA256SUMS"] != want {
		t.Errorf("SHA256SUMS is %q, want %q", files["SHA256SUMS"], want)
	}
	got := read(t, files[archive])
	program := filepath.Join(t.TempDir(), binary)
	if err := os.WriteFile(program, []byte(got[top+"/"+binary]), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "v1.2.3 sample/inner/inner.go" {
		t.Errorf("the program says %q (%v)", out, err)
	}
	delete(got, top+"/"+binary)
	if d := cmp.Diff(map[string]string{top + "/LICENSE": "free\n", top + "/packaging/b/a/one.txt": "1\n", top + "/packaging/b/two.conf": "2\n"}, got); d != "" {
		t.Errorf("beside it (-want +got):\n%s", d)
	}
}

func untar(t *testing.T, data string) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	last := ""
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(epoch) || h.Name <= last {
			t.Errorf("%s says too much: %+v", h.Name, h)
		}
		last = h.Name
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil {
			t.Fatal(err)
		}
		out[h.Name] = b.String()
	}
}

func unzip(t *testing.T, data string) map[string]string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if !f.Modified.Equal(epoch) {
			t.Errorf("%s has the time %v", f.Name, f.Modified)
		}
		out[f.Name] = string(b)
	}
	return out
}

func TestZipOf(t *testing.T) {
	members := []member{{"k/b", []byte("2"), 0o644}, {"k/a.exe", []byte("1"), 0o755}}
	one, err := zipOf(members)
	if err != nil {
		t.Fatal(err)
	}
	two, err := zipOf([]member{members[1], members[0]})
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the order matters (%v)", err)
	}
	if d := cmp.Diff(map[string]string{"k/a.exe": "1", "k/b": "2"}, unzip(t, string(one))); d != "" {
		t.Error(d)
	}
}

// The command that docs/running.md gives to people verifies it.
func TestBuild_signature(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: run make deps\n%s", err, out)
	}
	b := sample(t, filepath.Join(dir, "module"))
	b.key = key
	if err := b.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	signers := filepath.Join(dir, "allowed_signers")
	if err := os.WriteFile(signers, []byte("keepsake "+string(public)), 0o600); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(b.out, "SHA256SUMS")
	verify := func() error {
		in, err := os.Open(list)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd := exec.CommandContext(t.Context(), "ssh-keygen", "-Y", "verify", "-f", signers, "-I", "keepsake", "-n", "file", "-s", list+".sig")
		cmd.Stdin = in
		return cmd.Run()
	}
	if err := verify(); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	if err := os.WriteFile(list, []byte("something else\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if verify() == nil {
		t.Error("other checksums are taken for signed")
	}
	b.key = ""
	if err := b.all(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(list + ".sig"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the signature of the build before stays: %v", err)
	}
	b.key = filepath.Join(dir, "no-key")
	if err := b.all(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "sign ") {
		t.Errorf("no key: %v", err)
	}
}

func TestRun_refuses(t *testing.T) {
	for _, args := range [][]string{{}, {"-version", "1.2"}, {"-version", "v1.2.3;x"}, {"-version", "v1.2.3", "-targets", "linux"}, {"-version", "v1.2.3", "more"}, {"-x"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestBuild_fails(t *testing.T) {
	b := sample(t, t.TempDir())
	b.program = "./nothing"
	if err := b.all(t.Context()); err == nil || !strings.Contains(err.Error(), "go build: ") {
		t.Errorf("no program: %v", err)
	}
	b.extras = []string{"missing"}
	if err := b.all(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "read missing: ") {
		t.Errorf("no extra: %v", err)
	}
}
