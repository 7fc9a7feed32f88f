package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func noise(n byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{n}) }

func facts() Facts {
	return Facts{
		Taken: time.Date(2024, 7, 14, 18, 30, 5, 120e6, time.FixedZone("", 2*3600)), HasPlace: true,
		Latitude: -33.8568, Longitude: 151.2153, Model: "Kiefer 5", ISO: 64, ContentID: "6F1C6C5E-0B6B-4B1E-9A39-0A5C7E1F2D3C",
	}
}

// tool runs a Debian tool and gives what it prints.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func store(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStills_open(t *testing.T) {
	img := Draw(rand.New(rand.NewPCG(1, 2)), 160, 120)
	for _, size := range []int{0, 20_000, 200_000} {
		j, err := JPEG(img, facts(), size, noise(1))
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := jpeg.Decode(bytes.NewReader(j))
		if err != nil || decoded.Bounds() != image.Rect(0, 0, 160, 120) {
			t.Fatalf("JPEG of %d bytes: %v", size, err)
		}
		if size > 0 && (len(j) < size-8 || len(j) > size+8) {
			t.Errorf("JPEG has %d bytes, want about %d", len(j), size)
		}
		p, err := PNG(Screen(rand.New(rand.NewPCG(1, 2)), 90, 160), size, noise(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(p)); err != nil {
			t.Fatalf("PNG of %d bytes: %v", size, err)
		}
	}
}

func TestJPEG_factsAreReadByOthers(t *testing.T) {
	j, err := JPEG(Draw(rand.New(rand.NewPCG(1, 2)), 160, 120), facts(), 0, noise(1))
	if err != nil {
		t.Fatal(err)
	}
	out := tool(t, "ffprobe", "-v", "error", "-show_frames", store(t, "a.jpg", j))
	out = strings.NewReplacer(" ", "", "0x9011", "OffsetTimeOriginal").Replace(out)
	for _, want := range []string{"TAG:Make=Lichtung", "TAG:Model=Kiefer5", "TAG:DateTimeOriginal=2024:07:1418:30:05",
		"TAG:GPSLatitudeRef=S", "TAG:GPSLongitudeRef=E", "TAG:GPSLatitude=33:1,51:1,2448:100", "TAG:OffsetTimeOriginal=+02:00"} {
		if !strings.Contains(out, want) {
			t.Errorf("ffprobe does not show %q in\n%s", want, out)
		}
	}
}

func TestHEIC_opens(t *testing.T) {
	seen := map[string]bool{}
	for n := range HEICTemplates {
		data, err := HEIC(n, facts(), 60_000, noise(byte(n)))
		if err != nil {
			t.Fatal(err)
		}
		if len(data) != 60_000 || seen[string(data)] {
			t.Errorf("template %d: %d bytes, repeated: %v", n, len(data), seen[string(data)])
		}
		seen[string(data)] = true
		if !bytes.Contains(data, exif(facts(), HEICWidth, HEICHeight)) {
			t.Errorf("template %d has no EXIF block", n)
		}
		path := store(t, "a.heic", data)
		if out := tool(t, "heif-info", path); !strings.Contains(out, "640x480") || !strings.Contains(out, "Exif: 644 bytes") {
			t.Errorf("heif-info says\n%s", out)
		}
		tool(t, "heif-convert", path, path+".png")
	}
}

func TestFilm_opens(t *testing.T) {
	for n := range FilmTemplates {
		data, err := Film(n, facts(), 50_000, noise(byte(n)))
		if err != nil {
			t.Fatal(err)
		}
		path := store(t, "a.mov", data)
		tool(t, "ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "null", "-")
		out := tool(t, "ffprobe", "-v", "error", "-show_format", path)
		for _, want := range []string{"creationdate=2024-07-14T18:30:05+0200", "ISO6709=-33.8568+151.2153+000.000/", "identifier=6F1C6C5E", "size=50000"} {
			if !strings.Contains(out, want) {
				t.Errorf("film %d: ffprobe does not show %q in\n%s", n, want, out)
			}
		}
		if data, err = Film(n, Facts{Taken: facts().Taken}, 0, noise(9)); err != nil {
			t.Fatal(err)
		}
		if out := tool(t, "ffprobe", "-v", "error", "-show_format", store(t, "b.mov", data)); strings.Contains(out, "ISO6709") {
			t.Errorf("a film without a place has one:\n%s", out)
		}
	}
}

func TestLargeFilmHead_opens(t *testing.T) {
	const size = 4<<30 + 12345
	head, err := LargeFilmHead(facts(), size)
	if err != nil {
		t.Fatal(err)
	}
	path := store(t, "large.mov", head)
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "ffprobe", "-v", "error", "-show_format", path); !strings.Contains(out, "duration=2.0") {
		t.Errorf("ffprobe says\n%s", out)
	}
}

func TestSong_opens(t *testing.T) {
	plain, err := Song("Grüße", "A band", "An album with a title that is longer than fits", false, 30_000, noise(1))
	if err != nil {
		t.Fatal(err)
	}
	path := store(t, "a.m4a", plain)
	tool(t, "ffmpeg", "-v", "error", "-xerror", "-i", path, "-f", "null", "-")
	if out := tool(t, "ffprobe", "-v", "error", "-show_format", path); !strings.Contains(out, "TAG:title=Grüße") {
		t.Errorf("ffprobe says\n%s", out)
	}
	protected, err := Song("a", "b", "c", true, 0, noise(1))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(protected, []byte("drms")) || bytes.Contains(plain, []byte("drms")) {
		t.Error("the sample entry does not tell protected songs apart")
	}
}
