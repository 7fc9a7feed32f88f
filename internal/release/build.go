package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allTargets are the systems that there are releases for.
var allTargets = []string{"linux/amd64", "linux/arm64", "darwin/arm64", "darwin/amd64", "windows/amd64"}

var goodVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$`)

// target is a system and a processor, as Go names them.
type target struct{ system, processor string }

var goodTarget = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+$`)

func parseTarget(s string) (target, error) {
	if !goodTarget.MatchString(s) {
		return target{}, fmt.Errorf("target %q is not OS/ARCH", s)
	}
	system, processor, _ := strings.Cut(s, "/")
	return target{system, processor}, nil
}

// build is one release.
type build struct {
	version, out, key string
	goTool            string
	module, program   string // the folder of the module, the package in it
	stamp             string // the variable that gets the version
	extras            []string
	targets           []target
}

// all builds, packs, sums up and signs.
func (b *build) all(ctx context.Context) error {
	if err := os.MkdirAll(b.out, 0o755); err != nil {
		return err
	}
	extras, err := b.readExtras()
	if err != nil {
		return err
	}
	sums := map[string][sha256.Size]byte{}
	for _, t := range b.targets {
		name, data, err := b.one(ctx, t, extras)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", t.system, t.processor, err)
		}
		if err := os.WriteFile(filepath.Join(b.out, name), data, 0o644); err != nil {
			return err
		}
		sums[name] = sha256.Sum256(data)
		fmt.Printf("%x  %s\n", sums[name], name)
	}
	list := filepath.Join(b.out, "SHA256SUMS")
	if err := os.WriteFile(list, sumFile(sums), 0o644); err != nil {
		return err
	}
	return b.sign(ctx, list)
}

// one builds and packs for one system.
func (b *build) one(ctx context.Context, t target, extras []member) (name string, data []byte, err error) {
	program, err := b.compile(ctx, t)
	if err != nil {
		return "", nil, err
	}
	top := fmt.Sprintf("keepsake_%s_%s_%s", b.version, t.system, t.processor)
	binary := "keepsake"
	if t.system == "windows" {
		binary += ".exe"
	}
	members := []member{{top + "/" + binary, program, 0o755}}
	for _, e := range extras {
		members = append(members, member{top + "/" + e.name, e.data, e.mode})
	}
	if t.system == "windows" {
		data, err = zipOf(members)
		return top + ".zip", data, err
	}
	data, err = tarGzOf(members)
	return top + ".tar.gz", data, err
}

// compile gives the program. What this computer's environment would add is left out.
func (b *build) compile(ctx context.Context, t target) (program []byte, err error) {
	dir, err := os.MkdirTemp("", "keepsake-release-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	out := filepath.Join(dir, "program")
	cmd := exec.CommandContext(ctx, b.goTool, "build", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-ldflags", "-s -w -buildid= -X "+b.stamp+"="+b.version, "-o", out, b.program)
	cmd.Dir = b.module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.system, "GOARCH="+t.processor, "GOFLAGS=", "GOEXPERIMENT=", "GODEBUG=",
		"GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off", "GOTOOLCHAIN=local")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, text)
	}
	return os.ReadFile(out)
}

// readExtras reads what goes beside the program, folders with all that is in them.
func (b *build) readExtras() (members []member, err error) {
	for _, extra := range b.extras {
		root := filepath.Join(b.module, filepath.FromSlash(extra))
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if !d.Type().IsRegular() {
				return fmt.Errorf("%s is no file", path)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(b.module, path)
			members = append(members, member{filepath.ToSlash(name), data, 0o644})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", extra, err)
		}
	}
	return members, nil
}

// sumFile is what sha256sum -c reads, in the order of names.
func sumFile(sums map[string][sha256.Size]byte) []byte {
	var lines []string
	for name, sum := range sums {
		lines = append(lines, fmt.Sprintf("%x  %s\n", sum, name))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[2*sha256.Size:], b[2*sha256.Size:]) })
	return []byte(strings.Join(lines, ""))
}

// sign signs the checksums, if there is a key. Without one, the signature of an
// earlier build does not stay beside them.
func (b *build) sign(ctx context.Context, list string) error {
	signature := list + ".sig"
	if err := os.Remove(signature); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if b.key == "" {
		fmt.Println("not signed: no key was given")
		return nil
	}
	cmd := exec.CommandContext(ctx, "ssh-keygen", "-q", "-Y", "sign", "-f", b.key, "-n", "file", list)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("sign %s: %w: %s", list, err, strings.TrimSpace(string(text)))
	}
	return nil
}
