package music_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/friendly"
	"github.com/keepsake-backup/keepsake/extract/music"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/virtualphone"
)

const libraryDB = "iTunes_Control/iTunes/MediaLibrary.sqlitedb"

// media gives the media folder of a virtual phone.
func media(t *testing.T, ios string) fs.FS {
	t.Helper()
	dir := t.TempDir()
	if err := virtualphone.Files(t.Context(), virtualphone.Config{Dir: dir, IOS: ios, Profile: "tiny", Seed: 7, DeviceName: "Test iPhone"}, "media"); err != nil {
		t.Fatal(err)
	}
	return os.DirFS(filepath.Join(dir, "media"))
}

// sqlItems is written from content-schemas.md 11.
const sqlItems = `SELECT item.item_pid, title, coalesce(item_artist, ''), coalesce(album, ''), coalesce(genre, ''), track_number, year, total_time_ms / 1000.0,
	coalesce(user_rating, 0), coalesce(play_count_user, 0), coalesce(strftime('%Y-%m-%dT%H:%M:%SZ', nullif(date_added, 0) + 978307200, 'unixepoch'), ''),
	CASE WHEN location = '' THEN '' WHEN path = '' THEN location ELSE path || '/' || location END, coalesce(is_protected, 0), media_kind
	FROM item JOIN item_extra USING (item_pid) LEFT JOIN item_artist USING (item_artist_pid) LEFT JOIN album USING (album_pid) LEFT JOIN genre USING (genre_id)
	LEFT JOIN base_location USING (base_location_id) LEFT JOIN item_stats USING (item_pid) LEFT JOIN item_store USING (item_pid)`

func TestPhones(t *testing.T) {
	for _, ios := range []string{"13.7", "26.1"} {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := media(t, ios)
			src := extracttest.Source(t, fsys)
			x := music.New()
			extracttest.Conform(t, x, src)
			extracttest.Damage(t, x, fsys, libraryDB)
			extracttest.Garble(t, x, fsys, libraryDB)
			c := extracttest.Read(t, x, src, extract.Query{})
			if len(c.Problems) > 0 {
				t.Error(c.Problems[0])
			}
			compare(t, fsys, c.Records)
			if got := extracttest.SQL(t, fsys, libraryDB, "SELECT count(*) FROM container_item WHERE container_pid = 79"); got[0][0] != fmt.Sprint(len(extracttest.Read(t, x, src, extract.Query{Group: "playlist:79"}).Records)) {
				t.Errorf("the playlist has %s items", got[0][0])
			}
			groups, err := x.Groups(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			if i := slices.IndexFunc(groups, func(g extract.Group) bool { return g.Key == "playlist:79" }); i < 0 || groups[i].Parent != "playlist:78" || slices.ContainsFunc(groups, func(g extract.Group) bool { return g.Key == "playlist:80" }) {
				t.Errorf("groups are %+v", groups)
			}
			taken(t, x, src, c.Records)
		})
	}
}

// compare holds what was read against what sqlite3 and the folder say.
func compare(t *testing.T, fsys fs.FS, records []extract.Record) {
	t.Helper()
	items, strays := map[string]*music.Item{}, 0
	for _, r := range records {
		m := r.(*music.Item)
		items[m.Key] = m
		if m.Entry().Table == "files" {
			strays++
		}
	}
	named := map[string]bool{}
	for _, row := range extracttest.SQL(t, fsys, libraryDB, sqlItems) {
		m := items[row[0]]
		if m == nil {
			t.Errorf("item %v was not read", row)
			continue
		}
		named[row[11]] = true
		availability := music.Here
		if row[11] == "" {
			availability = music.InCloud
		} else if _, err := fs.Stat(fsys, path.Clean(row[11])); err != nil {
			availability = music.Missing
		}
		got := []string{m.Key, m.Title, m.Artist, m.Album, m.Genre, fmt.Sprint(m.Track), fmt.Sprint(m.Year), fmt.Sprintf("%.1f", m.Seconds), fmt.Sprint(m.Rating), fmt.Sprint(m.Plays), extract.FormatTime(m.Added)}
		if !slices.Equal(got, row[:11]) || m.Availability != availability || m.Protected != (row[12] == "1") || fmt.Sprint(m.MediaKind) != row[13] {
			t.Errorf("%v\nis read as %+v", row, m)
		}
		if (m.File == row[11] && m.File != "") != (availability == music.Here) {
			t.Errorf("%v: file %q, %s", row, m.File, availability)
		}
	}
	files := 0
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		dir, _, _ := strings.Cut(p, "/")
		if !slices.Contains([]string{"iTunes_Control", "Purchases", "Podcasts", "Books"}, dir) && p != "." {
			return fs.SkipDir
		}
		if strings.Contains(".m4a.m4p.m4r.m4b.mp3.pdf.epub", path.Ext(p)) && p != "." && path.Ext(p) != "" && !named[p] {
			files++
		}
		return err
	})
	if err != nil || files != strays || strays < 2 {
		t.Errorf("%d files beside the library, %d were read, %v", files, strays, err)
	}
}

// taken exports, and has ffprobe look at the files.
func taken(t *testing.T, x *music.Reader, src *extract.Source, records []extract.Record) {
	t.Helper()
	dir := t.TempDir()
	for run := range 2 {
		out, err := outtree.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := &extracttest.Collector{}
		if err := x.Export(t.Context(), src, extract.ExportOptions{Format: "files"}, out, c); err != nil || len(c.Problems) > 0 {
			t.Fatal(err, c.Problems)
		}
		if n := out.Stats().Written; (n == 0) != (run == 1) {
			t.Errorf("run %d wrote %d files", run, n)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range records {
		m := r.(*music.Item)
		if m.Kind != music.Song || m.File == "" {
			continue
		}
		name := m.Title + path.Ext(m.File)
		if m.Protected {
			name = m.Title + " (protected)" + path.Ext(m.File)
		}
		at := filepath.Join(dir, "Music", m.Artist, m.Album, fmt.Sprintf("%02d %s", m.Track, name))
		want, err := fs.Stat(src.FS, m.File)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(at); err != nil || info.Size() != want.Size() || !info.ModTime().Equal(want.ModTime()) {
			t.Errorf("%s: %v, %v", at, info, err)
			continue
		}
		if !m.Protected {
			if out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format_tags=title", "-of", "csv=p=0", at).CombinedOutput(); err != nil || !strings.HasPrefix(strings.TrimSpace(string(out)), m.Title[:min(8, len(m.Title))]) {
				t.Errorf("ffprobe %s: %v: %s, want %s", at, err, out, m.Title)
			}
		}
	}
	list, err := os.ReadFile(filepath.Join(dir, "Music", "Playlists", "Evening%3A slow %2F quiet.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	follow(t, list, func(p string) error {
		_, err := os.Stat(filepath.Join(dir, "Music", "Playlists", filepath.FromSlash(p)))
		return err
	})
	tree := friendly.New(src, []extract.Extractor{x})
	const playlist = "Music/Playlists/Evening%3A slow %2F quiet.m3u8"
	if list, err = fs.ReadFile(tree, playlist); err != nil {
		t.Fatal(err)
	}
	follow(t, list, func(p string) error {
		_, err := fs.Stat(tree, path.Join("Music/Playlists", p))
		return err
	})
	if err := fstest.TestFS(tree, playlist); err != nil {
		t.Error(err)
	}
}

// follow looks for what a playlist names.
func follow(t *testing.T, list []byte, there func(string) error) {
	t.Helper()
	found, gone := 0, 0
	for line := range strings.Lines(string(list)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "# not here: "):
			gone++
		case !strings.HasPrefix(line, "#"):
			found++
			if err := there(line); err != nil {
				t.Error(err)
			}
		}
	}
	if !strings.HasPrefix(string(list), "#EXTM3U\n#PLAYLIST:Evening: slow / quiet\n") || found < 3 || gone < 2 {
		t.Errorf("playlist with %d files, %d gone:\n%s", found, gone, list)
	}
}

// A backup without a library, and one with nothing but the library.
func TestBackups(t *testing.T) {
	src := extracttest.Source(t, fstest.MapFS{"MediaDomain/Media/iTunes_Control/iTunes/iTunesPrefs": {}, "HomeDomain/x": {}})
	if err := music.New().Read(t.Context(), src, extract.Query{}, &extracttest.Collector{}); !errors.Is(err, extract.ErrAbsent) || !strings.Contains(err.Error(), "media copy") {
		t.Errorf("no music: %v", err)
	}
	src = extracttest.Source(t, fstest.MapFS{"MediaDomain/Media/" + libraryDB: {Data: made(t,
		"CREATE TABLE item (item_pid INTEGER PRIMARY KEY, album_pid INTEGER, item_artist_pid INTEGER, base_location_id INTEGER)",
		"CREATE TABLE item_extra (item_pid INTEGER, title TEXT, location TEXT, total_time_ms TEXT)",
		"CREATE TABLE container (container_pid INTEGER PRIMARY KEY, name TEXT, parent_pid INTEGER)", "CREATE TABLE container_item (container_pid INTEGER, item_pid INTEGER)",
		"INSERT INTO item VALUES (-5, 3, 4, 7), (6, 0, 0, 0)", "INSERT INTO item_extra VALUES (-5, x'41c3', 'ABCD.m4a', 'long'), (6, 'Six', NULL, 1500)",
		"INSERT INTO container VALUES (1, NULL, 2), (2, 'Round', 1)", "INSERT INTO container_item VALUES (2, 6), (2, 6), (2, 99)")}})
	extracttest.Conform(t, music.New(), src)
	c := extracttest.Read(t, music.New(), src, extract.Query{Group: "playlist:2"})
	if len(c.Records) != 2 || c.Records[0].Entry().Title != "Six" {
		t.Errorf("playlist: %+v", c.Records)
	}
	if m := extracttest.Read(t, music.New(), src, extract.Query{Key: "-5"}).Records[0].(*music.Item); m.Title != "A\uFFFD" || m.Availability != music.Missing || m.Seconds != 0 {
		t.Errorf("%+v", m)
	}
	out, err := outtree.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	c = &extracttest.Collector{}
	if err := music.New().Export(t.Context(), src, extract.ExportOptions{Format: "files"}, out, c); err != nil || len(c.Problems) != 1 || !strings.Contains(c.Problems[0].Error(), "media copy") {
		t.Errorf("export: %v, %v", err, c.Problems)
	}
}

// made makes a database from statements.
func made(t *testing.T, statements ...string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sound makes a file with ffmpeg.
func sound(t *testing.T, name string, options ...string) *fstest.MapFile {
	t.Helper()
	at := filepath.Join(t.TempDir(), name)
	args := append([]string{"-v", "error", "-f", "lavfi", "-i", "sine=duration=1.5"}, options...)
	for tag, text := range map[string]string{"title": "Grüße – 日本", "artist": "Ünïted", "album": "Album: one", "album_artist": "Various", "track": "3/12", "disc": "2/2", "date": "1999", "genre": "Rock", "composer": "Ada"} {
		args = append(args, "-metadata", tag+"="+text)
	}
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", append(args, at)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, out)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: data, Mode: 0o600, ModTime: time.Unix(1_700_000_000, 0)}
}

// Without a library, files tell what they are; ffmpeg has written their tags.
func TestTags(t *testing.T) {
	const folder = "iTunes_Control/Music/F07/"
	fsys := fstest.MapFS{
		"Media/" + folder + "AAAA.m4a":                      sound(t, "a.m4a"),
		"Media/" + folder + "BBBB.mp3":                      sound(t, "b.mp3", "-id3v2_version", "3"),
		"Media/" + folder + "CCCC.mp3":                      sound(t, "c.mp3", "-id3v2_version", "4"),
		"Media/" + folder + "DDDD.mp3":                      sound(t, "d.mp3", "-write_id3v1", "1"),
		"Media/" + folder + "EEEE.m4v":                      sound(t, "e.mp4"),
		"Media/" + folder + "FFFF.wav":                      {Data: []byte("RIFF")},
		"Media/" + folder + "GGGG.m4a":                      {Data: []byte{0, 0, 0, 1, 'm', 'o', 'o', 'v'}},
		"Media/" + folder + ".hidden.m4a":                   {},
		"Media/iTunes_Control/Ringtones/HHHH.m4r":           {},
		"Media/iTunes_Control/iTunes/Ringtones.plist":       {Data: []byte(`<?xml version="1.0"?><plist version="1.0"><dict><key>Ringtones</key><dict><key>HHHH.m4r</key><dict><key>Name</key><string>Two Bells</string></dict></dict></dict></plist>`)},
		"Media/Books/Purchases/42.epub/META-INF/a.xml":      {Data: []byte("12345")},
		"Media/Books/Purchases/42.epub/mimetype":            {Data: []byte("123")},
		"Media/Podcasts/0123.mp3":                           {Data: []byte("no tag")},
		"Media/iTunes_Control/iTunes/Artwork/Originals/1/2": {},
	}
	old := fsys["Media/"+folder+"DDDD.mp3"]
	old.Data = old.Data[bytes.Index(old.Data, []byte{0xff, 0xfb}):] // the newer tag in front is gone
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, music.New(), src)
	c := extracttest.Read(t, music.New(), src, extract.Query{})
	got := map[string]string{}
	for _, r := range c.Records {
		m := r.(*music.Item)
		got[path.Base(m.File)] = fmt.Sprintf("%s|%s|%s|%s|%d|%d|%d|%s|%s|%s|%d", m.Title, m.Artist, m.Album, m.AlbumArtist, m.Track, m.Disc, m.Year, m.Genre, m.Composer, m.Kind, len(m.Contents))
	}
	const all = "Grüße – 日本|Ünïted|Album: one|Various|3|2|1999|Rock|Ada|"
	want := map[string]string{
		"AAAA.m4a": all + "song|0", "BBBB.mp3": all + "song|0", "CCCC.mp3": all + "song|0", "DDDD.mp3": got["DDDD.mp3"], "EEEE.m4v": all + "film|0",
		"FFFF.wav": "FFFF||||0|0|0|||song|0", "GGGG.m4a": "GGGG||||0|0|0|||song|0", "HHHH.m4r": "Two Bells||||0|0|0|||ringtone|0",
		"42.epub": "42||||0|0|0|||book|2", "0123.mp3": "0123||||0|0|0|||podcast|0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s := got["DDDD.mp3"]; !strings.HasPrefix(s, "Gr") || !strings.Contains(s, "|Album: one||3|0|1999|") {
		t.Errorf("ID3v1: %s", s)
	}
	if len(c.Problems) != 1 || !strings.Contains(c.Problems[0].Error(), "GGGG.m4a") {
		t.Errorf("problems: %v", c.Problems)
	}
}
