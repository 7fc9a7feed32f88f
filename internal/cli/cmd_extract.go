package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/export"
	"github.com/keepsake-backup/keepsake/extract/kinds"
	"github.com/keepsake-backup/keepsake/extract/outtree"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

type extractFlags struct {
	content              contentFlags
	to                   string
	format, group, table string
	layout               string
	noFiles, list        bool
	limit                int
}

// kindSummary tells what became of a kind.
type kindSummary struct {
	MessageType string  `json:"message_type"` // "kind"
	Kind        string  `json:"kind"`
	Result      string  `json:"result"` // "read", "absent", "failed"; "incomplete" when something was left out
	Records     int64   `json:"records,omitempty"`
	Written     int     `json:"files_written,omitempty"`
	Kept        int     `json:"files_kept,omitempty"` // were there from an earlier run
	Bytes       int64   `json:"bytes_written,omitempty"`
	Problems    int64   `json:"problems,omitempty"`
	Error       string  `json:"error,omitempty"`
	Seconds     float64 `json:"seconds"`
}

func newExtract(a *app) *cobra.Command {
	var f extractFlags
	c := &cobra.Command{
		Use:   "extract (SNAPSHOT | --folder DIR) [KIND…] [--to DIR]",
		Short: "Take photos, contacts, messages and the rest out of a backup",
		Long: `Take out of a backup what people look for, in forms that other programs read, into the folder given with
--to. Without --to it counts what is there; with --list it shows it. KIND is one of

  ` + kindNames() + `

or several of them, or "all". SNAPSHOT is the beginning of an ID, "latest", or "latest:PHONE".

Originals are copied byte for byte, with their names and dates. A second run into the same folder adds only
what is new, and writes over nothing but pages and lists that it made itself. --format picks another form than
the usual one; every kind can also be had as jsonl (a JSON object a line) and csv.

What is said to be in iCloud is not in any backup, and is told apart from what cannot be read.`,
		Example: `  keepsake extract latest
  keepsake extract latest photos --to ~/Pictures/from-phone
  keepsake extract latest:Anna messages contacts --to /mnt/usb/anna
  keepsake extract --folder ~/MobileSync/Backup/00008101-000A1B2C3D4E001E all --to out
  keepsake extract latest contacts --format vcard3 --to out
  keepsake extract latest calls --list`,
		Args:        cobra.ArbitraryArgs,
		Annotations: exits("0 done; 1 error; 2 usage; 3 done, but something could not be read; 10 no repository; 11 locked; 12 wrong password; 130 interrupted"),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, rest, err := f.content.take(cmd, a, args)
			if err != nil {
				return err
			}
			readers, err := chooseKinds(cmd, rest)
			if err != nil {
				return err
			}
			if err := f.check(cmd, readers, len(rest)); err != nil {
				return err
			}
			a.interruptHint = "nothing is lost: start the same command again"
			return a.withContent(cmd, &f.content, text, func(ctx context.Context, c *content) error {
				switch {
				case f.list:
					return a.listContent(ctx, c, readers[0], f)
				case f.to == "":
					return a.countContent(ctx, c, readers)
				}
				return a.extractContent(ctx, c, readers, f)
			})
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.to, "to", "", "the `DIR` to write into; it is made if need be")
	flags.StringVar(&f.format, "format", "", "the `FORM` to write; \"keepsake extract --help\" and docs/inside.md list them")
	flags.StringVar(&f.group, "group", "", "only what is in one `GROUP`: an album, a conversation, a calendar (its key or its name)")
	flags.StringVar(&f.table, "table", "", "only one `TABLE` of a kind that has several, such as reading-list of safari")
	flags.StringVar(&f.layout, "layout", "date", "photos in folders by `WHAT`: date or album")
	flags.BoolVar(&f.noFiles, "no-attachments", false, "leave out what messages and notes refer to: pictures, films, files")
	flags.BoolVar(&f.list, "list", false, "show what is there, one line each, newest first; with --json as objects")
	flags.IntVar(&f.limit, "limit", 0, "with --list: at most `N`")
	flags.StringVar(&f.content.notes, "notes-password-file", "", "passwords of locked notes, one a line of `FILE`")
	f.content.addFlags(c)
	return a.repositoryCommand(c)
}

// kindNames lists kinds for help.
func kindNames() string {
	var names []string
	for _, x := range kinds.All() {
		names = append(names, x.Info().Kind)
	}
	return strings.Join(names, "  ")
}

// chooseKinds takes names of kinds, each once; none, or "all", is every kind.
func chooseKinds(cmd *cobra.Command, names []string) ([]extract.Extractor, error) {
	if len(names) == 0 || slices.Contains(names, "all") {
		return kinds.All(), nil
	}
	var readers []extract.Extractor
	for _, n := range slices.Compact(slices.Clone(names)) {
		x, err := kinds.Named(strings.ToLower(n))
		if err != nil {
			return nil, usageOf(cmd, fmt.Errorf("extract: %w", err))
		}
		readers = append(readers, x)
	}
	return readers, nil
}

func (f *extractFlags) check(cmd *cobra.Command, readers []extract.Extractor, named int) error {
	one := len(readers) == 1
	switch {
	case f.list && !one:
		return &usageError{errors.New("extract --list: say one kind"), "keepsake extract latest calls --list"}
	case f.list && f.to != "":
		return usageOf(cmd, errors.New("extract: --list shows, --to writes: give one of them"))
	case f.to != "" && named == 0:
		return &usageError{errors.New("extract --to: say which kinds"), `or "all": keepsake extract latest all --to DIR`}
	case (f.format != "" || f.group != "" || f.table != "") && !one && f.format != export.JSONLines.Name && f.format != export.CSV.Name:
		return usageOf(cmd, errors.New("extract: --format, --group and --table go with one kind"))
	case f.layout != "date" && f.layout != "album":
		return usageOf(cmd, fmt.Errorf("extract: --layout %q: want date or album", f.layout))
	case one && f.format != "" && !slices.ContainsFunc(export.Formats(readers[0]), func(x extract.Format) bool { return x.Name == f.format }):
		var have []string
		for _, x := range export.Formats(readers[0]) {
			have = append(have, x.Name)
		}
		return usageOf(cmd, fmt.Errorf("extract: no form %q of %s: there are %s", f.format, readers[0].Info().Kind, strings.Join(have, ", ")))
	}
	return nil
}

// findGroup takes the key or the name of a group.
func findGroup(ctx context.Context, x extract.Extractor, src *extract.Source, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	groups, err := x.Groups(ctx, src)
	if err != nil {
		return "", readError(x.Info().Title, err)
	}
	var fits []string
	for _, g := range groups {
		if g.Key == text {
			return g.Key, nil
		}
		if strings.EqualFold(g.Title, text) {
			fits = append(fits, g.Key)
		}
	}
	hint := fmt.Sprintf("\"keepsake extract … %s --list\" shows the groups of each", x.Info().Kind)
	switch len(fits) {
	case 1:
		return fits[0], nil
	case 0:
		return "", &hintError{err: fmt.Errorf("none of the %s is called %q", x.Info().Groups, text), hint: hint}
	}
	return "", &hintError{err: fmt.Errorf("%d %s are called %q", len(fits), x.Info().Groups, text), hint: "give the key of one: " + strings.Join(fits, ", ")}
}

// counter counts records.
type counter struct {
	*readProblems
	n      int64
	newest time.Time
}

// Emit implements extract.Emitter.
func (c *counter) Emit(r extract.Record) error {
	c.n++
	if t := r.Entry().Time; t.After(c.newest) && t.Before(time.Now().AddDate(1, 0, 0)) {
		c.newest = t
	}
	return nil
}

// countContent tells what there is.
func (a *app) countContent(ctx context.Context, c *content, readers []extract.Extractor) error {
	rows := [][]string{{"", "", "NEWEST", ""}}
	var problems int64
	failed := 0
	err := a.work(func(say progress.Reporter) error {
		told := &readProblems{a: a, say: progress.NewQuiet(a.Stderr)}
		for _, x := range readers {
			info := x.Info()
			say.Phase("count", "Counting "+strings.ToLower(info.Title))
			began, count := time.Now(), &counter{readProblems: told}
			before := told.n
			err := x.Read(ctx, c.Source, extract.Query{}, count)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			sum := kindSummary{MessageType: "kind", Kind: info.Kind, Result: "read", Records: count.n, Problems: told.n - before, Seconds: seconds(time.Since(began))}
			note := ""
			switch {
			case errors.Is(err, extract.ErrAbsent):
				sum.Result, note = "absent", "not in this backup"
				if info.Needs != "" {
					note += " (it takes " + info.Needs + ")"
				}
			case err != nil:
				failed++
				sum.Result, sum.Error, note = "failed", err.Error(), "could not be read: "+err.Error()
			case sum.Problems > 0:
				sum.Result, note = "incomplete", progress.Count(sum.Problems, "thing", "things")+" could not be read"
			}
			problems += sum.Problems
			a.emitIf(sum)
			newest, number := "", ""
			if !count.newest.IsZero() {
				newest = count.newest.Local().Format("2 Jan 2006")
			}
			if err == nil {
				number = groupDigits(count.n)
			}
			rows = append(rows, []string{info.Title, number, newest, printable(note)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	text, _ := table(rows)
	a.printf("Inside %s:\n\n%s", c.title(), text)
	if !a.json {
		a.printf("\nTake something out with: keepsake extract … KIND --to DIR\n")
	}
	if failed > 0 || problems > 0 {
		return errIncomplete
	}
	return nil
}

// emitIf writes an object with --json.
func (a *app) emitIf(v any) {
	if a.json {
		a.emit(v)
	}
}

// groupDigits writes a number as people read it: 12,345.
func groupDigits(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// extractContent writes kinds into a folder.
func (a *app) extractContent(ctx context.Context, c *content, readers []extract.Extractor, f extractFlags) (err error) {
	q := extract.Query{Table: f.table}
	if q.Group, err = findGroup(ctx, readers[0], c.Source, f.group); err != nil {
		return err
	}
	out, err := outtree.Open(f.to)
	if err != nil {
		return &hintError{err: err, hint: "is the disk connected, and may you write there?"}
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	var sums []kindSummary
	err = a.work(func(say progress.Reporter) error {
		out.Progress = func(s outtree.Stats) {
			say.Update(progress.Counters{Files: int64(s.Written + s.Kept), Bytes: s.Bytes})
		}
		told := &readProblems{a: a, say: say}
		defer told.end()
		for _, x := range readers {
			say.Phase("extract", "Taking out "+strings.ToLower(x.Info().Title))
			began, before, had := time.Now(), told.n, out.Stats()
			err := export.Write(ctx, x, c.Source, extract.ExportOptions{Format: f.format, Query: q, Layout: f.layout, Files: !f.noFiles}, out, told)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			now := out.Stats()
			sum := kindSummary{MessageType: "kind", Kind: x.Info().Kind, Result: "read", Written: now.Written - had.Written, Kept: now.Kept - had.Kept,
				Bytes: now.Bytes - had.Bytes, Problems: told.n - before, Seconds: seconds(time.Since(began))}
			switch {
			case errors.Is(err, extract.ErrAbsent):
				sum.Result = "absent"
			case err != nil:
				sum.Result, sum.Error = "failed", err.Error()
				if disk := (*outtree.HostError)(nil); errors.As(err, &disk) {
					return err
				}
			case sum.Problems > 0:
				sum.Result = "incomplete"
			}
			sums = append(sums, sum)
			a.emitIf(sum)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.showExtracted(c, readers, sums, f)
}

func (a *app) showExtracted(c *content, readers []extract.Extractor, sums []kindSummary, f extractFlags) error {
	into, err := filepath.Abs(f.to)
	if err != nil {
		into = f.to
	}
	a.printf("From %s, into %s:\n\n", c.title(), printable(into))
	rows := [][]string{{"", "NEW", "", "AS BEFORE", ""}}
	code := exitOK
	for i, s := range sums {
		info := readers[i].Info()
		row := []string{info.Title, fmt.Sprint(s.Written), progress.Size(s.Bytes), fmt.Sprint(s.Kept), ""}
		switch s.Result {
		case "absent":
			row = []string{info.Title, "", "", "", "not in this backup"}
			if info.Needs != "" {
				row[4] += " (it takes " + info.Needs + ")"
			}
		case "failed":
			code, row[4] = exitIncomplete, "could not be read: "+s.Error
		case "incomplete":
			code, row[4] = exitIncomplete, progress.Count(s.Problems, "thing", "things")+" could not be read"
		}
		row[4] = printable(row[4])
		rows = append(rows, row)
	}
	text, _ := table(rows)
	a.printf("%s", text)
	switch {
	case code != exitOK && len(sums) == 1 && sums[0].Result == "failed":
		return fmt.Errorf("extract %s: %s", sums[0].Kind, sums[0].Error)
	case len(sums) == 1 && sums[0].Result == "absent":
		return &hintError{err: fmt.Errorf("extract %s: %w", sums[0].Kind, extract.ErrAbsent), hint: "\"keepsake extract SNAPSHOT\" tells what is there"}
	case code != exitOK:
		return errIncomplete
	}
	return nil
}
