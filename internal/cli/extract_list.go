package cli

import (
	"context"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/internal/progress"
)

// recordMessage is a record with --json.
type recordMessage struct {
	MessageType string         `json:"message_type"` // "record"
	Kind        string         `json:"kind"`
	Table       string         `json:"table"`
	Record      extract.Record `json:"record"`
}

// groupMessage is a group with --json.
type groupMessage struct {
	MessageType string `json:"message_type"` // "group"
	Kind        string `json:"kind"`
	extract.Group
}

// lister prints records as they are read.
type lister struct {
	*readProblems
	kind  string
	shown int64
}

// Emit implements extract.Emitter.
func (l *lister) Emit(r extract.Record) error {
	l.shown++
	e := r.Entry()
	if l.a.json {
		l.a.emit(recordMessage{"record", l.kind, e.Table, r})
		return l.a.written()
	}
	when := strings.Repeat(" ", len("2006-01-02 15:04"))
	if !e.Time.IsZero() {
		when = e.Time.Local().Format("2006-01-02 15:04")
	}
	line := e.Title
	for _, more := range []string{e.Detail, strings.Join(strings.Fields(e.Text), " ")} {
		if more != "" && !strings.Contains(line, more) && (e.Detail == "" || !strings.HasPrefix(more, e.Detail+" ")) {
			line += "  " + more
		}
	}
	for _, mark := range []struct {
		is   bool
		text string
	}{{e.Deleted, "[recently deleted]"}, {e.Hidden, "[hidden]"}} {
		if mark.is {
			line += "  " + mark.text
		}
	}
	l.a.printf("%s\n", clip(when+"  "+printable(line), l.a.columns()))
	return l.a.written()
}

// clip cuts a line to the width of a terminal.
func clip(line string, width int) string {
	r := []rune(line)
	if len(r) <= width || width < 2 {
		return line
	}
	return string(r[:width-1]) + "…"
}

// listContent shows the records of one kind, newest first.
func (a *app) listContent(ctx context.Context, c *content, x extract.Extractor, f extractFlags) error {
	info := x.Info()
	group, err := findGroup(ctx, x, c.Source, f.group)
	if err != nil {
		return err
	}
	if group == "" && info.Groups != "" {
		if err := a.listGroups(ctx, c, x); err != nil {
			return err
		}
	}
	say := progress.NewQuiet(a.Stderr)
	defer say.Close()
	l := &lister{readProblems: &readProblems{a: a, say: say}, kind: info.Kind}
	q := extract.Query{Table: f.table, Group: group, Limit: f.limit, Newest: true}
	if err := x.Read(ctx, c.Source, q, l); err != nil {
		return readError(info.Title, err)
	}
	l.end()
	if l.shown == 0 {
		a.printf("None.\n")
	}
	return incomplete(l.n)
}

func (a *app) listGroups(ctx context.Context, c *content, x extract.Extractor) error {
	groups, err := x.Groups(ctx, c.Source)
	if err != nil {
		return readError(x.Info().Title, err)
	}
	for _, g := range groups {
		a.emitIf(groupMessage{"group", x.Info().Kind, g})
	}
	if a.json || len(groups) == 0 {
		return nil
	}
	rows := [][]string{{strings.ToUpper(x.Info().Groups), "", "", "KEY"}}
	for _, g := range groups {
		count := ""
		if g.Count >= 0 {
			count = groupDigits(int64(g.Count))
		}
		rows = append(rows, []string{clip(printable(g.Title), 40), count, clip(printable(g.Detail), 40), printable(g.Key)})
	}
	text, _ := table(rows)
	a.printf("%s\n", text)
	return nil
}
