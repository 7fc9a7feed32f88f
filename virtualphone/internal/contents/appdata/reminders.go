package appdata

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// reminderEntities of an account's store; the local store has one more in the
// middle, so that the two number their entities differently (content-schemas.md 9).
func reminderEntities(local bool) []entity {
	list := []entity{{name: "REMCDBaseList"}, {name: "REMCDList", super: "REMCDBaseList"}, {name: "REMCDSmartList", super: "REMCDBaseList"},
		{name: "REMCDBaseSection"}, {name: "REMCDListSection", super: "REMCDBaseSection"}, {name: "REMCDChangeTrackingState", optional: true}}
	if local {
		list = append(list, entity{name: "REMCDGroceryOperationQueueItem"})
	}
	list = append(list, entity{name: "REMCDHashtagLabel"}, entity{name: "REMCDObject"})
	for _, name := range []string{"REMCDAccount", "REMCDAlarm", "REMCDAlarmTrigger", "REMCDAssignment", "REMCDAttachment", "REMCDHashtag",
		"REMCDRecurrenceRule", "REMCDSharee"} {
		list = append(list, entity{name: name, super: "REMCDObject"})
	}
	return append(list, entity{name: "REMCDReminder"}, entity{name: "REMCKCloudState"})
}

// remindersDir is where the release keeps reminders: content-schemas.md 9 has
// the home folder up to iOS 16 and the app group from 18; 17 is doubtful and
// taken as 18.
func (w *world) remindersDir() (domain, dir string) {
	if w.major >= 17 {
		return remindersDomain, "Container_v1/"
	}
	return homeDomain, "Library/Reminders/Container_v1/"
}

// reminderBook writes lists and reminders.
type reminderBook struct {
	w       *world
	d       *db
	r       *rng
	m       *model
	account int
	lists   []int
	files   string // folder of attachments, in the domain
	domain  string
}

func createReminders(ctx context.Context, w *world) error {
	r := w.rng("reminders")
	if err := reminderStore(ctx, w, r, "Data-"+r.guid()+".sqlite", false, w.n.reminders); err != nil {
		return err
	}
	return reminderStore(ctx, w, r, "Data-local.sqlite", true, 2)
}

func reminderStore(ctx context.Context, w *world, r *rng, name string, local bool, n int) error {
	domain, dir := w.remindersDir()
	f := dbFile{path: w.path(domain, dir+"Stores/"+name), autoVacuum: 2, mtime: w.now.Add(-4 * time.Hour)}
	return build(ctx, f, func(d *db) {
		d.schema("reminders.sql")
		b := &reminderBook{w: w, d: d, r: r, m: newModel(r, reminderEntities(local)), domain: domain}
		b.makeLists(local, dir)
		first := 0
		for i, at := range r.moments(n, span{w.begin(), w.now.Add(-24 * time.Hour)}) {
			pk := b.add(i, at, first)
			if i == 0 {
				first = pk
			}
		}
		b.m.writeTables(d, r, metadata{})
	})
}

func (b *reminderBook) makeLists(local bool, dir string) {
	name, id := "iCloud", b.r.guid()
	if local {
		name = "On My iPhone"
	}
	b.account = b.m.insert(b.d, "ZREMCDOBJECT", "REMCDAccount", "ZNAME", name, "ZTYPE", 2, "ZMARKEDFORDELETION", 0, "ZCKIDENTIFIER", id, "ZIDENTIFIER", b.r.bytes(16))
	b.files = dir + "Files/Account-" + id + "/Attachments/"
	group := b.list("House", 1, nil)
	for i, list := range []string{"Reminders", "Groceries", "Repairs"} {
		var parent any
		if i > 0 {
			parent = group
		}
		b.lists = append(b.lists, b.list(list, 0, parent))
	}
	b.m.insert(b.d, "ZREMCDBASELIST", "REMCDSmartList", "ZSMARTLISTTYPE", "com.apple.reminders.smartlist.flagged", "ZMARKEDFORDELETION", 0, "ZISGROUP", 0,
		"ZACCOUNT", b.account, "ZIDENTIFIER", b.r.bytes(16))
	b.m.insert(b.d, "ZREMCDBASESECTION", "REMCDListSection", "ZDISPLAYNAME", "Vegetables", "ZLIST", b.lists[1], "ZACCOUNT", b.account, "ZMARKEDFORDELETION", 0,
		"ZCREATIONDATE", cocoa(b.w.begin()), "ZIDENTIFIER", b.r.bytes(16))
}

func (b *reminderBook) list(name string, group int, parent any) int {
	return b.m.insert(b.d, "ZREMCDBASELIST", "REMCDList", "ZNAME", name, "ZISGROUP", group, "ZSHARINGSTATUS", 0, "ZMARKEDFORDELETION", 0, "ZACCOUNT", b.account,
		"ZPARENTLIST", parent, "ZCKIDENTIFIER", b.r.guid(), "ZIDENTIFIER", b.r.bytes(16))
}

// add writes the i-th reminder; the kinds take turns: done, flagged, all-day,
// subtask of the first, repeating, assigned, with a place, with a file, deleted,
// tagged.
func (b *reminderBook) add(i int, at time.Time, first int) int {
	r := b.r
	due := at.AddDate(0, 0, r.between(1, 30)).Truncate(time.Hour)
	var done, parent, start, notes any
	completed, allDay, deleted := 0, 0, 0
	dueValue := any(cocoa(due))
	switch i % 10 {
	case 0:
		completed, done = 1, cocoa(at.Add(10*time.Hour))
	case 2:
		allDay, dueValue = 1, cocoa(midnight(due))
	case 3:
		if first > 0 {
			parent = first
		}
		dueValue = nil // undated is NULL, not a sentinel
	case 5:
		start, notes = cocoa(due.Add(-time.Hour)), paragraph(r, 2)
	case 8:
		deleted = 1
	}
	pk := b.m.insert(b.d, "ZREMCDREMINDER", "REMCDReminder", "ZTITLE", "Fetch the "+pick(r, things), "ZNOTES", notes, "ZCOMPLETED", completed, "ZCOMPLETIONDATE", done,
		"ZFLAGGED", flag(i%10 == 1), "ZPRIORITY", pick(r, []int{0, 0, 0, 1, 5, 9}), "ZALLDAY", allDay, "ZDUEDATE", dueValue, "ZDISPLAYDATEDATE", dueValue, "ZSTARTDATE", start,
		"ZTIMEZONE", pick(r, eventZones), "ZCREATIONDATE", cocoa(at), "ZLASTMODIFIEDDATE", cocoa(at), "ZMARKEDFORDELETION", deleted, "ZPARENTREMINDER", parent,
		"ZLIST", pick(r, b.lists), "ZACCOUNT", b.account, "ZCKIDENTIFIER", r.guid(), "ZIDENTIFIER", r.bytes(16), "ZICSDISPLAYORDER", i)
	b.m.insert(b.d, "ZREMCKCLOUDSTATE", "REMCKCloudState", "ZCURRENTLOCALVERSION", 1, "ZINCLOUD", 1, "ZREMINDER", pk, "ZLOCALVERSIONDATE", cocoa(at))
	b.belongings(i, pk, due, at)
	return pk
}

// belongings are the rows of other kinds that point to a reminder.
func (b *reminderBook) belongings(i, pk int, due, at time.Time) {
	object := func(ent string, kv ...any) int {
		return b.m.insert(b.d, "ZREMCDOBJECT", ent, append([]any{"ZMARKEDFORDELETION", 0, "ZACCOUNT", b.account, "ZIDENTIFIER", b.r.bytes(16)}, kv...)...)
	}
	switch i % 10 {
	case 4:
		object("REMCDRecurrenceRule", "ZREMINDER4", pk, "ZFREQUENCY", 1, "ZINTERVAL", 2, "ZOCCURRENCECOUNT", 0, "ZENDDATE", cocoa(due.AddDate(1, 0, 0)), "ZFIRSTDAYOFTHEWEEK", 1,
			"ZDAYSOFTHEWEEK", fmt.Appendf(nil, `[{"weekNumber":0,"dayOfTheWeek":%d}]`, due.Weekday()+1))
		when := object("REMCDAlarmTrigger", "ZDATECOMPONENTSDATA", fmt.Appendf(nil, `{"year":%d,"month":%d,"day":%d,"hour":%d,"minute":30}`, due.Year(), due.Month(), due.Day(), due.Hour()))
		object("REMCDAlarm", "ZREMINDER", pk, "ZTRIGGER", when, "ZALARMUID", b.r.guid())
	case 5:
		p := pick(b.r, b.w.people)
		sharee := object("REMCDSharee", "ZFIRSTNAME", p.first, "ZLASTNAME", p.last, "ZADDRESS1", "mailto:"+p.mail())
		object("REMCDAssignment", "ZREMINDER1", pk, "ZASSIGNEE", sharee)
	case 6:
		trigger := object("REMCDAlarmTrigger", "ZLATITUDE", 40.7, "ZLONGITUDE", -74.0, "ZRADIUS", 100.0, "ZPROXIMITY", 1, "ZTITLE", "Home")
		object("REMCDAlarm", "ZREMINDER", pk, "ZTRIGGER", trigger, "ZALARMUID", b.r.guid())
	case 7:
		pic, err := drawJPEG(b.r, 80, 60)
		b.d.fail(err)
		name := b.r.guid() + ".jpeg"
		sum := sha512.Sum512(pic)
		object("REMCDAttachment", "ZREMINDER2", pk, "ZUTI", "public.jpeg", "ZFILENAME", name, "ZFILESIZE", len(pic), "ZWIDTH", 80, "ZHEIGHT", 60, "ZSHA512SUM", fmt.Sprintf("%x", sum))
		if b.d.err == nil {
			b.d.fail(b.w.write(b.domain, b.files+name, pic, at))
		}
	case 9:
		label := b.m.insert(b.d, "ZREMCDHASHTAGLABEL", "REMCDHashtagLabel", "ZNAME", "house"+fmt.Sprint(i), "ZCANONICALNAME", "house"+fmt.Sprint(i),
			"ZFIRSTOCCURRENCECREATIONDATE", cocoa(at), "ZRECENCYDATE", cocoa(at))
		object("REMCDHashtag", "ZREMINDER3", pk, "ZHASHTAGLABEL", label, "ZNAME1", "house"+fmt.Sprint(i))
	}
}

// accountStore finds the store whose name has the account's UUID; rel is empty
// when there is none.
func accountStore(w *world) (domain, rel string, err error) {
	domain, dir := w.remindersDir()
	entries, err := os.ReadDir(filepath.Join(w.path(domain, dir), "Stores"))
	if errors.Is(err, fs.ErrNotExist) {
		return domain, "", nil
	}
	if err != nil {
		return domain, "", err
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, "Data-") && strings.HasSuffix(name, ".sqlite") && name != "Data-local.sqlite" {
			return domain, dir + "Stores/" + name, nil
		}
	}
	return domain, "", nil
}

// liveReminders ticks one off.
func liveReminders(ctx context.Context, w *world, sp span) error {
	domain, rel, err := accountStore(w)
	if err != nil || rel == "" {
		return err
	}
	r := w.rng("reminders live " + sp.label())
	return liveUpdate(ctx, w, domain, rel, sp, r, func(d *db) {
		at := cocoa(r.moment(sp))
		pk := d.number("SELECT Z_PK FROM ZREMCDREMINDER WHERE ZCOMPLETED=0 AND ZMARKEDFORDELETION=0 ORDER BY abs(Z_PK-?), Z_PK LIMIT 1", r.IntN(max(1, w.n.reminders)))
		d.exec("UPDATE ZREMCDREMINDER SET ZCOMPLETED=1, ZCOMPLETIONDATE=?, ZLASTMODIFIEDDATE=?, Z_OPT=Z_OPT+1 WHERE Z_PK=?", at, at, pk)
	})
}
