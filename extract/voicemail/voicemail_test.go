package voicemail_test

import (
	"bytes"
	"context"
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
	_ "modernc.org/sqlite" // as database/sql's driver

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/voicemail"
	"github.com/keepsake-backup/keepsake/internal/plist"
)

const (
	folder   = "HomeDomain/Library/Voicemail"
	database = folder + "/voicemail.db"
)

func TestGenerations(t *testing.T) {
	for _, ios := range extracttest.Generations {
		t.Run(ios, func(t *testing.T) {
			t.Parallel()
			fsys := extracttest.Phone(t, ios)
			src := extracttest.Source(t, fsys)
			extracttest.Conform(t, voicemail.New(), src)
			judge(t, fsys, src)
			if ios == "17.3" {
				extracttest.Damage(t, voicemail.New(), fsys, database)
				extracttest.Garble(t, voicemail.New(), fsys, database)
				again(t, fsys)
			}
		})
	}
}

// judge compares what is read with what sqlite3 and plutil find.
func judge(t *testing.T, fsys fs.FS, src *extract.Source) {
	t.Helper()
	q, err := os.ReadFile("testdata/voicemail.sql")
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	sounds, transcripts := 0, 0
	c := extracttest.Read(t, voicemail.New(), src, extract.Query{Table: "voicemails"})
	for _, r := range c.Records {
		m := r.(*voicemail.Message)
		got = append(got, []string{extract.FormatTime(m.Time), m.Sender, m.CallBack, fmt.Sprint(m.Seconds), m.Receiver, fmt.Sprint(m.Flags), fmt.Sprint(m.Remote), fmt.Sprint(m.Number), m.Token,
			extract.FormatTime(m.Expires), extract.FormatTime(m.Trashed), bit(m.Deleted), bit(m.Listened), m.Account})
		if m.File != "" {
			sounds++
		}
		if m.Transcript == "" {
			continue
		}
		transcripts++
		data, err := fs.ReadFile(fsys, path.Join(folder, fmt.Sprint(m.Number)+".transcript"))
		if err != nil {
			t.Fatal(err)
		}
		if xml := convert(t, data); !strings.Contains(xml, "<string>"+m.Transcript+"</string>") || m.Confidence != 0.86 {
			t.Errorf("transcript %q, confidence %v, of %s", m.Transcript, m.Confidence, xml)
		}
	}
	slices.SortFunc(got, func(a, b []string) int { return strings.Compare(a[0]+a[6], b[0]+b[6]) })
	want := extracttest.SQL(t, fsys, database, string(q))
	slices.SortFunc(want, func(a, b []string) int { return strings.Compare(a[0]+a[6], b[0]+b[6]) })
	if diff := cmp.Diff(want, got); diff != "" || len(c.Problems) > 0 {
		t.Errorf("problems %v, messages (- sqlite3, + read):\n%s", c.Problems, diff)
	}
	files := map[string]int{}
	for _, pattern := range []string{"*.amr", "*.transcript"} {
		list, err := fs.Glob(fsys, path.Join(folder, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files[pattern] = len(list)
	}
	if sounds != files["*.amr"]-1 || transcripts != files["*.transcript"] || sounds < 4 || transcripts < 2 {
		t.Errorf("%d sounds and %d transcripts of %v", sounds, transcripts, files)
	}
	g := extracttest.Read(t, voicemail.New(), src, extract.Query{Table: "greetings"})
	if len(g.Records) != 1 || g.Records[0].(*voicemail.Greeting).Seconds != 4 {
		t.Errorf("greetings %+v", g.Records)
	}
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// convert prints a property list as XML with Debian's plistutil.
func convert(t *testing.T, data []byte) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "plistutil", "-i", "-", "-f", "xml", "-o", "-")
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("plistutil: %v", err)
	}
	return string(out)
}

// again exports twice; the second run finds everything there.
func again(t *testing.T, fsys fs.FS) {
	t.Helper()
	dir := t.TempDir()
	run := func() outtree.Stats {
		tree, err := outtree.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		src := extracttest.Source(t, fsys)
		c := &extracttest.Collector{}
		if err := voicemail.New().Export(t.Context(), src, extract.ExportOptions{}, tree, c); err != nil || len(c.Problems) > 0 {
			t.Fatal(err, c.Problems)
		}
		return tree.Stats()
	}
	first, second := run(), run()
	if first.Written < 7 || second.Written != 0 || second.Kept != first.Written {
		t.Errorf("first run %+v, second %+v", first, second)
	}
	var sounds int
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".amr" {
			return err
		}
		sounds++
		cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", "stream=codec_name,sample_rate", "-of", "csv=p=0", name)
		if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "amrnb,8000" && strings.TrimSpace(string(out)) != "amr_nb,8000" {
			t.Errorf("ffprobe says %q of %s: %v", out, d.Name(), err)
		}
		return nil
	})
	if err != nil || sounds < 5 {
		t.Errorf("%d sounds: %v", sounds, err)
	}
}

// The public phone has the tables, and nobody has called.
func TestPublic(t *testing.T) {
	fsys := extracttest.Public(t, "ios15-voicemail", folder)
	c := extracttest.Read(t, voicemail.New(), extracttest.Source(t, fsys), extract.Query{})
	n := extracttest.SQL(t, fsys, database, "SELECT (SELECT count(*) FROM voicemail) + (SELECT count(*) FROM deleted)")
	if fmt.Sprint(len(c.Records)) != n[0][0] || len(c.Problems) != 0 {
		t.Errorf("%d records, sqlite3 has %s, problems %v", len(c.Records), n[0][0], c.Problems)
	}
	extracttest.Damage(t, voicemail.New(), fsys, database)
}

func file(data []byte) *fstest.MapFile {
	return &fstest.MapFile{Data: data, Mode: 0o600, ModTime: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)}
}

// made makes a database.
func made(t *testing.T, script string) *fstest.MapFile {
	t.Helper()
	name := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return file(data)
}

type known map[string]string

func (k known) Name(address string) string { return k[address] }

// oldPhone has tables of the older form, sounds that no row has, rows that share
// numbers, and files that are not what they are called.
func oldPhone(t *testing.T) fstest.MapFS {
	plain, err := plist.Marshal(map[string]any{"transcriptionString": "in the open", "confidence": 1}, plist.XML)
	if err != nil {
		t.Fatal(err)
	}
	amr := append([]byte("#!AMR\n"), bytes.Repeat(append([]byte{0x3c}, make([]byte, 31)...), 75)...)
	return fstest.MapFS{
		database: made(t, `CREATE TABLE voicemail (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, remote_uid INTEGER, date INTEGER, token TEXT, sender TEXT, callback_num TEXT, duration INTEGER, expiration INTEGER,
			trashed_date INTEGER, flags INTEGER);
			CREATE TABLE deleted (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, remote_uid INTEGER, date INTEGER, sender TEXT, duration INTEGER, flags INTEGER);
			INSERT INTO voicemail VALUES (1, 10, 1600000000, 'Complete', '+12025550111', NULL, 3, 0, 0, 67), (2, 10, 1600000000, NULL, 'A/B: "x"', NULL, 0, 0, 0, 3), (3, NULL, NULL, NULL, NULL, '+12025550122', -4, 'x', 5e99, x'00'),
				(4, 11, 1600000100, NULL, NULL, NULL, 0, 0, 0, 0), (-5, 12, 1600000200, NULL, '../../etc/passwd', NULL, 0, 0, 600000000, 0);
			INSERT INTO deleted VALUES (1, 10, 1600000000, '+12025550133', 3, 75), (9, 13, 1600000300, '+12025550111', 3, 75);`),
		folder + "/1.amr":              file(amr),
		folder + "/2.amr":              file(append(bytes.Clone(amr), 0x4f, 1)),
		folder + "/9.amr":              file([]byte("no sound")),
		folder + "/2.transcript":       file(plain),
		folder + "/4.transcript":       file([]byte("no list")),
		folder + "/1.transcript":       file(nil),
		folder + "/77.amr":             file(amr),
		folder + "/77.transcript":      file(plain),
		folder + "/Greeting.amr":       file(amr),
		folder + "/Greeting-work.amr":  file(amr[:20]),
		folder + "/notes.txt":          file([]byte("x")),
		folder + "/sub/dir.amr":        file(amr),
		folder + "/8901.plist.amr.tmp": file(amr),
	}
}

func TestOldPhone(t *testing.T) {
	src := extracttest.Source(t, oldPhone(t))
	src.ReadNames = func(context.Context, *extract.Source) (extract.Names, error) {
		return known{"+12025550111": "Ann", "+12025550122": "Bo"}, nil
	}
	extracttest.Conform(t, voicemail.New(), src)
	c := extracttest.Read(t, voicemail.New(), src, extract.Query{})
	var got []string
	for _, r := range c.Records {
		e := r.Entry()
		s, heard := "", ""
		if m, ok := r.(*voicemail.Message); ok {
			s, heard = fmt.Sprint(m.Seconds, m.Deleted, m.Unlisted), m.Transcript
		}
		var files []string
		for _, f := range e.Files {
			files = append(files, path.Base(f))
		}
		got = append(got, strings.Join([]string{e.Key, e.Title, s, heard, strings.Join(files, " ")}, " | "))
	}
	want := []string{
		"0-0 | Bo | 0 false false |  | ",
		"1600000000-10 | Ann | 3 false false |  | 1.amr 1.transcript",
		"1600000000-10/deleted1 | +12025550133 | 3 true false |  | ",
		`1600000000-10/voicemail2 | A/B: "x" | 1.5 false false | in the open | 2.amr 2.transcript`,
		"1600000100-11 | No Caller ID | 0 false false |  | 4.transcript",
		"1600000200-12 | ../../etc/passwd | 0 true false |  | ",
		"1600000300-13 | Ann | 3 true false |  | 9.amr",
		"file:77.amr | No Caller ID | 1.5 false true | in the open | 77.amr 77.transcript",
		"greeting:Greeting-work.amr | Greeting-work |  |  | Greeting-work.amr",
		"greeting:Greeting.amr | Greeting |  |  | Greeting.amr",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read (- want, + got):\n%s", diff)
	}
	if len(c.Problems) != 2 {
		t.Errorf("problems %v, want those of two transcripts", c.Problems)
	}
}

// The names of files, as exported and as mounted.
func TestFiles(t *testing.T) {
	fsys := oldPhone(t)
	src := extracttest.Source(t, fsys)
	src.ReadNames = func(context.Context, *extract.Source) (extract.Names, error) {
		return known{"+12025550111": "Ann"}, nil
	}
	var got []string
	if err := voicemail.New().Files(t.Context(), src, func(f extract.File) error {
		var b bytes.Buffer
		if f.Make != nil {
			if err := f.Make(t.Context(), &b); err != nil {
				b.WriteString("error")
			}
		}
		got = append(got, strings.Join(f.Path, " > ")+" = "+path.Base(f.Origin)+strings.TrimSpace(b.String()))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"2020-09-13 12.26 Ann.amr = 1.amr", "2020-09-13 12.26 Ann.txt = .error",
		`2020-09-13 12.26 A/B: "x".amr = 2.amr`, `2020-09-13 12.26 A/B: "x".txt = .in the open`,
		"2020-09-13 12.28 No Caller ID.txt = .error", "Deleted Messages > 2020-09-13 12.31 Ann.amr = 9.amr",
		"2024-05-06 07.08 77.amr = 77.amr", "2024-05-06 07.08 77.txt = .in the open",
		"Greetings > Greeting-work.amr = Greeting-work.amr", "Greetings > Greeting.amr = Greeting.amr",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (- want, + got):\n%s", diff)
	}
	dir := t.TempDir()
	tree, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := voicemail.New().Export(t.Context(), src, extract.ExportOptions{}, tree, &extracttest.Collector{}); err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "Voicemail", "2020-09-13 12.26 A%2FB%3A %22x%22.amr")
	if info, err := os.Stat(name); err != nil || info.ModTime().Unix() != 1600000000 {
		t.Errorf("the sound of row 2: %v", err)
	}
}

// Without its database a folder of sounds still is one.
func TestNoDatabase(t *testing.T) {
	fsys := oldPhone(t)
	delete(fsys, database)
	c := extracttest.Read(t, voicemail.New(), extracttest.Source(t, fsys), extract.Query{})
	if len(c.Records) != 6 || len(c.Problems) != 1 { // the transcript of row 1 is no list
		t.Errorf("%d records, problems %v", len(c.Records), c.Problems)
	}
	fsys[database] = file(nil)
	c = extracttest.Read(t, voicemail.New(), extracttest.Source(t, fsys), extract.Query{})
	if len(c.Records) != 6 || len(c.Problems) != 2 {
		t.Errorf("%d records, problems %v", len(c.Records), c.Problems)
	}
	if err := voicemail.New().Read(t.Context(), extracttest.Source(t, fstest.MapFS{database: file(nil)}), extract.Query{}, c); err == nil || errors.Is(err, extract.ErrAbsent) {
		t.Errorf("an empty database alone gives %v", err)
	}
}
