package chunker

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// database makes a SQLite file and its write-ahead log, as apps leave them.
func database(t *testing.T) (file, wal []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "messages.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.Exec(query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	exec("CREATE TABLE message (guid TEXT, text TEXT, date INTEGER, body BLOB)")
	exec("CREATE INDEX by_guid ON message (guid)")
	fill := func(n int) {
		exec("BEGIN")
		for i := range n {
			id := random(uint64(i), 48)
			exec("INSERT INTO message VALUES (?, ?, ?, ?)", fmt.Sprintf("%X", id[:16]), sentence(i), i*1_000_003, id)
		}
		exec("COMMIT")
	}
	fill(5000)
	exec("PRAGMA journal_mode=WAL")
	fill(2000)
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if wal, err = os.ReadFile(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	return file, wal
}

func sentence(i int) string {
	words := strings.Fields("see you at the station when the train comes in or tomorrow for lunch with everybody else who is here")
	var s []string
	for k := range 4 + i%9 {
		s = append(s, words[(i*7+k*k*5)%len(words)])
	}
	return strings.Join(s, " ")
}

// picture has shapes and grain, as a photograph has.
func picture() image.Image {
	grain := random(99, 800*600)
	m := image.NewRGBA(image.Rect(0, 0, 800, 600))
	for y := range 600 {
		for x := range 800 {
			v := 120 + 80*math.Sin(float64(x)/37)*math.Cos(float64(y)/51) + float64(grain[y*800+x])/8
			m.Set(x, y, color.RGBA{uint8(v), uint8(v * 0.8), uint8(255 - v), 255})
		}
	}
	return m
}

func TestCompressible(t *testing.T) {
	file, wal := database(t)
	var text bytes.Buffer
	for i := range 20_000 {
		fmt.Fprintln(&text, sentence(i))
	}
	records, err := json.Marshal(bytes.Split(text.Bytes(), []byte("\n"))) // base64 in JSON
	if err != nil {
		t.Fatal(err)
	}
	var zip, photo, drawing bytes.Buffer
	z := gzip.NewWriter(&zip)
	for i := range 3000 {
		fmt.Fprintf(z, "%x %s\n", random(uint64(i), 32), sentence(i))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&photo, picture(), &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&drawing, picture()); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		data  []byte
		piece int
		want  bool
	}{
		{"nothing", nil, 1, true},
		{"a few bytes of noise", random(1, 100), 100, true},
		{"noise", random(1, 4<<20), 1 << 20, false},
		{"short noise", random(2, 100*fewBytes), fewBytes, false},
		{"noise in pieces of a database", random(3, 4<<20), 64 << 10, false},
		{"JPEG", photo.Bytes()[2000:], 64 << 10, false},
		{"PNG", drawing.Bytes(), 256 << 10, false},
		{"gzip", zip.Bytes(), 64 << 10, false},
		{"text", text.Bytes(), 64 << 10, true},
		{"short text", text.Bytes()[:4096], 300, true},
		{"JSON", records, 1 << 20, true},
		{"zeros", make([]byte, 1<<20), 64 << 10, true},
		{"SQLite", file, 64 << 10, true},
		{"SQLite whole", file, len(file), true},
		{"write-ahead log", wal, 64 << 10, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for i := 0; i == 0 || i+test.piece <= len(test.data); i += test.piece {
				piece := test.data[i:min(i+test.piece, len(test.data))]
				if got := Compressible(piece); got != test.want {
					t.Errorf("%d bytes from %d on: %v, want %v", len(piece), i, got, test.want)
				}
			}
		})
	}
}

func TestCompressible_looksAtTheWholeBlob(t *testing.T) {
	data := random(1, 1<<20)
	copy(data, make([]byte, 400<<10)) // 40 % of a blob that can go
	if !Compressible(data) {
		t.Error("zeros at the start are not seen")
	}
	data = random(1, 1<<20)
	clear(data[len(data)-400<<10:])
	if !Compressible(data) {
		t.Error("zeros at the end are not seen")
	}
}
