package notes

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	_ "modernc.org/sqlite"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
)

// message nests fields of a protocol buffer: a number and a string, a number or bytes.
func message(kv ...any) []byte {
	var b []byte
	for i := 0; i+1 < len(kv); i += 2 {
		num := protowire.Number(kv[i].(int))
		switch v := kv[i+1].(type) {
		case int:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(int64(v)))
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, num, protowire.BytesType), v)
		case []byte:
			b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
		}
	}
	return b
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bodyOf is what ZDATA has for a note message.
func bodyOf(t testing.TB, note []byte) []byte { return zipped(t, message(2, message(3, note))) }

// database makes a database of statements; ? in them are values.
func database(t testing.TB, name string, statements ...[]any) fstest.MapFS {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s[0].(string), s[1:]...); err != nil {
			t.Fatalf("%s: %v", s[0], err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{name: {Data: data, Mode: 0o600}}
}

// old is a store as iOS 11 has it: other numbers, a join table, few columns.
func old(t testing.TB) fstest.MapFS {
	body := func(s string) []byte { return bodyOf(t, message(2, s, 5, message(1, len(s)))) }
	return database(t, storePath, []any{`CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR)`},
		[]any{`INSERT INTO Z_PRIMARYKEY VALUES (31,'ICNote'),(32,'ICFolder'),(33,'ICAccount'),(34,'ICAttachment')`},
		[]any{`CREATE TABLE ZICCLOUDSYNCINGOBJECT (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZIDENTIFIER VARCHAR, ZTITLE1 VARCHAR, ZTITLE2 VARCHAR, ZNAME VARCHAR, ZNOTEDATA INTEGER,
			ZACCOUNT2 INTEGER, ZOWNER INTEGER, ZPARENT INTEGER, ZFOLDERTYPE INTEGER, ZCREATIONDATE1 TIMESTAMP, ZMODIFICATIONDATE1 TIMESTAMP, ZISPASSWORDPROTECTED INTEGER, ZNOTE INTEGER,
			ZTYPEUTI VARCHAR, ZMERGEABLEDATA BLOB)`},
		[]any{`CREATE TABLE Z_31NOTES (Z_31NOTES INTEGER, Z_32FOLDERS INTEGER)`}, []any{`CREATE TABLE ZICNOTEDATA (Z_PK INTEGER PRIMARY KEY, ZNOTE INTEGER, ZDATA BLOB)`},
		[]any{`INSERT INTO ZICCLOUDSYNCINGOBJECT (Z_PK,Z_ENT,ZIDENTIFIER,ZNAME) VALUES (1,33,'ACC','On My iPhone')`},
		[]any{`INSERT INTO ZICCLOUDSYNCINGOBJECT (Z_PK,Z_ENT,ZIDENTIFIER,ZTITLE2,ZOWNER,ZPARENT) VALUES (2,32,'F1','Loop A',1,3),(3,32,'F2','Loop B',1,2),(4,32,'F3','../Work',1,NULL)`},
		[]any{`INSERT INTO ZICCLOUDSYNCINGOBJECT (Z_PK,Z_ENT,ZIDENTIFIER,ZTITLE1,ZNOTEDATA,ZACCOUNT2,ZCREATIONDATE1,ZMODIFICATIONDATE1) VALUES
			(10,31,'N1','One',1,1,100.5,200.5),(11,31,'N2','Two',2,NULL,63113904000,300),(12,31,'N1',NULL,3,1,NULL,NULL),(13,31,NULL,'Broken',4,1,1,1)`},
		[]any{`INSERT INTO Z_31NOTES VALUES (10,4),(11,2)`},
		[]any{`INSERT INTO ZICNOTEDATA VALUES (1,10,?),(2,11,?),(3,12,?),(4,13,?)`, body("One\nline"), body("Two"), body("\n  Three is a title\n"), []byte("\x1f\x8bno gzip at all")})
}

func TestOtherSchemas(t *testing.T) {
	src := extracttest.Source(t, old(t))
	extracttest.Conform(t, New(), src)
	list, problems := readAll(t, src)
	var got []string
	for _, n := range list {
		got = append(got, strings.Join([]string{n.Key, n.Title, strings.Join(n.Folder, "/"), n.Account, n.Text, n.Unread, extract.FormatTime(n.Created)}, "|"))
	}
	want := []string{
		"N1/12|Three is a title||On My iPhone|\n  Three is a title||",
		"note:13|Broken||On My iPhone||its text could not be read|2001-01-01T00:00:01Z",
		"N1|One|../Work|On My iPhone|One\nline||2001-01-01T00:01:40Z",
		"N2|Two|Loop A|On My iPhone|Two||",
	}
	for i, g := range got { // the year is told, the fraction is not the point
		got[i] = strings.Replace(g, "00:01:40.5Z", "00:01:40Z", 1)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "Broken") {
		t.Errorf("problems: %v", problems)
	}
	dir := t.TempDir()
	exported(t, src, "markdown", dir)
	if _, err := os.Stat(filepath.Join(dir, "Notes", "..%2FWork", "One.md")); err != nil {
		t.Errorf("hostile folder: %v", err)
	}
}

// The previews of iOS 9, and what its older store may have beside a note (the tables are
// those of public dumps).
func TestNine(t *testing.T) {
	fsys := database(t, storePath, []any{`CREATE TABLE Z_PRIMARYKEY (Z_ENT INTEGER PRIMARY KEY, Z_NAME VARCHAR)`},
		[]any{`INSERT INTO Z_PRIMARYKEY VALUES (9,'ICNote'),(12,'ICFolder'),(11,'ICAccount'),(4,'ICAttachment'),(5,'ICAttachmentPreviewImage')`},
		[]any{`CREATE TABLE ZICCLOUDSYNCINGOBJECT (Z_PK INTEGER PRIMARY KEY, Z_ENT INTEGER, ZIDENTIFIER VARCHAR, ZTITLE VARCHAR, ZTITLE1 VARCHAR, ZTITLE2 VARCHAR, ZNAME VARCHAR, ZNOTEDATA INTEGER, ZNOTE INTEGER, ZACCOUNT2 INTEGER,
			ZTYPEUTI VARCHAR, ZMARKEDFORDELETION INTEGER, ZSCALE FLOAT, ZWIDTH FLOAT)`},
		[]any{`CREATE TABLE Z_12NOTES (Z_12FOLDERS INTEGER, Z_9NOTES INTEGER, PRIMARY KEY (Z_12FOLDERS, Z_9NOTES))`}, []any{`CREATE TABLE Z_4PREVIEWIMAGES (Z_4ATTACHMENTS INTEGER, Z_5PREVIEWIMAGES INTEGER)`},
		[]any{`CREATE TABLE ZICNOTEDATA (Z_PK INTEGER PRIMARY KEY, ZNOTE INTEGER, ZDATA BLOB)`}, []any{`INSERT INTO ZICCLOUDSYNCINGOBJECT (Z_PK,Z_ENT,ZIDENTIFIER,ZNAME,ZTITLE1,ZTITLE2,ZNOTEDATA,ZNOTE,ZACCOUNT2,ZTYPEUTI,ZSCALE,ZWIDTH) VALUES
			(1,11,'ACC','iCloud',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),(2,12,'F',NULL,NULL,'Notes',NULL,NULL,NULL,NULL,NULL,NULL),(3,9,'N',NULL,'Sketch',NULL,1,NULL,1,NULL,NULL,NULL),
			(4,4,'D',NULL,NULL,NULL,NULL,3,NULL,'com.apple.notes.sketch',NULL,NULL),(5,5,'P',NULL,NULL,NULL,NULL,NULL,NULL,NULL,1,192)`},
		[]any{`INSERT INTO Z_12NOTES VALUES (2,3)`}, []any{`INSERT INTO Z_4PREVIEWIMAGES VALUES (4,5)`},
		[]any{`INSERT INTO ZICNOTEDATA VALUES (1,3,?)`, bodyOf(t, message(2, "Sketch\n\uFFFC", 5, message(1, 7), 5, message(1, 1, 12, message(1, "D", 2, "com.apple.notes.sketch"))))})
	fsys[domain+"/Previews/P.png"] = &fstest.MapFile{Data: []byte("\x89PNG"), Mode: 0o600}
	for name, f := range database(t, legacyPath, []any{`CREATE TABLE ZNOTE (Z_PK INTEGER PRIMARY KEY, ZGUID VARCHAR, ZTITLE VARCHAR, ZBODY INTEGER)`}, []any{`CREATE TABLE ZNOTEATTACHMENT (Z_PK INTEGER PRIMARY KEY, ZNOTE INTEGER, ZCONTENTID VARCHAR, ZFILENAME VARCHAR, ZMIMETYPE VARCHAR)`},
		[]any{`CREATE TABLE ZNOTEBODY (Z_PK INTEGER PRIMARY KEY, ZOWNER INTEGER, ZCONTENT VARCHAR, ZEXTERNALCONTENTREF VARCHAR)`}, []any{`INSERT INTO ZNOTE VALUES (1,'L','Old',1)`},
		[]any{`INSERT INTO ZNOTEBODY VALUES (1,1,NULL,'body-1')`}, []any{`INSERT INTO ZNOTEATTACHMENT VALUES (1,1,'cid','Plan.pdf','application/pdf')`}) {
		fsys[name] = f
	}
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, New(), src)
	list, problems := readAll(t, src)
	if len(list) != 2 || len(problems) > 0 {
		t.Fatalf("%d notes, problems %v", len(list), problems)
	}
	sketch, mail := list[0], list[1]
	if sketch.Key != "N" {
		sketch, mail = mail, sketch
	}
	if len(sketch.Attachments) != 1 || sketch.Attachments[0].Preview != domain+"/Previews/P.png" || !sketch.Attachments[0].StandIn || last(sketch.Folder) != "Notes" || sketch.Account != "iCloud" {
		t.Errorf("%+v, %+v", sketch, sketch.Attachments)
	}
	if mail.Unread == "" || len(mail.Attachments) != 1 || mail.Attachments[0].Kind != KindPDF || !mail.Attachments[0].Missing {
		t.Errorf("%+v, %+v", mail, mail.Attachments)
	}
}

func TestLegacy(t *testing.T) {
	fsys := database(t, legacyPath, []any{`CREATE TABLE ZACCOUNT (Z_PK INTEGER PRIMARY KEY, ZNAME VARCHAR, ZACCOUNTIDENTIFIER VARCHAR)`}, []any{`INSERT INTO ZACCOUNT VALUES (1,'Mail','ID-1')`},
		[]any{`CREATE TABLE ZSTORE (Z_PK INTEGER PRIMARY KEY, ZNAME VARCHAR, ZACCOUNT INTEGER, ZEXTERNALIDENTIFIER VARCHAR)`}, []any{`INSERT INTO ZSTORE VALUES (1,'local.notes.store/Notes',1,NULL)`},
		[]any{`CREATE TABLE ZNOTE (Z_PK INTEGER PRIMARY KEY, ZGUID VARCHAR, ZTITLE VARCHAR, ZSTORE INTEGER, ZBODY INTEGER, ZCREATIONDATE TIMESTAMP, ZMODIFICATIONDATE TIMESTAMP, ZDELETEDFLAG INTEGER)`},
		[]any{`CREATE TABLE ZNOTEBODY (Z_PK INTEGER PRIMARY KEY, ZOWNER INTEGER, ZCONTENT VARCHAR)`}, []any{`INSERT INTO ZNOTE VALUES (1,'G1','Milk',1,1,400000000,400000100,0),(2,'G2','Gone',1,2,400000000,400000200,1)`},
		[]any{`INSERT INTO ZNOTEBODY VALUES (1,1,?),(2,2,'Gone')`, `<title>no</title>Milk<div><br></div><div><b>Bread</b> &amp; <i>but</i>ter</div><ul><li>one<ul><li>two</li></ul></li><li><a href="https://example.org/x">x</a></li></ul>` +
			`<script>alert(1)</script><div><a href="javascript:alert(1)">bad</a></div>`})
	src := extracttest.Source(t, fsys)
	extracttest.Conform(t, New(), src)
	list, problems := readAll(t, src)
	if len(problems) > 0 || len(list) != 2 {
		t.Fatalf("%d notes, problems %v", len(list), problems)
	}
	milk := list[1]
	if list[0].Key == "G1" {
		milk = list[0]
	}
	want := Document{
		{Runs: []Run{{Text: "Milk"}}}, {},
		{Runs: []Run{{Text: "Bread", Look: Look{Bold: true}}, {Text: " & "}, {Text: "but", Look: Look{Italic: true}}, {Text: "ter"}}},
		{Style: Dotted, Runs: []Run{{Text: "one"}}}, {Style: Dotted, Indent: 1, Runs: []Run{{Text: "two"}}},
		{Style: Dotted, Runs: []Run{{Text: "x", Look: Look{Link: "https://example.org/x"}}}}, {Runs: []Run{{Text: "bad", Look: Look{Link: "javascript:alert(1)"}}}},
	}
	if diff := cmp.Diff(want, milk.Body, cmp.AllowUnexported(Run{})); diff != "" {
		t.Error(diff)
	}
	if !milk.Legacy || milk.Account != "Mail" || last(milk.Folder) != "Notes" {
		t.Errorf("%+v", milk)
	}
	var page bytes.Buffer
	if err := writePage(t, &page, milk, src, nil, nil); err != nil || strings.Contains(page.String(), "javascript:") || strings.Contains(page.String(), "<script") {
		t.Errorf("page %s, %v", page.String(), err)
	}
	// One store that fails does not keep the other from being read.
	fsys[storePath] = &fstest.MapFile{Data: []byte(strings.Repeat("no database ", 1000)), Mode: 0o600}
	c := extracttest.Read(t, New(), extracttest.Source(t, fsys), extract.Query{})
	if len(c.Records) != 2 || len(c.Problems) != 1 {
		t.Errorf("%d notes and problems %v beside a damaged store", len(c.Records), c.Problems)
	}
}

func TestDamage(t *testing.T) {
	extracttest.Damage(t, New(), public(t), storePath)
	extracttest.Damage(t, New(), phone(t, "26.1"), storePath)
}

// A boundary of a run within a letter of two UTF-16 units goes behind it.
func TestSurrogatesStayWhole(t *testing.T) {
	text := "a🥾b🥾"
	note := message(2, text, 5, message(1, 2, 5, 1), 5, message(1, 2, 5, 2), 5, message(1, 1), 5, message(1, 1, 7, 1))
	d, err := parseNote(note)
	if err != nil {
		t.Fatal(err)
	}
	want := Document{{Runs: []Run{{Text: "a🥾", Look: Look{Bold: true}}, {Text: "b", Look: Look{Italic: true}}, {Text: "🥾"}}}}
	if diff := cmp.Diff(want, d, cmp.AllowUnexported(Run{})); diff != "" {
		t.Error(diff)
	}
	if d.Plain() != text {
		t.Errorf("text became %q", d.Plain())
	}
}

func TestBodies(t *testing.T) {
	for name, c := range map[string]struct {
		note []byte
		want string
	}{
		"runs too short": {message(2, "abc", 5, message(1, 1, 5, 1)), "abc"},
		"runs too long":  {message(2, "abc", 5, message(1, 4000000000)), "abc"},
		"no runs":        {message(2, "a\n\nb"), "a\n\nb"},
		"bad UTF-8":      {message(2, "a\xffb", 5, message(1, 3)), "a\ufffdb"},
		"lost object":    {message(2, "a\ufffcb", 5, message(1, 3)), "ab"},
		"no text":        {message(5, message(1, 3)), ""},
		"negative style": {message(2, "x", 5, message(1, 1, 2, message(1, -1, 4, -7, 2, 99))), "x"},
		"last line ends": {message(2, "a\n", 5, message(1, 2)), "a"},
	} {
		d, err := parseBody(bodyOf(t, c.note))
		if err != nil || d.Plain() != c.want {
			t.Errorf("%s: %q, %v; want %q", name, d.Plain(), err, c.want)
		}
	}
	for name, data := range map[string][]byte{"empty": {}, "noise": []byte("noise"), "cut": bodyOf(t, message(2, "abc"))[:15], "no note": zipped(t, message(2, message(1, 1))),
		"bad field": zipped(t, []byte{0x12, 0x7f}), "bomb": bomb(t)} {
		if _, err := parseBody(data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// bomb inflates to more than a body may have.
func bomb(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range maxInflated>>20 + 1 {
		if _, err := z.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A table that refers to itself, and one whose parts are shared by many, end in time.
func TestHostileTables(t *testing.T) {
	element := func(k, v int) []byte { return message(1, message(6, k), 2, message(6, v)) }
	var many []byte
	for range 3000 {
		many = append(many, message(1, element(1, 2))...)
	}
	pool := func(objects ...[]byte) []byte {
		var data []byte
		for _, o := range objects {
			data = append(data, message(3, o)...)
		}
		for _, k := range []string{"UUIDIndex", "crRows", "crColumns", "cellColumns", "crTableColumnDirection"} {
			data = append(data, message(4, k)...)
		}
		return zipped(t, message(2, message(3, append(data, message(5, "com.apple.notes.ICTable", 6, "0123456789abcdef")...))))
	}
	table := message(13, message(1, 0, 3, message(1, 1, 2, message(6, 3)), 3, message(1, 2, 2, message(6, 3)), 3, message(1, 3, 2, message(6, 2)), 3, message(1, 4, 2, message(6, 0))))
	identity := message(13, message(1, 0, 3, message(1, 0, 2, message(2, 0))))
	axis := message(16, message(1, message(1, message(2, message(1, 0, 2, "0123456789abcdef")))))
	shared := message(6, many)
	if _, err := parseTable(pool(table, identity, shared, axis)); err == nil || !strings.Contains(err.Error(), "entries") {
		t.Errorf("nine million steps: %v", err)
	}
	if _, err := parseTable(pool(message(13, message(1, 0, 3, message(1, 1, 2, message(6, 77)))))); err == nil {
		t.Error("an object that there is not: no error")
	}
}

func FuzzBody(f *testing.F) {
	f.Add(message(2, "a🥾\n\ufffc", 5, message(1, 3, 2, message(1, 103, 5, message(1, "x", 2, 1)), 9, "https://x", 10, []byte{0x0d, 0, 0, 0x80, 0x3f}), 5, message(1, 2, 12, message(1, "id", 2, "uti"))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, note []byte) {
		d, err := parseNote(note)
		if err != nil {
			return
		}
		blocks(d)
		asMarkdown(d)
		var page bytes.Buffer
		n := &Note{Title: "x", Body: d}
		n.finish()
		if err := writePage(t, &page, n, &extract.Source{}, func(s string) string { return s }, nil); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(page.String()), "<script") {
			t.Errorf("a script: %s", page.String())
		}
		text, _, err := decodeNote(note)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.TrimRight(d.Plain(), "\n"), strings.TrimRight(strings.ReplaceAll(text, string(object), ""), "\n"); got != want {
			t.Errorf("text %q became %q", want, got)
		}
	})
}

// smallTable is the mergeable data of a table of one row, not compressed.
func smallTable() []byte {
	object := func(n int) []byte { return message(6, n) }
	element := func(k, v int) []byte { return message(1, message(1, object(k), 2, object(v))) }
	axis := func(id string, place, name int) []byte {
		return message(16, message(1, message(1, message(2, message(1, 0, 2, id)), 2, element(place, name))))
	}
	identity := func(n int) []byte { return message(13, message(1, 0, 3, message(1, 0, 2, message(2, n)))) }
	root := message(13, message(1, 1, 3, message(1, 1, 2, object(1)), 3, message(1, 2, 2, object(2)), 3, message(1, 3, 2, object(3)), 3, message(1, 4, 2, object(9))))
	var data []byte
	for _, o := range [][]byte{root, axis("row-place-uuid..", 5, 6), axis("col-place-uuid..", 7, 8), message(6, element(8, 4)), message(6, element(6, 11)),
		identity(0), identity(1), identity(2), identity(3), message(1, message(2, object(10))), message(13, message(1, 0, 3, message(1, 5, 2, message(4, "CRTableColumnDirectionRightToLeft")))),
		message(10, message(2, "cell 🥾", 5, message(1, 7)))} {
		data = append(data, message(3, o)...)
	}
	for _, k := range []string{"UUIDIndex", "crRows", "crColumns", "cellColumns", "crTableColumnDirection", "self"} {
		data = append(data, message(4, k)...)
	}
	data = append(data, message(5, "com.apple.CRDT.NSUUID", 5, "com.apple.notes.ICTable")...)
	for _, id := range []string{"row-place-uuid..", "row-name-uuid...", "col-place-uuid..", "col-name-uuid..."} {
		data = append(data, message(6, id)...)
	}
	return message(2, message(3, data))
}

func TestSmallTable(t *testing.T) {
	table, err := parseTable(zipped(t, smallTable()))
	if err != nil {
		t.Fatal(err)
	}
	if table.Plain() != "cell 🥾" || !table.RightToLeft {
		t.Errorf("%q, %t", table.Plain(), table.RightToLeft)
	}
}

func FuzzTable(f *testing.F) {
	f.Add(smallTable())
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decodePool(raw)
		if err != nil {
			return
		}
		if table, err := p.findTable(); err == nil {
			table.Plain()
			(&writer{}).table(table)
		}
		if ids := p.items(); len(ids) > maxItems {
			t.Errorf("%d items", len(ids))
		}
	})
}

func FuzzInflate(f *testing.F) {
	f.Add(bodyOf(f, message(2, "abc")))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if d, err := parseBody(data); err == nil {
			d.Plain()
		}
		parseHTML(string(data))
	})
}

// Bodies that were made to hurt are read in time, and say all that they say.
func TestHugeBodies(t *testing.T) {
	var runs []byte
	for range maxRuns + 1000 {
		runs = append(runs, message(5, message(1, 1, 5, 1))...)
	}
	for name, note := range map[string][]byte{
		"lines": message(2, strings.Repeat("\n", 4<<20)),
		"runs":  append(message(2, strings.Repeat("x", maxRuns+2000)), runs...),
		"deep":  message(2, strings.Repeat("x\n", 5000), 5, message(1, 10000, 2, message(1, 100, 4, 1<<30, 8, 1))),
	} {
		start := time.Now()
		d, err := parseNote(note)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, _, err := decodeNote(note)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Plain(); got != strings.TrimSuffix(text, "\n") && got != text {
			t.Errorf("%s: %d bytes became %d", name, len(text), len(got))
		}
		if len(d) > maxParagraphs+1 {
			t.Errorf("%s: %d paragraphs", name, len(d))
		}
		asMarkdown(d)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}
