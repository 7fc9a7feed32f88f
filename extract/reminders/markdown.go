package reminders

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract/ical"
)

// markdownOf writes a list with boxes to tick, sections as headings, steps below what
// they are steps of.
func markdownOf(title string, found []*Reminder) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n", markdownText(title))
	var sections []string
	bySection, steps, there := map[string][]*Reminder{}, map[string][]*Reminder{}, map[string]bool{}
	for _, r := range found {
		there[r.ID] = true
	}
	for _, r := range found {
		if r.Parent != "" && there[r.Parent] && r.Parent != r.ID {
			steps[r.Parent] = append(steps[r.Parent], r)
			continue
		}
		if bySection[r.Section] == nil && r.Section != "" {
			sections = append(sections, r.Section)
		}
		bySection[r.Section] = append(bySection[r.Section], r)
	}
	done := map[string]bool{}
	for _, section := range append([]string{""}, sections...) {
		if len(bySection[section]) == 0 {
			continue
		}
		if section != "" {
			fmt.Fprintf(&b, "\n## %s\n", markdownText(section))
		}
		b.WriteByte('\n')
		for _, r := range bySection[section] {
			task(&b, r, "", steps, done)
		}
	}
	for _, r := range found { // steps in a circle, which have no beginning
		task(&b, r, "", steps, done)
	}
	return b.Bytes()
}

// deepest is how far steps of steps are set in.
const deepest = "                "

func task(b *bytes.Buffer, r *Reminder, indent string, steps map[string][]*Reminder, done map[string]bool) {
	if done[r.ID] {
		return
	}
	done[r.ID] = true
	box := "[ ]"
	if r.Completed {
		box = "[x]"
	}
	fmt.Fprintf(b, "%s- %s %s\n", indent, box, strings.Join(facts(r), " · "))
	for line := range strings.SplitSeq(strings.TrimRight(r.Notes, "\n"), "\n") {
		if line != "" {
			fmt.Fprintf(b, "%s  %s  \n", indent, markdownText(line))
		}
	}
	for _, link := range r.Links {
		if address := ical.Address(link); address != "" {
			fmt.Fprintf(b, "%s  <%s>  \n", indent, strings.NewReplacer("<", "%3C", ">", "%3E").Replace(address))
		}
	}
	if len(indent) < len(deepest) {
		indent += "  "
	}
	for _, step := range steps[r.ID] {
		task(b, step, indent, steps, done)
	}
}

// facts are the title and what else stands in a task's line.
func facts(r *Reminder) []string {
	list := []string{markdownText(first(strings.ReplaceAll(r.Title, "\n", " "), "Reminder"))}
	if !r.Due.IsZero() {
		list = append(list, "due "+day(r.Due))
	}
	for _, rule := range r.Rules {
		list = append(list, markdownText(rule.Words()))
	}
	if p := priority(r.Priority); p != "" {
		list = append(list, p+" priority")
	}
	if r.Flagged {
		list = append(list, "flagged")
	}
	if r.Assignee != "" {
		list = append(list, "for "+markdownText(r.Assignee))
	}
	for _, a := range r.Alarms {
		list = append(list, markdownText(a.String()))
	}
	for _, tag := range r.Tags {
		list = append(list, markdownText("#"+tag))
	}
	if !r.CompletedAt.IsZero() {
		list = append(list, "done "+r.CompletedAt.Format(time.DateOnly))
	}
	return list
}

// markdownText keeps what somebody wrote from being taken for Markdown or HTML.
func markdownText(s string) string { return markdownEscapes.Replace(s) }

var markdownEscapes = strings.NewReplacer("\\", "\\\\", "`", "\\`", "*", "\\*", "_", "\\_", "[", "\\[", "]", "\\]", "<", "\\<", ">", "\\>", "#", "\\#", "|", "\\|",
	"&", "\\&", "!", "\\!", "~", "\\~", "\r", "")
