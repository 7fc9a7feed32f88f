package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/keepsake-backup/keepsake/service"
)

// filesPage is how many files one page of a folder or of a search shows.
const filesPage = 60

// item is an entry and where it leads.
type item struct {
	service.Entry
	Open, Save string
	Icon       string
	In         string // the folder that it lies in, for finds
}

// inside is what the page of a version shows.
type inside struct {
	service.Version
	Phone    service.Phone
	Crumbs   []crumb
	Self     string // path of the version
	Path     string // of the folder, "" the top
	Name     string // of the folder
	Items    []item
	Query    string
	Searched bool
	Pager    pager
	Kinds    []kindLink
	Absent   []string // kinds that it does not have
	// Closed is why nothing inside is shown.
	Closed *problem
	Zip    string
}

// version is the page of a version: what is known of it and what is inside.
// ?path is the folder, and ?after the entry that the page before ended with.
// The folder is not in the path of the URL, which has rules of its own for dots
// and slashes.
func (p *pages) version(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return p.showVersion(w, r, nil, func(v *inside) (service.Listing, error) {
		v.Path, v.Name = q.Get("path"), path.Base(q.Get("path"))
		l, err := p.o.Service.List(r.Context(), whoFrom(r.Context()), v.UDID, v.ID, v.Path, q.Get("after"), filesPage)
		if l.Next != "" {
			v.Pager.Next = v.Self + "?" + url.Values{"path": {v.Path}, "after": {l.Next}}.Encode()
		}
		return l, err
	})
}

// search is the page of a version with the files whose names contain ?q.
func (p *pages) search(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return p.showVersion(w, r, nil, func(v *inside) (service.Listing, error) {
		v.Query, v.Searched = strings.TrimSpace(q.Get("q")), true
		if v.Query == "" {
			v.Searched = false
			return p.o.Service.List(r.Context(), whoFrom(r.Context()), v.UDID, v.ID, "", "", filesPage)
		}
		l, err := p.o.Service.Search(r.Context(), whoFrom(r.Context()), v.UDID, v.ID, v.Query, q.Get("after"), filesPage)
		if l.Next != "" {
			v.Pager.Next = v.Self + "/search?" + url.Values{"q": {v.Query}, "after": {l.Next}}.Encode()
		}
		return l, err
	})
}

// find finds the version that the URL names.
func (p *pages) find(r *http.Request) (service.Phone, service.Version, error) {
	ctx, who, udid, id := r.Context(), whoFrom(r.Context()), r.PathValue("udid"), r.PathValue("id")
	ph, err := p.o.Service.Phone(ctx, who, udid)
	if err != nil {
		return ph, service.Version{}, fmt.Errorf("look at phone: %w", err)
	}
	all, err := p.o.Service.Versions(ctx, who, udid)
	if err != nil {
		return ph, service.Version{}, fmt.Errorf("look at versions of phone: %w", err)
	}
	i := slices.IndexFunc(all, func(v service.Version) bool { return v.ID == id })
	if i < 0 {
		return ph, service.Version{}, fmt.Errorf("look at version: %w", fs.ErrNotExist)
	}
	return ph, all[i], nil
}

func (p *pages) showVersion(w http.ResponseWriter, r *http.Request, wrong *problem, look func(*inside) (service.Listing, error)) error {
	ph, ver, err := p.find(r)
	if err != nil {
		return err
	}
	self := versionPath(ver.UDID, ver.ID)
	v := inside{Version: ver, Phone: ph, Self: self, Pager: pager{NextName: "More"}}
	v.Crumbs = []crumb{{"/", "Phones"}, {phonePath(ver.UDID), ph.Name}, {phonePath(ver.UDID) + "/history", "History"}}
	l, err := look(&v)
	if e := problemOf(errOr(err)); err != nil && (errors.Is(err, service.ErrForbidden) || e.Status == http.StatusConflict) {
		v.Closed = &e
	} else if err != nil {
		return fmt.Errorf("look inside version: %w", err)
	}
	if v.Closed == nil && v.Path == "" && !v.Searched {
		if v.Kinds, v.Absent, err = p.kindsOf(r, ver); err != nil {
			return fmt.Errorf("look inside version: %w", err)
		}
	}
	for _, e := range l.Entries {
		v.Items = append(v.Items, itemOf(self, e, v.Searched))
	}
	if v.Path != "" {
		v.Crumbs = append(v.Crumbs, crumb{self, "Inside"})
		for i, c := range v.Path {
			if c == '/' {
				v.Crumbs = append(v.Crumbs, crumb{self + "?" + url.Values{"path": {v.Path[:i]}}.Encode(), path.Base(v.Path[:i])})
			}
		}
	}
	v.Zip = self + "/download?" + url.Values{"path": {v.Path}, "zip": {"1"}}.Encode()
	return p.render(w, r, "version", view{Title: "Inside " + ph.Name, Width: "middle", Here: "/", Problem: wrong, P: v})
}

// errOr is err, or an error that is known to be none of ours.
func errOr(err error) error {
	if err == nil {
		return fs.ErrNotExist
	}
	return err
}

func itemOf(self string, e service.Entry, found bool) item {
	it := item{Entry: e, Icon: "file"}
	values := url.Values{"path": {e.Path}}
	if e.Dir {
		it.Open, it.Icon = self+"?"+values.Encode(), "folder"
	} else {
		it.Save = self + "/download?" + values.Encode()
		if _, ok := shown[strings.ToLower(path.Ext(e.Path))]; ok {
			it.Icon = "picture"
		}
	}
	if found {
		it.In = path.Dir(e.Path)
	}
	return it
}

func (p *pages) pin(w http.ResponseWriter, r *http.Request) error {
	on := r.PostFormValue("on") != ""
	if err := p.o.Service.Pin(r.Context(), whoFrom(r.Context()), r.PathValue("udid"), r.PathValue("id"), on); err != nil {
		return fmt.Errorf("pin version: %w", err)
	}
	done := "unpinned"
	if on {
		done = "pinned"
	}
	return seeOther(w, r, versionPath(r.PathValue("udid"), r.PathValue("id"))+"?said="+done)
}

// askForget asks whether a version is really to go.
func (p *pages) askForget(w http.ResponseWriter, r *http.Request) error {
	return p.showForget(w, r, nil)
}

func (p *pages) showForget(w http.ResponseWriter, r *http.Request, wrong *problem) error {
	ph, ver, err := p.find(r)
	if err != nil {
		return err
	}
	return p.render(w, r, "forget", view{Title: "Remove a version", Width: "narrow", Here: "/", Problem: wrong, P: struct {
		service.Version
		Phone service.Phone
		Self  string
	}{ver, ph, versionPath(ver.UDID, ver.ID)}})
}

func (p *pages) forget(w http.ResponseWriter, r *http.Request) error {
	id, err := p.o.Service.Forget(r.Context(), whoFrom(r.Context()), r.PathValue("udid"), r.PathValue("id"))
	if err != nil {
		return again(err, func(e *problem) error { return p.showForget(w, r, e) })
	}
	return seeOther(w, r, fmt.Sprintf("/activity/%d", id))
}
