package thumbnail

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
)

const templates = "../../virtualphone/internal/contents/picture/templates"

func TestMake_programs(t *testing.T) {
	before := leftovers(t)
	for name, wide := range map[string]int{"still0.heic": 128, "film0.mov": 128, "film1.mov": 128} {
		p, err := New().Make(t.Context(), os.DirFS(templates), name, 128)
		img := decoded(t, p, err)
		if b := img.Bounds(); b.Dx() != wide || b.Dy() != 96 {
			t.Errorf("%s: %v", name, b)
		}
	}
	var full bytes.Buffer
	if err := New().JPEG(t.Context(), os.DirFS(templates), "still0.heic", &full); err != nil {
		t.Fatal(err)
	}
	if c, err := jpeg.DecodeConfig(&full); err != nil || c.Width != 640 || c.Height != 480 {
		t.Errorf("converted to %+v, %v", c, err)
	}
	if after := leftovers(t); after != before {
		t.Errorf("%d folders were left behind", after-before)
	}
}

// A film of 8 GiB costs no more than a short one: most of it is a hole.
func TestMake_largeFilm(t *testing.T) {
	film, err := os.ReadFile(filepath.Join(templates, "film0.mov"))
	if err != nil {
		t.Fatal(err)
	}
	const size = 8 << 30
	at := filepath.Join(t.TempDir(), "large.mov")
	film = append(film, 0, 0, 0, 1, 'f', 'r', 'e', 'e')
	film = binary.BigEndian.AppendUint64(film, uint64(size-len(film)+8))
	if err := errors.Join(os.WriteFile(at, film, 0o600), os.Truncate(at, size)); err != nil {
		t.Fatal(err)
	}
	p, err := New().Make(t.Context(), os.DirFS(filepath.Dir(at)), "large.mov", 128)
	if b := decoded(t, p, err).Bounds(); b.Dx() != 128 {
		t.Errorf("%v", b)
	}
}

func leftovers(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob(memoryFolder + "/keepsake-*")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// instead makes a program of a script the only one that is found.
func instead(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
}

// Programs that do what they should not cost no preview more than itself.
func TestMake_badPrograms(t *testing.T) {
	before := leftovers(t)
	for what, x := range map[string]struct{ program, file, script, want string }{
		"missing":        {"other", "film0.mov", "exit 0", "not installed"},
		"missing too":    {"other", "still0.heic", "exit 0", "not installed"},
		"fails":          {"ffmpeg", "film0.mov", "echo what a pity >&2; exit 3", "what a pity"},
		"says nothing":   {"ffmpeg", "film0.mov", "exit 0", "EOF"},
		"gives rubbish":  {"ffmpeg", "film0.mov", "echo no picture", "ffmpeg"},
		"floods":         {"ffmpeg", "film0.mov", "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", "ffmpeg"},
		"no JPEG":        {"heif-convert", "still0.heic", "exit 0", "no picture"},
		"rubbish JPEG":   {"heif-convert", "still0.heic", `echo rubbish > "$4"`, ""},
		"many pictures":  {"heif-convert", "still0.heic", `echo rubbish > out-7.jpg; exit 1`, ""},
		"has limits":     {"ffmpeg", "film0.mov", "/bin/sleep 0.3; ulimit -v >&2; ulimit -t >&2; exit 1", `2097152\n20\n`},
		"no environment": {"ffmpeg", "film0.mov", "echo home=$HOME >&2; exit 1", `"home=\n"`},
	} {
		t.Run(what, func(t *testing.T) {
			files := os.DirFS(templates)
			instead(t, x.program, x.script)
			_, err := New().Make(t.Context(), files, x.file, 100)
			if !errors.Is(err, extract.ErrNoPreview) || !strings.Contains(err.Error(), x.want) {
				t.Error(err)
			}
			if errors.Is(err, ErrNotInstalled) != strings.HasPrefix(what, "missing") {
				t.Errorf("not installed? %v", err)
			}
		})
	}
	if after := leftovers(t); after != before {
		t.Errorf("%d folders were left behind", after-before)
	}
}

// Whoever gives up is not kept waiting, and a program that hangs is ended.
func TestMake_cancelled(t *testing.T) {
	instead(t, "ffmpeg", "exec /bin/sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := New().Make(ctx, os.DirFS(templates), "film0.mov", 100)
	if err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// However a film's boxes lie, the copy has its length and ends.
func FuzzCopyFilm(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08ftyp\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x20................\x00\x00\x00\x00moov...."))
	f.Add([]byte("\x00\x00\x00\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		to, err := inMemory()
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		err = copyFilm(to, &input{ReaderAt: bytes.NewReader(data), size: int64(len(data)), format: movieFormat})
		if err != nil && !errors.Is(err, extract.ErrNoPreview) {
			t.Error(err)
		}
		if info, err := to.Stat(); err != nil || info.Size() != int64(len(data)) {
			t.Errorf("%d bytes of %d, %v", info.Size(), len(data), err)
		}
	})
}
