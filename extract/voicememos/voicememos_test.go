package voicememos_test

import (
	"database/sql"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/friendly"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/voicememos"
)

// sqlMemos is written from content-schemas.md 6.
const sqlMemos = `SELECT ZUNIQUEID, coalesce(ZPATH, ''), strftime('%Y-%m-%dT%H:%M:%SZ', ZDATE + 978307200, 'unixepoch'), ZDURATION,
	ZEVICTIONDATE IS NOT NULL, coalesce((SELECT ZENCRYPTEDNAME FROM ZFOLDER f WHERE f.Z_PK = ZFOLDER), ''), coalesce(ZENCRYPTEDTITLE, ZCUSTOMLABELFORSORTING, '')
	FROM ZCLOUDRECORDING ORDER BY ZDATE`

func TestPhones(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := extracttest.Phone(t, ios, "voice memos")
			src := extracttest.Source(t, fsys)
			x := voicememos.New()
			extracttest.Conform(t, x, src)
			store := src.Find("*/Recordings/CloudRecordings.db")
			if len(store) == 0 {
				store = src.Find("MediaDomain/*/Recordings/CloudRecordings.db")
			}
			if len(store) != 1 {
				t.Fatalf("databases: %q", store)
			}
			memos := map[string]*voicememos.Memo{}
			c := extracttest.Read(t, x, src, extract.Query{})
			for _, r := range c.Records {
				m := r.(*voicememos.Memo)
				memos[m.Key] = m
			}
			if len(c.Problems) > 0 {
				t.Error(c.Problems[0])
			}
			rows := extracttest.SQL(t, fsys, store[0], sqlMemos)
			if len(memos) != len(rows)+1 {
				t.Errorf("%d recordings, the database has %d and one lies beside it", len(memos), len(rows))
			}
			compare(t, fsys, path.Dir(store[0]), rows, memos)
			spoken(t, ios, memos)
			if ios == "13.7" || ios >= "18" {
				taken(t, x, src, memos)
			}
			if ios == "17.3" {
				extracttest.Damage(t, x, fsys, store[0])
				extracttest.Garble(t, x, fsys, store[0])
			}
		})
	}
}

// compare holds what was read against what sqlite3 says.
func compare(t *testing.T, fsys fs.FS, dir string, rows [][]string, memos map[string]*voicememos.Memo) {
	t.Helper()
	for _, row := range rows {
		m := memos[row[0]]
		if m == nil {
			t.Errorf("recording %s was not read", row[0])
			continue
		}
		file, availability := "", voicememos.InCloud
		if row[1] != "" {
			file, availability = path.Join(dir, row[1]), voicememos.Here
		}
		seconds, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		if m.File != file || m.Availability != availability || m.Recorded.Truncate(time.Second).Format(time.RFC3339) != row[2] || m.Seconds != seconds ||
			(row[4] == "1") != !m.Deleted.IsZero() || m.Folder != row[5] {
			t.Errorf("%v is read as %+v", row, m)
		}
		title := row[6]
		if title == "" {
			title = editTitle(t, fsys, dir, row[1])
		}
		if m.Title != title {
			t.Errorf("%s is called %q, want %q", row[0], m.Title, title)
		}
	}
}

// editTitle reads a title with Python's property list reader.
func editTitle(t *testing.T, fsys fs.FS, dir, name string) string {
	t.Helper()
	data, err := fs.ReadFile(fsys, path.Join(dir, strings.TrimSuffix(name, path.Ext(name))+".composition", "manifest.plist"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", "import plistlib,sys; print(plistlib.loads(sys.stdin.buffer.read())['RCSavedRecordingTitle'])")
	cmd.Stdin = strings.NewReader(string(data))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// spoken looks at transcripts, which there are since iOS 18.
func spoken(t *testing.T, ios string, memos map[string]*voicememos.Memo) {
	t.Helper()
	texts, layered := 0, false
	for _, m := range memos {
		if m.Transcript == "" {
			continue
		}
		texts++
		layered = layered || path.Ext(m.File) == ".qta"
		if m.Language != "en_US" || len(m.Spoken) < 3 || m.Spoken[0].From != 0 || math.Abs(m.Spoken[len(m.Spoken)-1].To-3) > 0.001 {
			t.Errorf("transcript of %s: %+v", m.Key, m)
		}
		var words []string
		for _, s := range m.Spoken {
			words = append(words, s.Text)
		}
		if strings.Join(words, " ") != m.Transcript {
			t.Errorf("words %q, text %q", words, m.Transcript)
		}
	}
	if modern := ios >= "18"; modern != (texts > 0) || modern != layered {
		t.Errorf("iOS %s: %d transcripts, one in QuickTime: %t", ios, texts, layered)
	}
}

// taken exports, and has ffprobe look at the sound.
func taken(t *testing.T, x *voicememos.Reader, src *extract.Source, memos map[string]*voicememos.Memo) {
	t.Helper()
	dir := t.TempDir()
	var last outtree.Stats
	for range 2 {
		out, err := outtree.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		c := &extracttest.Collector{}
		if err := x.Export(t.Context(), src, extract.ExportOptions{Format: "audio"}, out, c); err != nil || len(c.Problems) > 0 {
			t.Fatal(err, c.Problems)
		}
		last = out.Stats()
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last.Written != 0 {
		t.Errorf("the second run wrote %d files", last.Written)
	}
	gone := 0
	for _, m := range memos {
		if m.Availability == voicememos.InCloud {
			gone++
		}
	}
	list, err := os.ReadFile(filepath.Join(dir, "Voice Memos", "Not in this backup.txt"))
	if lines := strings.Count(string(list), "\tin iCloud, not in this backup\n"); err != nil || lines != gone || gone == 0 {
		t.Errorf("%d lines about %d recordings: %v", lines, gone, err)
	}
	deleted := 0
	for _, m := range memos {
		if m.File == "" {
			continue
		}
		name := m.Recorded.Format("2006-01-02 15.04")
		if !m.Unlisted {
			name += " " + m.Title
		}
		at := filepath.Join(dir, "Voice Memos", m.Folder, name+path.Ext(m.File))
		if !m.Deleted.IsZero() {
			deleted++
			at = filepath.Join(dir, "Voice Memos", "Recently Deleted", name+path.Ext(m.File))
		}
		info, err := os.Stat(at)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := m.Recorded.Truncate(time.Second); info.ModTime().UTC().Truncate(time.Second) != want || info.Size() != m.Bytes {
			t.Errorf("%s is of %v with %d bytes, want %v, %d", at, info.ModTime(), info.Size(), want, m.Bytes)
		}
		if m.Transcript != "" || m.Unlisted {
			probe(t, at)
		}
		if m.Transcript != "" {
			text, err := os.ReadFile(strings.TrimSuffix(at, path.Ext(at)) + ".txt")
			if err != nil || string(text) != m.Transcript+"\n" {
				t.Errorf("text: %q, %v", text, err)
			}
			probe(t, strings.TrimSuffix(at, path.Ext(at))+".srt")
		}
	}
	if deleted == 0 {
		t.Error("nothing among what was deleted recently")
	}
	tree := friendly.New(src, []extract.Extractor{x})
	var shown []string
	if err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			shown = append(shown, p)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, p := range shown {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(p))); err != nil {
			t.Errorf("shown, but not exported: %v", err)
		}
	}
	if len(shown) == 0 {
		t.Error("no files are shown")
	}
}

func probe(t *testing.T, name string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "format=duration,format_name", "-of", "default=nw=1", name).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "duration=") && !strings.HasSuffix(name, ".srt") || strings.HasSuffix(name, ".srt") && !strings.Contains(string(out), "format_name=srt") {
		t.Errorf("ffprobe %s: %v: %s", name, err, out)
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

// An old phone: full paths, no UUIDs, few columns; the same recordings in both
// databases; a file that is gone; an edited one of which only the parts are left;
// names that lead elsewhere.
func TestOld(t *testing.T) {
	const dir = "MediaDomain/Media/Recordings/"
	fsys := fstest.MapFS{
		dir + "Recordings.db": {Data: made(t, "CREATE TABLE ZRECORDING (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZDATE TIMESTAMP, ZDURATION FLOAT, ZCUSTOMLABEL VARCHAR, ZPATH VARCHAR)",
			"INSERT INTO ZRECORDING VALUES (1, 9, 500000000, 4.5, 'Choir', '/var/mobile/Media/Recordings/20161105 005320.m4a')",
			"INSERT INTO ZRECORDING VALUES (2, 9, 500000100, 1, '2016-11-05T00:55:00Z', '/var/mobile/Media/Recordings/20161105 005500.m4a')",
			"INSERT INTO ZRECORDING VALUES (3, 9, NULL, -1, NULL, '../../../HomeDomain/Library/secret.m4a')",
			"INSERT INTO ZRECORDING VALUES (4, 9, 'noon', 'long', x'00ff', '..')",
			"INSERT INTO ZRECORDING VALUES (5, 9, 500000200, 2, '', '20161105 005640.m4a')")},
		dir + "CloudRecordings.db": {Data: made(t, "CREATE TABLE ZCLOUDRECORDING (Z_PK INTEGER PRIMARY KEY, ZDATE TIMESTAMP, ZPATH VARCHAR, ZENCRYPTEDTITLE VARCHAR, ZFOLDER INTEGER)",
			"CREATE TABLE ZFOLDER (Z_PK INTEGER PRIMARY KEY, ZENCRYPTEDNAME VARCHAR)", "INSERT INTO ZFOLDER VALUES (4, ' Music \n room ')",
			"INSERT INTO ZCLOUDRECORDING VALUES (7, 500000000, '20161105 005320.m4a', 'Choir again', 4)")},
		dir + "20161105 005320.m4a":                            {Data: []byte("no sound at all, so what is in it is reported")},
		dir + "20161105 005640.composition/manifest.plist":     {Data: []byte(`<?xml version="1.0"?><plist version="1.0"><dict><key>RCSavedRecordingTitle</key><string>Bells</string></dict></plist>`)},
		dir + "20161105 005640.composition/fragments/0001.m4a": {Data: []byte("part")},
		dir + "Memo.caf":                {Data: []byte("caff"), ModTime: time.Date(2016, 1, 2, 3, 4, 5, 0, time.UTC)},
		dir + "Memo-track0.waveform":    {Data: []byte("picture")},
		"HomeDomain/Library/secret.m4a": {Data: []byte("secret")},
	}
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, voicememos.New(), src)
	c := extracttest.Read(t, voicememos.New(), src, extract.Query{})
	want := map[string][3]string{ // title, availability, folder
		"file:20161105 005320.m4a": {"Choir again", voicememos.Here, "Music room"},
		"file:20161105 005500.m4a": {"Recording of 2016-11-05 00:55:00", voicememos.Missing, ""},
		"file:secret.m4a":          {"Recording", voicememos.Missing, ""},
		"row:ZRECORDING/4":         {"Recording", voicememos.InCloud, ""},
		"file:20161105 005640.m4a": {"Bells", voicememos.Parts, ""},
		"file:Memo.caf":            {"Recording of 2016-01-02 03:04:05", voicememos.Here, ""},
	}
	got := map[string][3]string{}
	for _, r := range c.Records {
		m := r.(*voicememos.Memo)
		got[m.Key] = [3]string{m.Title, m.Availability, m.Folder}
		if strings.Contains(m.File, "secret") {
			t.Errorf("led out of the folder: %s", m.File)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("read\n%v, want\n%v", got, want)
	}
	if len(c.Problems) != 1 || !strings.Contains(c.Problems[0].Error(), "005320.m4a") {
		t.Errorf("problems: %v", c.Problems)
	}
}

// Of an edited recording the list beside its parts says when it was made (iLEAPP,
// voiceRecordings.py), where neither a row nor its name does.
func TestEditedDate(t *testing.T) {
	const dir = "MediaDomain/Media/Recordings/"
	manifest := func(date string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(`<?xml version="1.0"?><plist version="1.0"><dict><key>RCSavedRecordingTitle</key><string>Choir</string><key>RCSavedRecordingCreationTime</key>` + date + `</dict></plist>`)}
	}
	src := extracttest.Source(t, fstest.MapFS{
		dir + "Choir.m4a":                                      {Data: []byte{0, 0, 0, 8, 'f', 't', 'y', 'p'}, ModTime: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)},
		dir + "Choir.composition/manifest.plist":               manifest("<real>500000000.5</real>"),
		dir + "Choir 2.composition/manifest.plist":             manifest("<integer>500000001</integer>"),
		dir + "Choir 2.composition/fragments/0001.m4a":         {Data: []byte("part")},
		dir + "Choir 3.composition/manifest.plist":             manifest("<string>noon</string>"),
		dir + "20161105 005640.composition/manifest.plist":     manifest("<real>1</real>"),
		dir + "20161105 005640.composition/fragments/0001.m4a": {Data: []byte("part")},
	})
	extracttest.Conform(t, voicememos.New(), src)
	got := map[string]string{}
	for _, r := range extracttest.Read(t, voicememos.New(), src, extract.Query{}).Records {
		got[r.(*voicememos.Memo).Key] = r.Entry().Time.UTC().Format("2006-01-02 15:04:05.0")
	}
	want := map[string]string{"file:Choir.m4a": "2016-11-05 00:53:20.5", "file:Choir 2.composition": "2016-11-05 00:53:21.0", "file:20161105 005640.composition": "2016-11-05 00:56:40.0"}
	for key, date := range want {
		if got[key] != date {
			t.Errorf("%s was recorded %s, want %s", key, got[key], date)
		}
	}
}

// In a media copy the folder lies at the top.
func TestMediaCopy(t *testing.T) {
	for _, dir := range []string{"Recordings/", "Media/Recordings/"} {
		src := extracttest.Source(t, fstest.MapFS{dir + "20250102 030405.m4a": {Data: []byte{0, 0, 0, 8, 'f', 't', 'y', 'p'}}})
		c := extracttest.Read(t, voicememos.New(), src, extract.Query{})
		if len(c.Records) != 1 || !slices.Equal(c.Records[0].Entry().Files, []string{dir + "20250102 030405.m4a"}) || len(c.Problems) > 0 {
			t.Errorf("%s: %+v, %v", dir, c.Records, c.Problems)
		}
	}
}

// A phone that was updated has both lists and both folders: each recording is there
// once, with its file wherever that is, and none is lost.
func TestBothPlaces(t *testing.T) {
	const group, old = "AppDomainGroup-group.com.apple.VoiceMemos.shared/Recordings/", "MediaDomain/Media/Recordings/"
	const cloud = "CREATE TABLE ZCLOUDRECORDING (Z_PK INTEGER PRIMARY KEY, ZUNIQUEID, ZPATH, ZDATE, ZDURATION, ZENCRYPTEDTITLE, ZEVICTIONDATE, ZFOLDER, ZFLAGS)"
	sound := &fstest.MapFile{Data: []byte{0, 0, 0, 8, 'f', 't', 'y', 'p'}, ModTime: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	fsys := fstest.MapFS{
		group + "CloudRecordings.db": {Data: made(t, cloud, "INSERT INTO ZCLOUDRECORDING VALUES (1, 'A', '20200101 100000-A.m4a', 599558400, 3, 'Here', NULL, 5, 'x'), (2, 'B', '20200102 100000-B.m4a', NULL, -1, 'In the old place', NULL, NULL, NULL), "+
			"(3, 'C', NULL, 599558402, NULL, x'00ff', 0, NULL, NULL), (4, 'C', '20200104 100000.qta', '599558403', 'x', 'Twin', -1e300, NULL, NULL), (9223372036854775807, NULL, NULL, 9e99, NULL, NULL, NULL, NULL, NULL)",
			"CREATE TABLE ZRECORDING (Z_PK INTEGER PRIMARY KEY, ZUNIQUEID, ZPATH, ZCUSTOMLABEL)", "INSERT INTO ZRECORDING VALUES (1, 'A', NULL, 'Here before')")},
		group + "20200101 100000-A.m4a": sound,
		group + "20200104 100000.qta":   sound,
		group + "20200104 100000.m4a":   sound, // a copy for other phones, in no list
		old + "Recordings.db": {Data: made(t, "CREATE TABLE ZRECORDING (Z_PK INTEGER PRIMARY KEY, ZPATH, ZCUSTOMLABEL, ZDATE)", "INSERT INTO ZRECORDING VALUES (1, '/var/mobile/Media/Recordings/20200102 100000-B.m4a', 'Old name', 599558401), "+
			"(2, '/var/mobile/Media/Recordings/20190101 100000.m4a', 'Old only', 568000000), (9223372036854775807, NULL, 'No file', 568000001)")},
		old + "20200102 100000-B.m4a": sound,
		old + "20190101 100000.m4a":   sound,
		old + "20200104 100000.m4a":   sound, // another of the same name
	}
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, voicememos.New(), src)
	var got []string
	c := extracttest.Read(t, voicememos.New(), src, extract.Query{})
	for _, r := range c.Records {
		m := r.(*voicememos.Memo)
		got = append(got, strings.Join([]string{m.Key, m.Title, m.Availability, m.File, m.Recorded.Format("2006-01-02")}, "|"))
	}
	want := []string{"file:20190101 100000.m4a|Old only|here|" + old + "20190101 100000.m4a|2019-01-01", "row:ZRECORDING/9223372036854775807|No file|in iCloud||2019-01-01", "A|Here|here|" + group + "20200101 100000-A.m4a|2020-01-01",
		"C|Recording of 2020-01-01 08:00:02|in iCloud||2020-01-01", "C@" + strings.TrimSuffix(group, "/") + "|Twin|here|" + group + "20200104 100000.qta|2020-01-01", "B|In the old place|here|" + old + "20200102 100000-B.m4a|2020-01-02",
		"file:20200104 100000.m4a|Recording of 2020-01-04 10:00:00|here|" + group + "20200104 100000.m4a|2020-01-04", "file:20200104 100000.m4a@" + strings.TrimSuffix(old, "/") + "|Recording of 2020-01-04 10:00:00|here|" + old + "20200104 100000.m4a|2020-01-04",
		"row:ZCLOUDRECORDING/9223372036854775807|Recording|in iCloud||0001-01-01"}
	if !slices.Equal(got, want) {
		t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
