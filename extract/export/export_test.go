package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/export"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

type row struct {
	Name string `json:"name"`
	Note string `json:"note,omitempty"`
}

func (r row) Entry() extract.Entry { return extract.Entry{Table: "rows", Key: r.Name, Title: r.Name} }
func (r row) Row() []string        { return []string{r.Name, r.Note} }

// reader gives rows, and a problem with each of bad.
type reader struct {
	rows []row
	bad  int
	err  error
}

func (reader) Info() extract.Info {
	return extract.Info{Kind: "rows", Title: "Rows", Tables: []extract.Table{{Name: "rows", Title: "Rows", Columns: []string{"Name", "Note"}}}}
}
func (reader) Groups(context.Context, *extract.Source) ([]extract.Group, error) { return nil, nil }
func (x reader) Read(_ context.Context, _ *extract.Source, _ extract.Query, out extract.Emitter) error {
	for range x.bad {
		out.Report(&extract.Problem{What: "row", Err: errors.New("broken")})
	}
	for _, r := range x.rows {
		if err := out.Emit(r); err != nil {
			return extract.Done(err)
		}
	}
	return x.err
}

type problems []*extract.Problem

func (p *problems) Report(x *extract.Problem) { *p = append(*p, x) }

var hostile = []row{{"Zoë 🏝, \"quoted\"", "two\nlines"}, {"=HYPERLINK(\"http://evil\")", "@SUM(1)"}, {"+49 170 5550102", "-12.5"}, {"-rm", "\tcmd"}, {"<b>", "שלום"}}

func TestStream_csv(t *testing.T) {
	var b bytes.Buffer
	var told problems
	if err := export.Stream(t.Context(), reader{rows: hostile, bad: 2}, nil, extract.Query{}, "csv", &b, &told); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(b.String(), "\ufeff")
	if !ok || len(told) != 2 {
		t.Errorf("mark: %t, %d problems", ok, len(told))
	}
	got, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"Name", "Note"}, {"Zoë 🏝, \"quoted\"", "two\nlines"}, {"'=HYPERLINK(\"http://evil\")", "'@SUM(1)"}, {"+49 170 5550102", "-12.5"}, {"'-rm", "'\tcmd"}, {"<b>", "שלום"}}
	if len(got) != len(want) {
		t.Fatalf("%q", got)
	}
	for i := range want {
		if got[i][0] != want[i][0] || got[i][1] != want[i][1] {
			t.Errorf("line %d: %q, want %q", i, got[i], want[i])
		}
	}
}

func TestStream_jsonLines(t *testing.T) {
	var b bytes.Buffer
	if err := export.Stream(t.Context(), reader{rows: hostile}, nil, extract.Query{}, "jsonl", &b, nil); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&b)
	for i, want := range hostile {
		var got row
		if err := dec.Decode(&got); err != nil || got != want {
			t.Errorf("line %d: %+v, %v", i, got, err)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	tree, err := outtree.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	src := &extract.Source{FS: fstest.MapFS{}}
	if err := export.Write(t.Context(), reader{rows: hostile}, src, extract.ExportOptions{}, tree, nil); err != nil {
		t.Fatal(err)
	}
	if err := export.Write(t.Context(), reader{}, src, extract.ExportOptions{Format: "docx"}, tree, nil); err == nil || !strings.Contains(err.Error(), "jsonl, csv") {
		t.Errorf("an unknown format: %v", err)
	}
	broken := errors.New("the database is damaged")
	if err := export.Write(t.Context(), reader{rows: hostile, err: broken}, src, extract.ExportOptions{Format: "csv"}, tree, nil); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(found) != 1 || filepath.Base(found[0]) != "rows.jsonl" {
		t.Errorf("files %v, %v: half a table must not look like a whole one", found, err)
	}
	if data, err := os.ReadFile(found[0]); err != nil || bytes.Count(data, []byte("\n")) != len(hostile) {
		t.Errorf("%s, %v", data, err)
	}
}
