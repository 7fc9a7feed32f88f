//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/contacts"
	"github.com/keepsake-backup/keepsake/extract/export"
	"github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/internal/bench/corpus"
	"github.com/keepsake-backup/keepsake/internal/inside"
	"github.com/keepsake-backup/keepsake/internal/secret"
	"github.com/keepsake-backup/keepsake/repository"
	"github.com/keepsake-backup/keepsake/repository/backend/local"
	"github.com/keepsake-backup/keepsake/search"
	"github.com/keepsake-backup/keepsake/snapshot"
)

// contentDone is what contentRole prints.
type contentDone struct {
	Rows   int           // records read, or documents found
	Took   time.Duration // without opening the source
	First  time.Duration // of queries: opening the index and the first answer
	Middle time.Duration // of queries that come later, the median
	Slow   time.Duration // of those, the 95th percentile
	Bytes  int64         // of what was written
}

// contentRole does one thing with what is inside a version, and says how long it took:
//
//	content [-profile FILE] SOURCE jsonl KIND      JSON Lines into nothing
//	content [-profile FILE] SOURCE read KIND       the records alone
//	content [-profile FILE] SOURCE newest KIND     the newest 200 records
//	content [-profile FILE] SOURCE scan            the rows of messages alone
//	content [-profile FILE] SOURCE bundle FILE     all contacts into one file
//	content [-profile FILE] SOURCE index DIR KIND  an index
//	content [-profile FILE] SOURCE texts FILE KIND what would be in the index, as SQL for sqlite3
//	content none query DIR                         an index that is there
//
// SOURCE is a repository in a folder, whose newest snapshot is taken, or, with "plain:"
// in front, a folder with a folder for each domain.
func contentRole(ctx context.Context, args []string) (err error) {
	if len(args) > 2 && args[0] == "-profile" {
		stop, err := startProfile(args[1])
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		args = args[2:]
	}
	if len(args) < 2 {
		return errors.New("content: say of what, and what to do")
	}
	collectAsTheProgram()
	var done contentDone
	if args[1] == "query" {
		err = done.query(ctx, args[2])
	} else {
		err = withContentSource(ctx, args[0], func(ctx context.Context, src *extract.Source) error {
			return done.with(ctx, src, args[1], args[2:])
		})
	}
	if err != nil {
		return fmt.Errorf("content %s: %w", args[1], err)
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

// startProfile writes a CPU profile until stop.
func startProfile(file string) (stop func() error, err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// withContentSource opens a source as the program does.
func withContentSource(ctx context.Context, where string, fn func(context.Context, *extract.Source) error) (err error) {
	if dir, ok := strings.CutPrefix(where, "plain:"); ok {
		src := &extract.Source{FS: os.DirFS(dir), ReadNames: contacts.ReadNames}
		return errors.Join(fn(ctx, src), src.Close())
	}
	be, err := local.Open(where, local.Options{})
	if err != nil {
		return err
	}
	r, err := repository.Open(ctx, be, secret.NewRepositoryPassword(password), repository.Options{})
	if err != nil {
		return errors.Join(err, be.Close())
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	s, err := r.Begin(ctx, repository.Shared, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ctx = s.Context()
	info, err := snapshot.Find(ctx, s, "latest")
	if err != nil {
		return err
	}
	p, err := snapshot.Open(ctx, s, info.Snapshot)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	src := inside.OfSnapshot(ctx, p)
	return errors.Join(fn(ctx, src), src.Close())
}

func (d *contentDone) with(ctx context.Context, src *extract.Source, job string, args []string) (err error) {
	began := time.Now()
	defer func() { d.Took = time.Since(began) }()
	var odd problemCounter
	defer func() { err = errors.Join(err, odd.err()) }()
	if job == "scan" {
		return d.scan(ctx, src)
	}
	if job == "bundle" {
		return d.bundle(ctx, src, args[0])
	}
	reader, err := kinds.Named(args[len(args)-1])
	if err != nil {
		return err
	}
	switch job {
	case "jsonl":
		var w countingWriter
		err := export.Stream(ctx, reader, src, extract.Query{}, export.JSONLines.Name, &w, &odd)
		d.Rows, d.Bytes = w.lines, w.bytes
		return err
	case "read":
		return reader.Read(ctx, src, extract.Query{}, &recordCounter{each: func(extract.Record) error { d.Rows++; return nil }})
	case "newest":
		return reader.Read(ctx, src, extract.Query{Newest: true, Limit: 200}, &recordCounter{each: func(extract.Record) error { d.Rows++; return nil }})
	case "texts":
		return d.texts(ctx, src, reader, args[0])
	case "index":
		return d.index(ctx, src, reader, args[0], &odd)
	}
	return errors.New("there is no such thing to do")
}

// problemCounter counts what could not be read: nothing is broken here.
type problemCounter struct{ n int }

// Report implements extract.Reporter.
func (c *problemCounter) Report(*extract.Problem) { c.n++ }

func (c *problemCounter) err() error {
	if c.n > 0 {
		return fmt.Errorf("%d things could not be read", c.n)
	}
	return nil
}

// recordCounter gives records on.
type recordCounter struct {
	problemCounter
	each func(extract.Record) error
}

// Emit implements extract.Emitter.
func (c *recordCounter) Emit(r extract.Record) error { return c.each(r) }

// countingWriter counts what is written, and keeps nothing.
type countingWriter struct {
	bytes int64
	lines int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.bytes += int64(len(p))
	for _, c := range p {
		if c == '\n' {
			w.lines++
		}
	}
	return len(p), nil
}

// scannedColumns are those of a message that our reader reads, too.
var scannedColumns = []string{"guid", "text", "attributedBody", "handle_id", "subject", "service", "date", "date_read", "date_delivered", "is_from_me", "error", "item_type",
	"group_title", "group_action_type", "other_handle", "associated_message_guid", "associated_message_type", "balloon_bundle_id", "payload_data",
	"expressive_send_style_id", "message_summary_info", "thread_originator_guid", "reply_to_guid", "date_edited", "date_retracted", "cache_has_attachments", "share_status", "is_audio_message"}

// scan reads the rows of messages in the order in which they lie, by the same driver and
// through the same files: what reading takes when nothing is made of it.
func (d *contentDone) scan(ctx context.Context, src *extract.Source) error {
	db, err := src.Database(ctx, "HomeDomain/Library/SMS/sms.db")
	if err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, "SELECT m.ROWID, "+db.List("message", "m", scannedColumns...)+" FROM message m")
	if err != nil {
		return db.Err(ctx, err)
	}
	defer rows.Close()
	values := make([]any, 1+len(scannedColumns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return db.Err(ctx, err)
		}
		d.Rows++
	}
	return db.Err(ctx, rows.Err())
}

// bundle writes the file with everybody, the first that the reader has.
func (d *contentDone) bundle(ctx context.Context, src *extract.Source, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	err = contacts.New().Files(ctx, src, func(file extract.File) error {
		if d.Rows++; d.Rows == 1 {
			return file.Make(ctx, out)
		}
		return nil
	})
	if d.Rows--; d.Rows < 1 && err == nil {
		err = errors.New("there is nobody")
	}
	return errors.Join(err, out.Flush(), f.Close())
}

// texts writes what an index would hold, as a file that sqlite3 imports: fields end with
// the unit separator, rows with the record separator.
func (d *contentDone) texts(ctx context.Context, src *extract.Source, reader extract.Extractor, name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(f)
	err = reader.Read(ctx, src, extract.Query{}, &recordCounter{each: func(r extract.Record) error {
		e := r.Entry()
		d.Rows++
		_, err := fmt.Fprintf(out, "%s\x1f%s\x1f%s\x1e", e.Title, e.Text, e.Key)
		return err
	}})
	return errors.Join(err, out.Flush(), f.Close())
}

// indexKey is that of all indexes measured.
func indexKey() secret.Bytes { return secret.NewBytes(make([]byte, search.KeySize)) }

func (d *contentDone) index(ctx context.Context, src *extract.Source, reader extract.Extractor, dir string, rep extract.Reporter) (err error) {
	ix, err := search.Open(ctx, dir, indexKey())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	if err := ix.Add(ctx, search.Version{ID: "one", Time: time.Unix(1_700_000_000, 0)}, []extract.Extractor{reader}, src, rep); err != nil {
		return err
	}
	stats, err := ix.Stats()
	d.Rows, d.Bytes = stats.Documents, stats.Bytes
	return err
}

// laterQueries is how many queries an index answers after the first.
const laterQueries = 400

// query opens an index and asks: for a rare and a common word first, then for many.
func (d *contentDone) query(ctx context.Context, dir string) (err error) {
	began := time.Now()
	ix, err := search.Open(ctx, dir, indexKey())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	common := corpus.FrequentWord()
	ask := func(text string) (int, error) {
		result, err := ix.Search(ctx, search.Query{Text: text})
		if err != nil {
			return 0, err
		}
		return len(result.Hits), nil
	}
	if d.Rows, err = ask(corpus.RareWord(1)); err != nil {
		return err
	}
	if d.First = time.Since(began); d.Rows == 0 {
		return errors.New("a word that is there was not found")
	}
	var took []time.Duration
	for i := range laterQueries {
		text := []string{corpus.RareWord(i + 2), common, common + " " + corpus.RareWord(i+2), common[:1], strconv.Itoa(i) + " " + common}[i%5]
		at := time.Now()
		if _, err := ask(text); err != nil {
			return err
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	d.Middle, d.Slow, d.Took = took[len(took)/2], took[len(took)*95/100], time.Since(began)
	return nil
}

// emptyFolder makes a folder that has nothing in it.
func emptyFolder(dir string) (string, error) {
	return dir, errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700))
}

// readDone reads what contentRole has printed.
func readDone(file string) (d contentDone, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(text, &d)
}

// contentWordsRole prints a rare and a common word of the messages.
func contentWordsRole(context.Context, []string) error {
	_, err := fmt.Println(corpus.RareWord(1), corpus.FrequentWord())
	return err
}
