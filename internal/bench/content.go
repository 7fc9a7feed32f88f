//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// What the phones hold whose insides are measured.
const (
	contentPhotos   = 100_000
	contentPeople   = 10_000
	contentMessages = 2_000_000
)

// sqliteName is the only program of Debian that reads what is in these databases.
const sqliteName = "sqlite3 -json"

func (b *bench) contentStudies() []study {
	return []study{
		{"photos", "content", true, func(ctx context.Context) error {
			return b.withContent(ctx, "photos", contentSize{photos: b.scaled(contentPhotos)}, (*contentBench).photos)
		}},
		{"contacts", "content", true, func(ctx context.Context) error {
			return b.withContent(ctx, "contacts", contentSize{people: b.scaled(contentPeople)}, (*contentBench).contacts)
		}},
		{"messages", "content", true, func(ctx context.Context) error {
			return b.withContent(ctx, "messages", b.talk(), (*contentBench).messages)
		}},
		{"search", "content", true, func(ctx context.Context) error {
			return b.withContent(ctx, "search", b.talk(), (*contentBench).search)
		}},
		{"content", "content", true, func(ctx context.Context) error {
			return errors.Join(
				b.withContent(ctx, "photos", contentSize{photos: b.scaled(contentPhotos)}, (*contentBench).photos),
				b.withContent(ctx, "talk", b.talk(), (*contentBench).contacts, (*contentBench).messages, (*contentBench).search))
		}},
	}
}

func (b *bench) scaled(n int) int { return max(1000, int(float64(n)*b.scale)) }

func (b *bench) talk() contentSize {
	return contentSize{people: b.scaled(contentPeople), messages: b.scaled(contentMessages)}
}

// contentSize is how much a phone holds, beside what a tiny one has.
type contentSize struct{ photos, people, messages int }

// need is the room on the disk for a phone and what is made of it, in bytes: itself, the
// repository and its spool, an index, theirs.
func (s contentSize) need() int64 {
	return int64(s.photos)*12_000 + int64(s.people)*8_000 + int64(s.messages)*2_900 + 64<<20
}

// contentBench is a phone and a version of it in a repository.
type contentBench struct {
	b     *bench
	name  string
	size  contentSize
	home  string
	plain string // its files, a folder for each domain
	repo  string
	env   []string
	log   *os.File
}

// withContent makes a phone that holds much, backs it up, and does jobs with it.
func (b *bench) withContent(ctx context.Context, name string, size contentSize, jobs ...func(*contentBench, context.Context) error) (err error) {
	if err := b.roomFor(size.need()); err != nil {
		return err
	}
	c := &contentBench{b: b, name: name, size: size, home: filepath.Join(b.dir, name)}
	if err := os.MkdirAll(c.home, 0o755); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(c.home)) }()
	if c.log, err = os.Create(filepath.Join(b.dir, name+".log")); err != nil {
		return err
	}
	defer c.log.Close()
	if err := c.make(ctx); err != nil {
		return err
	}
	for _, do := range jobs {
		if err := do(c, ctx); err != nil {
			return err
		}
	}
	return nil
}

// make backs the phone up into a repository, and stops it.
func (c *contentBench) make(ctx context.Context) (err error) {
	dir := filepath.Join(c.home, "phone")
	c.plain = filepath.Join(dir, "fs")
	c.b.phase("%s: making the phone", c.name)
	phone, err := c.b.newMeasuredPhone(ctx, c.log, dir, "tiny", false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, phone.stop()) }()
	if err := c.b.selfRole(ctx, "crowd", c.plain, strconv.Itoa(c.size.photos), strconv.Itoa(c.size.people), strconv.Itoa(c.size.messages)); err != nil {
		return err
	}
	c.b.phase("%s: backing it up", c.name)
	into := route{name: intoRepo}
	if err := into.prepare(ctx, c.log, c.home, nil); err != nil {
		return err
	}
	c.env = routeEnv(c.home)
	if _, err := measure(ctx, c.log, append(phone.env, c.env...), c.b.keepsake, "-q", "backup", "--no-media", filepath.Join(c.home, "repo")); err != nil {
		return err
	}
	c.repo = filepath.Join(c.home, "repo", phone.udid)
	return os.RemoveAll(filepath.Join(c.home, "tmp"))
}

// way is one way to do a job.
type way struct {
	program string
	args    []string
	// report: the program is a contentRole, whose report counts, too.
	report bool
	rows   int    // how many it reads, unless the report says so
	aim    string // "" is none
	before func() error
}

// compare lets ways take turns, and gives a table of them. Every run is a process of its
// own with an empty cache folder, and writes to nothing unless its arguments say otherwise.
func (c *contentBench) compare(ctx context.Context, title string, runs int, ways []way) (map[string][]result, map[string][]contentDone, error) {
	all, reports := map[string][]result{}, map[string][]contentDone{}
	printed := filepath.Join(c.home, "printed")
	for run := range c.b.runsOr(runs) {
		for i := range ways {
			w := ways[(i+run)%len(ways)] // nobody is always the first
			if w.before != nil {
				if err := w.before(); err != nil {
					return nil, nil, err
				}
			}
			cache, err := emptyFolder(filepath.Join(c.home, "cache"))
			if err != nil {
				return nil, nil, err
			}
			tmp, err := emptyFolder(filepath.Join(c.home, "tmp"))
			if err != nil {
				return nil, nil, err
			}
			out := os.DevNull
			if w.report {
				out = printed
			}
			// The shell becomes the program: it is measured alone.
			args := append([]string{"sh", "-c", `exec "$@" > "$0"`, out}, w.args...)
			settle()
			m, err := measure(ctx, c.log, append(c.env, "XDG_CACHE_HOME="+cache, "TMPDIR="+tmp), args...)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", w.program, err)
			}
			all[w.program] = append(all[w.program], m)
			if w.report {
				done, err := readDone(printed)
				if err != nil {
					return nil, nil, fmt.Errorf("%s: %w", w.program, err)
				}
				reports[w.program] = append(reports[w.program], done)
			}
			c.b.phase("%s: %s: %.2f s, CPU %.2f s, %s", c.name, w.program, m.wall.Seconds(), m.cpu.Seconds(), humanize.IBytes(uint64(m.rss)))
		}
	}
	fmt.Printf("\n### %s; %s\n\n", title, where(c.b.dir))
	w := newTable("| program\t| wall s (min)\t| aim\t| CPU s\t| peak memory (aim: 300 MiB)\t| rows\t| rows a second\t|", 7)
	for _, x := range ways {
		rs := all[x.program]
		m, rows := median(rs), x.rows
		if ds := reports[x.program]; len(ds) > 0 {
			rows = ds[len(ds)-1].Rows
		}
		count, rate := "", ""
		if rows > 1 {
			count, rate = humanize.Comma(int64(rows)), humanize.Comma(int64(float64(rows)/m.wall.Seconds()))
		}
		fmt.Fprintf(w, "| %s\t| %.2f (%.2f)\t| %s\t| %.2f\t| %s\t| %s\t| %s\t|\n", x.program, m.wall.Seconds(), fastest(rs).Seconds(), x.aim, m.cpu.Seconds(),
			humanize.IBytes(uint64(m.rss)), count, rate)
	}
	return all, reports, w.Flush()
}

// keepsake is the command that looks into the repository.
func (c *contentBench) keepsake(args ...string) []string {
	return append([]string{c.b.keepsake, "-q", "extract", "-r", c.repo, "latest"}, args...)
}

// role is this program doing a job with the version, or with the plain files.
func (c *contentBench) role(plain bool, args ...string) []string {
	from := c.repo
	if plain {
		from = "plain:" + c.plain
	}
	return append([]string{c.b.self, "content", from}, args...)
}

// sqlite3 asks Debian's program about one of the phone's databases, which it opens as a
// plain file.
func (c *contentBench) sqlite3(database, query string) []string {
	return []string{"sqlite3", "-readonly", "-json", filepath.Join(c.plain, filepath.FromSlash(database)), query}
}

func (c *contentBench) photos(ctx context.Context) error {
	n := c.size.photos
	const library = "CameraRollDomain/Media/PhotoData/Photos.sqlite"
	const rows = `SELECT a.ZUUID, a.ZDIRECTORY, a.ZFILENAME, a.ZUNIFORMTYPEIDENTIFIER, a.ZKIND, a.ZWIDTH, a.ZHEIGHT, a.ZFAVORITE, a.ZHIDDEN, a.ZTRASHEDSTATE, a.ZDATECREATED, a.ZLATITUDE, a.ZLONGITUDE,
		x.ZORIGINALFILENAME, x.ZTITLE, x.ZTIMEZONENAME, x.ZTIMEZONEOFFSET, e.ZCAMERAMAKE, e.ZCAMERAMODEL, e.ZLENSMODEL
		FROM ZASSET a LEFT JOIN ZADDITIONALASSETATTRIBUTES x ON x.Z_PK = a.ZADDITIONALATTRIBUTES LEFT JOIN ZEXTENDEDATTRIBUTES e ON e.Z_PK = a.ZEXTENDEDATTRIBUTES ORDER BY a.ZDATECREATED DESC, a.Z_PK DESC`
	_, _, err := c.compare(ctx, fmt.Sprintf("Photos: a camera roll of %s", humanize.Comma(int64(n))), 5, []way{
		{program: "keepsake's reader, the newest 200", args: c.role(false, "newest", "photos"), report: true, aim: "1 s"},
		{program: "keepsake extract --list --limit 200 --json, which counts albums, too", args: c.keepsake("photos", "--list", "--limit", "200", "--json"), rows: 200, aim: "1 s"},
		{program: "keepsake extract --list --json, all", args: c.keepsake("photos", "--list", "--json"), rows: n, aim: "8 s"},
		{program: sqliteName + ", newest 200 rows, plain file", args: c.sqlite3(library, rows+" LIMIT 200"), rows: 200},
		{program: sqliteName + ", all rows, plain file", args: c.sqlite3(library, rows), rows: n},
	})
	return err
}

func (c *contentBench) contacts(ctx context.Context) error {
	n := c.size.people
	out := filepath.Join(c.home, "out")
	fresh := func() error { return os.RemoveAll(out) }
	defer os.RemoveAll(out)
	const rows = `SELECT p.*, group_concat(v.property || ':' || coalesce(l.value, '') || ':' || coalesce(v.value, (SELECT group_concat(e.value) FROM ABMultiValueEntry e WHERE e.parent_id = v.UID)), x'0a') AS vals
		FROM ABPerson p LEFT JOIN ABMultiValue v ON v.record_id = p.ROWID LEFT JOIN ABMultiValueLabel l ON l.rowid = v.label GROUP BY p.ROWID ORDER BY p.Last, p.First`
	const bundle = "keepsake's reader, one file with everybody"
	_, reports, err := c.compare(ctx, fmt.Sprintf("Contacts: %s people", humanize.Comma(int64(n))), 5, []way{
		{program: bundle, args: c.role(false, "bundle", filepath.Join(c.home, "all.vcf")), report: true, aim: "1 s"},
		{program: "keepsake extract contacts --to DIR, a file each as well", args: c.keepsake("contacts", "--to", out), rows: n, before: fresh},
		{program: "keepsake extract contacts --format jsonl", args: c.keepsake("contacts", "--format", "jsonl", "--to", out), rows: n, before: fresh},
		{program: sqliteName + ", the same rows, plain file", args: c.sqlite3("HomeDomain/Library/AddressBook/AddressBook.sqlitedb", rows), rows: n},
	})
	if err != nil {
		return err
	}
	var took []result
	for _, d := range reports[bundle] {
		took = append(took, result{wall: d.Took})
	}
	fmt.Printf("\n- Of the time for one file, %.2f s come after the repository has been opened.\n", median(took).wall.Seconds())
	return nil
}

func (c *contentBench) messages(ctx context.Context) error {
	n := c.size.messages
	const database = "HomeDomain/Library/SMS/sms.db"
	info, err := os.Stat(filepath.Join(c.plain, filepath.FromSlash(database)))
	if err != nil {
		return err
	}
	out := filepath.Join(c.home, "out")
	defer os.RemoveAll(out)
	const (
		json, scan, plainJSON, plainScan = "JSON Lines, from the repository", "bare scan, from the repository", "JSON Lines, from a plain file", "bare scan, from a plain file"
	)
	all, reports, err := c.compare(ctx, fmt.Sprintf("Messages: %s rows, sms.db of %s", humanize.Comma(int64(n)), humanize.IBytes(uint64(info.Size()))), 3, []way{
		{program: json, args: c.role(false, "jsonl", "messages"), report: true, aim: "2 bare scans"},
		{program: scan, args: c.role(false, "scan"), report: true},
		{program: plainJSON, args: c.role(true, "jsonl", "messages"), report: true, aim: "2 bare scans"},
		{program: plainScan, args: c.role(true, "scan"), report: true},
		{program: "keepsake extract messages --format jsonl --to DIR", args: c.keepsake("messages", "--format", "jsonl", "--to", out), rows: n, before: func() error { return os.RemoveAll(out) }},
		{program: sqliteName + ", the same columns, plain file", args: c.sqlite3(database, "SELECT ROWID, "+strings.Join(scannedColumns, ", ")+" FROM message"), rows: n},
	})
	if err != nil {
		return err
	}
	ds := reports[json]
	fmt.Printf("\n- JSON of %s. Rows that are reactions are parts of other records.\n", humanize.IBytes(uint64(ds[len(ds)-1].Bytes)))
	for _, x := range [][2]string{{json, scan}, {plainJSON, plainScan}} {
		ours, bare := median(all[x[0]]), median(all[x[1]])
		fmt.Printf("- %s: %.2f times the wall time of the bare scan (aim: at most 2), %.2f times its CPU.\n", x[0], ours.wall.Seconds()/bare.wall.Seconds(), ours.cpu.Seconds()/bare.cpu.Seconds())
	}
	return nil
}

func (c *contentBench) search(ctx context.Context) error {
	dir, theirs, texts := filepath.Join(c.home, "index"), filepath.Join(c.home, "fts.db"), filepath.Join(c.home, "texts")
	defer func() { os.RemoveAll(dir); os.RemoveAll(theirs); os.RemoveAll(texts) }()
	c.b.phase("%s: writing the texts for sqlite3", c.name)
	if _, err := measure(ctx, c.log, c.env, c.role(true, "texts", texts, "messages")...); err != nil {
		return err
	}
	// One transaction each, as fast as it goes: no journal, no flushing.
	script := "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-262144; CREATE VIRTUAL TABLE f USING fts5(title, text, key UNINDEXED, tokenize='unicode61 remove_diacritics 2');"
	const reading = "of that, reading the records alone"
	all, reports, err := c.compare(ctx, fmt.Sprintf("Search: an index of the messages (%s rows)", humanize.Comma(int64(c.size.messages))), 3, []way{
		{program: ourIndex, args: c.role(false, "index", dir, "messages"), report: true, aim: "50,000 rows/s", before: func() error { return os.RemoveAll(dir) }},
		{program: reading, args: c.role(false, "read", "messages"), report: true},
		{program: "sqlite3, FTS5, of texts that have been read for it", args: []string{"sqlite3", "-ascii", "-cmd", script, theirs, ".import " + texts + " f"}, rows: c.size.messages - c.size.messages/20,
			before: func() error { return os.RemoveAll(theirs) }},
	})
	if err != nil {
		return err
	}
	built := reports[ourIndex]
	fmt.Printf("\n- keepsake's index takes %.1f s of CPU beyond the reading of the records.\n", (median(all[ourIndex]).cpu - median(all[reading]).cpu).Seconds())
	if err := c.queries(ctx, dir, theirs); err != nil {
		return err
	}
	info, err := os.Stat(theirs)
	if err != nil {
		return err
	}
	fmt.Printf("- The index has %s, that of sqlite3, which is not encrypted, %s.\n", humanize.IBytes(uint64(built[len(built)-1].Bytes)), humanize.IBytes(uint64(info.Size())))
	return nil
}

const ourIndex = "keepsake's index, from the repository"

// queries asks both indexes, each time in a new process.
func (c *contentBench) queries(ctx context.Context, ours, theirs string) error {
	const name = "keepsake's index: open, one query, 400 more"
	fts := func(match string) []string {
		return []string{"sqlite3", "-readonly", theirs, "SELECT key, snippet(f, 1, '[', ']', '…', 20) FROM f WHERE f MATCH '" + match + "' ORDER BY rowid DESC LIMIT 50"}
	}
	rare, err := exec.CommandContext(ctx, c.b.self, "content-words").Output()
	if err != nil {
		return err
	}
	words := strings.Fields(string(rare))
	_, reports, err := c.compare(ctx, "Search: queries", 5, []way{
		{program: name, args: []string{c.b.self, "content", "none", "query", ours}, report: true},
		{program: "sqlite3, FTS5: open, one query for a rare word", args: fts(words[0])},
		{program: "sqlite3, FTS5: open, one query for a common word", args: fts(words[1])},
	})
	if err != nil {
		return err
	}
	var first, middle, slow []result
	for _, d := range reports[name] {
		first, middle, slow = append(first, result{wall: d.First}), append(middle, result{wall: d.Middle}), append(slow, result{wall: d.Slow})
	}
	fmt.Printf("\n- keepsake: opening the index and the first answer %.1f ms (aim: 50 ms); later answers: median %.2f ms, 95th percentile %.2f ms, of which four in five are for a common word, alone or with others.\n",
		ms(median(first).wall), ms(median(middle).wall), ms(median(slow).wall))
	return nil
}
