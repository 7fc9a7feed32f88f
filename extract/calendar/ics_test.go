package calendar_test

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goical "github.com/emersion/go-ical"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/calendar"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// export exports into a folder and gives its .ics files, and how many it wrote.
func export(t testing.TB, src *extract.Source, dir string, o extract.ExportOptions) (files map[string]string, stats outtree.Stats, problems []*extract.Problem) {
	t.Helper()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &extracttest.Collector{}
	if err := calendar.New().Export(t.Context(), src, o, out, c); err != nil {
		t.Fatal(err)
	}
	stats = out.Stats()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".ics") {
			return err
		}
		data, err := os.ReadFile(p)
		files[d.Name()] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, stats, c.Problems
}

// judge parses a calendar strictly with python-icalendar, and prints its events.
const judge = `
import sys, json, icalendar
cal = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
assert cal.name == 'VCALENDAR' and cal['VERSION'] == '2.0' and not cal.errors, cal.errors
zones = {str(z['TZID']) for z in cal.walk('VTIMEZONE')}
used, out = set(), []
def when(p):
    if p is None: return ''
    if p.params.get('TZID'): used.add(p.params['TZID'])
    return p.dt.isoformat()
def texts(e, name):
    v = e.get(name, [])
    return [str(x) for x in (v if isinstance(v, list) else [v])]
for e in cal.walk('VEVENT'):
    assert not e.errors, e.errors
    ex = e.get('EXDATE', [])
    ex = [d.dt.isoformat() for x in (ex if isinstance(ex, list) else [ex]) for d in x.dts]
    rule = e['RRULE'].to_ical().decode() if 'RRULE' in e else ''
    out.append({'uid': str(e['UID']), 'summary': str(e.get('SUMMARY', '')), 'start': when(e['DTSTART']), 'end': when(e.get('DTEND')), 'rule': rule,
        'exceptions': sorted(ex), 'occurrence': when(e.get('RECURRENCE-ID')), 'notes': str(e.get('DESCRIPTION', '')), 'location': str(e.get('LOCATION', '')),
        'guests': sorted(texts(e, 'ATTENDEE')), 'alarms': len(e.subcomponents), 'stamp': e['DTSTAMP'].dt.isoformat()})
assert used <= zones, (used, zones)
json.dump({'name': str(cal.get('X-WR-CALNAME', '')), 'events': out}, sys.stdout)
`

type judged struct {
	Name   string
	Events []struct {
		UID, Summary, Start, End, Rule, Occurrence, Notes, Location, Stamp string
		Exceptions, Guests                                                 []string
		Alarms                                                             int
	}
}

func ask(t *testing.T, file string) judged {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", judge)
	cmd.Stdin = strings.NewReader(file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python-icalendar: %v: %s\n%s", err, stderr.Bytes(), file)
	}
	var j judged
	if err := json.Unmarshal(out, &j); err != nil {
		t.Fatal(err)
	}
	return j
}

// TestJudged has every event of every file read by python-icalendar and compares what it
// says with what the reader says.
func TestJudged(t *testing.T) {
	sources := map[string]*extract.Source{"odd": made(t, odd()...), "13.7": extracttest.Source(t, phone(t, "13.7")), "26.1": extracttest.Source(t, phone(t, "26.1"))}
	for name, src := range sources {
		t.Run(name, func(t *testing.T) {
			files, _, _ := export(t, src, t.TempDir(), extract.ExportOptions{})
			got := map[string]bool{}
			for _, file := range files {
				for _, e := range ask(t, file).Events {
					got[strings.Join([]string{e.UID, e.Summary, e.Start, e.End, e.Occurrence, e.Notes}, "|")] = true
				}
				reencode(t, file)
			}
			n := 0
			for _, e := range events(t, src, extract.Query{}) {
				if e.ID == "UID-10" || e.Start.IsZero() { // see TestOdd: these are in no file
					continue
				}
				n++
				uid := e.ID
				if e.Series != "" {
					uid = e.Series
				}
				if line := strings.Join([]string{uid, e.Title, python(e.Start.String()), end(e), python(e.Occurrence.String()), e.Notes}, "|"); !got[line] {
					t.Errorf("not in a file: %s\n%s", line, strings.Join(slices.Sorted(maps.Keys(got)), "\n"))
				}
			}
			if n == 0 || n != len(got) {
				t.Errorf("%d events in files, want %d", len(got), n)
			}
		})
	}
}

// python is a time as Python writes it.
func python(s string) string {
	if s, ok := strings.CutPrefix(s, "--"); ok {
		return "1604-" + s
	}
	return strings.Replace(s, "Z", "+00:00", 1)
}

// end is DTEND: of days the one after the last, and none when it is the start.
func end(e *calendar.Event) string {
	switch {
	case e.End.IsZero() || !e.AllDay && e.End.Time.Equal(e.Start.Time):
		return ""
	case e.AllDay:
		return e.End.Time.AddDate(0, 0, 1).Format(time.DateOnly)
	}
	return python(e.End.String())
}

// reencode reads a file with go-ical and has that write it again, which it only does for
// what the RFC allows.
func reencode(t *testing.T, file string) {
	t.Helper()
	cal, err := goical.NewDecoder(strings.NewReader(file)).Decode()
	if err != nil {
		t.Fatalf("go-ical: %v", err)
	}
	var b bytes.Buffer
	if err := goical.NewEncoder(&b).Encode(cal); err != nil {
		t.Fatalf("go-ical: %v", err)
	}
	again, err := goical.NewDecoder(&b).Decode()
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Children) != len(cal.Children) || strings.Count(file, "BEGIN:VEVENT") != len(cal.Events()) {
		t.Errorf("go-ical reads %d and %d components", len(cal.Children), len(again.Children))
	}
	for _, e := range again.Events() {
		if strings.Contains(e.Props.Get(goical.PropDateTimeStart).Params.Get("TZID"), "GMT+") {
			continue // go-ical knows zones of the database only, and not the file's
		}
		if _, err := e.DateTimeStart(time.UTC); err != nil {
			t.Error(err)
		}
		if set, err := e.RecurrenceSet(time.UTC); err != nil {
			t.Error(err)
		} else if set != nil && e.Props.Get(goical.PropUID).Value == "UID-1" && e.Props.Get(goical.PropRecurrenceRule) != nil {
			var days []string
			for _, d := range set.All() {
				days = append(days, d.UTC().Format("0102T15"))
			}
			// 18:00 in Berlin through the change of clocks of 29 March, but for 16 March.
			if got := strings.Join(days, " "); got != "0309T17 0311T17 0318T17 0323T17 0325T17 0330T16 0401T16 0406T16 0408T16" {
				t.Errorf("the series takes place on %s", got)
			}
		}
	}
}

// TestGolden compares a whole file with the one kept here.
func TestGolden(t *testing.T) {
	files, _, problems := export(t, made(t, odd()...), t.TempDir(), extract.ExportOptions{})
	if names := strings.Join(slices.Sorted(maps.Keys(files)), ", "); names != "Birthdays.ics, Calendar.ics, Other events.ics, Team, %22A%22.ics" {
		t.Errorf("files %s", names)
	}
	var told []string
	for _, p := range problems {
		told = append(told, p.Error())
	}
	if got := strings.Join(told, "\n"); !strings.Contains(got, "has no start") || !strings.Contains(got, "Z=9") || len(told) != 2 {
		t.Errorf("problems: %s", got)
	}
	for name, golden := range map[string]string{"Team, %22A%22.ics": "team.ics", "Other events.ics": "other.ics"} {
		want, err := os.ReadFile(filepath.Join("testdata", golden))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(files[name], "\r\n", "\n"); got != string(want) {
			t.Errorf("%s differs from testdata/%s:\n%s", name, golden, got)
		}
	}
	for _, line := range strings.Split(files["Team, %22A%22.ics"], "\r\n") {
		if len(line) > 75 {
			t.Errorf("line of %d bytes", len(line))
		}
	}
}

func TestExportAgain(t *testing.T) {
	dir := t.TempDir()
	fsys := phone(t, "17.3")
	first, stats, _ := export(t, extracttest.Source(t, fsys), dir, extract.ExportOptions{})
	if stats.Written != 5 {
		t.Errorf("%d files written, want 5", stats.Written)
	}
	second, stats, _ := export(t, extracttest.Source(t, fsys), dir, extract.ExportOptions{})
	if stats.Written != 0 || stats.Kept != 5 || !maps.Equal(first, second) {
		t.Errorf("second run: %+v", stats)
	}
	groups, err := calendar.New().Groups(t.Context(), extracttest.Source(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	one, _, _ := export(t, extracttest.Source(t, fsys), t.TempDir(), extract.ExportOptions{Query: extract.Query{Group: groups[0].Key}})
	if len(one) != 1 || one[groups[0].Title+".ics"] != first[groups[0].Title+".ics"] {
		t.Errorf("one calendar gives %d files", len(one))
	}
}

func TestFiles(t *testing.T) {
	src := extracttest.Source(t, phone(t, "17.3"))
	files, _, _ := export(t, src, t.TempDir(), extract.ExportOptions{})
	n := 0
	err := calendar.New().Files(t.Context(), src, func(f extract.File) error {
		n++
		var b bytes.Buffer
		if err := f.Make(t.Context(), &b); err != nil {
			return err
		}
		if b.String() != files[f.Path[0]] {
			t.Errorf("%s differs from the exported one", f.Path[0])
		}
		return f.Make(t.Context(), io.Discard)
	})
	if err != nil || n != len(files) {
		t.Errorf("%d files, %v; exported are %d", n, err, len(files))
	}
}

// TestOccurrenceCache expands the exported rules with rrule-go and compares the dates with
// those that the database keeps of the series.
func TestOccurrenceCache(t *testing.T) {
	fsys := phone(t, "17.3")
	files, _, _ := export(t, extracttest.Source(t, fsys), t.TempDir(), extract.ExportOptions{})
	checked := 0
	for _, row := range extracttest.SQL(t, fsys, database, `SELECT i.unique_identifier, group_concat(CAST(o.occurrence_date + 978307200 AS INTEGER), ' ')
		FROM (SELECT * FROM OccurrenceCache ORDER BY occurrence_date) o JOIN CalendarItem i ON i.ROWID = o.event_id GROUP BY i.ROWID`) {
		for _, file := range files {
			cal, err := goical.NewDecoder(strings.NewReader(file)).Decode()
			if err != nil {
				t.Fatal(err)
			}
			if got := occurrences(t, cal, row[0]); got != "" {
				checked++
				if got != row[1] {
					t.Errorf("%s takes place at\n%s, the phone says\n%s", row[0], got, row[1])
				}
			}
		}
	}
	if checked == 0 {
		t.Error("nothing was compared")
	}
}

// occurrences are the dates of a series, but those that have an event of their own.
func occurrences(t *testing.T, cal *goical.Calendar, uid string) string {
	t.Helper()
	var dates []string
	moved := map[string]bool{}
	for _, e := range cal.Events() {
		if e.Props.Get(goical.PropUID).Value != uid {
			continue
		}
		if p := e.Props.Get(goical.PropRecurrenceID); p != nil {
			at, err := p.DateTime(time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			moved[strconv.FormatInt(at.Unix(), 10)] = true
			continue
		}
		set, err := e.RecurrenceSet(time.UTC)
		if err != nil || set == nil {
			t.Fatalf("no series: %v", err)
		}
		for _, at := range set.All() {
			dates = append(dates, strconv.FormatInt(at.Unix(), 10))
		}
	}
	return strings.Join(slices.DeleteFunc(dates, func(s string) bool { return moved[s] }), " ")
}
