package contents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/keepsake-backup/keepsake/internal/plist"
)

// UseOptions say how long [Use] lets the phone live.
type UseOptions struct {
	Seed uint64 // what happens; 0 takes the seed that the phone was made with
	Days int    // 0 means 1
	IOS  string // "" means the version that the phone was made with
}

// maxDays bounds one call of Use: ten years.
const maxDays = 3660

// Use lets the phone in dir live for some days: it takes pictures and films,
// edits and deletes some, changes settings, works in its apps, gets a new app
// now and then, and lives on in messages, calls and the like. Nothing gets a
// time before the phone's present, which moves on by as many days.
//
// The same state of the phone and the same options give the same files.
func Use(ctx context.Context, dir string, o UseOptions) (Changes, error) {
	s, err := readState(dir)
	if err != nil {
		return Changes{}, fmt.Errorf("use the phone: %w", err)
	}
	if o.Days == 0 {
		o.Days = 1
	}
	if o.Days < 0 || o.Days > maxDays {
		return Changes{}, fmt.Errorf("use the phone for %d days: want 1 to %d", o.Days, maxDays)
	}
	if o.IOS != "" {
		s.IOS = o.IOS
	}
	if o.Seed == 0 {
		o.Seed = s.Seed
	}
	r, err := parseRelease(s.IOS)
	if err != nil {
		return Changes{}, fmt.Errorf("use the phone: %w", err)
	}
	before, err := listState(ctx, dir)
	if err != nil {
		return Changes{}, fmt.Errorf("use the phone: %w", err)
	}
	var added []string
	for range o.Days {
		apps, err := liveOneDay(ctx, dir, &s, o.Seed, r)
		if err != nil {
			return Changes{}, fmt.Errorf("use the phone on day %d: %w", s.Days+1, err)
		}
		added = append(added, apps...)
	}
	after, err := listState(ctx, dir)
	if err != nil {
		return Changes{}, fmt.Errorf("use the phone: %w", err)
	}
	changes := compareStates(before, after)
	changes.AppsAdded = added
	return changes, nil
}

// liveOneDay lets one day pass and writes that down.
func liveOneDay(ctx context.Context, dir string, s *state, seed uint64, r release) (added []string, err error) {
	morning := s.Now
	s.Now = s.Now.Add(24 * time.Hour)
	d := &day{
		tree: newTree(ctx, dir, newChance(seed, fmt.Sprint("day ", s.Days)).Uint64(), s.Now), morning: morning, number: s.Days, model: photoModelOf(r), plan: plans[s.Profile],
	}
	d.photos()
	d.settings()
	d.useApps()
	added = d.newApp()
	if d.err == nil {
		d.err = liveRecords(ctx, dir, *s, d.plan.scale, s.Now)
	}
	d.settle(morning)
	if d.err != nil {
		return nil, d.err
	}
	s.Days++
	return added, s.write(dir)
}

// day is one day of use. What the tree writes without a time gets one between
// the morning and now.
type day struct {
	*tree
	morning time.Time
	number  int // days lived before
	model   photoModel
	plan    plan
}

// moment gives a time on this day.
func (d *day) moment(name string) time.Time { return d.unset(name, d.morning) }

// write puts data into a file at a time of this day.
func (d *day) write(domain, rel string, data []byte) {
	d.fileAt(domain, rel, data, d.moment(domain+"/"+rel))
}

// exists tells whether the phone has the file.
func (d *day) exists(domain, rel string) bool {
	_, err := os.Lstat(d.host(domain, rel))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.fail("look at", domain, rel, err)
	}
	return err == nil
}

// settings changes a few property lists of HomeDomain.
func (d *day) settings() {
	const home = "HomeDomain"
	names := d.list(home, strings.TrimSuffix(preferences, "/"), ".plist")
	c := d.chance("settings")
	for range min(len(names), 1+len(names)/25) {
		rel := path.Join(preferences, one(c, names))
		data, err := os.ReadFile(d.host(home, rel))
		if d.fail("change", home, rel, err) {
			return
		}
		value := map[string]any{}
		if plist.Unmarshal(data, &value) != nil {
			continue // not ours: whoever put it there keeps it as it is
		}
		value["LastUsedDate"], value["UseCount"] = d.now, c.IntN(100_000)
		d.write(home, rel, d.encoded(value))
	}
}

// list gives the sorted names of the files in a folder that end so.
func (d *day) list(domain, rel, end string) []string {
	entries, err := os.ReadDir(d.host(domain, rel))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.fail("list", domain, rel, err)
		}
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), end) {
			names = append(names, e.Name())
		}
	}
	return names
}

// useApps works in a few store apps: each gets a file, changes one, loses one
// now and then, and writes into its database.
func (d *day) useApps() {
	apps, err := Apps(d.dir)
	if d.fail("list", "", "apps", err) {
		return
	}
	apps = slices.DeleteFunc(apps, func(a App) bool { return a.System || !d.exists(appData+a.BundleID, "Documents") })
	if len(apps) == 0 {
		return
	}
	c := d.chance("apps")
	for range min(len(apps), 1+len(apps)/6) {
		a := one(c, apps)
		domain := appData + a.BundleID
		name := fmt.Sprintf("Documents/day-%04d.txt", d.number)
		d.write(domain, name, prose(c, c.between(200, max(400, d.plan.fileSize))))
		d.write(domain, "Documents/journal.txt", prose(c, 300+d.number%50))
		if old := fmt.Sprintf("Documents/day-%04d.txt", d.number-3); d.number >= 3 && d.exists(domain, old) {
			d.remove(domain, old)
		}
		d.changeLive(domain, "Library/Application Support/Model.sqlite", func(db *database) {
			if table := db.text("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'Z\\_%' ESCAPE '\\' ORDER BY name"); table != "" {
				db.addRecords(table, c, 2)
			}
		})
	}
}

// changeLive changes a database as its app does: what was in the -wal goes into
// the main file, the change into a new -wal. Nothing there is fine.
func (d *day) changeLive(domain, rel string, edit func(*database)) {
	if !d.exists(domain, rel) || d.err != nil {
		return
	}
	before, err := d.folded(d.host(domain, rel))
	if d.fail("read", domain, rel, err) {
		return
	}
	after, err := withDatabase(d.ctx, before, edit)
	if d.fail("change", domain, rel, err) {
		return
	}
	at := d.moment(domain + "/" + rel)
	d.fileAt(domain, rel, setJournal(before, journalWAL), at)
	d.fileAt(domain, rel+"-wal", makeWAL(before, after, d.chance("wal", domain, rel).Uint64()), at)
	d.fileAt(domain, rel+"-shm", make([]byte, shmLen), at)
}

// folded reads a database with its log folded in, whatever domain it is in.
func (d *day) folded(at string) (image []byte, err error) {
	f, err := os.Open(at)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	c, err := openCheckpointed(f, at+"-wal")
	if err != nil {
		return nil, err
	}
	if c == nil {
		return io.ReadAll(f)
	}
	image, err = io.ReadAll(c)
	return image, errors.Join(err, c.wal.Close())
}

// newApp installs an app every third day, until all names are used up.
func (d *day) newApp() []string {
	if d.number%3 != 2 {
		return nil
	}
	apps, err := Apps(d.dir)
	if d.fail("list", "", "apps", err) {
		return nil
	}
	for n := range len(appNames) {
		a := d.storeApp(n)
		if slices.ContainsFunc(apps, func(b App) bool { return b.BundleID == a.BundleID }) {
			continue
		}
		domain := appData + a.BundleID
		d.write(domain, preferences+a.BundleID+".plist", d.encoded(d.setting(domain)))
		d.write(domain, "Documents/welcome.txt", []byte("Welcome to "+a.Name+".\n"))
		d.write(domain, "Library/Caches/first.cache", []byte("cache"))
		if d.fail("install", domain, "", d.err) || d.fail("install", domain, "", AddApp(d.dir, a)) {
			return nil
		}
		return []string{a.BundleID}
	}
	return nil
}
