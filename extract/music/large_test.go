package music_test

import (
	"runtime"
	"testing"
	"testing/fstest"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/music"
)

// largeLibrary has so many songs of a tenth as many albums, and 100 playlists.
func largeLibrary(t *testing.T) []byte {
	return made(t, `CREATE TABLE item (item_pid INTEGER PRIMARY KEY, album_pid INTEGER, album_artist_pid INTEGER, item_artist_pid INTEGER, base_location_id INTEGER, track_number INTEGER, date_added INTEGER);
		CREATE TABLE item_extra (item_pid INTEGER PRIMARY KEY, title TEXT, location TEXT, media_kind INTEGER);
		CREATE TABLE album (album_pid INTEGER PRIMARY KEY, album TEXT, album_artist_pid INTEGER);
		CREATE TABLE album_artist (album_artist_pid INTEGER PRIMARY KEY, album_artist TEXT);
		CREATE TABLE base_location (base_location_id INTEGER PRIMARY KEY, path TEXT);
		CREATE TABLE container (container_pid INTEGER PRIMARY KEY, name TEXT);
		CREATE TABLE container_item (container_item_pid INTEGER PRIMARY KEY, container_pid INTEGER, item_pid INTEGER, position INTEGER);
		INSERT INTO base_location VALUES (1, 'iTunes_Control/Music/F00');
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO item SELECT i, i / 10 + 1, i / 100 + 1, 0, 1, i % 10, i * 1000 FROM n;
		INSERT INTO item_extra SELECT item_pid, 'Song ' || item_pid, printf('%06d.m4a', item_pid), 1 FROM item;
		INSERT INTO album SELECT album_pid, 'Album ' || album_pid, min(album_artist_pid) FROM item GROUP BY album_pid;
		INSERT INTO album_artist SELECT DISTINCT album_artist_pid, 'Artist ' || album_artist_pid FROM item;
		INSERT INTO container SELECT item_pid, 'List ' || item_pid FROM item WHERE item_pid <= 100;
		INSERT INTO container_item (container_pid, item_pid, position) SELECT item_pid % 100 + 1, item_pid, item_pid FROM item`)
}

// counter counts records and keeps none.
type counter struct {
	n    int
	most uint64
}

func (c *counter) Emit(extract.Record) error {
	if c.n++; c.n%20_000 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		c.most = max(c.most, m.HeapAlloc)
	}
	return nil
}

func (c *counter) Report(*extract.Problem) {}

// 100,000 songs: the newest 200 come at once, all in bounded memory.
func TestLarge(t *testing.T) {
	src := extracttest.Source(t, fstest.MapFS{libraryDB: {Data: largeLibrary(t)}})
	x := music.New()
	start := time.Now()
	if c := extracttest.Read(t, x, src, extract.Query{Newest: true, Limit: 200}); len(c.Records) != 200 || c.Records[0].Entry().Title != "Song 100000" {
		t.Errorf("the newest are %d, %+v", len(c.Records), c.Records[0])
	}
	t.Logf("the newest 200: %v", time.Since(start))
	start = time.Now()
	c := &counter{}
	if err := x.Read(t.Context(), src, extract.Query{}, c); err != nil || c.n != 100_000 || c.most > 200<<20 {
		t.Errorf("%d songs, %d bytes, %v", c.n, c.most, err)
	}
	t.Logf("all: %v, %d MiB", time.Since(start), c.most>>20)
	start = time.Now()
	groups, err := x.Groups(t.Context(), src)
	if err != nil || len(groups) != 100+1001+10001 || groups[0].Count != 1000 {
		t.Errorf("%d groups, %+v, %v", len(groups), groups[0], err)
	}
	t.Logf("groups: %v", time.Since(start))
	if c := extracttest.Read(t, x, src, extract.Query{Group: groups[0].Key}); len(c.Records) != 1000 {
		t.Errorf("a playlist of %d", len(c.Records))
	}
}
