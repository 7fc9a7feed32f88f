package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/keepsake-backup/keepsake/internal/progress"
)

// emit writes one JSON object on a line of its own.
func (a *app) emit(v any) {
	line, err := json.Marshal(v)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		_, err = a.Stdout.Write(append(line, '\n'))
	}
	a.noteLocked(err)
}

// printf writes text to the standard output. Nothing is written with --json:
// there, everything is an object.
func (a *app) printf(format string, args ...any) {
	if a.json {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := fmt.Fprintf(a.Stdout, format, args...)
	a.noteLocked(err)
}

// sentences is printf for results that are sentences: on a terminal they are
// broken between words, below where they begin. A command that is to be copied
// stands on a line of its own and stays as it is.
func (a *app) sentences(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if width := a.columns(); width != math.MaxInt {
		text = breakLines(text, width)
	}
	a.printf("%s", text)
}

func breakLines(text string, width int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		from := len(line) - len(strings.TrimLeft(line, " "))
		if from == 0 && len(line) > 6 && line[4:6] == "  " { // a mark such as "note  "
			from = 6
		}
		if strings.HasPrefix(line[from:], "keepsake ") {
			continue
		}
		below := "\n" + strings.Repeat(" ", from)
		lines[i] = line[:from] + strings.ReplaceAll(progress.Wrap(line[from:], max(width-from, 20)), "\n", below)
	}
	return strings.Join(lines, "\n")
}

func (a *app) noteLocked(err error) {
	if err != nil && a.writeErr == nil {
		a.writeErr = fmt.Errorf("write output: %w", err)
	}
}

// newReporter is the display of progress that flags and terminal ask for.
func (a *app) newReporter() progress.Reporter {
	switch fd, isTerminal := terminal(a.Stderr); {
	case a.json:
		return progress.NewJSON(a.emit, 500*time.Millisecond)
	case a.quiet:
		return forPeople{progress.NewQuiet(a.Stderr)}
	case isTerminal:
		return forPeople{progress.NewTerminal(a.Stderr, func() int { return columns(fd) }, a.verbose)}
	default:
		return forPeople{progress.NewPlain(a.Stderr, 15*time.Second, a.verbose)}
	}
}

// forPeople shows what is said as sentences: errors are not written as such.
type forPeople struct{ progress.Reporter }

func (r forPeople) Say(kind progress.Kind, text string) { r.Reporter.Say(kind, capital(text)) }

// work runs fn with a display of progress, which is gone when work returns:
// results are printed afterwards. When the run is interrupted the display says
// so, since taking leave of a phone can take seconds.
func (a *app) work(fn func(progress.Reporter) error) error {
	r := a.newReporter()
	defer r.Close()
	defer a.using(r)()
	said := make(chan struct{})
	stop := context.AfterFunc(a.ctx, func() {
		defer close(said)
		r.Phase("stopping", "Stopping (once more: at once)")
	})
	defer func() {
		if !stop() {
			<-said
		}
	}()
	return fn(r)
}

// terminal tells whether a stream is one, and its descriptor.
func terminal(stream any) (fd int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

func columns(fd int) int {
	if w, _, err := term.GetSize(fd); err == nil && w > 0 {
		return w
	}
	return 80
}

// columns is how wide results may be: anything goes unless they are shown on a
// terminal.
func (a *app) columns() int {
	if fd, isTerminal := terminal(a.Stdout); isTerminal {
		return columns(fd)
	}
	return math.MaxInt
}

// table lays out rows with columns two spaces apart, the first row being the
// head, and says how wide it became.
func table(rows [][]string) (text string, widest int) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		s := strings.TrimRight(line.String(), " ")
		widest = max(widest, utf8.RuneCountInString(s))
		b.WriteString(s + "\n")
	}
	return b.String(), widest
}
