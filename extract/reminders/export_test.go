package reminders_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	goical "github.com/emersion/go-ical"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/extracttest"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/extract/reminders"
)

func export(t testing.TB, src *extract.Source, dir, format string) (files map[string]string, stats outtree.Stats, problems []*extract.Problem) {
	t.Helper()
	out, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &extracttest.Collector{}
	if err := reminders.New().Export(t.Context(), src, extract.ExportOptions{Format: format}, out, c); err != nil {
		t.Fatal(err)
	}
	stats = out.Stats()
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	files = map[string]string{}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
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

// judge parses tasks strictly with python-icalendar and prints a line for each.
const judge = `
import sys, icalendar
cal = icalendar.Calendar.from_ical(sys.stdin.buffer.read())
assert not cal.errors and len(cal.walk('VTODO')) > 0
zones = {str(z['TZID']) for z in cal.walk('VTIMEZONE')}
for e in cal.walk('VTODO'):
    assert not e.errors, e.errors
    e['DTSTAMP'].dt
    due = e.get('DUE')
    if due is not None and due.params.get('TZID'): assert due.params['TZID'] in zones
    alarms = [a['TRIGGER'].to_ical().decode() for a in e.subcomponents]
    print('|'.join([str(e['UID']), str(e.get('SUMMARY', '')), str(e['STATUS']), due.dt.isoformat() if due else '', str(e.get('PRIORITY', '')),
        e['RRULE'].to_ical().decode() if 'RRULE' in e else '', str(e.get('RELATED-TO', '')), ' '.join(alarms)]))
`

func TestJudged(t *testing.T) {
	files, _, problems := export(t, made(t, oddStores()), t.TempDir(), "ics")
	if names := strings.Join(slices.Sorted(maps.Keys(files)), ", "); names != "Food.ics, Other reminders.ics, Shopping.ics, Tasks.ics" {
		t.Errorf("files %s", names)
	}
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "not understood") {
		t.Errorf("problems %v", problems)
	}
	for name, want := range map[string]string{
		"Shopping.ics": `AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA|Bread, # & <b>|NEEDS-ACTION|2026-05-09T08:13:20+02:00|5|FREQ=MONTHLY;COUNT=6;BYDAY=MO,FR;BYSETPOS=-1||20260509T053000Z -PT10M P0D
BBBBBBBB-BBBB-BBBB-BBBB-BBBBBBBBBBBB|Butter|COMPLETED|2026-05-10|9||AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA|
BBBBBBBB-BBBB-BBBB-BBBB-BBBBBBBBBBBB#reminder-0-14|Same|NEEDS-ACTION|||||`,
		"Food.ics": `dav-uid|Leeks|NEEDS-ACTION|2026-05-09T06:13:20+00:00||||-PT15M 20260409T061320Z
R-11|Peas|NEEDS-ACTION|||||`,
		"Tasks.ics": `T-2|Call|COMPLETED|2019-09-12T16:53:20|1|||20190912T163640Z
U-3|Pay|NEEDS-ACTION|2019-09-12||FREQ=MONTHLY;BYMONTHDAY=15||-PT1M`,
		"Other reminders.ics": `reminder-0-13|In no list|NEEDS-ACTION||1|||`,
	} {
		cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", judge)
		cmd.Stdin = strings.NewReader(files[name])
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %v:\n%s\nwant\n%s\n%s", name, err, got, want, files[name])
		}
		reencode(t, files[name])
	}
}

// reencode has go-ical read and write a file.
func reencode(t *testing.T, file string) {
	t.Helper()
	cal, err := goical.NewDecoder(strings.NewReader(file)).Decode()
	if err != nil {
		t.Fatalf("go-ical: %v", err)
	}
	var b bytes.Buffer
	if err := goical.NewEncoder(&b).Encode(cal); err != nil {
		t.Errorf("go-ical: %v", err)
	}
}

func TestMarkdown(t *testing.T) {
	files, _, _ := export(t, made(t, oddStores()), t.TempDir(), "markdown")
	want := `# Shopping

- [ ] Bread, \# \& \<b\> · due 2026-05-09 08:13 · every month on MO, FR number -1, 6 times · medium priority · 2026-05-09T07:30:00+02:00 · 10m0s before · when due · \#shop
  one  
  - two  
  <https://example.com/>  
  - [x] Butter · due 2026-05-10 · low priority
- [ ] Same
`
	if got := files["Shopping.md"]; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if got := files["Food.md"]; !strings.Contains(got, "- [ ] Peas\n\n## Vegetables\n\n- [ ] Leeks · due 2026-05-09 06:13 · flagged") {
		t.Errorf("sections:\n%s", got)
	}
}

func TestAgain(t *testing.T) {
	for _, format := range []string{"ics", "markdown"} {
		dir := t.TempDir()
		first, stats, _ := export(t, extracttest.Source(t, phone(t, "18.6")), dir, format)
		written := stats.Written
		for _, file := range first {
			if format == "ics" {
				reencode(t, file)
			}
		}
		second, stats, _ := export(t, extracttest.Source(t, phone(t, "18.6")), dir, format)
		if written == 0 || stats.Written != 0 || stats.Kept != written || !maps.Equal(first, second) {
			t.Errorf("%s: %d files, then %+v", format, written, stats)
		}
	}
}

func TestFiles(t *testing.T) {
	src := made(t, oddStores())
	want, _, _ := export(t, src, t.TempDir(), "markdown")
	n := 0
	err := reminders.New().Files(t.Context(), src, func(f extract.File) error {
		n++
		var b bytes.Buffer
		if err := f.Make(t.Context(), &b); err != nil {
			return err
		}
		if b.String() != want[f.Path[0]] {
			t.Errorf("%s differs from the exported one", f.Path[0])
		}
		return nil
	})
	if err != nil || n != len(want) {
		t.Errorf("%d files, %v; exported are %d", n, err, len(want))
	}
}
