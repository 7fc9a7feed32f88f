package changes

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keepsake-backup/keepsake/internal/progress"
)

// TextOptions are wishes for the form that people read. The zero value is good.
type TextOptions struct {
	Zone     *time.Location // of times; nil is UTC
	Examples int            // at most so many of each sort; 0 = 5
}

// WriteText writes the changes for people to read: warnings first, then kind by kind.
func (c *Changes) WriteText(w io.Writer, o TextOptions) error {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Examples <= 0 {
		o.Examples = 5
	}
	t := &text{bufio.NewWriter(w), o}
	t.linef("From %s\nto   %s", t.side(c.Old), t.side(c.New))
	if len(c.Warnings) > 0 {
		t.linef("")
	}
	for _, w := range c.Warnings {
		t.linef("! %s", plain(w.Text, 500))
	}
	var same []string
	for i := range c.Kinds {
		if k := &c.Kinds[i]; k.Same() {
			same = append(same, k.Title)
		} else {
			t.kind(k)
		}
	}
	if len(same) > 0 {
		t.linef("\nNothing changed in %s.", list(same))
	} else if len(c.Kinds) == 0 {
		t.linef("\nThere is nothing to compare.")
	}
	return t.Flush()
}

type text struct {
	*bufio.Writer
	TextOptions
}

// linef writes lines; an error of the writer stays until Flush.
func (t *text) linef(format string, args ...any) { fmt.Fprintf(t.Writer, format+"\n", args...) }

func (t *text) side(s Side) string {
	parts := []string{t.time(s.Time)}
	if s.Time.IsZero() {
		parts[0] = "an unknown time"
	}
	if s.Name != "" {
		parts = append(parts, plain(s.Name, 60))
	}
	if s.IOS != "" {
		parts = append(parts, "iOS "+plain(s.IOS, 20))
	}
	return strings.Join(parts, ", ")
}

func (t *text) time(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.In(t.Zone).Format("2006-01-02 15:04")
}

func (t *text) kind(k *Kind) {
	if k.Unknown != "" {
		t.linef("\n%s: unknown, %s.", k.Title, k.Unknown)
		return
	}
	t.linef("\n%s: %s.", k.Title, k.Summary())
	t.part("added", k.Added)
	t.part("changed", k.Changed)
	t.part("removed", k.Removed)
	t.part("deleted", k.Deleted)
	t.part("recovered", k.Recovered)
	t.part("without files", k.Offloaded)
	t.groups("new", k.GroupsAdded, k.GroupsAre)
	t.groups("gone", k.GroupsGone, k.GroupsAre)
	t.groups("shorter", k.GroupsShorter, k.GroupsAre)
}

// Summary says all numbers of a kind: "3 added, 1 conversation shorter".
func (k *Kind) Summary() string {
	var parts []string
	add := func(n int, format string, args ...any) {
		if n > 0 {
			parts = append(parts, number(n)+" "+fmt.Sprintf(format, args...))
		}
	}
	add(k.Added.Count, "added")
	add(k.Changed.Count, "changed")
	add(k.Removed.Count, "removed")
	add(k.Deleted.Count, "moved to recently deleted")
	add(k.Recovered.Count, "recovered from recently deleted")
	if n := k.Offloaded.Count; n > 0 && k.Kind == "photos" {
		add(n, "now only in iCloud")
	} else {
		add(n, "whose files are no longer in the backup")
	}
	add(k.Emptied, "gone from recently deleted")
	add(k.Expired, "gone by %s", map[bool]string{true: "itself", false: "themselves"}[k.Expired == 1])
	for _, g := range []struct {
		Groups
		what string
	}{{k.GroupsAdded, "new"}, {k.GroupsGone, "gone"}, {k.GroupsShorter, "shorter"}} {
		if g.Count > 0 {
			parts = append(parts, countGroups(g.Count, k.GroupsAre)+" "+g.what)
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}

func (t *text) part(what string, p Part) {
	for i, x := range p.Examples {
		if i == t.Examples {
			break
		}
		line := plain(x.Title, 60)
		if line == "" {
			line = "(no name)"
		}
		if d := plain(x.Detail, 60); d != "" {
			line += ", " + d
		} else if s := plain(x.Text, 60); s != "" {
			line += ": " + s
		}
		if !x.Time.IsZero() {
			line += " (" + t.time(x.Time) + ")"
		}
		t.linef("  %-13s  %s", what, line)
		for j, f := range x.Fields {
			if j == 5 {
				t.linef("  %-13s    and %s", "", progress.Count(int64(len(x.Fields)-j), "more field", "more fields"))
				break
			}
			was, is := values(t.cell(f.Old), t.cell(f.New))
			t.linef("  %-13s    %s: %s → %s", "", f.Name, was, is)
		}
	}
	t.more(p.Count - min(len(p.Examples), t.Examples))
}

func (t *text) groups(what string, g Groups, are string) {
	for i, x := range g.Examples {
		if i == t.Examples {
			break
		}
		name := plain(x.Title, 60)
		if name == "" {
			name = plain(x.Detail, 60)
		}
		if name == "" {
			name = "(no name)"
		}
		size := fmt.Sprintf("%s → %s", number(x.Old), number(x.New))
		switch what {
		case "new":
			size = number(x.New)
		case "gone":
			size = number(x.Old)
		}
		t.linef("  %-13s  %s (%s)", what, name, size)
	}
	t.more(g.Count - min(len(g.Examples), t.Examples))
}

// cell is a value of a row for people: times as they write them.
func (t *text) cell(s string) string {
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return t.time(at)
	}
	return s
}

func (t *text) more(n int) {
	if n > 0 {
		t.linef("  %-13s  and %s more", "", number(n))
	}
}

// values are two texts, of long ones what begins shortly before they differ.
func values(old, new string) (string, string) {
	a, b := []rune(plain(old, maxExampleText)), []rune(plain(new, maxExampleText))
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	value := func(r []rune) string {
		if same > 40 {
			r = append([]rune("…"), r[same-20:]...)
		}
		if len(r) == 0 {
			return "nothing"
		}
		return "“" + plain(string(r), 60) + "”"
	}
	return value(a), value(b)
}

// plain is a text in one line that does nothing to a terminal, of about n letters.
func plain(s string, n int) string {
	var b strings.Builder
	space, letters := false, 0
	for _, r := range s {
		if letters > n {
			break
		}
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			space = b.Len() > 0
			continue
		case unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError:
			continue
		}
		if letters++; letters > n {
			b.WriteString("…")
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

func list(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
