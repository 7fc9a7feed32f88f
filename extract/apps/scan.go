package apps

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/extract"
)

// domainName is what domains are called; a media copy has other folders at the top.
var domainName = regexp.MustCompile(`^[A-Za-z]+Domain([A-Za-z]*-.+)?$`)

// scan finds the apps and domains of a source, not counted yet: apps by name, then
// groups and extensions that are nobody's, then the system's.
func scan(ctx context.Context, src *extract.Source) ([]*App, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	entries, err := fs.ReadDir(src.FS, ".")
	if err != nil {
		return nil, fmt.Errorf("list domains: %w", err)
	}
	var domains []Domain
	phone := false
	for _, e := range entries {
		if e.IsDir() {
			domains = append(domains, domainOf(e.Name()))
			phone = phone || domainName.MatchString(e.Name())
		}
	}
	if !phone {
		return nil, fmt.Errorf("apps: %w", extract.ErrAbsent)
	}
	c := &collection{apps: map[string]*App{}}
	for _, a := range src.Device.Apps {
		if validID(a.ID) {
			c.app(a.ID).takeOver(a)
		}
	}
	for _, d := range domains {
		if d.Kind == Data {
			app := c.app(d.id)
			app.Domains = append(app.Domains, d)
		}
	}
	for _, d := range domains {
		switch d.Kind {
		case Shared, Extension:
			c.attach(d)
		case System:
			c.alone(d, "System: "+d.Name, tableSystem)
		}
	}
	return c.sorted(), nil
}

// domainOf tells what a domain holds.
func domainOf(name string) Domain {
	for prefix, kind := range map[string]string{"AppDomain-": Data, "AppDomainGroup-": Shared, "AppDomainPlugin-": Extension} {
		if id, ok := strings.CutPrefix(name, prefix); ok && id != "" {
			return Domain{Name: name, Kind: kind, id: id}
		}
	}
	return Domain{Name: name, Kind: System}
}

// collection are the apps that were found, by key.
type collection struct{ apps map[string]*App }

// app gives the app with a bundle ID.
func (c *collection) app(id string) *App {
	a := c.apps[id]
	if a == nil {
		a = &App{Key: id, BundleID: id, Name: plainName(id), table: tableApps}
		c.apps[id] = a
	}
	return a
}

func (a *App) takeOver(x extract.App) {
	if x.Name != "" && appleNames[x.ID] == "" {
		a.Name = x.Name
	}
	a.Version, a.Seller, a.Genre, a.Purchased, a.Listed = x.Version, x.Seller, x.Genre, x.Purchased, true
}

// attach gives a group or extension to its app.
func (c *collection) attach(d Domain) {
	id := owner(d.id, func(id string) bool { return c.apps[id] != nil && c.apps[id].BundleID != "" || appleNames[id] != "" })
	if id != "" {
		a := c.app(id)
		a.Domains = append(a.Domains, d)
		return
	}
	name := "Group: "
	if d.Kind == Extension {
		name = "Extension: "
	}
	c.alone(d, name+d.id, tableApps)
}

// alone is a domain that is no app's.
func (c *collection) alone(d Domain, name, table string) {
	c.apps[d.Name] = &App{Key: d.Name, Name: name, table: table, Domains: []Domain{d}}
}

func (c *collection) sorted() []*App {
	list := make([]*App, 0, len(c.apps))
	for _, a := range c.apps {
		slices.SortFunc(a.Domains, func(x, y Domain) int { return cmp.Or(place(x.Kind)-place(y.Kind), strings.Compare(x.Name, y.Name)) })
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *App) int {
		return cmp.Or(strings.Compare(a.table, b.table), alone(a)-alone(b), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Key, b.Key))
	})
	same := map[string]int{"system": 2, "other": 2} // folders of their own
	for _, a := range list {
		same[strings.ToLower(a.Name)]++
	}
	for _, a := range list {
		if a.folder = a.Name; same[strings.ToLower(a.Name)] > 1 {
			a.folder = a.Name + " (" + a.Key + ")"
		}
		if a.BundleID == "" {
			a.folder = "Other"
		}
	}
	return list
}

func place(kind string) int { return slices.Index([]string{Data, Shared, Extension, System}, kind) }

func alone(a *App) int {
	if a.BundleID == "" {
		return 1
	}
	return 0
}

// count counts an app's files. A folder that cannot be listed is reported.
func (a *App) count(ctx context.Context, src *extract.Source, rep extract.Reporter) error {
	a.Files, a.Bytes = 0, 0
	for i := range a.Domains {
		d := &a.Domains[i]
		d.Files, d.Bytes, d.Links = 0, 0, 0
		err := walk(ctx, src, d.Name, rep, func(p string, e fs.DirEntry) error {
			if e.Type()&fs.ModeSymlink != 0 {
				d.Links++
				return nil
			}
			d.Files++
			info, err := e.Info()
			if err != nil {
				rep.Report(&extract.Problem{What: p, Err: err})
				return nil
			}
			d.Bytes += info.Size()
			return nil
		})
		if err != nil {
			return err
		}
		a.Files += d.Files
		a.Bytes += d.Bytes
	}
	return nil
}

// walk gives every file and link of a domain, one folder at a time.
func walk(ctx context.Context, src *extract.Source, domain string, rep extract.Reporter, give func(string, fs.DirEntry) error) error {
	return fs.WalkDir(src.FS, domain, func(p string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			rep.Report(&extract.Problem{What: p, Err: err})
			return nil
		}
		if e.IsDir() {
			return nil
		}
		return give(p, e)
	})
}
