// Package export writes any kind of content as JSON Lines and as CSV, one file for
// each of its tables, and calls the kind's own exporter for its other formats.
//
//	Contacts/contacts.jsonl   one JSON object a line, as the record's json tags have it
//	Contacts/contacts.csv     a line of headings, then RFC 4180 in UTF-8 with a byte
//	                          order mark, without which Excel takes UTF-8 for something else
//
// A cell that a spreadsheet would take for a formula (it begins with = + - @, a tab or
// a return, and is no number) gets an apostrophe in front: what is in a message comes
// from anybody.
package export

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Formats of every kind.
var (
	JSONLines = extract.Format{Name: "jsonl", Title: "JSON Lines (.jsonl)"}
	CSV       = extract.Format{Name: "csv", Title: "Table for spreadsheets (.csv)"}
)

// Formats gives all formats of a kind; the first is the default.
func Formats(x extract.Extractor) []extract.Format {
	var list []extract.Format
	if e, ok := x.(extract.Exporter); ok {
		list = e.Formats()
	}
	return append(slices.Clone(list), JSONLines, CSV)
}

// Write exports a kind into a tree. An empty o.Format is the kind's first. Errors are
// those of Read and of the tree; an unknown format is one that lists the known ones.
func Write(ctx context.Context, x extract.Extractor, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	all := Formats(x)
	if o.Format == "" {
		o.Format = all[0].Name
	}
	if !slices.ContainsFunc(all, func(f extract.Format) bool { return f.Name == o.Format }) {
		names := make([]string, len(all))
		for i, f := range all {
			names[i] = f.Name
		}
		return fmt.Errorf("no format %q for %s: there are %s", o.Format, x.Info().Kind, strings.Join(names, ", "))
	}
	switch o.Format {
	case JSONLines.Name, CSV.Name:
		return tables(ctx, x, src, o, out, rep)
	}
	return x.(extract.Exporter).Export(ctx, src, o, out, rep)
}

func tables(ctx context.Context, x extract.Extractor, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	info := x.Info()
	for _, t := range info.Tables {
		if o.Query.Table != "" && o.Query.Table != t.Name {
			continue
		}
		q := o.Query
		q.Table = t.Name
		f := outtree.File{
			Path: []string{info.Title, t.Name + "." + o.Format}, Document: true,
			Key: strings.Join([]string{info.Kind, t.Name, q.Group, q.Key, o.Format}, "/"),
		}
		if _, err := out.Put(ctx, f, func(w io.Writer) error { return Stream(ctx, x, src, q, o.Format, w, rep) }); err != nil {
			return err
		}
	}
	return nil
}

// Stream writes the records that q chooses as JSON Lines or CSV. A CSV needs
// q.Table, unless the kind has one table.
func Stream(ctx context.Context, x extract.Extractor, src *extract.Source, q extract.Query, format string, w io.Writer, rep extract.Reporter) error {
	tables := x.Info().Tables
	if q.Table == "" && len(tables) == 1 {
		q.Table = tables[0].Name
	}
	buffered := bufio.NewWriterSize(w, 64<<10)
	e := &writer{rep: rep}
	switch format {
	case JSONLines.Name:
		enc := json.NewEncoder(buffered)
		enc.SetEscapeHTML(false)
		e.write = func(r extract.Record) error { return enc.Encode(r) }
	case CSV.Name:
		i := slices.IndexFunc(tables, func(t extract.Table) bool { return t.Name == q.Table })
		if i < 0 {
			return fmt.Errorf("%s has no table %q", x.Info().Kind, q.Table)
		}
		if _, err := buffered.WriteString("\ufeff"); err != nil {
			return err
		}
		c := csv.NewWriter(buffered)
		c.UseCRLF = true
		if err := c.Write(tables[i].Columns); err != nil {
			return err
		}
		e.write = func(r extract.Record) error {
			row := r.Row()
			for i, s := range row {
				row[i] = harmless(s)
			}
			return c.Write(row)
		}
		e.end = func() error { c.Flush(); return c.Error() }
	default:
		return fmt.Errorf("no format %q", format)
	}
	err := x.Read(ctx, src, q, e)
	if e.end != nil {
		err = errors.Join(err, e.end())
	}
	return errors.Join(err, buffered.Flush())
}

type writer struct {
	rep   extract.Reporter
	write func(extract.Record) error
	end   func() error
}

func (w *writer) Emit(r extract.Record) error { return w.write(r) }

func (w *writer) Report(p *extract.Problem) {
	if w.rep != nil {
		w.rep.Report(p)
	}
}

// harmless keeps spreadsheets from running what somebody has written.
func harmless(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	if strings.Trim(s, "+0123456789 ()-./") == "" { // a phone number
		return s
	}
	return "'" + s
}
