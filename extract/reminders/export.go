package reminders

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/extract"
	"github.com/keepsake-backup/keepsake/extract/ical"
	"github.com/keepsake-backup/keepsake/extract/outtree"
)

// Formats implements extract.Exporter.
func (*Reader) Formats() []extract.Format {
	return []extract.Format{{Name: "ics", Title: "iCalendar tasks (.ics), one file for each list"},
		{Name: "markdown", Title: "Task lists in Markdown (.md), one file for each list"}}
}

// Export implements extract.Exporter: Reminders/LIST.ics or LIST.md. What was deleted is
// left out.
func (*Reader) Export(ctx context.Context, src *extract.Source, o extract.ExportOptions, out *outtree.Tree, rep extract.Reporter) error {
	l, err := open(ctx, src, rep)
	if err != nil {
		return err
	}
	markdown := o.Format == "markdown"
	for _, sheet := range l.sheets() {
		if o.Query.Group != "" && o.Query.Group != sheet.key {
			continue
		}
		found, err := l.sheet(ctx, sheet, o.Query.Key, rep)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		f := outtree.File{Path: []string{"Reminders", sheet.title + ".ics"}, Key: joined("/", "reminders", sheet.key, "ics", o.Query.Key), Document: true}
		var write func(io.Writer) error
		if markdown {
			text := markdownOf(sheet.title, found)
			sum := sha256.Sum256(text)
			f.Path[1], f.Key, f.Stamp = sheet.title+".md", joined("/", "reminders", sheet.key, "md", o.Query.Key), hex.EncodeToString(sum[:16])
			write = func(w io.Writer) error { _, err := w.Write(text); return err }
		} else {
			doc := documentOf(sheet.title, found, src.Device.Time, rep)
			if f.Stamp, err = doc.Stamp(); err != nil {
				return err
			}
			write = doc.Write
		}
		if _, err := out.Put(ctx, f, write); err != nil {
			return err
		}
	}
	return nil
}

// Files implements extract.Filer: LIST.md, and the files of reminders.
func (*Reader) Files(ctx context.Context, src *extract.Source, give func(extract.File) error) error {
	l, err := open(ctx, src, silent{})
	if err != nil {
		return err
	}
	for _, sheet := range l.sheets() {
		f := extract.File{Path: []string{sheet.title + ".md"}, Make: func(ctx context.Context, w io.Writer) error {
			l, err := open(ctx, src, silent{})
			if err != nil {
				return err
			}
			found, err := l.sheet(ctx, sheet, "", silent{})
			if err != nil {
				return err
			}
			_, err = w.Write(markdownOf(sheet.title, found))
			return err
		}}
		if err := give(f); err != nil {
			return extract.Done(err)
		}
	}
	return nil
}

// aSheet is a list that becomes a file.
type aSheet struct {
	key, title string
}

// sheets are the lists that have something in them that was not deleted.
func (l *library) sheets() []aSheet {
	alive := map[string]int{}
	for _, n := range l.lines {
		if !n.deleted {
			alive[n.group]++
		}
	}
	var found []aSheet
	for _, lists := range l.lists {
		for _, at := range lists {
			if alive[at.key] > 0 {
				found = append(found, aSheet{at.key, at.title})
			}
		}
	}
	if alive[""] > 0 {
		found = append(found, aSheet{"no-list", "Other reminders"})
	}
	return found
}

// sheet reads the reminders of a list, or of none, that were not deleted.
func (l *library) sheet(ctx context.Context, sheet aSheet, key string, rep extract.Reporter) ([]*Reminder, error) {
	c := &collector{Reporter: rep, lost: sheet.key == "no-list"}
	q := extract.Query{Group: sheet.key, Key: key}
	if c.lost {
		q.Group = ""
	}
	err := extract.Done(l.read(ctx, q, c))
	return c.found, err
}

type collector struct {
	extract.Reporter
	lost  bool
	found []*Reminder
}

func (c *collector) Emit(record extract.Record) error {
	r := record.(*Reminder)
	if !r.Deleted && (!c.lost || r.ListID == "") {
		c.found = append(c.found, r)
	}
	return nil
}

// documentOf makes the calendar of a list.
func documentOf(title string, found []*Reminder, device time.Time, rep extract.Reporter) *ical.Document {
	uids := map[string]string{}
	for _, r := range found {
		uids[r.ID] = r.uidOf()
	}
	return &ical.Document{Name: title, Body: func(w *ical.Writer, zones *ical.Zones) error {
		for _, r := range found {
			if zones != nil && len(r.Rules) > 0 && r.Rules[0].Raw != "" {
				rep.Report(&extract.Problem{Kind: "reminders", What: fmt.Sprintf("reminder %q", r.Title),
					Err: errors.New("it repeats in a way that is not understood: " + r.Rules[0].Raw)})
			}
			todo(w, zones, r, uids[r.Parent], device)
		}
		return nil
	}}
}

// uidOf is the server's UID, by which the task is known elsewhere, or the phone's.
func (r *Reminder) uidOf() string { return first(r.uid, r.ID) }

func todo(w *ical.Writer, zones *ical.Zones, r *Reminder, parent string, device time.Time) {
	w.Begin("VTODO")
	w.Text("UID", r.uidOf())
	stamp := r.Modified
	for _, t := range []time.Time{r.Created, device, time.Unix(978307200, 0)} {
		if stamp.IsZero() {
			stamp = t
		}
	}
	w.UTC("DTSTAMP", stamp)
	start := r.Start
	if start.IsZero() && len(r.Rules) > 0 {
		start = r.Due // a repetition counts from a start
	}
	if !r.Due.IsZero() && (start.Date != r.Due.Date || start.Time.After(r.Due.Time)) {
		start = r.Due // both must be of one sort, and in this order
		if len(r.Rules) == 0 {
			start = ical.Moment{}
		}
	}
	w.Moment("DTSTART", start, zones)
	w.Moment("DUE", r.Due, zones)
	for i, rule := range r.Rules {
		if rule.Raw != "" {
			w.Text("X-KEEPSAKE-RECURRENCE", rule.Raw)
		}
		if text := rule.String(); i == 0 && text != "" && !start.IsZero() {
			w.Line("RRULE", text)
		} else {
			w.Text("X-KEEPSAKE-RECURRENCE", text)
		}
	}
	w.Text("SUMMARY", r.Title)
	w.Text("DESCRIPTION", r.Notes)
	if r.Priority > 0 && r.Priority <= 9 {
		w.Line("PRIORITY", strconv.FormatInt(r.Priority, 10))
	}
	if r.Completed {
		w.Line("STATUS", "COMPLETED")
		w.Line("PERCENT-COMPLETE", "100")
		w.UTC("COMPLETED", r.CompletedAt)
	} else {
		w.Line("STATUS", "NEEDS-ACTION")
	}
	for _, tag := range r.Tags {
		w.Text("CATEGORIES", tag)
	}
	if r.Flagged {
		w.Line("X-KEEPSAKE-FLAGGED", "TRUE")
	}
	w.Text("X-KEEPSAKE-SECTION", r.Section)
	w.Text("X-KEEPSAKE-ASSIGNEE", r.Assignee)
	w.Text("RELATED-TO", parent, "RELTYPE", "PARENT")
	for i, link := range r.Links {
		switch address := ical.Address(link); {
		case address == "":
			w.Text("X-KEEPSAKE-URL", link)
		case i == 0:
			w.Line("URL", address)
		default:
			w.Line("ATTACH", address)
		}
	}
	w.UTC("CREATED", r.Created)
	w.UTC("LAST-MODIFIED", r.Modified)
	for _, a := range r.Alarms {
		alarm(w, r, a)
	}
	w.End("VTODO")
}

func alarm(w *ical.Writer, r *Reminder, a Alarm) {
	at := a.At.In(time.UTC)
	if a.Months != 0 && !r.Due.IsZero() {
		at = r.Due.In(time.UTC).AddDate(0, int(a.Months), 0)
	}
	place := a.Proximity != "" || a.Place != ""
	if !place && at.IsZero() && r.Due.IsZero() {
		return // before nothing
	}
	w.Begin("VALARM")
	w.Line("ACTION", "DISPLAY")
	w.Text("DESCRIPTION", first(r.Title, "Reminder"))
	switch {
	case place:
		w.Line("TRIGGER", "19760401T005545Z", "VALUE", "DATE-TIME") // Apple's way to say: not at a time
		w.Text("X-APPLE-PROXIMITY", strings.ToUpper(a.Proximity))
		radius := ""
		if a.Radius > 0 {
			radius = strconv.FormatFloat(a.Radius, 'f', -1, 64)
		}
		w.Line("X-APPLE-STRUCTURED-LOCATION", fmt.Sprintf("geo:%.6f,%.6f", a.Latitude, a.Longitude), "VALUE", "URI", "X-ADDRESS", a.Address,
			"X-APPLE-RADIUS", radius, "X-TITLE", a.Place)
	case !at.IsZero():
		w.UTC("TRIGGER", at, "VALUE", "DATE-TIME")
	default:
		w.Line("TRIGGER", ical.Duration(time.Duration(a.Before)*time.Second), "RELATED", "END") // of a task that is when it is due
	}
	w.End("VALARM")
}
