package contents

import (
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
	"github.com/keepsake-backup/keepsake/virtualphone/internal/contents/picture"
)

// track is one song on the phone.
type track struct {
	pid                        int64
	title, artist, album, file string // file is below Media
	size                       int
	protected, bought          bool
	location                   string // item_extra.location
	base                       int    // item.base_location_id
}

const (
	mediaDB       = "iTunes_Control/iTunes/MediaLibrary.sqlitedb"
	musicBase     = 3840 // base_location of iTunes_Control/Music/F00, by content-schemas.md 11
	purchasesBase = 3700
)

// mediaFiles writes the part of /var/mobile/Media that backups leave out
// (protocol.md 14.3): music with its catalogue, purchases, books, what was synced
// from a computer, and the small files that hosts ask for before a backup
// (protocol.md 4.9).
func (t *tree) mediaFiles(p plan) {
	tracks := t.tracks(p)
	for _, k := range tracks {
		c := t.chance("song", k.file)
		data, err := picture.Song(k.title, k.artist, k.album, k.protected, k.size, c.noise)
		t.fail("make", outside, k.file, err)
		t.file(outside, k.file, data)
	}
	recent := max(1, len(tracks)-2)
	t.liveDatabase(outside, mediaDB, func(db *database) {
		db.mediaTables()
		for _, k := range tracks[:recent] {
			db.addTrack(t, k)
		}
	}, func(db *database) {
		for _, k := range tracks[recent:] {
			db.addTrack(t, k)
		}
		db.cloudTrack(t)
		db.oddItems(t)
	})
	t.file(outside, "iTunes_Control/iTunes/Artwork/Originals/3c/1f0a2b", t.cover())
	t.books()
	t.synced(p)
	t.hostFiles()
}

// tracks invents songs: most synced, one in five bought on the phone, one under
// FairPlay.
func (t *tree) tracks(p plan) []track {
	var list []track
	for i := range p.songs {
		c := t.chance("track", fmt.Sprint(i))
		k := track{pid: int64(c.Uint64() >> 1), title: title(one(c, nouns)) + " " + one(c, nouns), artist: "The " + title(one(c, nouns)) + "s", album: title(one(c, nouns)),
			size: c.between(p.still, 3*p.still), protected: i == 1, bought: i%5 == 2}
		folder := i % 20
		k.base, k.location = musicBase+folder, fmt.Sprintf("%s.m4a", four(c))
		if k.protected {
			k.location = strings.TrimSuffix(k.location, "a") + "p"
		}
		k.file = fmt.Sprintf("iTunes_Control/Music/F%02d/%s", folder, k.location)
		if k.bought {
			k.base, k.location = purchasesBase, fmt.Sprintf("-%d.m4a", k.pid)
			k.file = "Purchases/" + k.location
		}
		list = append(list, k)
	}
	return list
}

// four gives a name of four capital letters.
func four(c *chance) string {
	b := make([]byte, 4)
	for i := range b {
		b[i] = byte('A' + c.IntN(26))
	}
	return string(b)
}

// mediaTables makes the tables of content-schemas.md 11.
func (db *database) mediaTables() {
	db.exec(`CREATE TABLE _MLDatabaseProperties (key TEXT PRIMARY KEY, value TEXT);
		CREATE TABLE item (item_pid INTEGER PRIMARY KEY, media_type INTEGER NOT NULL DEFAULT 0, title_order INTEGER NOT NULL DEFAULT 0, item_artist_pid INTEGER NOT NULL DEFAULT 0,
			album_pid INTEGER NOT NULL DEFAULT 0, album_artist_pid INTEGER NOT NULL DEFAULT 0, composer_pid INTEGER NOT NULL DEFAULT 0, genre_id INTEGER NOT NULL DEFAULT 0,
			track_number INTEGER NOT NULL DEFAULT 0, disc_number INTEGER NOT NULL DEFAULT 0, base_location_id INTEGER NOT NULL DEFAULT 0, in_my_library INTEGER NOT NULL DEFAULT 0,
			date_added INTEGER NOT NULL DEFAULT 0, date_downloaded INTEGER NOT NULL DEFAULT 0, keep_local INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE item_extra (item_pid INTEGER PRIMARY KEY, title TEXT NOT NULL DEFAULT '', sort_title TEXT, total_time_ms NUMERIC NOT NULL DEFAULT 0, year INTEGER NOT NULL DEFAULT 0,
			location TEXT NOT NULL DEFAULT '', file_size INTEGER NOT NULL DEFAULT 0, media_kind INTEGER NOT NULL DEFAULT 0, comment TEXT, copyright TEXT, bpm INTEGER NOT NULL DEFAULT 0,
			disc_count INTEGER NOT NULL DEFAULT 0, track_count INTEGER NOT NULL DEFAULT 0, is_podcast INTEGER NOT NULL DEFAULT 0, location_kind_id INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE item_store (item_pid INTEGER PRIMARY KEY, store_item_id INTEGER NOT NULL DEFAULT 0, is_protected INTEGER NOT NULL DEFAULT 0, cloud_status INTEGER NOT NULL DEFAULT 0,
			sync_id INTEGER NOT NULL DEFAULT 0, purchase_history_id INTEGER NOT NULL DEFAULT 0, date_purchased INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE item_stats (item_pid INTEGER PRIMARY KEY, play_count_user INTEGER NOT NULL DEFAULT 0, user_rating INTEGER NOT NULL DEFAULT 0, date_played INTEGER NOT NULL DEFAULT 0,
			liked_state INTEGER NOT NULL DEFAULT 0, hidden INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE item_playback (item_pid INTEGER PRIMARY KEY, audio_format INTEGER NOT NULL DEFAULT 0, bit_rate INTEGER NOT NULL DEFAULT 0, sample_rate REAL NOT NULL DEFAULT 0);
		CREATE TABLE album (album_pid INTEGER PRIMARY KEY, album TEXT NOT NULL DEFAULT '', sort_album TEXT, album_artist_pid INTEGER NOT NULL DEFAULT 0, album_year INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE album_artist (album_artist_pid INTEGER PRIMARY KEY, album_artist TEXT NOT NULL DEFAULT '');
		CREATE TABLE item_artist (item_artist_pid INTEGER PRIMARY KEY, item_artist TEXT NOT NULL DEFAULT '');
		CREATE TABLE composer (composer_pid INTEGER PRIMARY KEY, composer TEXT NOT NULL DEFAULT '');
		CREATE TABLE genre (genre_id INTEGER PRIMARY KEY, genre TEXT NOT NULL DEFAULT '');
		CREATE TABLE base_location (base_location_id INTEGER PRIMARY KEY, path TEXT NOT NULL);
		CREATE TABLE container (container_pid INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT '', distinguished_kind INTEGER NOT NULL DEFAULT 0, date_created INTEGER NOT NULL DEFAULT 0,
			date_modified INTEGER NOT NULL DEFAULT 0, parent_pid INTEGER NOT NULL DEFAULT 0, is_hidden INTEGER NOT NULL DEFAULT 0, smart_is_folder INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE container_item (container_item_pid INTEGER PRIMARY KEY, container_pid INTEGER NOT NULL DEFAULT 0, item_pid INTEGER NOT NULL DEFAULT 0, position INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE artwork (artwork_token TEXT NOT NULL DEFAULT '', artwork_source_type INTEGER NOT NULL DEFAULT 0, relative_path TEXT, artwork_type INTEGER NOT NULL DEFAULT 0,
			UNIQUE (artwork_token, artwork_source_type, artwork_type));
		CREATE TABLE artwork_token (artwork_token TEXT NOT NULL DEFAULT '', artwork_source_type INTEGER, artwork_type INTEGER, entity_pid INTEGER NOT NULL DEFAULT 0, entity_type INTEGER NOT NULL DEFAULT 0);
		CREATE TABLE best_artwork_token (entity_pid INTEGER NOT NULL DEFAULT 0, entity_type INTEGER NOT NULL DEFAULT 0, artwork_type INTEGER, available_artwork_token TEXT);
		CREATE TABLE lyrics (item_pid INTEGER PRIMARY KEY, checksum INTEGER NOT NULL DEFAULT 0, lyrics TEXT NOT NULL DEFAULT '');
		INSERT INTO genre VALUES (1, 'Folk');
		INSERT INTO container (container_pid, name, date_created) VALUES (77, 'Kitchen radio', 700000000), (79, 'Evening: slow / quiet', 700000100);
		INSERT INTO container (container_pid, name, smart_is_folder) VALUES (78, 'Moods', 1);
		INSERT INTO container (container_pid, name, distinguished_kind, is_hidden) VALUES (80, '####!####', 23, 1);
		UPDATE container SET parent_pid = 78 WHERE container_pid = 79;
		INSERT INTO base_location VALUES (0, ''), (3950, 'Podcasts');
		INSERT INTO artwork VALUES ('100', 300, '3c/1f0a2b', 1)`)
	for i := range 20 {
		db.insert("base_location", cols{"base_location_id", musicBase + i, "path", fmt.Sprintf("iTunes_Control/Music/F%02d", i)})
	}
	db.insert("base_location", cols{"base_location_id", purchasesBase, "path", "Purchases"})
}

func (db *database) addTrack(t *tree, k track) {
	c := t.chance("rows", k.file)
	added := int64(cocoa(t.now)) - int64(c.IntN(90_000_000))
	artist, album := int64(newChance(1, k.artist).Uint64()>>1), int64(newChance(1, k.artist+k.album).Uint64()>>1)
	db.insert("item", cols{"item_pid", k.pid, "media_type", 8, "item_artist_pid", artist, "album_pid", album, "album_artist_pid", artist, "genre_id", 1, "track_number", c.between(1, 14),
		"disc_number", 1, "base_location_id", k.base, "in_my_library", 1, "date_added", added, "date_downloaded", added, "keep_local", 1})
	db.insert("item_extra", cols{"item_pid", k.pid, "title", k.title, "sort_title", strings.ToLower(k.title), "total_time_ms", 2000, "year", c.between(1970, 2025), "location", k.location,
		"file_size", k.size, "media_kind", 1})
	db.insert("item_store", cols{"item_pid", k.pid, "store_item_id", c.IntN(1_000_000), "is_protected", k.protected, "date_purchased", map[bool]int64{true: added}[k.bought]})
	db.insert("item_stats", cols{"item_pid", k.pid, "play_count_user", c.IntN(90), "user_rating", 20 * c.IntN(6), "date_played", added + 3600})
	db.insert("item_playback", cols{"item_pid", k.pid, "audio_format", 502, "bit_rate", 64, "sample_rate", 44100.0})
	db.exec("INSERT OR IGNORE INTO item_artist VALUES (?, ?)", artist, k.artist)
	db.exec("INSERT OR IGNORE INTO album_artist VALUES (?, ?)", artist, k.artist)
	db.exec("INSERT OR IGNORE INTO album VALUES (?, ?, ?, ?, ?)", album, k.album, strings.ToLower(k.album), artist, 1999)
	db.insert("container_item", cols{"container_pid", 77, "item_pid", k.pid, "position", c.IntN(1000)})
}

// cloudTrack adds a song that is in the library but has no file here.
func (db *database) cloudTrack(t *tree) {
	pid := int64(t.chance("cloud track").Uint64() >> 1)
	db.insert("item", cols{"item_pid", pid, "media_type", 8, "in_my_library", 1})
	db.insert("item_extra", cols{"item_pid", pid, "title", "Far away", "media_kind", 1})
	db.insert("item_store", cols{"item_pid", pid, "cloud_status", 2, "store_item_id", 42})
}

// oddItems adds what is no song: an episode of a podcast; a film that was rented and
// is gone; a book that is read aloud, whose file is missing; and an item that names a
// file outside the folders for media. A playlist has a song twice.
func (db *database) oddItems(t *tree) {
	for i, odd := range []struct {
		title, location  string
		base, kind, disc int
	}{
		{"Episode 12", four(t.chance("podcast")) + ".m4a", 3950, 4, 0},
		{"The Long Weekend", "", 0, 2, 0},
		{"Read aloud", "GONE.m4b", musicBase, 8, 2},
		{"Nowhere", "../../../../HomeDomain/Library/SMS/sms.db", musicBase, 1, 0},
	} {
		pid := int64(t.chance("odd item", odd.title).Uint64() >> 1)
		db.insert("item", cols{"item_pid", pid, "base_location_id", odd.base, "in_my_library", 1, "disc_number", odd.disc, "date_added", int64(cocoa(t.now)) - int64(i)*86400})
		db.insert("item_extra", cols{"item_pid", pid, "title", odd.title, "location", odd.location, "media_kind", odd.kind, "is_podcast", odd.kind == 4, "total_time_ms", 2500})
		db.insert("item_stats", cols{"item_pid", pid, "liked_state", i})
	}
	db.exec(`INSERT INTO container_item (container_pid, item_pid, position)
		SELECT 79, item_pid, row_number() OVER (ORDER BY title) * 10 FROM item_extra WHERE location <> '' UNION ALL
		SELECT 79, max(item_pid), 5 FROM item_extra WHERE location LIKE '%.m4a'`)
	db.exec("INSERT INTO lyrics (item_pid, lyrics) SELECT min(item_pid), 'La la la' FROM item")
}

func (t *tree) cover() []byte {
	c := t.chance("cover")
	data, err := picture.JPEG(picture.Draw(c.Rand, 120, 120), picture.Facts{Taken: t.now}, 0, c.noise)
	t.fail("draw", outside, "cover", err)
	return data
}

func (t *tree) books() {
	t.file(outside, "Books/Purchases/1234567890.epub/mimetype", []byte("application/epub+zip"))
	t.file(outside, "Books/Manual.pdf", []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"))
	t.xml("Books/iBooksData2.plist", map[string]any{"Books": []any{map[string]any{"Name": "Manual", "Path": "Manual.pdf", "s": "0"}}})
}

// synced are a ringtone, a podcast and a picture that came from a computer.
func (t *tree) synced(p plan) {
	for _, sound := range []struct{ rel, title, artist, album string }{
		{"iTunes_Control/Ringtones/" + four(t.chance("ringtone")) + ".m4r", "Two Bells", "The Telephones", "Tones"},
		{"Podcasts/" + four(t.chance("podcast")) + ".m4a", "Episode 12", "Ada and Ben", "Garden Talk"},
	} {
		data, err := picture.Song(sound.title, sound.artist, sound.album, false, p.still, t.chance("sound", sound.rel).noise)
		t.fail("make", outside, sound.rel, err)
		t.file(outside, sound.rel, data)
	}
	const synced = "PhotoData/Sync/100SYNCD/IMG_0001.JPG"
	c := t.chance(synced)
	data, err := picture.JPEG(picture.Draw(c.Rand, 320, 240), picture.Facts{Taken: t.past(outside, synced)}, 0, c.noise)
	t.fail("draw", outside, synced, err)
	t.file(outside, synced, data)
}

// hostFiles are small files that a host copies into Info.plist. Some of the
// names it asks for are missing, as on most phones.
func (t *tree) hostFiles() {
	const base = "iTunes_Control/iTunes/"
	t.noise(outside, base+"IC-Info.sidb", 620)
	t.noise(outside, base+"IC-Info.sidv", 116)
	t.file(outside, base+"iTunesPrefs", append([]byte("frpd\x01\x00\x00\x00"), t.chance("iTunesPrefs").bytes(240)...))
	t.xml(base+"iTunesPrefs.plist", map[string]any{"iPodPrefs": t.chance("iTunesPrefs").bytes(120)})
	t.file(outside, base+"PhotosFolderPrefs", []byte("\x00"))
	t.xml(base+"VoiceMemos.plist", map[string]any{"Playlists": []any{}})
	t.file(outside, "Downloads/manifest.plist", nil)
	t.folder(outside, "PublicStaging")
}

// xml writes v as an XML property list beside the backed-up folders.
func (t *tree) xml(rel string, v any) {
	data, err := plist.Marshal(v, plist.XML)
	t.fail("encode", outside, rel, err)
	t.file(outside, rel, data)
}

// earlier gives the earlier of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
